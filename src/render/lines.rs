//! One value to a line, for programs that read as it comes: JSON Lines.

use crate::render::json;
use serde::Serialize;

/// `value` on one line, by the rules of [`json`], with a newline at its end.
///
/// # Errors
///
/// None for plain data; the signature is serde's.
pub fn line(value: &impl Serialize) -> anyhow::Result<String> {
    let pretty = json::document(value)?;
    // Strings hold no raw line break: those that are there belong to the layout.
    let mut line = String::with_capacity(pretty.len());
    pretty.lines().for_each(|part| line.push_str(part.trim_start()));
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;

    #[test]
    fn a_line_is_one_line_and_the_same_value() {
        for report in [test_report::busy(), test_report::hostile(), test_report::unknown()] {
            let text = line(&report).unwrap();
            assert_eq!(text.matches('\n').count(), 1);
            let pretty: serde_json::Value = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), pretty);
            test_report::assert_harmless(&text);
        }
    }
}

//! The report as one line of JSON, for logs and for what reads a stream of them.

use crate::model::report::Report;
use crate::render::json;

/// The document of [`json::render`] without a line break but the one at its end.
///
/// # Errors
///
/// None for the report as it is; the signature is serde's.
pub fn render(report: &Report) -> anyhow::Result<String> {
    json::line(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;
    use serde_json::Value;

    #[test]
    fn it_is_the_same_document_on_one_line() {
        for report in
            [test_report::busy(), test_report::healthy(), test_report::unknown(), test_report::hostile()]
        {
            let line = render(&report).unwrap();
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            test_report::assert_harmless(&line);
            let value: Value = serde_json::from_str(&line).unwrap();
            let document: Value = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
            assert_eq!(value, document);
        }
    }
}

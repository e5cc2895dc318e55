//! The report as one JSON object, for programs.
//!
//! The layout is serde's own; this file changes three things on the way to the bytes. Strings are made safe for the
//! terminal that `jq -r` may print them on. Floats keep six decimals, since no counter here is finer than a
//! microsecond. NaN and infinity become `null` (serde_json's own rule, held by a test).

use crate::model::report::Report;
use crate::render::escape;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};
use std::io::{self, Write};

/// The report as indented JSON with a newline at its end.
///
/// # Errors
///
/// None for the report as it is; the signature is serde's.
pub fn render(report: &Report) -> anyhow::Result<String> {
    document(report)
}

/// Any other answer, by the same rules.
///
/// # Errors
///
/// None for plain data; the signature is serde's.
pub fn document(value: &impl Serialize) -> anyhow::Result<String> {
    written(value, PrettyFormatter::new())
}

/// The same on one line.
///
/// # Errors
///
/// None for plain data; the signature is serde's.
pub fn line(value: &impl Serialize) -> anyhow::Result<String> {
    written(value, CompactFormatter)
}

fn written(value: &impl Serialize, layout: impl Formatter) -> anyhow::Result<String> {
    let mut bytes = Vec::with_capacity(16 * 1024);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Safe(layout)))?;
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes)?)
}

/// Some layout, with safe strings and short floats.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        self.0.write_f64(writer, rounded(value))
    }

    // Between the characters that JSON itself escapes: C1 controls, DEL and formatting characters.
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // What `escape` put in are the only backslashes here, and JSON wants each of them doubled.
        let visible = escape::terminal(fragment);
        writer.write_all(visible.replace('\\', "\\\\").as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let control = match escape {
            CharEscape::Quote | CharEscape::ReverseSolidus | CharEscape::Solidus => {
                return self.0.write_char_escape(writer, escape);
            }
            CharEscape::Backspace => 0x08,
            CharEscape::FormFeed => 0x0c,
            CharEscape::LineFeed => b'\n',
            CharEscape::CarriageReturn => b'\r',
            CharEscape::Tab => b'\t',
            CharEscape::AsciiControl(byte) => byte,
        };
        self.write_string_fragment(writer, char::from(control).encode_utf8(&mut [0; 4]))
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// `value` with at most six decimals, and without a negative zero.
fn rounded(value: f64) -> f64 {
    // Beyond this a float has no six decimals left, and the scaling would only add an error.
    const FINEST: f64 = 9e9;
    if value.abs() >= FINEST { value } else { (value * 1e6).round() / 1e6 + 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;
    use serde_json::Value;

    #[test]
    fn it_reads_back_as_the_same_report() {
        let report = test_report::busy();
        let text = render(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert!(text.ends_with("}\n"));
        assert!(text.starts_with("{\n  \"schema_version\": 1,\n"));
    }

    #[test]
    fn it_keeps_to_its_schema() {
        let schema: Value =
            serde_json::from_str(&crate::generate::schema(crate::cli::Document::Report)).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for report in
            [test_report::busy(), test_report::healthy(), test_report::unknown(), test_report::hostile()]
        {
            let value: Value = serde_json::from_str(&render(&report).unwrap()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn no_string_of_it_acts_on_a_terminal() {
        let text = render(&test_report::hostile()).unwrap();
        test_report::assert_harmless(&text);
        test_report::assert_harmless_strings(&serde_json::from_str(&text).unwrap());
        assert!(text.contains(r#"<img src=x onerror=1>|\"\\x1b[31m\\nroot\\u{202e}"#), "{text}");
    }

    #[test]
    fn what_is_no_number_is_null() {
        let mut report = test_report::busy();
        report.load.load1 = Some(f64::NAN);
        report.load.load5 = Some(f64::INFINITY);
        let value: Value = serde_json::from_str(&render(&report).unwrap()).unwrap();
        assert_eq!(value["load"]["load1"], Value::Null);
        assert_eq!(value["load"]["load5"], Value::Null);
    }

    #[test]
    fn floats_keep_six_decimals() {
        assert_eq!(rounded(1.0 / 3.0), 0.333333);
        assert_eq!(rounded(-1e-9).to_string(), "0");
        assert_eq!(rounded(123_456_789.123_456_78), 123_456_789.123_457);
        assert_eq!(rounded(1e300), 1e300);
        assert_eq!(rounded(0.1 + 0.2).to_string(), "0.3");
    }
}

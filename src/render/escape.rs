//! Makes characters visible that would act on a terminal.
//!
//! A user chooses the name and the arguments of a process, and `diag` runs as root: `\x1b]0;...` retitles the
//! administrator's terminal, U+202E turns the rest of the line around, a newline forges a line of the report.

use crate::model::sentence::Sentence;
use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control and invisible formatting character written out: `\n`, `\x1b`, `\u{202e}`.
///
/// For the eye, not to be undone: a backslash stays as it is, so that doing it twice changes nothing.
pub fn terminal(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(acts) else { return Cow::Borrowed(text) };
    let mut visible = String::with_capacity(text.len() + 16);
    visible.push_str(&text[..first]);
    for character in text[first..].chars() {
        push(&mut visible, character);
    }
    Cow::Owned(visible)
}

/// What can be shown once the names in it are made harmless.
pub trait Visible {
    /// The text with all that would act on a terminal written out.
    fn visible(&self) -> Cow<'_, str>;
}

impl Visible for str {
    fn visible(&self) -> Cow<'_, str> {
        terminal(self)
    }
}

impl Visible for String {
    fn visible(&self) -> Cow<'_, str> {
        terminal(self)
    }
}

impl Visible for Cow<'_, str> {
    fn visible(&self) -> Cow<'_, str> {
        terminal(self)
    }
}

impl<T: Visible + ?Sized> Visible for &T {
    fn visible(&self) -> Cow<'_, str> {
        (**self).visible()
    }
}

/// Our own words need no escape; every name does.
impl Visible for Sentence {
    fn visible(&self) -> Cow<'_, str> {
        let mut visible = String::new();
        for span in self.spans() {
            let text = span.text();
            visible.push_str(&if span.is_own() { text } else { Cow::Owned(terminal(&text).into_owned()) });
        }
        Cow::Owned(visible)
    }
}

fn push(visible: &mut String, character: char) {
    match character {
        '\n' => visible.push_str("\\n"),
        '\r' => visible.push_str("\\r"),
        '\t' => visible.push_str("\\t"),
        // Writing to a string cannot fail.
        '\0'..='\x1f' | '\x7f' => drop(write!(visible, "\\x{:02x}", u32::from(character))),
        other if acts(other) => drop(write!(visible, "\\u{{{:x}}}", u32::from(other))),
        other => visible.push(other),
    }
}

/// Whether a terminal obeys `character`, or hides it, instead of showing it.
fn acts(character: char) -> bool {
    // The ranges of general category Cf (Unicode 16) and the separators that end a line, plus the fillers and
    // selectors that are drawn as nothing.
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_not_copied() {
        for name in ["postgres: writer", "日本語", "naïve", "[kworker/0:1]", "a\\b"] {
            assert!(matches!(terminal(name), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn what_acts_is_written_out() {
        assert_eq!(terminal("a\x1b[31m"), "a\\x1b[31m");
        assert_eq!(terminal("a\nb\r\t\0\x7f"), "a\\nb\\r\\t\\x00\\x7f");
        assert_eq!(terminal("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(
            terminal("\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}"),
            "\\u{202e}gpj.exe\\u{2066}\\u{200b}\\u{feff}"
        );
        assert_eq!(terminal("\u{e0041}"), "\\u{e0041}");
    }

    #[test]
    fn twice_is_as_good_as_once() {
        let once = terminal("\x1b\n\u{202e}").into_owned();
        assert_eq!(terminal(&once), once);
    }
}

//! Words from outside: control characters made visible, length limited.

use crate::render::escape::Visible;
use crate::render::shared;
use maud::{Markup, html};

/// Characters of a name.
pub(super) const NAME_MAX: usize = 80;

/// Characters of a sentence.
pub(super) const SENTENCE_MAX: usize = 600;

/// `text` with all that acts made visible, and no longer than `most` characters.
pub(super) fn cut<T: Visible + ?Sized>(text: &T, most: usize) -> String {
    // Neither may stand in XML.
    shared::cut(text, most).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// A name, kept apart from the direction of the text around it.
pub(super) fn name<T: Visible + ?Sized>(text: &T) -> Markup {
    html! { bdi { (cut(text, NAME_MAX)) } }
}

/// A sentence.
pub(super) fn sentence<T: Visible + ?Sized>(text: &T) -> Markup {
    html! { bdi { (cut(text, SENTENCE_MAX)) } }
}

/// A command to copy. One that does not fit is left out: half of a command is a different command.
pub(super) fn command(text: &str) -> Markup {
    const COMMAND_MAX: usize = 500;
    let visible = cut(text, COMMAND_MAX);
    html! {
        @if visible.ends_with('…') { p.muted { "The command is too long to be shown here." } }
        @else { pre tabindex="0" { code { (visible) } } }
    }
}

/// A number for a picture, short.
pub(super) fn at(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("\x1b\x1b", 5), "\\x1b…");
        assert_eq!(cut("\u{ffff}a\u{202e}", 20), "\u{fffd}a\\u{202e}");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn half_a_command_is_none() {
        assert!(!command(&"x".repeat(5000)).into_string().contains("xx"));
        assert!(command("a <b>").into_string().contains("a &lt;b&gt;"));
    }

    #[test]
    fn numbers_of_pictures_are_short() {
        assert_eq!(at(12.0), "12");
        assert_eq!(at(-0.001), "0");
        assert_eq!(at(1.254), "1.25");
    }
}

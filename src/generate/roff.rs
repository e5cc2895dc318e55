//! What both manual pages are built with.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The head of a page. The release stands where a date would: with the date of the build every build would make another
/// page.
pub(super) fn page(title: &str, section: &str, kind: &str) -> Roff {
    let version = concat!("diag ", env!("CARGO_PKG_VERSION"));
    let mut roff = Roff::new();
    roff.control("TH", [title, section, version, version, kind]);
    roff
}

/// `roff` without the definition of the apostrophe, which a page needs only once.
pub(super) fn without_preamble(roff: &str) -> String {
    let preamble = Roff::new().render();
    roff.strip_prefix(&preamble).unwrap_or(roff).to_owned()
}

/// A line that is neither filled nor stretched, so that it can be copied. It breaks the line before and after it.
pub(super) fn verbatim<const N: usize>(roff: &mut Roff, line: [Inline; N]) {
    roff.control("nf", []);
    roff.text(line.to_vec());
    roff.control("fi", []);
}

/// `text` on one line, with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !line.is_empty() && !line.ends_with(['.', '!', '?']) {
        line.push('.');
    }
    line
}

/// A section of terms with their meanings.
pub(super) fn definitions(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in entries {
        definition(roff, term, meaning);
    }
}

/// A term with its meaning.
pub(super) fn definition(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning)]);
}

/// The last section: other pages, by name and section.
pub(super) fn see_also(roff: &mut Roff, pages: &[(&str, &str)]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line: Vec<Inline> = Vec::new();
    for (index, (page, section)) in pages.iter().enumerate() {
        let separator = if index + 1 < pages.len() { ", " } else { "" };
        line.extend([bold(*page), roman(format!("({section}){separator}"))]);
    }
    roff.text(line);
}

/// Text with empty lines between its paragraphs.
pub(super) fn paragraphs(roff: &mut Roff, text: &str) {
    for (index, paragraph) in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph.trim())]);
    }
}

/// `roff` in ASCII, other characters by number: they may not exist in the reader's locale.
pub(super) fn ascii(roff: &str) -> String {
    let mut page = String::with_capacity(roff.len());
    for character in roff.chars() {
        if character.is_ascii() {
            page.push(character);
        } else {
            page.push_str(&format!("\\[u{:04X}]", u32::from(character)));
        }
    }
    page
}

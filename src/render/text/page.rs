//! The text report's page: colours, line breaks and width.
//!
//! Text reaches the page through [`Span`]s only, and a span is escaped when it is made, so no name from outside can
//! get to the terminal as it is.

use crate::render::escape::{self, Visible};
use crate::render::shared::columns;
use anstyle::{AnsiColor, Style};

/// What the styles of the report look like.
pub(in crate::render) struct Palette {
    /// Severity critical.
    pub(in crate::render) critical: Style,
    /// Severity warning.
    pub(in crate::render) warning: Style,
    /// Nothing wrong.
    pub(in crate::render) ok: Style,
    /// Titles of sections.
    pub(in crate::render) heading: Style,
    /// What the eye should find.
    pub(in crate::render) strong: Style,
    /// Commands to type.
    pub(in crate::render) command: Style,
    /// What can be skipped.
    pub(in crate::render) dim: Style,
}

impl Palette {
    const COLOR: Self = Self {
        critical: AnsiColor::Red.on_default().bold(),
        warning: AnsiColor::Yellow.on_default().bold(),
        ok: AnsiColor::Green.on_default().bold(),
        heading: Style::new().bold().underline(),
        strong: Style::new().bold(),
        command: AnsiColor::Cyan.on_default(),
        dim: Style::new().dimmed(),
    };

    // A plain style renders as nothing at all.
    const PLAIN: Self = Self {
        critical: Style::new(),
        warning: Style::new(),
        ok: Style::new(),
        heading: Style::new(),
        strong: Style::new(),
        command: Style::new(),
        dim: Style::new(),
    };

    fn new(color: bool) -> Self {
        if color { Self::COLOR } else { Self::PLAIN }
    }
}

/// Some text in one style, safe to show.
pub(in crate::render) struct Span {
    text: String,
    style: Style,
}

/// `text` in `style`.
pub(in crate::render) fn styled<T: Visible + ?Sized>(style: Style, text: &T) -> Span {
    Span { text: text.visible().into_owned(), style }
}

/// `text` as it is.
pub(in crate::render) fn plain<T: Visible + ?Sized>(text: &T) -> Span {
    styled(Style::new(), text)
}

/// The report so far.
pub(in crate::render) struct Page {
    out: String,
    width: usize,
    /// Styles to use on it.
    pub(in crate::render) palette: Palette,
}

impl Page {
    /// An empty page of `width` columns.
    pub(in crate::render) fn new(width: usize, color: bool) -> Self {
        // Below this no layout is of any use.
        Self { out: String::new(), width: width.max(20), palette: Palette::new(color) }
    }

    /// The text on the page.
    pub(in crate::render) fn into_text(self) -> String {
        self.out
    }

    /// The text on the page so far.
    pub(in crate::render) fn text(&self) -> &str {
        &self.out
    }

    /// Columns of a line.
    pub(in crate::render) fn width(&self) -> usize {
        self.width
    }

    /// An empty line, unless the page starts here.
    pub(in crate::render) fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// Opens a section.
    pub(in crate::render) fn heading(&mut self, title: &str) {
        self.blank();
        self.paragraph(0, &plain(""), &[styled(self.palette.heading, title)]);
    }

    /// One line, not wrapped: for what is already cut to the width.
    pub(in crate::render) fn line(&mut self, indent: usize, spans: &[Span]) {
        let mut line = Line::indented(indent);
        for span in spans {
            line.push(span.style, &span.text);
        }
        self.push_line(&line);
    }

    /// A paragraph: `label` before its first line, the others indented as far.
    pub(in crate::render) fn paragraph(&mut self, indent: usize, label: &Span, spans: &[Span]) {
        let hanging = indent + columns(&label.text);
        let mut line = Line::indented(indent);
        line.push(label.style, &label.text);
        self.flow(line, hanging, words(spans), "");
    }

    /// A shell command. It goes on with a backslash where it is too long, so that it can be copied as it stands.
    pub(in crate::render) fn command(&mut self, indent: usize, command: &str) {
        let style = self.palette.command;
        let command = escape::terminal(command);
        let pieces = shell_words(&command).into_iter().map(|text| Word::new(style, text)).collect();
        let mut line = Line::indented(indent);
        line.push(Style::new(), "$ ");
        self.flow(line, indent + 2, pieces, " \\");
    }

    fn flow(&mut self, start: Line, hanging: usize, words: Vec<Word>, continuation: &str) {
        let mut line = start;
        let mut used = hanging;
        let mut empty = true;
        let count = words.len();
        for (index, word) in words.into_iter().enumerate() {
            // The last word needs no room for the mark of a continuation.
            let reserve = if index + 1 == count { 0 } else { columns(continuation) };
            if !empty && used + 1 + word.width + reserve > self.width {
                line.push(Style::new(), continuation);
                self.push_line(&line);
                line = Line::indented(hanging);
                used = hanging;
                empty = true;
            }
            if !empty {
                line.push_space(&word);
                used += 1;
            }
            used += word.width;
            for (style, text) in &word.pieces {
                line.push(*style, text);
            }
            empty = false;
        }
        self.push_line(&line);
    }

    fn push_line(&mut self, line: &Line) {
        let blank = |(_, text): &(Style, String)| text.trim_end_matches(' ').is_empty();
        let shown = line.pieces.iter().rposition(|piece| !blank(piece)).map_or(0, |last| last + 1);
        for (index, (style, text)) in line.pieces[..shown].iter().enumerate() {
            let text = if index + 1 == shown { text.trim_end_matches(' ') } else { text };
            self.out.push_str(&format!("{style}{text}{style:#}"));
        }
        self.out.push('\n');
    }
}

/// One line, as pieces of one style each.
struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    fn indented(indent: usize) -> Self {
        Self { pieces: vec![(Style::new(), " ".repeat(indent))] }
    }

    fn push(&mut self, style: Style, text: &str) {
        push_piece(&mut self.pieces, style, text);
    }

    /// The space before `next`: within a run of one style it is part of it.
    fn push_space(&mut self, next: &Word) {
        let before = self.pieces.last().map(|(style, _)| *style);
        let after = next.pieces.first().map(|(style, _)| *style);
        let style = before.filter(|style| Some(*style) == after).unwrap_or_default();
        self.push(style, " ");
    }
}

fn push_piece(pieces: &mut Vec<(Style, String)>, style: Style, text: &str) {
    match pieces.last_mut() {
        Some((last, written)) if *last == style => written.push_str(text),
        _ => pieces.push((style, text.to_owned())),
    }
}

/// What a line is never broken within.
struct Word {
    pieces: Vec<(Style, String)>,
    width: usize,
}

impl Word {
    fn new(style: Style, text: String) -> Self {
        Self { width: columns(&text), pieces: vec![(style, text)] }
    }

    fn push(&mut self, style: Style, text: &str) {
        self.width += columns(text);
        push_piece(&mut self.pieces, style, text);
    }

    fn ends_in_a_digit(&self) -> bool {
        self.pieces.last().is_some_and(|(_, text)| text.ends_with(|c: char| c.is_ascii_digit()))
    }
}

/// The words of `spans`; words that touch across two spans are one, and so are a number and its unit.
fn words(spans: &[Span]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut touching = false;
    for span in spans {
        for (index, text) in span.text.split(' ').enumerate() {
            if index > 0 {
                touching = false;
            }
            if text.is_empty() {
                continue;
            }
            match words.last_mut() {
                Some(word) if touching => word.push(span.style, text),
                Some(word) if word.ends_in_a_digit() && is_unit(text) => {
                    word.push(span.style, " ");
                    word.push(span.style, text);
                }
                _ => words.push(Word::new(span.style, text.to_owned())),
            }
            touching = true;
        }
    }
    words
}

fn is_unit(word: &str) -> bool {
    let unit = word.trim_end_matches(|c: char| c != '%' && !c.is_alphanumeric());
    let unit = unit.strip_suffix("/s").unwrap_or(unit);
    matches!(
        unit,
        "%" | "B" | "KiB" | "MiB" | "GiB" | "TiB" | "PiB" | "ms" | "µs" | "ns" | "s" | "min" | "h" | "d"
    )
}

/// The words of a shell command; what is quoted stays in one piece, since a line cannot be continued within it.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.chars() {
        match (character, quote) {
            (' ', None) => words.push(String::new()),
            (c, None) if matches!(c, '\'' | '"') => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        if (character != ' ' || quote.is_some())
            && let Some(word) = words.last_mut()
        {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(width: usize, spans: &[Span]) -> String {
        let mut page = Page::new(width, false);
        page.paragraph(2, &plain("- "), spans);
        page.into_text()
    }

    #[test]
    fn lines_break_between_words_and_hang_under_their_label() {
        let text = paragraph(20, &[plain("one two three four five")]);
        assert_eq!(text, "  - one two three\n    four five\n");
    }

    #[test]
    fn a_number_keeps_its_unit() {
        let text = paragraph(20, &[plain("busy at over 97 %, so")]);
        assert_eq!(text, "  - busy at over\n    97 %, so\n");
    }

    #[test]
    fn spans_that_touch_are_one_word() {
        let text = paragraph(20, &[plain("one two three ("), plain("four"), plain(") five")]);
        assert_eq!(text, "  - one two three\n    (four) five\n");
    }

    #[test]
    fn long_words_stay_whole_and_long_commands_can_be_copied() {
        let mut page = Page::new(24, false);
        page.command(0, "perf record -F 99 -p 4242 -- sh -c 'a very long quoted script'");
        let text = page.into_text();
        let joined = text.replace(" \\\n", "").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined, "$ perf record -F 99 -p 4242 -- sh -c 'a very long quoted script'");
        assert!(text.lines().all(|line| line.len() <= 24 || line.contains('\'')), "{text}");
    }
}

//! `diag-explain(7)`: what `diag explain` says of every bottleneck, as a manual page.

use super::roff::{ascii, page, see_also, sentence, verbatim};
use crate::diagnose::manual;
use crate::model::explanation::Explanation;
use crate::render::explain::{Item, NAMES, Part, sections};
use clap_mangen::roff::{Roff, bold, italic, roman};

const SEE_ALSO: &[(&str, &str)] = &[("diag", "1"), ("proc", "5")];

/// The page, in ASCII.
pub fn explain_page() -> Vec<u8> {
    let mut roff = page("DIAG-EXPLAIN", "7", "Miscellaneous Information");
    roff.control("SH", ["NAME"]);
    roff.text([roman("diag-explain - what the bottlenecks of diag(1) mean")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "The ids that diag(1) answers with. They are stable: an id is never renamed or given another meaning. diag \
         explain ID prints the same text. In the commands,",
    )]);
    roff.text([roman(NAMES)]);
    roff.control("SH", ["BOTTLENECKS"]);
    for explanation in manual::explanations() {
        bottleneck(&mut roff, &explanation);
    }
    see_also(&mut roff, SEE_ALSO);
    ascii(&roff.render()).into_bytes()
}

fn bottleneck(roff: &mut Roff, explanation: &Explanation) {
    roff.control("SS", [explanation.id.as_str()]);
    let mut title = explanation.title.clone();
    title[..1].make_ascii_uppercase();
    roff.text([roman(sentence(&title))]);
    roff.text([roman(sentence(&explanation.symptom))]);
    for section in sections(explanation) {
        roff.control("PP", []);
        roff.text([italic(section.title)]);
        for item in &section.items {
            write_item(roff, item);
        }
    }
}

fn write_item(roff: &mut Roff, item: &Item) {
    // A command that comes first is the head of its item.
    let (head, rest) = match item.0.as_slice() {
        [Part::Command(command), rest @ ..] => (Some(command), rest),
        parts => (None, parts),
    };
    match head {
        Some(command) => {
            roff.control("PP", []);
            verbatim(roff, [bold(command)]);
            roff.control("RS", ["2"])
        }
        None => roff.control("IP", ["\u{2022}", "2"]),
    };
    let mut at_start = true;
    for part in rest {
        if !at_start && matches!(part, Part::Text(_) | Part::Risk(_)) {
            roff.control("br", []);
        }
        at_start = matches!(part, Part::Command(_) | Part::Undo(_));
        match part {
            Part::Text(text) => drop(roff.text([roman(text)])),
            Part::Risk(risk) => drop(roff.text([italic("risk: "), roman(risk)])),
            Part::Command(command) => verbatim(roff, [bold(command)]),
            Part::Undo(undo) => verbatim(roff, [italic("undo: "), bold(undo)]),
        }
    }
    if head.is_some() {
        roff.control("RE", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_explain_says() {
        let page = String::from_utf8(explain_page()).unwrap();
        assert!(page.is_ascii());
        for explanation in manual::explanations() {
            assert!(page.contains(&format!(".SS {}\n", explanation.id)), "{}", explanation.id);
            let items = sections(&explanation).into_iter().flat_map(|section| section.items);
            for part in items.flat_map(|item| item.0) {
                let (Part::Text(text) | Part::Command(text) | Part::Risk(text) | Part::Undo(text)) = part;
                let text = text.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\*(Aq");
                assert!(page.contains(&ascii(&text)), "{}: {text}", explanation.id);
            }
        }
    }
}

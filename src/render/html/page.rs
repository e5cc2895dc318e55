//! The frame of a page: head, policy, style, sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing may be loaded, run, sent or framed; the style of the page itself may be used.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("style.css");

/// Title, first part and sections as a document; a section is its id, its heading and what is in it.
pub(super) fn page(title: &str, first: Markup, sections: &[(&str, &str, Markup)], version: &str) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "diag " (version) };
                title { (title) }
                // The program's own text; nothing from outside is in it.
                style { (PreEscaped(STYLE)) }
            }
            body {
                (patterns())
                header { (first) }
                nav aria-label="Sections" {
                    ul { @for (id, heading, _) in sections { li { a href={ "#" (id) } { (heading) } } } }
                }
                main {
                    @for (id, heading, content) in sections {
                        section aria-labelledby={ "h-" (id) } id=(id) {
                            h2 id={ "h-" (id) } { (heading) }
                            (content)
                        }
                    }
                }
                footer {
                    p { "Made by diag " (version) " from the kernel's own counters. It changed nothing on the box." }
                }
            }
        }
    }
    .into_string()
}

/// Hatchings, so that no picture relies on colours alone.
fn patterns() -> Markup {
    html! {
        svg.defs width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatch" width="12" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line.hatch x1="0" y1="0" x2="0" y2="6" {}
                }
                pattern id="dots" width="14" height="8" patternUnits="userSpaceOnUse" {
                    ellipse.dot cx="4" cy="3" rx="2.6" ry="1.2" {}
                }
                pattern id="bars" width="10" height="10" patternUnits="userSpaceOnUse" {
                    line.hatch x1="0" y1="0" x2="10" y2="0" {}
                }
            }
        }
    }
}

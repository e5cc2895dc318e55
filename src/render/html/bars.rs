//! Bars beside each other: parts of a whole that has no time in it.

use super::words::{at, cut};
use maud::{Markup, html};

/// One bar: what it is, its value in words, and its parts with the place of each in the palette.
pub(super) struct Bar {
    /// What it is; may come from outside.
    pub(super) label: String,
    /// The value in words.
    pub(super) value: String,
    /// Parts of the whole length, 0 to 1.
    pub(super) parts: Vec<(usize, f64)>,
}

const BAR_HEIGHT: usize = 34;

/// A figure of bars, with `legend` for their parts where they have several.
pub(super) fn figure(title: &str, unit: &str, bars: &[Bar], legend: &[&str]) -> Markup {
    let told: Vec<String> = bars.iter().map(|bar| format!("{} {}", cut(&bar.label, 40), bar.value)).collect();
    html! {
        figure {
            figcaption { (title) " " small { (unit) } }
            svg role="img" aria-label=(cut(&format!("{title}, {unit}: {}", told.join("; ")), 1200))
                width="100%" height=(bars.len() * BAR_HEIGHT) {
                @for (place, bar) in bars.iter().enumerate() { (one(place * BAR_HEIGHT, bar)) }
            }
            @if !legend.is_empty() {
                ul.legend {
                    @for (place, label) in legend.iter().enumerate() {
                        li {
                            svg width="22" height="12" aria-hidden="true" { (shape(place, "0", 0, "22", 12)) }
                            span { (label) }
                        }
                    }
                }
            }
        }
    }
}

fn one(y: usize, bar: &Bar) -> Markup {
    let mut left = 0.0;
    let mut parts = Vec::new();
    for (place, ratio) in &bar.parts {
        let ratio = if ratio.is_finite() { ratio.clamp(0.0, 1.0 - left) } else { 0.0 };
        parts.push((*place, left, ratio));
        left += ratio;
    }
    html! {
        text x="0" y=(y + 12) { (cut(&bar.label, 44)) }
        text x="100%" y=(y + 12) text-anchor="end" { (bar.value) }
        rect.track x="0" y=(y + 16) width="100%" height="11" {}
        @for (place, left, ratio) in parts.iter().filter(|(_, _, ratio)| *ratio > 0.0) {
            (shape(*place, &format!("{}%", at(100.0 * left)), y + 16, &format!("{}%", at(100.0 * ratio)), 11))
        }
    }
}

fn shape(place: usize, x: &str, y: usize, width: &str, height: usize) -> Markup {
    let hatching = ["", "url(#hatch)", "url(#dots)", "", "url(#bars)", "url(#hatch)"][place % 6];
    html! {
        rect class={ "f" (place % 6 + 1) } x=(x) y=(y) width=(width) height=(height) {}
        @if !hatching.is_empty() { rect fill=(hatching) x=(x) y=(y) width=(width) height=(height) {} }
    }
}

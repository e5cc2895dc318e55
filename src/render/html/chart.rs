//! Pictures over the window: steps, since a rate holds for the whole of its slice. What is not known is a grey gap, never
//! a zero.

use super::words::{at, cut};
use maud::{Markup, html};

/// One line or area.
pub(super) struct Row {
    /// What it is; may come from outside.
    pub(super) label: String,
    /// A value for each slice.
    pub(super) values: Vec<Option<f64>>,
}

/// What a picture shows.
pub(super) struct Chart<'a> {
    /// Heading.
    pub(super) title: &'a str,
    /// What the values are, in a few words.
    pub(super) unit: &'a str,
    /// Start and end of each slice.
    pub(super) times: &'a [(f64, f64)],
    /// Rows, the lowest first where they are stacked.
    pub(super) rows: Vec<Row>,
    /// Upper end of the scale; that of the values when none.
    pub(super) top: Option<f64>,
    /// A value in words.
    pub(super) say: fn(f64) -> String,
    /// Areas on top of each other, or lines.
    pub(super) stacked: bool,
}

/// Units across and down in the plot itself.
const ACROSS: f64 = 1000.0;
const DOWN: f64 = 100.0;

/// Room of the plot on the page.
const PLOT_Y: usize = 14;
const PLOT_HEIGHT: usize = 110;

impl Chart<'_> {
    /// The figure; nothing where no value is known.
    pub(super) fn figure(&self) -> Option<Markup> {
        let known = self.rows.iter().flat_map(|row| &row.values).any(Option::is_some);
        let (start, end) = (self.times.first()?.0, self.times.last()?.1);
        if !known || end <= start {
            return None;
        }
        let top = self.top.unwrap_or_else(|| nice(self.highest()));
        let legend: Vec<(usize, String, String)> = self.legend();
        let told: Vec<String> = legend.iter().map(|(_, label, value)| format!("{label} {value}")).collect();
        let described = format!("{}, {}: {}", self.title, self.unit, told.join("; "));
        Some(html! {
            figure {
                figcaption { (self.title) " " small { (self.unit) } }
                svg.chart role="img" aria-label=(cut(&described, 700)) width="100%" height=(PLOT_Y + PLOT_HEIGHT + 18) {
                    svg x="0" y=(PLOT_Y) width="100%" height=(PLOT_HEIGHT) viewBox="0 0 1000 100" preserveAspectRatio="none" {
                        @for (from, to) in self.gaps(start, end) {
                            rect.gap x=(at(from)) y="0" width=(at(to - from)) height="100" {}
                        }
                        @if self.stacked { (self.areas(start, end, top)) } @else { (self.lines(start, end, top)) }
                    }
                    @for (part, y) in [(1.0, PLOT_Y), (0.5, PLOT_Y + PLOT_HEIGHT / 2), (0.0, PLOT_Y + PLOT_HEIGHT)] {
                        line.rule x1="0" x2="100%" y1=(y) y2=(y) {}
                        @if part > 0.0 { text x="0" y=(y - 3) { ((self.say)(top * part)) } }
                    }
                    @let bottom = PLOT_Y + PLOT_HEIGHT + 14;
                    text x="0" y=(bottom) { "0 s" }
                    text x="50%" y=(bottom) text-anchor="middle" { (at(((end - start) * 5.0).round() / 10.0)) " s" }
                    text x="100%" y=(bottom) text-anchor="end" { (at(((end - start) * 10.0).round() / 10.0)) " s" }
                }
                ul.legend {
                    @for (place, label, value) in &legend {
                        li { (self.swatch(*place)) span { bdi { (label) } " " b { (value) } } }
                    }
                }
            }
        })
    }

    /// Label, mean and peak of each row, the topmost first.
    fn legend(&self) -> Vec<(usize, String, String)> {
        let mut legend: Vec<(usize, String, String)> = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(place, row)| {
                let (mut sum, mut seconds, mut peak) = (0.0, 0.0, f64::MIN);
                for ((from, to), value) in self.times.iter().zip(&row.values) {
                    if let Some(value) = value {
                        (sum, seconds) = (sum + value * (to - from), seconds + (to - from));
                        peak = peak.max(*value);
                    }
                }
                // What never was takes no part in a stack.
                (seconds > 0.0 && (peak > 0.0 || !self.stacked)).then(|| {
                    let mean = (self.say)(sum / seconds);
                    let peak = (self.say)(peak);
                    let told = if mean == peak { mean } else { format!("{mean}, at most {peak}") };
                    (place, cut(&row.label, 40), told)
                })
            })
            .collect();
        if self.stacked {
            legend.reverse();
        }
        legend
    }

    fn highest(&self) -> f64 {
        let at_slice = |slice: usize| {
            let values = self.rows.iter().filter_map(|row| row.values.get(slice).copied().flatten());
            if self.stacked { values.sum() } else { values.fold(0.0, f64::max) }
        };
        (0..self.times.len()).map(at_slice).fold(0.0, f64::max)
    }

    /// Spans in which nothing at all is known.
    fn gaps(&self, start: f64, end: f64) -> Vec<(f64, f64)> {
        let unknown =
            |slice: usize| self.rows.iter().all(|row| row.values.get(slice).copied().flatten().is_none());
        let spans = self.times.iter().enumerate().filter(|(slice, _)| unknown(*slice));
        spans.map(|(_, (from, to))| (across(*from, start, end), across(*to, start, end))).collect()
    }

    fn lines(&self, start: f64, end: f64, top: f64) -> Markup {
        html! {
            @for (place, row) in self.rows.iter().enumerate() {
                path class={ "l" (place % 4 + 1) } d=(outline(self.times, &row.values, start, end, top)) {}
            }
        }
    }

    fn areas(&self, start: f64, end: f64, top: f64) -> Markup {
        let mut below = vec![0.0; self.times.len()];
        let mut shapes = Vec::new();
        for (place, row) in self.rows.iter().enumerate() {
            let mut shape = String::new();
            for (slice, (from, to)) in self.times.iter().enumerate() {
                let Some(value) = row.values.get(slice).copied().flatten() else { continue };
                let (low, high) = (below[slice], below[slice] + value.max(0.0));
                below[slice] = high;
                if value > 0.0 {
                    let (left, right) = (at(across(*from, start, end)), at(across(*to, start, end)));
                    shape.push_str(&format!(
                        "M{left} {}H{right}V{}H{left}z",
                        at(down(low, top)),
                        at(down(high, top))
                    ));
                }
            }
            shapes.push((place, shape));
        }
        html! {
            @for (place, shape) in shapes.iter().filter(|(_, shape)| !shape.is_empty()) {
                path class={ "f" (place % 6 + 1) } d=(shape) {}
                @if let Some(hatching) = hatching(*place) { path fill=(hatching) d=(shape) {} }
            }
        }
    }

    fn swatch(&self, place: usize) -> Markup {
        html! {
            svg width="22" height="12" aria-hidden="true" {
                @if self.stacked {
                    rect class={ "f" (place % 6 + 1) } width="22" height="12" {}
                    @if let Some(hatching) = hatching(place) { rect fill=(hatching) width="22" height="12" {} }
                } @else {
                    path class={ "l" (place % 4 + 1) } d="M0 6H22" {}
                }
            }
        }
    }
}

/// Neighbours in a stack differ in more than their colour.
fn hatching(place: usize) -> Option<&'static str> {
    ["", "url(#hatch)", "url(#dots)", "", "url(#bars)", "url(#hatch)"]
        .get(place % 6)
        .copied()
        .filter(|it| !it.is_empty())
}

fn across(time: f64, start: f64, end: f64) -> f64 {
    ((time - start) / (end - start) * ACROSS).clamp(0.0, ACROSS)
}

fn down(value: f64, top: f64) -> f64 {
    if top > 0.0 { (DOWN - value / top * DOWN).clamp(0.0, DOWN) } else { DOWN }
}

/// A line in steps, interrupted where nothing is known.
fn outline(times: &[(f64, f64)], values: &[Option<f64>], start: f64, end: f64, top: f64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for ((from, to), value) in times.iter().zip(values) {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let (left, right, y) =
            (at(across(*from, start, end)), at(across(*to, start, end)), at(down(*value, top)));
        if drawing {
            path.push_str(&format!("V{y}H{right}"));
        } else {
            path.push_str(&format!("M{left} {y}H{right}"));
        }
        drawing = true;
    }
    path
}

/// The next power of two, for bytes.
pub(super) fn binary(value: f64) -> f64 {
    if value > 1.0 && value.is_finite() { 2_f64.powf(value.log2().ceil()) } else { 1.0 }
}

/// The next number that people read easily.
fn nice(value: f64) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::percent;
    use roxmltree::Document;

    fn chart<'a>(times: &'a [(f64, f64)], rows: Vec<Vec<Option<f64>>>, stacked: bool) -> Chart<'a> {
        let rows =
            rows.into_iter().map(|values| Row { label: "<b>\"x\u{202e}".to_owned(), values }).collect();
        Chart { title: "T", unit: "u", times, rows, top: Some(1.0), say: percent, stacked }
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let times = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)];
        let values = [Some(0.5), None, Some(1.0)];
        assert_eq!(outline(&times, &values, 0.0, 3.0, 1.0), "M0 50H333.33M666.67 0H1000");
        let figure = chart(&times, vec![values.to_vec()], false).figure().unwrap().into_string();
        assert!(figure.contains("class=\"gap\" x=\"333.33\""), "{figure}");
        // The mean is of what is known.
        assert!(figure.contains("75 %, at most 100 %"), "{figure}");
    }

    #[test]
    fn nothing_known_is_no_picture() {
        assert!(chart(&[(0.0, 1.0)], vec![vec![None]], true).figure().is_none());
        assert!(chart(&[], vec![Vec::new()], true).figure().is_none());
        assert!(chart(&[(1.0, 1.0)], vec![vec![Some(1.0)]], true).figure().is_none());
    }

    #[test]
    fn any_number_makes_a_well_formed_picture() {
        let times = [(0.0, 1.0), (1.0, 2.5)];
        for value in [0.0, -1.0, 1e300, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            for stacked in [true, false] {
                let mut chart = chart(&times, vec![vec![Some(value), Some(0.2)]; 9], stacked);
                for top in [Some(1.0), Some(0.0), None] {
                    chart.top = top;
                    let figure = chart.figure().unwrap().into_string();
                    let document = Document::parse(&figure).unwrap();
                    assert!(!document.descendants().any(|node| node.has_tag_name("b")
                        && node.has_children()
                        && node.children().any(|c| c.is_element())));
                    assert!(!figure.contains('\u{202e}'));
                }
            }
        }
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, top) in [(0.7, 1.0), (1.2, 2.0), (33.0, 50.0), (0.0, 1.0), (f64::NAN, 1.0)] {
            assert!((nice(value) - top).abs() < 1e-9, "{value}");
        }
    }
}

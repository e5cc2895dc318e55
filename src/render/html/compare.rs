//! Two windows side by side.

use super::verdict::{symbol, who, window};
use super::words::{cut, name, sentence};
use crate::model::bottleneck::BottleneckId;
use crate::model::comparison::{Comparison, Number, Outcome};
use crate::model::report::Report;
use crate::model::units::quantity;
use crate::model::units::{Unit, label, percent};
use maud::{Markup, html};

/// Numbers that are shown.
const NUMBERS_MAX: usize = 40;

/// Whether it worked.
pub(super) fn header(comparison: &Comparison) -> Markup {
    let (tone, mark) = match comparison.outcome {
        Outcome::Fixed | Outcome::Healthy => ("ok", "✓"),
        Outcome::Better | Outcome::Moved | Outcome::NotShown | Outcome::Unknown => ("warning", "▲"),
        Outcome::NotFixed | Outcome::Worse => ("critical", "✖"),
    };
    html! {
        h1 { "Before and after on " (name(comparison.after.host.hostname.as_deref().unwrap_or("a box without a name"))) }
        div class={ "verdict " (tone) } {
            p { span.tone { span aria-hidden="true" { (mark) " " } (comparison.outcome.word()) } }
            p.headline { (sentence(&comparison.sentence)) }
            @if !comparison.caveats.is_empty() {
                ul.plain { @for caveat in &comparison.caveats { li { (sentence(caveat)) } } }
            }
            dl {
                dt { "Before" } dd { (cut(comparison.before.verdict.bottleneck.as_str(), 60)) ", " (window(&comparison.before)) }
                dt { "After" } dd { (cut(comparison.after.verdict.bottleneck.as_str(), 60)) ", " (window(&comparison.after)) }
            }
        }
    }
}

/// By how much a number changed, in words.
pub(in crate::render) fn change(number: &Number) -> String {
    let (Some(before), Some(after)) = (number.before, number.after) else { return "not known".to_owned() };
    let difference = after - before;
    match () {
        () if !difference.is_finite() => "not known".to_owned(),
        () if difference == 0.0 => "the same".to_owned(),
        // Of two shares the difference says more than the share of a share.
        () if number.unit == Unit::Ratio => {
            format!("{}{}", sign(difference), percent(difference.abs()).replace(" %", " points"))
        }
        () if before == 0.0 => format!("{}{}", sign(difference), quantity(difference.abs(), number.unit)),
        () => format!("{}{}", sign(difference), percent((difference / before).abs())),
    }
}

fn sign(difference: f64) -> &'static str {
    if difference < 0.0 { "−" } else { "+" }
}

/// The table of numbers.
pub(super) fn numbers(comparison: &Comparison) -> Markup {
    let said = |value: Option<f64>, number: &Number| {
        value.map_or_else(|| "–".to_owned(), |value| quantity(value, number.unit))
    };
    html! {
        section.scroll tabindex="0" aria-label="Table: numbers before and after" {
            table {
                thead { tr { th scope="col" { "Number" } th.n scope="col" { "Before" } th.n scope="col" { "After" } th.n scope="col" { "Change" } th.n scope="col" { "Warning at" } } }
                tbody { @for number in comparison.numbers.iter().take(NUMBERS_MAX) {
                    @let over = |value: Option<f64>| value.zip(number.warning).is_some_and(|(value, warning)| value >= warning);
                    tr {
                        th scope="row" { (name(&label(&number.metric))) }
                        td class=(if over(number.before) { "n over" } else { "n" }) { (said(number.before, number)) }
                        td class=(if over(number.after) { "n over" } else { "n" }) { (said(number.after, number)) }
                        td.n { (change(number)) }
                        td.n.muted { (said(number.warning, number)) }
                    }
                } }
            }
        }
    }
}

/// Which findings went, came and stayed.
pub(super) fn findings(comparison: &Comparison) -> Markup {
    let list = |ids: &[BottleneckId]| match ids {
        [] => "none".to_owned(),
        ids => cut(&ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "), 400),
    };
    html! {
        dl {
            dt { "Gone" } dd { (list(&comparison.gone)) }
            dt { "New" } dd { (list(&comparison.new)) }
            dt { "Still there" } dd { (list(&comparison.still)) }
        }
    }
}

/// The verdict of one of them.
pub(super) fn side(report: &Report) -> Markup {
    let verdict = &report.verdict;
    html! {
        div class={ "verdict " (verdict.severity.word()) } {
            p { span.tone { span aria-hidden="true" { (symbol(verdict.severity)) " " } (verdict.severity.word()) }
                " · " strong { (cut(verdict.bottleneck.as_str(), 60)) } " · " (percent(verdict.confidence_ratio)) " sure" }
            p { (sentence(&verdict.summary)) }
            @if let Some(culprit) = &verdict.culprit { p { (who(report, culprit)) } }
            p.muted.small { (window(report)) }
        }
    }
}

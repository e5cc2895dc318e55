//! A flame graph that stands still: no script, so that it can be in a page that forbids them. Widths are in percent of
//! the page, and each frame is a small picture of its own that cuts off what does not fit into it.
//!
//! The file that `--flamegraph` writes is inferno's, which can be searched and zoomed; it needs its script and a size of
//! its own and does not belong into a page.

use super::words::{at, cut};
use crate::model::profile::Profile;
use crate::model::units::percent;
use crate::render::flame::folded;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Frames that are drawn at most, the widest of each level first in line.
const FRAMES_MAX: usize = 900;

/// Levels; deeper stacks are cut off at the leaves' end.
const DEPTH_MAX: usize = 64;

/// Narrower frames than this cannot be seen.
const SHARE_MIN: f64 = 0.002;

/// From this width on there is room for some letters.
const LABELLED_MIN: f64 = 0.025;

const ROW: usize = 17;

/// Characters of a name.
const NAME_MAX: usize = 100;

#[derive(Default)]
struct Node {
    count: u64,
    below: BTreeMap<String, Node>,
}

struct Drawn {
    name: String,
    depth: usize,
    left: f64,
    share: f64,
}

/// The graph; none where there is no stack.
pub(super) fn graph(profile: &Profile) -> Option<Markup> {
    let mut root = Node::default();
    for (stack, count) in folded::stacks(profile) {
        root.count = root.count.saturating_add(count);
        let mut node = &mut root;
        for name in stack.split(';').take(DEPTH_MAX) {
            node = node.below.entry(cut(name, NAME_MAX)).or_default();
            node.count = node.count.saturating_add(count);
        }
    }
    if root.count == 0 {
        return None;
    }
    let (mut drawn, mut hidden) = (Vec::new(), 0);
    lay_out(&root, root.count as f64, 0, 0.0, &mut drawn, &mut hidden);
    let depth = drawn.iter().map(|frame| frame.depth + 1).max()?;
    let height = depth * ROW;
    let widest: Vec<String> = drawn
        .iter()
        .filter(|frame| frame.share >= 0.3)
        .take(6)
        .map(|frame| format!("{} {}", frame.name, percent(frame.share)))
        .collect();
    let described = format!(
        "Flame graph, the roots below. Widest: {}. The table below has the hottest functions.",
        widest.join(", ")
    );
    Some(html! {
        figure {
            figcaption { "Flame graph " small { "width is the share of the samples; the callers are below" } }
            svg.flame role="img" aria-label=(cut(&described, 600)) width="100%" height=(height) {
                @for frame in &drawn {
                    svg x={ (at(100.0 * frame.left)) "%" } y=(height - (frame.depth + 1) * ROW) width={ (at(100.0 * frame.share)) "%" } height=(ROW) {
                        title { (frame.name) " " (percent(frame.share)) }
                        rect class=(color(&frame.name)) width="100%" height=(ROW) {}
                        @if frame.share >= LABELLED_MIN { text x="3" y="12" { (frame.name.trim_end_matches("_[k]")) } }
                    }
                }
            }
            ul.legend {
                @for (class, label) in [("u0", "program"), ("k0", "kernel"), ("r0", "without a name")] {
                    li { svg width="22" height="12" aria-hidden="true" { rect class=(class) width="22" height="12" {} } span { (label) } }
                }
                @if hidden > 0 { li { (hidden) " narrow frames are left out" } }
            }
        }
    })
}

fn lay_out(node: &Node, total: f64, depth: usize, left: f64, drawn: &mut Vec<Drawn>, hidden: &mut usize) {
    let mut left = left;
    for (name, child) in &node.below {
        let share = child.count as f64 / total;
        if share >= SHARE_MIN && drawn.len() < FRAMES_MAX {
            drawn.push(Drawn { name: name.clone(), depth, left, share });
            lay_out(child, total, depth + 1, left, drawn, hidden);
        } else {
            *hidden += 1;
        }
        left += share;
    }
}

/// Kernel, named or not; names of the same spelling have the same shade.
fn color(name: &str) -> &'static str {
    let sum: usize = name.bytes().map(usize::from).sum();
    match () {
        () if name.starts_with('[') => "r0",
        () if name.ends_with("_[k]") => ["k0", "k1"][sum % 2],
        () => ["u0", "u1", "u2"][sum % 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_profile;
    use roxmltree::Document;

    #[test]
    fn every_frame_is_there_with_its_share() {
        let text = graph(&test_profile::profile()).unwrap().into_string();
        let document = Document::parse(&text).unwrap();
        let titles: Vec<&str> = document
            .descendants()
            .filter(|node| node.has_tag_name("title"))
            .filter_map(|node| node.text())
            .collect();
        assert!(titles.contains(&"zend_hash_find 55 %"), "{titles:?}");
        assert!(titles.contains(&"clear_page_erms_[k] 4.6 %"), "{titles:?}");
        assert_eq!(
            titles.iter().filter(|title| title.starts_with("main ")).count(),
            1,
            "callers are one frame"
        );
    }

    #[test]
    fn any_stack_is_a_well_formed_and_bounded_picture() {
        let mut profile = test_profile::hostile();
        let wide: Vec<String> = (0..20_000)
            .map(|leaf| format!("a;b{};{}c{leaf} 7", leaf % 99, "d;".repeat(leaf % 300)))
            .collect();
        profile.stacks.extend(wide);
        profile.stacks.push(format!("a;b {}", u64::MAX));
        profile.stacks.push(format!("{} 5", "x".repeat(1 << 20)));
        let text = graph(&profile).unwrap().into_string();
        Document::parse(&text).unwrap();
        assert!(text.len() < 350_000, "{}", text.len());
        profile.stacks.pop();
        profile.stacks.pop();
        let text = graph(&profile).unwrap().into_string();
        assert!(text.len() < 350_000, "{}", text.len());
        profile.stacks = vec!["no count".to_owned()];
        assert!(graph(&profile).is_none());
    }
}

//! The flame graph: one SVG file that opens in any browser and loads nothing.

use super::folded;
use crate::model::profile::Profile;
use crate::render::escape;
use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{Options, TextTruncateDirection, from_lines};

/// Columns of a title in its font; a longer one would leave the picture.
const TITLE_CHARACTERS: usize = 110;

/// The stacks of `profile` as SVG; `title` says what of, such as the host and the verdict.
///
/// # Errors
///
/// When there is no stack to draw, with the reason.
pub fn svg(profile: &Profile, title: &str) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    let mut total: u64 = 0;
    for (stack, count) in folded::stacks(profile) {
        total =
            total.checked_add(count).ok_or_else(|| anyhow::anyhow!("the samples are too many to draw"))?;
        lines.push(format!("{} {count}", drawable(&stack)));
    }
    if lines.is_empty() {
        anyhow::bail!("no flame graph: {}", why_none(profile));
    }
    let mut options = Options::default();
    options.title = shortened(title);
    options.subtitle = Some(shortened(&subtitle(profile, total)));
    // Tells the kernel's frames by their suffix `_[k]`, C++ and Rust by `::`, the code of runtimes by their maps.
    options.colors = Palette::Multi(MultiPalette::Js);
    options.deterministic = true;
    options.text_truncate_direction = TextTruncateDirection::Right;
    let mut bytes = Vec::with_capacity(64 * 1024);
    from_lines(&mut options, lines.iter().map(String::as_str), &mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

fn why_none(profile: &Profile) -> String {
    if profile.event.is_none() {
        return "nothing was sampled, only counted or looked at from outside".to_owned();
    }
    let of = escape::terminal(&profile.comm);
    let lost = match profile.lost_count {
        0 => String::new(),
        lost => format!(", and {lost} samples were lost"),
    };
    match profile.samples_count {
        0 => format!("in {:.1} s {of} was not seen on a CPU once{lost}", profile.seconds),
        seen => format!("none of the {seen} samples of {of} has a stack{lost}"),
    }
}

fn subtitle(profile: &Profile, total: u64) -> String {
    let pid = profile.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let event = profile.event.map_or("", |event| event.word());
    let lost = match profile.lost_count {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    format!(
        "{}{pid}: {total} samples of {event} at {} Hz over {:.1} s{lost}",
        profile.comm, profile.frequency_hertz, profile.seconds
    )
}

/// Safe to look at, and within the picture.
fn shortened(text: &str) -> String {
    let visible = drawable(&escape::terminal(text));
    if visible.chars().count() <= TITLE_CHARACTERS {
        return visible;
    }
    visible.chars().take(TITLE_CHARACTERS - 1).chain(['…']).collect()
}

/// Without the two characters that are in no XML document, not even as a reference.
fn drawable(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{test_profile, test_report};
    use roxmltree::{Document, Node, ParsingOptions};
    use std::collections::BTreeSet;

    fn parsed(text: &str) -> Document<'_> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        Document::parse_with_options(text, options).unwrap()
    }

    /// Elements and attributes, without what they hold.
    fn skeleton(document: &Document<'_>) -> BTreeSet<String> {
        let words = |node: Node<'_, '_>| {
            let tag = node.tag_name().name().to_owned();
            let attributes: Vec<String> =
                node.attributes().map(|attribute| format!("{tag}@{}", attribute.name())).collect();
            attributes.into_iter().chain([tag])
        };
        document.descendants().filter(Node::is_element).flat_map(words).collect()
    }

    fn colors(document: &Document<'_>, function: &str) -> Vec<String> {
        document
            .descendants()
            .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "g")))
            .filter(|node| {
                let title = node.children().find(|child| child.tag_name().name() == "title");
                title.and_then(|title| title.text()).is_some_and(|text| text.starts_with(function))
            })
            .flat_map(|node| node.children())
            .filter_map(|child| child.attribute("fill").map(str::to_owned))
            .collect()
    }

    #[test]
    fn it_shows_every_frame_and_what_was_sampled() {
        let text = svg(&test_profile::profile(), "web-1: memory-swap").unwrap();
        let document = parsed(&text);
        let shown: String = document.descendants().filter_map(|node| node.text()).collect();
        for words in [
            "web-1: memory-swap",
            "php-fpm (pid 4242): 369 samples of cpu-clock at 99 Hz over 5.0 s, 3 lost",
            "zend_hash_find (203 samples, 55.01%)",
            "clear_page_erms (17 samples",
        ] {
            assert!(shown.contains(words), "{words}");
        }
    }

    #[test]
    fn the_kernel_has_a_colour_of_its_own_and_the_same_each_time() {
        let text = svg(&test_profile::profile(), "web-1").unwrap();
        assert_eq!(text, svg(&test_profile::profile(), "web-1").unwrap());
        let document = parsed(&text);
        let green = |function: &str| -> u8 {
            let colors = colors(&document, function);
            assert_eq!(colors.len(), 1, "{function}: {colors:?}");
            let parts: Vec<&str> = colors[0].trim_matches(|c| "rgb()".contains(c)).split(',').collect();
            assert_eq!(parts.len(), 3);
            // Orange of the kernel has no blue at all.
            parts[2].parse().unwrap()
        };
        assert_eq!(green("clear_page_erms"), 0);
        assert!(green("zend_hash_find") > 0);
    }

    #[test]
    fn the_graph_loads_nothing() {
        let text = svg(&test_profile::profile(), "web-1").unwrap();
        let document = parsed(&text);
        for node in document.descendants() {
            for attribute in node.attributes() {
                assert!(!matches!(attribute.name(), "href" | "src"), "{attribute:?}");
            }
            assert!(!node.text().unwrap_or("").contains("@import"));
        }
    }

    #[test]
    fn names_from_outside_make_neither_elements_nor_attributes() {
        let harmless = svg(&test_profile::profile(), "web-1").unwrap();
        let hostile = svg(&test_profile::hostile(), &test_report::HOSTILE.repeat(9)).unwrap();
        assert_eq!(skeleton(&parsed(&hostile)), skeleton(&parsed(&harmless)));
        for element in ["<img", "<script>alert", "]]> "] {
            let own = harmless.matches(element).count();
            assert_eq!(hostile.matches(element).count(), own, "{element}");
        }
        let document = parsed(&hostile);
        let shown: String = document.descendants().filter_map(|node| node.text()).collect();
        assert!(shown.contains("<script>alert(1)</script>"), "it is shown as it is written");
        test_report::assert_harmless(&hostile);
    }

    #[test]
    fn without_a_stack_it_says_why() {
        let mut profile = test_profile::profile();
        profile.stacks.clear();
        let reason = |profile: &Profile| svg(profile, "").unwrap_err().to_string();
        assert_eq!(
            reason(&profile),
            "no flame graph: none of the 495 samples of php-fpm has a stack, and 3 samples were lost"
        );
        profile.samples_count = 0;
        profile.lost_count = 0;
        assert_eq!(reason(&profile), "no flame graph: in 5.0 s php-fpm was not seen on a CPU once");
        profile.event = None;
        assert!(reason(&profile).contains("nothing was sampled"));
    }

    #[test]
    fn more_samples_than_can_be_counted_are_no_panic() {
        let mut profile = test_profile::profile();
        profile.stacks = vec![format!("a;b {}", u64::MAX), "a;c 1".to_owned()];
        assert!(svg(&profile, "").is_err());
    }
}

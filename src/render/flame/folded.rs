//! Folded stacks, one a line, as the flame graph programs read them: `name;root;...;leaf count`.

use crate::model::profile::Profile;
use crate::render::escape;

/// Every stack of `profile` on a line of its own; empty where there is none.
pub fn folded(profile: &Profile) -> String {
    stacks(profile).map(|(stack, count)| format!("{stack} {count}\n")).collect()
}

/// The stacks that can be shown, with how often each was seen.
pub(crate) fn stacks(profile: &Profile) -> impl Iterator<Item = (String, u64)> {
    profile.stacks.iter().filter_map(|line| {
        let (stack, count) = line.rsplit_once(' ')?;
        let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
        Some((readable(stack), count))
    })
}

/// `stack` such that nothing in it is taken for something else: a line break, a comment, a second count.
fn readable(stack: &str) -> String {
    let visible = escape::terminal(stack);
    let mut visible = visible.trim().to_owned();
    // A comment, which is skipped.
    if visible.starts_with('#') {
        visible.insert(0, '_');
    }
    // Two numbers at the end would be the two sides of a comparison: `syscall 999` is one name.
    let before = visible.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if before.len() < visible.len()
        && let Some((space, _)) = before.char_indices().next_back().filter(|(_, last)| last.is_whitespace())
    {
        let end = before.len();
        visible.replace_range(space..end, "_");
    }
    if visible.is_empty() { "_".to_owned() } else { visible }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{test_profile, test_report};

    #[test]
    fn a_stack_is_a_line() {
        assert_eq!(
            folded(&test_profile::profile()),
            "php-fpm;_start;main;execute_ex;zend_hash_find 203\n\
             php-fpm;_start;main;execute_ex;[opcache.so] 149\n\
             php-fpm;_start;main;execute_ex;asm_exc_page_fault_[k];clear_page_erms_[k] 17\n"
        );
    }

    #[test]
    fn nothing_is_taken_for_something_else() {
        assert_eq!(readable("a;b\nc\x1b[31m"), "a;b\\nc\\x1b[31m");
        assert_eq!(readable("# tool;main"), "_# tool;main");
        assert_eq!(readable("app;syscall 999"), "app;syscall_999");
        assert_eq!(readable("app;version 1.5"), "app;version_1.5");
        assert_eq!(readable("app;a 1;b2"), "app;a 1;b2");
        assert_eq!(readable("app;operator new"), "app;operator new");
        assert_eq!(readable("  "), "_");
        assert_eq!(readable("42"), "42");
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        let text = folded(&test_profile::hostile());
        test_report::assert_harmless(&text);
        assert_eq!(text.lines().count(), 4, "{text}");
        for line in text.lines() {
            let (stack, count) = line.rsplit_once(' ').unwrap();
            assert!(count.parse::<u64>().unwrap() > 0 && !stack.is_empty(), "{line}");
            assert!(!line.starts_with('#'), "{line}");
        }
    }
}

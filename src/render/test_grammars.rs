//! What the readers of each format accept, as small checkers for the tests of the renderers.

use crate::render::monitors::{nagios, prometheus};
use crate::render::{jsonl, markdown, test_report};
use proptest::prelude::*;

/// Fails unless `answer` is what a plugin may print: text, `|`, numbers; lines of text; `|`, numbers.
pub(super) fn nagios(answer: &str) -> Result<(), String> {
    let lines: Vec<&str> = answer.strip_suffix('\n').ok_or("no line break at the end")?.split('\n').collect();
    if answer.len() > 4096 || lines[0].len() > 1023 {
        return Err("too long".to_owned());
    }
    let states = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];
    if !states.iter().any(|state| lines[0].starts_with(&format!("DIAG {state} - "))) {
        return Err(format!("no state in {:?}", lines[0]));
    }
    for (index, line) in lines.iter().enumerate() {
        let bars = line.matches('|').count();
        if bars > 1 || bars == 1 && index != 0 && index != lines.len() - 1 {
            return Err(format!("a bar in {line:?}"));
        }
        if let Some((_, numbers)) = line.split_once('|') {
            let mut rest = numbers.trim();
            while !rest.is_empty() {
                rest = number(rest).ok_or_else(|| format!("no performance data: {rest:?}"))?.trim_start();
            }
        }
    }
    Ok(())
}

/// What follows one `'label'=value[unit];[warning];[critical];[least];[most]`.
fn number(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('\'')?;
    let mut label = String::new();
    loop {
        let end = rest.find('\'')?;
        label.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let rest = rest.strip_prefix('=')?;
    let (item, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    let mut fields = item.split(';');
    let value = fields.next()?;
    let decimal = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && digits.parse::<f64>().is_ok()
    };
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let known = ["", "s", "%", "B", "c"].contains(&unit);
    let range = |text: &str| text.is_empty() || decimal(text.strip_suffix(':').unwrap_or(text));
    let fields: Vec<&str> = fields.collect();
    let good =
        !label.is_empty() && !label.contains('=') && known && decimal(&value[..value.len() - unit.len()]);
    (good && fields.len() <= 4 && fields.iter().all(|field| range(field))).then_some(rest)
}

/// Fails unless `text` is in the text format, each metric once with its head and no sample with a time.
pub(super) fn prometheus(text: &str) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut samples: Vec<&str> = Vec::new();
    let mut lines = text.strip_suffix('\n').ok_or("no line break at the end")?.split('\n').peekable();
    while let Some(line) = lines.next() {
        let bad = || format!("{line:?}");
        if let Some(head) = line.strip_prefix("# HELP ") {
            let (name, help) = head.split_once(' ').ok_or_else(bad)?;
            let kind = lines.next().and_then(|next| next.strip_prefix("# TYPE ")).ok_or_else(bad)?;
            if seen.contains(&name)
                || help.is_empty()
                || kind != format!("{name} gauge")
                || help.contains('\\')
            {
                return Err(bad());
            }
            seen.push(name);
            continue;
        }
        let end = line.find(['{', ' ']).ok_or_else(bad)?;
        let good = |c: char| c.is_ascii_lowercase() || c == '_';
        if seen.last() != Some(&&line[..end]) || !line[..end].chars().all(good) {
            return Err(bad());
        }
        let rest = match line[end..].strip_prefix('{') {
            Some(labels) => after_labels(labels).ok_or_else(bad)?,
            None => &line[end..],
        };
        let value = rest.strip_prefix(' ').ok_or_else(bad)?;
        if value != "NaN" && (value.contains(['n', 'i']) || value.parse::<f64>().is_err()) {
            return Err(bad());
        }
        let series = &line[..line.len() - value.len()];
        if samples.contains(&series) {
            return Err(bad());
        }
        samples.push(series);
    }
    Ok(())
}

/// What follows the brace that ends the labels.
fn after_labels(labels: &str) -> Option<&str> {
    let mut rest = labels;
    loop {
        let (name, tail) = rest.split_once("=\"")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let mut characters = tail.char_indices();
        let end = loop {
            match characters.next()? {
                (_, '\\') => matches!(characters.next()?.1, '\\' | '"' | 'n').then_some(())?,
                (at, '"') => break at,
                _ => {}
            }
        };
        rest = &tail[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.strip_prefix('}'),
        }
    }
}

/// Fails when anything outside of code is markup that is not ours: HTML, links, emphasis, mentions, a table's bars.
pub(super) fn markdown(text: &str) -> Result<(), String> {
    let mut fence: Option<String> = None;
    let mut columns: Option<usize> = None;
    for line in text.strip_suffix('\n').ok_or("no line break at the end")?.split('\n') {
        let bare = line.trim_start();
        if let Some(open) = &fence {
            if bare == open {
                fence = None;
            }
            continue;
        }
        if bare.starts_with("```") && bare.ends_with("sh") {
            fence = Some(bare.trim_end_matches("sh").to_owned());
            continue;
        }
        let rest = without_code(line).ok_or_else(|| format!("a code span without an end: {line:?}"))?;
        let (rest, bars) = unescaped(rest.trim_start_matches('#'));
        if rest.contains(['<', '>', '[', ']', '*', '_', '`', '@', '~', '#']) || rest.contains("://") {
            return Err(format!("markup in {line:?}"));
        }
        match (line.starts_with('|'), columns) {
            (true, None) => columns = Some(bars),
            (true, Some(expected)) if expected != bars => return Err(format!("{bars} columns: {line:?}")),
            (true, Some(_)) => {}
            (false, _) if bars > 0 => return Err(format!("a bar in {line:?}")),
            (false, _) => columns = None,
        }
    }
    if fence.is_some() { Err("a fence without an end".to_owned()) } else { Ok(()) }
}

/// `line` without its code spans, by the rule of CommonMark; none where a run of backticks has no partner.
fn without_code(line: &str) -> Option<String> {
    let run = |text: &str| text.len() - text.trim_start_matches('`').len();
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if first == '\\' {
            let two: String = rest.chars().take(2).collect();
            out.push_str(&two);
            rest = &rest[two.len()..];
        } else if first == '`' {
            let ticks = run(rest);
            let mut body = &rest[ticks..];
            loop {
                body = &body[body.find('`')?..];
                let length = run(body);
                body = &body[length..];
                if length == ticks {
                    break;
                }
            }
            rest = body;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(out)
}

/// `text` with an `x` for each escaped character, and the number of bars that are not escaped.
fn unescaped(text: &str) -> (String, usize) {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            // A gap instead would join what is not adjacent: `:/\*/` has no `://`.
            '\\' => out.extend(characters.next().map(|_| 'x')),
            other => out.push(other),
        }
    }
    let bars = out.matches('|').count();
    (out, bars)
}

/// A name chosen to break out of its quoting.
fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("|".to_owned()),
        Just("\n".to_owned()),
        Just("`".to_owned()),
        Just("\\".to_owned()),
        Just("\"} 1\n# HELP x".to_owned()),
        Just("'=1;2".to_owned()),
        Just("</td><script>".to_owned()),
        Just("[a](b)".to_owned()),
        Just("@all #1 http://a".to_owned()),
        Just("\u{fffd}\u{202e}\x1b[2J".to_owned()),
        Just(test_report::HOSTILE.to_owned()),
        any::<String>(),
        "[a-z`*_|\\\\ ]{0,40}",
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_names_and_numbers_give_lines_that_their_readers_accept(
        names in proptest::collection::vec(name(), 12),
        numbers in proptest::collection::vec(any::<f64>(), 8),
    ) {
        let mut report = test_report::hostile();
        report.host.hostname = Some(names[0].clone());
        report.verdict.summary = names[1].clone().into();
        if let Some(culprit) = &mut report.verdict.culprit {
            culprit.comm = names[2].clone();
            culprit.unit = Some(names[3].clone());
            culprit.cmdline = Some(names[4].clone());
            culprit.why = Some(names[5].clone().into());
            culprit.share_ratio = Some(numbers[0]);
        }
        for finding in &mut report.findings {
            finding.summary = names[6].clone().into();
            finding.advice.iter_mut().for_each(|advice| advice.command = Some(names[7].clone()));
            for evidence in &mut finding.evidence {
                evidence.metric = names[8].clone();
                evidence.value = Some(numbers[1]);
                (evidence.warning, evidence.critical) = (Some(numbers[2]), Some(numbers[3]));
            }
        }
        report.processes[0].comm = names[9].clone();
        report.processes[0].cpu_ratio = numbers[4];
        report.steps[0].summary = names[10].clone().into();
        report.not_checked[0].what = names[11].clone();
        report.window.seconds = numbers[5];
        report.load.running_mean = numbers[6];
        report.verdict.confidence_ratio = numbers[7];

        let answer = nagios::render(&report);
        prop_assert_eq!(nagios(&answer), Ok(()), "{}", answer);
        let text = prometheus::render(&report);
        prop_assert_eq!(prometheus(&text), Ok(()), "{}", text);
        let ticket = markdown::render(&report);
        prop_assert_eq!(markdown(&ticket), Ok(()), "{}", ticket);
        prop_assert!(ticket.len() <= 4096);
        let line = jsonl::render(&report).unwrap();
        prop_assert!(line.matches('\n').count() == 1 && serde_json::from_str::<serde_json::Value>(&line).is_ok());
    }
}

#[test]
fn an_escaped_character_joins_nothing() {
    assert_eq!(markdown("- :/\\*/: permission denied\n"), Ok(()));
    assert!(markdown("- a://b\n").is_err());
}

#[test]
fn the_checkers_refuse_what_their_readers_refuse() {
    for bad in [
        "DIAG OK - x",
        "OK - x\n",
        "DIAG OK - a|b|'c'=1\n",
        "DIAG OK - a |'c'=U\n",
        "DIAG OK - a |'c'=1,5\n",
        "DIAG OK - a |'c'=1e3\n",
        "DIAG OK - a |'c'=nan\n",
        "DIAG OK - a |'c=d'=1\n",
        "DIAG OK - a |'c'=1/s\n",
    ] {
        assert!(nagios(bad).is_err(), "{bad:?}");
    }
    let head = "# HELP a b\n# TYPE a gauge\n";
    for bad in ["a 1", "a 1 5\n", "a{x=\"\"\"} 1\n", "a{x=\"\n\"} 1\n", "a inf\n", "a 1\na 1\n", "b 1\n"] {
        assert!(prometheus(&format!("{head}{bad}")).is_err(), "{bad:?}");
    }
    assert_eq!(prometheus(&format!("{head}a{{x=\"\\\"\"}} 1\n")), Ok(()));
    for bad in ["<b>\n", "`\n", "a|b\n", "|a|b|\n|-|\n", "@x\n", "```sh\n", "[a](b)\n", "x"] {
        assert!(markdown(bad).is_err(), "{bad:?}");
    }
}

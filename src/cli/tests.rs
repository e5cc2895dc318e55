//! From words to requests.

use super::*;
use crate::model::finding::Severity;
use std::path::{Path, PathBuf};

const PIPE: Surroundings = Surroundings { stdout_is_terminal: false };
const TERMINAL: Surroundings = Surroundings { stdout_is_terminal: true };

fn parse_in(arguments: &[&str], surroundings: Surroundings) -> Result<Request, Box<Refusal>> {
    let words = std::iter::once("diag").chain(arguments.iter().copied());
    parse(words.map(OsString::from), surroundings)
}

fn request(arguments: &[&str]) -> Request {
    parse_in(arguments, PIPE).unwrap_or_else(|refusal| panic!("{arguments:?}: {}", refusal.error))
}

fn called(text: &str) -> Request {
    parse(text.split(' ').map(OsString::from), PIPE).unwrap()
}

fn usage_error(arguments: &[&str]) -> String {
    let refusal = parse_in(arguments, PIPE).unwrap_err();
    assert_eq!(refusal.error.exit_code(), 2, "{}", refusal.error);
    refusal.error.to_string()
}

fn live_run(arguments: &[&str]) -> Live {
    match request(arguments) {
        Request::Live(live) => live,
        Request::Record(record) => record.live,
        other => panic!("{other:?}"),
    }
}

fn tuning_report(arguments: &[&str]) -> TuningReport {
    match request(arguments) {
        Request::Report(report) => report,
        other => panic!("{other:?}"),
    }
}

fn format_of(request: &Request) -> Format {
    match request {
        Request::Live(live) => live.answer.output.format,
        Request::Record(record) => record.live.answer.output.format,
        Request::Replay(replay) => replay.answer.output.format,
        Request::Report(report) => report.answer.output.format,
        Request::Watch(watch) => watch.output.format,
        Request::Status(status) => status.output.format,
        Request::Explain(explain) => explain.output.format,
        Request::Config(output) | Request::Schema(_, output) | Request::Completions(_, output) => {
            output.format
        }
    }
}

#[test]
fn the_definition_holds_together() {
    definition().debug_assert();
}

#[test]
fn numbers_that_make_no_sense_are_usage_errors() {
    assert!(usage_error(&["--top", "0"]).contains("from 1 up"));
    assert!(usage_error(&["--top", "-3"]).contains("from 1 up"));
    assert!(usage_error(&["--pid", "0"]).contains("positive number"));
    assert!(usage_error(&["--pid", "99999999999"]).contains("positive number"));
    assert!(usage_error(&["--unit", " "]).contains("name of a unit"));
    assert!(usage_error(&["--unit", "a", "--pid", "1"]).contains("cannot be used with"));
    assert!(usage_error(&["--interval", "-5"]).contains("from 1s to 1h"));
}

#[test]
fn short_options_are_the_usual_ones() {
    let live = live_run(&["-t", "2s", "-p", "nginx", "-f", "json", "-o", "x", "-v"]);
    assert_eq!(live.window.interval, Duration::from_secs(2));
    assert_eq!(live.answer.target, Some(Target::Name("nginx".to_owned())));
    let expected = (Format::Json, Some(PathBuf::from("x")), true);
    let output = live.answer.output;
    assert_eq!((output.format, output.file, output.verbose), expected);
    assert_eq!(live_run(&["--duration", "9"]).window.interval, Duration::from_secs(9));
    assert_eq!(live_run(&["-p", "42"]).answer.target, Some(Target::Pid(42)));
    assert_eq!(live_run(&["-u", "nginx"]).answer.target, Some(Target::Unit("nginx".to_owned())));
    assert!(!live_run(&[]).answer.output.verbose);
}

#[test]
fn options_go_on_either_side_of_a_command() {
    for arguments in [["--format", "json", "replay", "f"], ["replay", "f", "-f", "json"]] {
        assert_eq!(format_of(&request(&arguments)), Format::Json);
    }
    for arguments in [["--interval", "2s", "record", "f"], ["record", "f", "-t", "2s"]] {
        assert_eq!(live_run(&arguments).window.interval, Duration::from_secs(2));
    }
    assert_eq!(live_run(&["record", "f"]).window.interval, DEFAULT_INTERVAL);
    assert_eq!(live_run(&["record", "f", "--root", "/host"]).window.root, Path::new("/host"));
    assert_eq!(live_run(&[]).window.root, Path::new("/"));
}

#[test]
fn a_tuning_report_has_a_long_window_a_profile_and_is_html() {
    let window = |arguments: &[&str]| match tuning_report(arguments).source {
        ReportSource::Live(window) => window,
        other => panic!("{other:?}"),
    };
    let usual = window(&["report"]);
    assert_eq!(usual.interval, REPORT_INTERVAL);
    assert_eq!(usual.profile, Some(ProfileWindow { after: Duration::from_secs(2), frequency_hertz: 99 }));
    assert_eq!(format_of(&request(&["report"])), Format::Html);
    for arguments in [["--format", "markdown", "report"], ["report", "--format", "markdown"]] {
        assert_eq!(format_of(&request(&arguments)), Format::Markdown);
    }
    assert_eq!(window(&["report", "--interval", "9s"]).interval, Duration::from_secs(9));
    assert_eq!(window(&["--interval", "9s", "report"]).interval, Duration::from_secs(9));
    assert_eq!(window(&["report", "--no-profile"]).profile, None);
    assert_eq!(window(&["report", "--root", "/host"]).profile, None);
    assert_eq!(tuning_report(&["report", "f"]).source, ReportSource::Capture("f".into()));
    let compared = tuning_report(&["report", "--compare", "a", "b"]).source;
    assert_eq!(compared, ReportSource::Compare("a".into(), "b".into()));
}

#[test]
fn a_tuning_report_of_a_capture_has_no_window() {
    assert!(usage_error(&["report", "f", "--interval", "9s"]).contains("cannot be used with"));
    assert!(usage_error(&["--interval", "9s", "report", "f"]).contains("cannot be used with"));
    assert!(usage_error(&["report", "--compare", "a", "b", "--profile"]).contains("cannot be used with"));
    assert!(usage_error(&["report", "--compare", "a", "b", "--format", "json"]).contains("html or markdown"));
    usage_error(&["report", "--compare", "a"]);
    usage_error(&["report", "c", "--compare", "a", "b"]);
    usage_error(&["report", "--no-profile", "--flamegraph", "f"]);
    usage_error(&["explain", "none", "--format", "html"]);
}

#[test]
fn html_is_refused_on_a_terminal_before_the_window() {
    for arguments in [&["report"][..], &["report", "f"], &["-f", "html"], &["replay", "f", "-f", "html"]] {
        let refusal = parse_in(arguments, TERMINAL).unwrap_err();
        assert!(refusal.error.to_string().contains("--output report.html"), "{}", refusal.error);
    }
    assert!(parse_in(&["report", "-o", "x"], TERMINAL).is_ok());
    assert!(parse_in(&["report", "-f", "markdown"], TERMINAL).is_ok());
}

#[test]
fn watch_prints_text_on_a_terminal_and_json_lines_elsewhere() {
    let format = |arguments: &[&str], at| format_of(&parse_in(arguments, at).unwrap());
    assert_eq!(format(&["watch"], TERMINAL), Format::Text);
    assert_eq!(format(&["watch"], PIPE), Format::Jsonl);
    assert_eq!(format(&["watch", "-f", "jsonl"], TERMINAL), Format::Jsonl);
    assert_eq!(format(&["watch", "-f", "text"], PIPE), Format::Text);
    assert!(usage_error(&["watch", "-f", "json"]).contains("text, jsonl"));
    let Request::Watch(watch) = request(&["watch"]) else { panic!("another command") };
    assert_eq!((watch.interval, watch.root.as_path()), (DEFAULT_WATCH_INTERVAL, Path::new("/")));
}

#[test]
fn a_name_in_alerts_is_for_an_alertmanager() {
    let named = ["watch", "--alertmanager", "http://127.0.0.1:9093", "--instance", "web-1:9100"];
    let Request::Watch(watch) = request(&named) else { panic!("another command") };
    assert_eq!(watch.instance.as_deref(), Some("web-1:9100"));
    usage_error(&["watch", "--instance", "web-1:9100"]);
    assert!(usage_error(&[&named[..4], &[" "]].concat()).contains("must be a name"));
}

#[test]
fn a_command_refuses_the_options_of_others_by_name() {
    for (arguments, option, command) in [
        (&["replay", "f", "--interval", "2s"][..], "--interval", "replay"),
        (&["replay", "f", "--root", "/"], "--root", "replay"),
        (&["--interval", "2s", "replay", "f"], "--interval", "replay"),
        (&["-t", "2s", "replay", "f"], "-t", "replay"),
        (&["--root", "/", "schema"], "--root", "schema"),
        (&["explain", "--top", "3"], "--top", "explain"),
        (&["explain", "--sort", "cpu"], "--sort", "explain"),
        (&["--pid", "1", "explain", "none"], "--pid", "explain"),
        (&["--fail-on", "critical", "explain"], "--fail-on", "explain"),
        (&["watch", "--pid", "1"], "--pid", "watch"),
        (&["watch", "--output", "x"], "--output", "watch"),
        (&["watch", "--profile"], "--profile", "watch"),
        (&["status", "--unit", "x"], "--unit", "status"),
        (&["status", "--interval", "1s"], "--interval", "status"),
    ] {
        let said = usage_error(arguments);
        assert!(said.contains(&format!("{option} cannot be used with '{command}'")), "{arguments:?}: {said}");
        let refusal = parse_in(arguments, PIPE).unwrap_err();
        assert_eq!(refusal.command.as_deref(), Some(command));
    }
    assert!(usage_error(&["replay", "f", "--bogus"]).contains("--bogus"));
    usage_error(&["explain", "cpu-user", "cpu-system"]);
    for fine in [&["explain"][..], &["explain", "none", "--format", "json", "--color", "never"]] {
        assert!(matches!(request(fine), Request::Explain(_)));
    }
}

/// Whether the help has an entry for the option.
fn lists(help: &str, option: &str) -> bool {
    help.lines().any(|line| {
        let line = line.trim_start();
        let long = line.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(line, |(_, long)| long);
        let rest = long.strip_prefix("--").and_then(|rest| rest.strip_prefix(option));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
    })
}

#[test]
fn help_shows_only_what_a_command_takes() {
    for command in definition().get_subcommands() {
        let name = command.get_name().to_owned();
        let words = ["diag", &name, "--help"].map(OsString::from);
        let refusal = parse(words, PIPE).unwrap_err();
        let help = refusal.error.to_string();
        assert_eq!(refusal.error.exit_code(), 0, "{help}");
        for option in command.get_opts().filter(|option| !option.is_hide_set()) {
            let long = option.get_long().unwrap();
            assert!(lists(&help, long), "{name} --help lacks --{long}");
        }
        for option in definition().get_opts().filter_map(|option| option.get_long()) {
            let takes = command.get_opts().any(|own| own.get_long() == Some(option));
            let listed = lists(&help, option);
            assert!(takes || !listed, "{name} --help lists --{option}, which it does not take");
        }
    }
    let help = |words: &[&str]| parse_in(words, PIPE).unwrap_err().error.to_string();
    assert!(help(&["report", "-h"]).contains("[default: 30s]"));
    assert!(!help(&["report", "-h"]).contains("[default: 5s]"));
    assert!(help(&["watch", "-h"]).contains("[default: 10s]"));
    assert_eq!(help(&["help", "watch"]), help(&["watch", "--help"]));
    assert!(help(&["help"]).contains("Examples:"));
}

#[test]
fn help_lines_stay_readable() {
    let help = definition().render_long_help().to_string();
    assert!(help.contains("Exit codes:") && help.contains("Examples:"));
    let short = definition().render_help().to_string();
    assert!(short.lines().count() < 55, "{short}");
}

#[test]
fn the_name_check_diag_stands_for_the_plugin() {
    assert_eq!(format_of(&called("/x/check_diag")), Format::Nagios);
    assert_eq!(format_of(&called("check_diag replay f")), Format::Nagios);
    assert_eq!(format_of(&called("check_diag status")), Format::Nagios);
    assert_eq!(format_of(&called("check_diag --format text")), Format::Text);
    assert_eq!(format_of(&called("check_diag -f text")), Format::Text);
    assert_eq!(format_of(&called("check_diag explain none")), Format::Text);
    assert_eq!(format_of(&called("diag")), Format::Text);
    let refused = |text: &str| {
        let words = text.split(' ').map(OsString::from);
        parse(words, PIPE).unwrap_err().error.to_string()
    };
    assert!(refused("check_diag --fail-on critical").contains("its own exit codes"));
    for format in ["nagios", "prometheus", "markdown", "jsonl"] {
        let said = refused(&format!("diag explain none --format {format}"));
        assert!(said.contains("text, json"), "{said}");
    }
    assert!(refused("diag --format nagios schema").contains("--format cannot be used with 'schema'"));
}

#[test]
fn a_plugin_answers_within_its_timeout() {
    for (typed, seconds) in [
        ("check_diag", 5),
        ("check_diag -t 10", 5),
        ("check_diag -t 3", 2),
        ("check_diag -t 1", 1),
        ("check_diag --interval 20s -t 10", 9),
        ("check_diag --interval 4s -t 10", 4),
        ("diag -f nagios -t 9", 9),
    ] {
        let Request::Live(live) = called(typed) else { panic!("another command") };
        assert_eq!(live.window.interval, Duration::from_secs(seconds), "{typed}");
    }
}

#[test]
fn a_level_is_a_severity() {
    assert_eq!(live_run(&["--fail-on", "warning"]).answer.fail_on, Some(Severity::Warning));
    assert_eq!(live_run(&["--fail-on", "critical"]).answer.fail_on, Some(Severity::Critical));
    assert!(usage_error(&["--fail-on", "ok"]).contains("notice, warning, critical"));
}

//! The files that follow from the code: manual, completions, JSON Schema. They are committed, and a test compares them.

use crate::cli::{Cli, Document, Shell};
use crate::diagnose::manual;
use crate::exit;
use crate::model::explanation::Explanation;
use crate::model::report::{Report, SCHEMA_VERSION};
use crate::model::watch::{Line, WATCH_VERSION};
use crate::render::explain::{Item, NAMES, Part, sections};
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use schemars::generate::SchemaSettings;

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "When set to anything but nothing, no colour, unless --color always is given."),
    ("CLICOLOR", "When 0, no colour."),
    ("CLICOLOR_FORCE", "When set and not 0, colour also where the output is not a terminal."),
    ("TERM", "When dumb, no colour."),
    ("XDG_CONFIG_HOME", "Where the user's configuration is; ~/.config where it is not set or not absolute."),
    (
        "DIAG_NO_CONFIG",
        "When set to anything but nothing, the configuration files are ignored, as with --no-config.",
    ),
    ("COLUMNS", "Width of the report, where it is not that of the terminal."),
    (
        "PAGER",
        "What explain shows its text with on a terminal; less where it is not set, nothing where it is empty or cat.",
    ),
    (
        "LESS",
        "When not set, the pager gets FRX: it leaves at once what fits the screen, and leaves it there.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "/proc/loadavg, /proc/stat, /proc/meminfo, /proc/vmstat, /proc/diskstats, /proc/swaps",
        "The system's counters.",
    ),
    (
        "/proc/pressure/",
        "Pressure stall information: time lost to waiting. Linux 4.20 and later, where it is on.",
    ),
    ("/proc/PID/", "What each process takes and waits for."),
    (
        "/proc/PID/root/tmp/perf-PID.map, /usr/lib/debug/",
        "With --profile: names of what a runtime has compiled (node --perf-basic-prof, python -X perf, jcmd PID \
         Compiler.perfmap), and of programs whose symbols are in a separate file.",
    ),
    (
        "/etc/diag/config.toml, then $XDG_CONFIG_HOME/diag/config.toml",
        "Limits that differ from the defaults, as TOML: a table for each limit, with warning and critical. Both files \
         may be missing; the later one wins, number by number. Those of the machine that runs diag are read, also for \
         a replay and with --root. A file that makes no sense is an error. diag config prints one to start from.",
    ),
    ("/sys/block/, /sys/fs/cgroup/", "Kinds of block devices; control groups and their limits."),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("diag", "What is wrong here, now."),
    ("diag --interval 30s --sort memory", "A longer look, with the processes ranked by memory."),
    ("diag --format json | jq .verdict", "The verdict for a program."),
    ("diag --profile", "Which function, system call or wait it is."),
    ("diag --pid 4242 --profile --flamegraph 4242.svg", "What one process does, as a picture."),
    ("diag --fail-on critical || page-me", "For a monitor."),
    ("diag --format nagios", "As a plugin of Nagios or Icinga."),
    (
        "diag --format prometheus --output /var/lib/prometheus/node-exporter/diag.prom",
        "Metrics for the textfile collector of node_exporter.",
    ),
    ("diag --root /host", "From a container that has the host's root mounted there."),
    ("diag record slow.diag", "Keep the raw counters of an incident."),
    ("diag replay slow.diag", "Diagnose them later, on any machine."),
    ("diag explain memory-swap", "What that verdict means, how to confirm it, what to do."),
    ("diag config > /etc/diag/config.toml", "A file with every limit, to be changed there."),
];

const SEE_ALSO: &[(&str, &str)] = &[
    ("perf", "1"),
    ("pidstat", "1"),
    ("ps", "1"),
    ("sar", "1"),
    ("top", "1"),
    ("proc", "5"),
    ("vmstat", "8"),
];

/// The manual page, as roff that is ASCII only: what a reader's locale makes of other bytes is anybody's guess.
pub fn man_page() -> Vec<u8> {
    let command = Cli::command();
    let version = format!("diag {}", command.get_version().unwrap_or_default());
    let mut roff = Roff::new();
    // The release stands where a date would: a date of the build would make every build another page.
    roff.control("TH", ["DIAG", "1", &version, &version, "User Commands"]);
    let man = Man::new(command.clone());
    let mut page = roff.render();
    page += &clap_section(|out| man.render_name_section(out));
    page += &clap_section(|out| man.render_synopsis_section(out));
    page += &clap_section(|out| man.render_description_section(out));
    page += &clap_section(|out| man.render_options_section(out));
    page += &subcommands(&command);
    let mut rest = Roff::new();
    bottlenecks(&mut rest);
    exit_status(&mut rest);
    definitions(&mut rest, "ENVIRONMENT", ENVIRONMENT);
    definitions(&mut rest, "FILES", FILES);
    definitions(&mut rest, "EXAMPLES", EXAMPLES);
    see_also(&mut rest);
    page += &without_preamble(&rest.render());
    ascii(&page).into_bytes()
}

/// The completion script for `shell`.
pub fn completion(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_ids(Cli::command()), "diag", &mut script);
    script
}

/// The command line with the ids of the bottlenecks, which it does not know by itself.
fn with_ids(command: Command) -> Command {
    let ids =
        manual::entries().into_iter().map(|entry| PossibleValue::new(entry.id.as_str()).help(entry.title));
    let ids = PossibleValuesParser::new(ids);
    // All of them, since the one that is changed alone would go to the end of the list.
    command.mut_subcommands(|subcommand| match subcommand.get_name() {
        "explain" => subcommand.mut_arg("id", |id| id.value_parser(ids.clone())),
        _ => subcommand,
    })
}

/// The JSON Schema (draft 2020-12) of what diag writes.
pub fn schema(document: Document) -> String {
    // As it is written: every field is there, and what is not known is null.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let (mut schema, name, version) = match document {
        Document::Report => (generator.into_root_schema_for::<Report>(), "report", SCHEMA_VERSION),
        Document::Watch => (generator.into_root_schema_for::<Line>(), "watch", WATCH_VERSION),
    };
    schema.insert("$id".to_owned(), format!("urn:diag:{name}:v{version}").into());
    schema.insert("title".to_owned(), format!("diag {name}, version {version}").into());
    format!("{:#}\n", schema.as_value())
}

/// One section as clap_mangen writes it.
fn clap_section(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and what is written is text.
    let _ = write(&mut bytes);
    // The empty line breaks and makes room by itself; mandoc calls the two requests around it useless.
    without_preamble(&String::from_utf8_lossy(&bytes)).replace(".br\n\n.br\n", "\n")
}

/// `roff` without the definition of the apostrophe, which a page needs only once.
fn without_preamble(roff: &str) -> String {
    let preamble = Roff::new().render();
    roff.strip_prefix(&preamble).unwrap_or(roff).to_owned()
}

fn subcommands(command: &Command) -> String {
    let mut text = String::from(".SH SUBCOMMANDS\nThe options above go before or after a subcommand.\n");
    for subcommand in command.get_subcommands() {
        // Options that all share are in the section above; they are not part of an unbuilt subcommand.
        let own = subcommand.clone().disable_help_flag(true).disable_version_flag(true);
        let mut roff = Roff::new();
        roff.control("SS", [usage(&own).as_str()]);
        let about =
            own.get_long_about().or_else(|| own.get_about()).map(ToString::to_string).unwrap_or_default();
        paragraphs(&mut roff, &about);
        text += &without_preamble(&roff.render());
        let options = clap_section(|out| Man::new(own).render_options_section(out));
        text += options.strip_prefix(".SH OPTIONS\n").unwrap_or(&options);
    }
    text
}

/// `diag record [OPTIONS] <FILE>`
fn usage(subcommand: &Command) -> String {
    let mut words = format!("diag {}", subcommand.get_name());
    if subcommand.get_opts().next().is_some() {
        words += " [OPTIONS]";
    }
    for positional in subcommand.get_positionals() {
        let name = positional.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        let name = name.unwrap_or_else(|| positional.get_id().as_str().to_uppercase());
        words += &if positional.is_required_set() { format!(" <{name}>") } else { format!(" [{name}]") };
    }
    words
}

fn bottlenecks(roff: &mut Roff) {
    roff.control("SH", ["BOTTLENECKS"]);
    roff.text([roman(
        "The ids that diag answers with. They are stable: an id is never renamed or given another meaning. What is \
         here of each is what diag explain says. In the commands,",
    )]);
    roff.text([roman(NAMES)]);
    for told in manual::explanations() {
        bottleneck(roff, &told);
    }
}

fn bottleneck(roff: &mut Roff, told: &Explanation) {
    roff.control("SS", [told.id.as_str()]);
    let mut title = told.title.clone();
    title[..1].make_ascii_uppercase();
    roff.text([roman(sentence(&title))]);
    roff.text([roman(sentence(&told.symptom))]);
    for section in sections(told) {
        roff.control("PP", []);
        roff.text([italic(section.title)]);
        section.items.iter().for_each(|item| write_item(roff, item));
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

/// A line that is neither filled nor stretched, so that it can be copied. It breaks the line before and after it.
fn verbatim<const N: usize>(roff: &mut Roff, line: [Inline; N]) {
    roff.control("nf", []);
    roff.text(line.to_vec());
    roff.control("fi", []);
}

/// `text` on one line, with a full stop.
fn sentence(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !line.is_empty() && !line.ends_with(['.', '!', '?']) {
        line.push('.');
    }
    line
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::ALL {
        definition(roff, &code.to_string(), meaning);
    }
    roff.control("PP", []);
    roff.text([roman(exit::PLUGIN)]);
}

fn definitions(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in entries {
        definition(roff, term, meaning);
    }
}

fn definition(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning)]);
}

fn see_also(roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line: Vec<Inline> = Vec::new();
    for (index, (page, section)) in SEE_ALSO.iter().enumerate() {
        let separator = if index + 1 < SEE_ALSO.len() { ", " } else { "" };
        line.extend([bold(*page), roman(format!("({section}){separator}"))]);
    }
    roff.text(line);
}

fn paragraphs(roff: &mut Roff, text: &str) {
    for (index, paragraph) in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph.trim())]);
    }
}

/// `roff` with every other character by its number.
fn ascii(roff: &str) -> String {
    let mut page = String::with_capacity(roff.len());
    for character in roff.chars() {
        if character.is_ascii() {
            page.push(character);
        } else {
            page.push_str(&format!("\\[u{:04X}]", u32::from(character)));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_its_sections_in_order() {
        let page = String::from_utf8(man_page()).unwrap();
        let titles: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(
            titles,
            [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "SUBCOMMANDS",
                "BOTTLENECKS",
                "\"EXIT STATUS\"",
                "ENVIRONMENT",
                "FILES",
                "EXAMPLES",
                "\"SEE ALSO\""
            ]
        );
        assert!(page.is_ascii());
        let titled = |id: &str| page.contains(&format!(".SS {id}\n"));
        assert!(manual::entries().iter().all(|entry| titled(entry.id.as_str())));
    }

    #[test]
    fn the_manual_says_of_each_bottleneck_what_explain_says() {
        let page = String::from_utf8(man_page()).unwrap();
        for told in manual::explanations() {
            for part in sections(&told).into_iter().flat_map(|section| section.items).flat_map(|item| item.0)
            {
                let (Part::Text(text) | Part::Command(text) | Part::Risk(text) | Part::Undo(text)) = part;
                let text = text.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\*(Aq");
                assert!(page.contains(&ascii(&text)), "{}: {text}", told.id);
            }
        }
    }

    #[test]
    fn the_same_code_gives_the_same_files() {
        assert_eq!(man_page(), man_page());
        assert_eq!(schema(Document::Watch), schema(Document::Watch));
    }

    #[test]
    fn what_may_be_unknown_may_be_null() {
        let schema: serde_json::Value = serde_json::from_str(&schema(Document::Report)).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$defs"]["HostReport"]["properties"]["hostname"]["type"][1], "null");
        let required = schema["$defs"]["Verdict"]["required"].as_array().unwrap();
        assert!(required.iter().any(|field| field == "culprit"));
    }
}

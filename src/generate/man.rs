//! `diag(1)`: the commands, their options, exit codes, environment, files and examples.

use super::roff::{ascii, definition, definitions, page, paragraphs, see_also, without_preamble};
use crate::{cli, exit};
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "When not empty: no colour, unless --color always is given."),
    ("CLICOLOR", "When 0, no colour."),
    ("CLICOLOR_FORCE", "When set and not 0, colour also where the output is not a terminal."),
    ("TERM", "When dumb, no colour."),
    ("XDG_CONFIG_HOME", "Where the user's configuration is; ~/.config where it is not set or not absolute."),
    ("DIAG_NO_CONFIG", "When not empty: the configuration files are ignored, as with --no-config."),
    ("COLUMNS", "Width of the report, where it is not that of the terminal."),
    (
        "PAGER",
        "Pager of diag explain on a terminal; less where it is not set, none where it is empty or cat.",
    ),
    (
        "LESS",
        "Where it is not set, the pager gets FRX: it exits at once when the text fits the screen, and keeps it there.",
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
         a replay and with --root. An invalid file is an error. diag config prints one to start from.",
    ),
    ("/sys/block/, /sys/fs/cgroup/", "Kinds of block devices; control groups and their limits."),
];

const EXAMPLES: &[(&str, &str)] = &[
    ("diag", "What is wrong here, now."),
    ("diag -t 30s --sort memory", "A longer look, with the processes ranked by memory."),
    ("diag -f json | jq .verdict", "The verdict for a program."),
    ("diag --profile", "Which function, system call or wait it is."),
    ("diag -p 4242 --profile --flamegraph 4242.svg", "What one process does, as a picture."),
    ("diag --fail-on critical || page-me", "For a monitor."),
    ("diag -f nagios", "As a plugin of Nagios or Icinga."),
    (
        "diag -f prometheus -o /var/lib/prometheus/node-exporter/diag.prom",
        "Metrics for the textfile collector of node_exporter.",
    ),
    ("diag --root /host", "From a container that has the host's root mounted there."),
    ("diag -u nginx", "Where the time of one service goes."),
    ("diag watch", "A verdict every ten seconds, one line each."),
    ("diag record slow.diag", "Keep the raw counters of an incident."),
    ("diag replay slow.diag", "Diagnose them later, on any machine."),
    ("diag explain memory-swap", "What that verdict means, how to confirm it, what to do."),
    ("diag config > /etc/diag/config.toml", "A file with every limit, to be changed there."),
];

const SEE_ALSO: &[(&str, &str)] = &[
    ("diag-explain", "7"),
    ("perf", "1"),
    ("pidstat", "1"),
    ("ps", "1"),
    ("sar", "1"),
    ("top", "1"),
    ("proc", "5"),
    ("vmstat", "8"),
];

/// The page, in ASCII.
pub fn man_page() -> Vec<u8> {
    let command = cli::definition();
    let mut text = page("DIAG", "1", "User Commands").render();
    let man = Man::new(command.clone());
    text += &clap_section(|out| man.render_name_section(out));
    text += &synopsis(&command);
    text += &clap_section(|out| man.render_description_section(out));
    text += &clap_section(|out| man.render_options_section(out));
    text += &commands(&command);
    let mut rest = Roff::new();
    exit_status(&mut rest);
    definitions(&mut rest, "ENVIRONMENT", ENVIRONMENT);
    definitions(&mut rest, "FILES", FILES);
    definitions(&mut rest, "EXAMPLES", EXAMPLES);
    see_also(&mut rest, SEE_ALSO);
    text += &without_preamble(&rest.render());
    ascii(&text).into_bytes()
}

/// One section as clap_mangen writes it.
fn clap_section(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and what is written is text.
    let _ = write(&mut bytes);
    // The empty line breaks and makes room by itself; mandoc calls the two requests around it useless.
    without_preamble(&String::from_utf8_lossy(&bytes)).replace(".br\n\n.br\n", "\n")
}

/// One line for each way to call it.
fn synopsis(command: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let options = command.get_opts().filter(|option| !option.is_hide_set());
    let options: Vec<String> = options.map(|option| format!("[{}]", typed(option))).collect();
    roff.text([bold("diag"), roman(format!(" {}", options.join(" ")))]);
    for subcommand in command.get_subcommands() {
        let words = usage(subcommand);
        let (name, arguments) = words.split_at(words.find(" [").or(words.find(" <")).unwrap_or(words.len()));
        roff.control("br", []);
        roff.text([bold(name), roman(arguments)]);
    }
    without_preamble(&roff.render())
}

/// `-t DURATION`, `--profile[=SECONDS]`
fn typed(option: &Arg) -> String {
    let name = match (option.get_short(), option.get_long()) {
        (Some(short), _) => format!("-{short}"),
        (None, long) => format!("--{}", long.unwrap_or_default()),
    };
    let takes_value = option.get_action().takes_values();
    let values: Vec<&str> =
        option.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    match values.join(" ") {
        _ if !takes_value => name,
        values if option.is_require_equals_set() => format!("{name}[={values}]"),
        values => format!("{name} {values}"),
    }
}

fn commands(command: &Command) -> String {
    let mut text = String::from(".SH COMMANDS\n");
    for subcommand in command.get_subcommands() {
        let mut roff = Roff::new();
        roff.control("SS", [usage(subcommand).as_str()]);
        let about = subcommand.get_long_about().or_else(|| subcommand.get_about());
        paragraphs(&mut roff, &about.map(ToString::to_string).unwrap_or_default());
        // Options that mean the same as above are only named.
        let (shared, own): (Vec<&Arg>, Vec<&Arg>) = subcommand
            .get_opts()
            .filter(|option| !option.is_hide_set())
            .partition(|option| command.get_opts().any(|above| same(above, option)));
        if !shared.is_empty() {
            let names: Vec<String> = shared.iter().map(|option| both_names(option)).collect();
            roff.control("PP", []);
            roff.text([roman(format!("Options as above: {}.", names.join(", ")))]);
        }
        text += &without_preamble(&roff.render());
        let own: Vec<String> = own.iter().map(|option| option.get_id().to_string()).collect();
        let mut described = subcommand.clone().disable_help_flag(true).disable_version_flag(true);
        let hidden: Vec<String> = described.get_opts().map(|option| option.get_id().to_string()).collect();
        for id in hidden.into_iter().filter(|id| !own.contains(id)) {
            described = described.mut_arg(id, |option| option.hide(true));
        }
        let options = clap_section(|out| Man::new(described).render_options_section(out));
        text += options.strip_prefix(".SH OPTIONS\n").unwrap_or(&options);
    }
    text
}

fn same(a: &Arg, b: &Arg) -> bool {
    a.get_long() == b.get_long()
        && a.get_help().map(ToString::to_string) == b.get_help().map(ToString::to_string)
        && a.get_possible_values().len() == b.get_possible_values().len()
}

fn both_names(option: &Arg) -> String {
    let long = option.get_long().unwrap_or_default();
    option.get_short().map_or_else(|| format!("--{long}"), |short| format!("-{short}, --{long}"))
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

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::ALL {
        definition(roff, &code.to_string(), meaning);
    }
    roff.control("PP", []);
    roff.text([roman(exit::PLUGIN)]);
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
                "COMMANDS",
                "\"EXIT STATUS\"",
                "ENVIRONMENT",
                "FILES",
                "EXAMPLES",
                "\"SEE ALSO\""
            ]
        );
        assert!(page.is_ascii());
        assert!(page.lines().count() < 900, "{} lines", page.lines().count());
        assert!(
            page.contains("[\\-t DURATION]") && page.contains("[\\-p PID|NAME]"),
            "the synopsis has arguments"
        );
        for command in cli::definition().get_subcommands() {
            let name = command.get_name();
            assert!(page.contains(&format!(".SS \"diag {name}")), "{name}");
        }
    }
}

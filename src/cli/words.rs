//! The words as they were typed: options before a command are moved behind it, so that `diag --format json replay FILE`
//! means `diag replay --format json FILE`, and the command itself accepts or refuses them.

use super::args::LiveArgs;
use super::plugin;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args as _, Command};
use std::ffi::OsString;

/// The words in the order in which they are parsed.
pub(super) struct Words {
    /// The program's name first.
    pub(super) arguments: Vec<OsString>,
    /// The command among them.
    pub(super) command: Option<String>,
}

/// Puts the command first.
pub(super) fn in_order(arguments: Vec<OsString>) -> Words {
    match command_at(&arguments) {
        Some((index, command)) => {
            let mut arguments = arguments;
            arguments[1..=index].rotate_right(1);
            Words { arguments, command: Some(command) }
        }
        None => Words { arguments: plugin::with_timeout(arguments), command: None },
    }
}

/// Where the command stands; `None` without one, or where the words before it are wrong by themselves.
fn command_at(arguments: &[OsString]) -> Option<(usize, String)> {
    let options = LiveArgs::augment_args(Command::new("diag"))
        .allow_external_subcommands(true)
        .external_subcommand_value_parser(clap::value_parser!(OsString))
        .disable_help_flag(true)
        .disable_version_flag(true);
    let matches = options.try_get_matches_from(arguments).ok()?;
    let (name, rest) = matches.subcommand()?;
    let rest = rest.get_many::<OsString>("").map_or(0, Iterator::count);
    let is_command = super::definition().get_subcommands().any(|command| command.get_name() == name);
    let index = arguments.len().checked_sub(rest + 1)?;
    (is_command || name == "help").then(|| (index, name.to_owned()))
}

/// The same error; where another command takes the option, it says so instead of calling it unknown.
pub(super) fn name_the_command(error: clap::Error, command: Option<&str>) -> clap::Error {
    let Some(command) = command else { return error };
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument || !is_known(option) {
        return error;
    }
    let message = format!("{option} cannot be used with '{command}'");
    super::definition().error(ErrorKind::ArgumentConflict, message)
}

fn is_known(option: &str) -> bool {
    let definition = super::definition();
    let commands = definition.get_subcommands().chain([&definition]);
    let mut options = commands.flat_map(Command::get_opts);
    options.any(|known| {
        let long = option.strip_prefix("--");
        let short = option.strip_prefix('-').and_then(|rest| rest.chars().next());
        match long {
            Some(long) => known.get_long_and_visible_aliases().is_some_and(|names| names.contains(&long)),
            None => known.get_short().is_some_and(|letter| Some(letter) == short),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(text: &str) -> (String, Option<String>) {
        let Words { arguments, command } = in_order(text.split(' ').map(OsString::from).collect());
        let words: Vec<String> = arguments.into_iter().map(|word| word.into_string().unwrap()).collect();
        (words.join(" "), command)
    }

    #[test]
    fn options_before_a_command_move_behind_it() {
        for (typed, expected, command) in [
            ("diag replay f -f json", "diag replay f -f json", Some("replay")),
            ("diag -f json replay f", "diag replay -f json f", Some("replay")),
            ("diag --profile -t 2s record f", "diag record --profile -t 2s f", Some("record")),
            ("diag --profile=1s record f", "diag record --profile=1s f", Some("record")),
            ("diag -u replay record f", "diag record -u replay f", Some("record")),
            ("diag help record", "diag help record", Some("help")),
            ("diag -f json", "diag -f json", None),
            ("diag -f bogus replay f", "diag -f bogus replay f", None),
            ("diag --top 3 nonsense", "diag --top 3 nonsense", None),
        ] {
            assert_eq!(ordered(typed), (expected.to_owned(), command.map(str::to_owned)), "{typed}");
        }
    }
}

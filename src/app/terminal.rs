//! The terminal: how wide it is, whether it has colours, and the progress on it.

use crate::cli::Output;
use crate::collect::window::Progress;
use crate::model::choice::Color;
use crate::render::text::LINES;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Duration;

/// Width of the text where the width of the screen is unknown.
const DEFAULT_WIDTH: usize = 100;

/// With fewer lines than this the answer does not fit a screen.
const MIN_LINES: usize = 22;

/// Narrower than this no table can be laid out.
const MIN_WIDTH: usize = 40;

/// Lines of the answer: those of the screen without the prompt; without a screen, [`LINES`].
pub(super) fn lines(output: &Output) -> usize {
    let size = output.file.is_none().then(|| rustix::termios::tcgetwinsize(std::io::stdout()).ok()).flatten();
    let rows = size.map_or(0, |size| usize::from(size.ws_row));
    if rows == 0 { LINES } else { rows.saturating_sub(1).clamp(MIN_LINES, LINES) }
}

/// Columns of the screen: COLUMNS when it is a number, else those of the terminal.
pub(super) fn width(output: &Output) -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse::<usize>().ok());
    let terminal = || {
        let size = output.file.is_none().then(|| rustix::termios::tcgetwinsize(std::io::stdout()).ok())??;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    };
    asked.filter(|columns| *columns > 0).or_else(terminal).unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)
}

/// Whether to use colour: --color first, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR and the terminal itself.
pub(super) fn color(output: &Output) -> bool {
    match output.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if output.file.is_some() => false,
        Color::Auto => anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never,
    }
}

/// The progress on a terminal: the load average at once, then how much of the window is over. On standard error, and
/// only where both standard error and standard output are terminals.
pub(super) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new(interval: Duration) -> Self {
        let seen = std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
            if seen { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() },
        );
        if let Ok(style) = ProgressStyle::with_template("{msg}\nwatching {bar:30} {prefix}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    pub(super) fn show(&self, progress: Progress) {
        match progress {
            Progress::Load(load) => {
                self.bar.set_message(format!(
                    "1  load average {:.2} {:.2} {:.2}, {} of {} threads runnable",
                    load.one, load.five, load.fifteen, load.runnable_count, load.threads_count
                ));
                self.bar.tick();
            }
            Progress::Elapsed(elapsed) => {
                self.bar.set_prefix(format!("{:.0} s", elapsed.as_secs_f64()));
                self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            }
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

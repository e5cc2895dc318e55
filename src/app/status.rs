//! `diag status`: what `diag watch` kept, in any format, at once.

use super::{print, say};
use crate::cli::{Format, ReportArgs, StatusArgs};
use crate::collect::clocks;
use crate::collect::kernel::host;
use crate::collect::root::Root;
use crate::exit;
use crate::model::bottleneck::BottleneckId;
use crate::redact::{Redactor, Style};
use crate::render::monitors::haproxy;
use crate::render::monitors::haproxy::HaproxyOptions;
use crate::watch::state;
use crate::watch::status::{Now, answer, missing};
use anyhow::Result;
use std::path::Path;

/// Answers from the state file; the exit code.
pub(super) fn run(options: &ReportArgs, arguments: &StatusArgs) -> Result<u8> {
    let now = now();
    let mut report = match state::read(arguments.state.as_deref(), &now) {
        Ok(state) => answer(state, &now),
        Err(why) => missing(&now, env!("CARGO_PKG_VERSION"), why),
    };
    if options.redact {
        let mut redactor = Redactor::new(Style::Report);
        // The state lists the users of the processes in it alone; sentences may speak of others.
        if let Ok(root) = Root::live(Path::new("/")) {
            redactor.know_users(&host::all_users(&root));
        }
        redactor.learn(&report);
        redactor.report(&mut report);
    }
    let code = if arguments.quiet {
        exit::of_verdict(&report, options.fail_on)
    } else if options.format == Format::Haproxy {
        let how = HaproxyOptions { floor_percent: arguments.floor, drain: arguments.drain };
        print(options, haproxy::render(&report, how).as_bytes())?;
        exit::of_verdict(&report, options.fail_on)
    } else {
        say(options, &report, None)?
    };
    let known = report.verdict.bottleneck != BottleneckId::Unknown;
    Ok(if known || !arguments.unknown_ok { code } else { exit::RAN })
}

/// The moment, by the clock that nobody can set.
pub(crate) fn now() -> Now {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    Now {
        boottime_seconds: clocks::boottime().as_secs_f64(),
        boot_id: boot_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()),
        at: clocks::wall().to_string(),
    }
}

//! `diag status`: the last verdict of `diag watch`, in any format.

use super::output::{Table, print, publish};
use crate::cli::Status;
use crate::collect::kernel::host;
use crate::collect::root::Root;
use crate::exit;
use crate::model::bottleneck::BottleneckId;
use crate::model::choice::Format;
use crate::redact::{Redactor, Style};
use crate::render::monitors::haproxy::{self, HaproxyOptions};
use crate::watch::state;
use crate::watch::status::{answer, missing};
use anyhow::Result;
use std::path::Path;

/// Answers from the state file; the exit code.
pub(super) fn run(status: &Status) -> Result<u8> {
    let Status { output, fail_on, .. } = status;
    let now = state::now();
    let mut report = match state::read(status.state.as_deref(), &now) {
        Ok(state) => answer(state, &now),
        Err(why) => missing(&now, env!("CARGO_PKG_VERSION"), why),
    };
    if status.redact {
        let mut redactor = Redactor::new(Style::Report);
        // The state lists only the users of its processes; sentences may mention others.
        if let Ok(root) = Root::live(Path::new("/")) {
            redactor.know_users(&host::all_users(&root));
        }
        redactor.learn(&report);
        redactor.report(&mut report);
    }
    let code = if status.quiet {
        exit::of_verdict(&report, *fail_on)
    } else if output.format == Format::Haproxy {
        let options = HaproxyOptions { floor_percent: status.floor, drain: status.drain };
        print(output, haproxy::render(&report, options).as_bytes())?;
        exit::of_verdict(&report, *fail_on)
    } else {
        publish(output, Table { top: status.top, sort: None, pid: None }, *fail_on, &report)?
    };
    let known = report.verdict.bottleneck != BottleneckId::Unknown;
    Ok(if known || !status.unknown_ok { code } else { exit::RAN })
}

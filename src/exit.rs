//! Every exit code, and which end of a run gives which.
//!
//! Without `--fail-on` the codes say whether diag ran, never what it found, so that `diag && ...` in a script does not
//! break on a busy box. A reader that closes its pipe early (`diag | head -1`) has what it wanted: code 0, no message. An
//! invalid configuration file is code 1 and not a usage error: the command line was fine. Ctrl-C ends the window, not the
//! run, and so has no code of its own.

use crate::model::bottleneck::BottleneckId;
use crate::model::finding::Severity;
use crate::model::report::Report;
use std::io;

/// Ran, whatever it found.
pub const RAN: u8 = 0;

/// Could not run.
pub const COULD_NOT_RUN: u8 = 1;

/// The command line is wrong.
pub const USAGE: u8 = 2;

/// With `--fail-on`: the verdict is at that level or above.
pub const AT_OR_ABOVE: u8 = 10;

/// With `--fail-on`: diag could not tell.
pub const COULD_NOT_TELL: u8 = 11;

/// With `--format nagios`: could not tell, or could not run, whatever the reason. A code beyond the four states would be
/// shown as critical, so that a typing error would send a page.
pub const NAGIOS_UNKNOWN: u8 = 3;

/// Every code with its meaning, for the manual.
pub const ALL: &[(u8, &str)] = &[
    (RAN, "Ran, whatever it found; also when the reader of a pipe went away."),
    (
        COULD_NOT_RUN,
        "Could not run: no kernel counters, an unreadable capture, an invalid configuration file, a full disk.",
    ),
    (USAGE, "Usage error."),
    (AT_OR_ABOVE, "With --fail-on only: the verdict is at that level or above."),
    (COULD_NOT_TELL, "With --fail-on only: diag could not tell."),
];

/// How they differ with `--format nagios`, for the manual.
pub const PLUGIN: &str = "With --format nagios, and as check_diag, the codes are those of a plugin instead: 0 for ok, 1 for \
                          warning, 2 for critical, and 3 where diag could not tell or could not run, a usage error \
                          included; the line on standard output then begins with DIAG UNKNOWN.";

/// The code for a report that was written.
pub fn of_verdict(report: &Report, fail_on: Option<Severity>) -> u8 {
    let Some(limit) = fail_on else { return RAN };
    if report.verdict.bottleneck == BottleneckId::Unknown {
        COULD_NOT_TELL
    } else if report.verdict.severity >= limit {
        AT_OR_ABOVE
    } else {
        RAN
    }
}

/// The code for a report that was written as a plugin's answer: the four states of Nagios.
pub fn of_plugin(report: &Report) -> u8 {
    if report.verdict.bottleneck == BottleneckId::Unknown {
        return NAGIOS_UNKNOWN;
    }
    match report.verdict.severity {
        Severity::Ok | Severity::Info | Severity::Notice => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

/// A usage error that only the run itself can detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The code for a run that ended in `error`.
pub fn of_error(error: &anyhow::Error) -> u8 {
    if is_broken_pipe(error) {
        RAN
    } else if error.is::<UsageError>() {
        USAGE
    } else {
        COULD_NOT_RUN
    }
}

/// Whether the reader of our output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io_kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        // serde_json does not show the error of the writer below it as a cause of its own.
        let json_kind = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io_kind.or(json_kind) == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::test_report;
    use anyhow::Context;

    #[test]
    fn without_a_level_every_report_is_code_0() {
        assert_eq!(of_verdict(&test_report::busy(), None), RAN);
        assert_eq!(of_verdict(&test_report::unknown(), None), RAN);
    }

    #[test]
    fn a_notice_fails_only_who_asks_for_notices() {
        let mut report = test_report::busy();
        report.verdict.severity = Severity::Notice;
        assert_eq!(of_verdict(&report, Some(Severity::Notice)), AT_OR_ABOVE);
        assert_eq!(of_verdict(&report, Some(Severity::Warning)), RAN);
        assert_eq!(of_plugin(&report), 0);
    }

    #[test]
    fn fail_on_is_met_at_its_level_and_above() {
        let mut report = test_report::busy();
        for (severity, at_warning, at_critical) in [
            (Severity::Ok, RAN, RAN),
            (Severity::Warning, AT_OR_ABOVE, RAN),
            (Severity::Critical, AT_OR_ABOVE, AT_OR_ABOVE),
        ] {
            report.verdict.severity = severity;
            assert_eq!(of_verdict(&report, Some(Severity::Warning)), at_warning);
            assert_eq!(of_verdict(&report, Some(Severity::Critical)), at_critical);
        }
    }

    #[test]
    fn unknown_has_a_code_of_its_own() {
        assert_eq!(of_verdict(&test_report::unknown(), Some(Severity::Critical)), COULD_NOT_TELL);
    }

    #[test]
    fn a_plugin_has_four_states() {
        assert_eq!(of_plugin(&test_report::healthy()), 0);
        let mut report = test_report::busy();
        assert_eq!(of_plugin(&report), 2);
        report.verdict.severity = Severity::Warning;
        assert_eq!(of_plugin(&report), 1);
        assert_eq!(of_plugin(&test_report::unknown()), 3);
    }

    #[test]
    fn a_closed_pipe_is_a_success_at_any_depth_of_the_error() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let direct = Err::<(), _>(pipe()).context("writing the report").unwrap_err();
        assert_eq!(of_error(&direct), RAN);
        let through_json = anyhow::Error::new(serde_json::Error::io(pipe())).context("writing the report");
        assert_eq!(of_error(&through_json), RAN);
    }

    #[test]
    fn a_usage_error_has_its_code() {
        assert_eq!(of_error(&anyhow::Error::new(UsageError("no such id".to_owned()))), USAGE);
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let full =
            anyhow::Error::new(io::Error::from(io::ErrorKind::StorageFull)).context("writing the report");
        assert_eq!(of_error(&full), COULD_NOT_RUN);
        assert_eq!(of_error(&anyhow::anyhow!("no /proc/stat")), COULD_NOT_RUN);
    }
}

//! The plot: live or replay, then delta, diagnose, render. Everything that a run does to the world outside of
//! `collect` is here: signals, the terminal, files of the user.
#![allow(
    clippy::disallowed_methods,
    reason = "app looks at the environment and writes the report; the ban holds for the pure stages"
)]

pub mod pager;
pub(crate) mod terminal;

use crate::capture::{Capture, CaptureWriter, Meta};
use crate::cli::{Cli, Command, ExplainArgs, Format, RecordArgs, ReportArgs, TuningArgs};
use crate::collect::kernel::host;
use crate::collect::priority;
use crate::collect::root::Root;
use crate::collect::self_usage;
use crate::collect::window;
use crate::config::{self, Config};
use crate::diagnose::thresholds::Thresholds;
use crate::files::{Access, write_atomically, write_atomically_for};
use crate::model::comparison::Work;
use crate::model::host::Host;
use crate::model::profile::{Profile, Samples};
use crate::model::rates::Rates;
use crate::model::reading::{Absence, AbsenceKind};
use crate::model::report::{Diagnosis, HostReport, Report, Run, SCHEMA_VERSION, Window, WindowSource};
use crate::model::snapshot::{Recording, Source};
use crate::model::task::{CgroupPaths, Pid};
use crate::model::tuning::Annex;
use crate::redact::{Redactor, Style};
use crate::render::monitors::haproxy::HaproxyOptions;
use crate::watch;
use crate::{delta, diagnose, exit, generate, render};
use anyhow::{Context as _, Result, anyhow};
use profile::Profiling;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use terminal::{Screen, color, rank_by, text_options, width};

mod profile;
pub(crate) mod status;
mod target;

/// Runs what the command line asks for; the exit code.
///
/// # Errors
///
/// Whatever keeps a run from its answer, with the words for one line on standard error.
pub fn run(cli: &Cli) -> Result<u8> {
    // A limit on the size of files is then an error of the write, and not the end of the process.
    let ignored = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), ignored)
        .context("cannot ignore SIGXFSZ")?;
    refuse_a_page_on_the_screen(&cli.report)?;
    match &cli.command {
        None => {
            let config = config(&cli.report)?;
            answer(&cli.report, window(cli, None)?, config, false)
        }
        Some(Command::Record(arguments)) => {
            let config = config(&cli.report)?;
            answer(&cli.report, window(cli, Some(arguments))?, config, false)
        }
        Some(Command::Replay(arguments)) => {
            let config = config(&cli.report)?;
            answer(&cli.report, replay(&arguments.file)?, config, false)
        }
        Some(Command::Report(arguments)) => tuning(cli, arguments),
        Some(Command::Watch(arguments)) => watch::run::run(cli, arguments),
        Some(Command::Status(arguments)) => status::run(&cli.report, arguments),
        Some(Command::Explain(arguments)) => explain(&cli.report, arguments),
        Some(Command::Config) => print(&cli.report, config::template().as_bytes()),
        Some(Command::Schema { document }) => print(&cli.report, generate::schema(*document).as_bytes()),
        Some(Command::Completions { shell }) => print(&cli.report, &generate::completion(*shell)),
    }
}

/// Whoever forgot to name a file would look at a screenful of markup, after having waited for it.
fn refuse_a_page_on_the_screen(options: &ReportArgs) -> Result<()> {
    if options.format == Format::Html && options.output.is_none() && std::io::stdout().is_terminal() {
        let message = "the report is a page of HTML: name its file, as in --output report.html";
        return Err(exit::UsageError(message.to_owned()).into());
    }
    Ok(())
}

/// The tuning report, of now or of a capture; or of two captures what changed.
fn tuning(cli: &Cli, arguments: &TuningArgs) -> Result<u8> {
    let config = config(&cli.report)?;
    match (&arguments.file, arguments.compare.as_deref()) {
        (_, Some([before, after])) => {
            let told = |file: &Path| diagnosed(&cli.report, replay(file)?, &config, false);
            let mut both = [told(before)?, told(after)?];
            // What is made of two reports without names has none either.
            redacted(&cli.report, &mut both);
            let [before, after] = both.map(|told| (told.report, told.work));
            let comparison = diagnose::compare::compare(before, after);
            let text = match cli.report.format {
                Format::Markdown => render::markdown::report::compare(&comparison),
                _ => render::html::compare(&comparison),
            };
            print(&cli.report, text.as_bytes())?;
            Ok(exit::of_verdict(&comparison.after, cli.report.fail_on))
        }
        (Some(file), _) => answer(&cli.report, replay(file)?, config, true),
        (None, _) => answer(&cli.report, window(cli, None)?, config, true),
    }
}

/// What the configuration files say; read before the window, so that what is wrong with them is said at once.
pub(crate) fn config(options: &ReportArgs) -> Result<Config> {
    let off = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if options.no_config || off("DIAG_NO_CONFIG") {
        return Ok(Config::default());
    }
    config::load(&config::files(|name| std::env::var_os(name)))
}

/// What a run has to go by.
struct Seen<'a> {
    recording: Recording,
    profile: Taking,
    /// The capture to write, once all that belongs into it is there.
    capture: Option<Keeping<'a>>,
}

/// A profile, if there is one.
enum Taking {
    Nothing,
    /// The capture has one.
    Recorded(Box<Samples>),
    /// The window's samples are there; the offender is not known yet.
    Live(Box<Profiling>),
}

/// A capture that is still to be written.
struct Keeping<'a> {
    file: &'a Path,
    writer: CaptureWriter,
    about: Meta,
}

/// Takes a live window; keeps its raw bytes when a capture is wanted.
fn window<'a>(cli: &'a Cli, record: Option<&'a RecordArgs>) -> Result<Seen<'a>> {
    // To say after the window that its answer has no place to go would be late.
    let report = [&cli.report.output, &cli.report.flamegraph, &cli.report.stacks].into_iter().flatten();
    for file in record.map(|arguments| &arguments.file).into_iter().chain(report) {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).with_context(|| {
            format!("cannot write {}; choose a directory that exists and is yours", file.display())
        })?;
    }
    let directory = cli.root();
    let root = Root::live(directory).map_err(|absence| no_root(directory, &absence))?;
    let asked = target::asked(&cli.report);
    let unit = cli.report.unit.clone().unwrap_or_default();
    let belongs = |paths: &CgroupPaths| delta::cgroup::belongs(paths, &unit);
    let wanted = asked.clone().map(|asked| target::wanted(&root, asked, &belongs)).transpose()?;
    priority::prepare();
    let interrupted = listen()?;
    if let Some(arguments) = record {
        root.record(capture_writer(cli, &root, arguments.without_command_lines));
    }
    let mut profiling = Profiling::start(cli, &interrupted);
    let options = window::Options {
        interval: cli.interval(),
        target: wanted,
        profile: profiling.is_some(),
        sampling_ratio: window::SAMPLING_RATIO,
        proportional: true,
        // A capture may be reported on later.
        tuning: record.is_some() || is_page(cli),
        interrupted: &interrupted,
        enough: None,
    };
    let screen = Screen::new(cli.interval());
    let recording = window::live(&root, options, &mut |progress| screen.show(progress))
        .map_err(|absence| no_root(directory, &absence))?;
    screen.clear();
    profiling.iter_mut().for_each(Profiling::stop);
    let capture = record.zip(root.finish_recording()).map(|(arguments, writer)| Keeping {
        file: &arguments.file,
        writer,
        about: Meta {
            host: recording.host.clone(),
            started_at: recording.started_at,
            ended_at: recording.ended_at,
            note: None,
            interrupted: recording.interrupted,
            target: asked,
        },
    });
    Ok(Seen {
        recording,
        profile: profiling.map_or(Taking::Nothing, |live| Taking::Live(Box::new(live))),
        capture,
    })
}

/// What writes a capture of this machine.
pub(crate) fn capture_writer(cli: &Cli, root: &Root, without_command_lines: bool) -> CaptureWriter {
    let redact = cli.report.redact;
    let mut writer = CaptureWriter::new(!without_command_lines && !redact);
    if redact {
        writer.redact(redactor(Style::Raw, &host::gather(root)));
    }
    writer
}

/// What knows the names that this machine goes by, and its users.
pub(crate) fn redactor(style: Style, host: &Host) -> Redactor {
    let mut redactor = Redactor::new(style);
    host.hostname.iter().for_each(|name| redactor.know_host(name));
    redactor.know_users(&host.users);
    redactor
}

/// Whether the answer may have what only a page of the tuning report shows.
fn is_page(cli: &Cli) -> bool {
    matches!(cli.command, Some(Command::Report(_))) || cli.report.format == Format::Html
}

/// Takes the names out of what there is to say, where that was asked for: the same name has the same pseudonym in all.
fn redacted(options: &ReportArgs, all: &mut [Told]) -> Option<Redactor> {
    let mut redactor = options.redact.then(|| Redactor::new(Style::Report))?;
    for told in all.iter() {
        redactor.know_users(&told.users);
        redactor.learn(&told.report);
    }
    for Told { report, annex, work: _, pid: _, users: _ } in all {
        redactor.report(report);
        annex.iter_mut().for_each(|annex| redactor.annex(annex));
    }
    Some(redactor)
}

/// A flag that Ctrl-C and SIGTERM set.
pub(crate) fn listen() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the run at once: the first one asks for the report.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&interrupted))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
            .context("cannot listen to Ctrl-C")?;
    }
    Ok(interrupted)
}

fn replay(file: &Path) -> Result<Seen<'static>> {
    let mut capture = Capture::open(file)?;
    let samples = capture.samples.take();
    let recording = window::replay(capture).map_err(|absence| {
        anyhow!("{} is no usable capture: {absence}; record it again with `diag record`", file.display())
    })?;
    Ok(Seen {
        recording,
        profile: samples.map_or(Taking::Nothing, |samples| Taking::Recorded(Box::new(samples))),
        capture: None,
    })
}

/// What is wrong with the root, and what to type instead.
pub(crate) fn no_root(directory: &Path, absence: &Absence) -> anyhow::Error {
    let shown = directory.display();
    match (&absence.kind, directory == Path::new("/")) {
        (AbsenceKind::Missing, true) => anyhow!("{} is not there: mount proc -t proc /proc", absence.path),
        (AbsenceKind::Missing, false) if Path::new(&absence.path) == directory => {
            anyhow!(
                "there is no {shown}: --root takes a directory that holds proc, such as a mounted host root"
            )
        }
        (AbsenceKind::Missing, false) => anyhow!(
            "{shown} has no {}: --root takes a directory that holds proc, such as / or a mounted host root",
            absence.path
        ),
        _ => anyhow!("cannot read below {shown}: {absence}"),
    }
}

/// Renders the diagnosis of what was seen and writes it; the exit code.
fn answer(options: &ReportArgs, seen: Seen<'_>, config: Config, tuning: bool) -> Result<u8> {
    let page = tuning || options.format == Format::Html;
    let mut told = [diagnosed(options, seen, &config, page)?];
    let redactor = redacted(options, &mut told);
    let [Told { mut report, annex, work: _, pid, users: _ }] = told;
    let drawings = profile::drawings(options, &mut report);
    // What could not be drawn is called by the name of its file.
    redactor.into_iter().for_each(|mut redactor| redactor.not_checked(&mut report.not_checked));
    let page = annex.and_then(|annex| match options.format {
        Format::Html => Some(render::html::render(&report, &annex)),
        Format::Markdown => Some(render::markdown::report::render(&report, &annex)),
        _ => None,
    });
    let code = match page {
        Some(text) => {
            print(options, text.as_bytes())?;
            exit::of_verdict(&report, options.fail_on)
        }
        None => say(options, &report, pid)?,
    };
    // After the answer: a disk that is full must not cost it.
    for (file, text) in drawings {
        write_atomically(file, text.as_bytes())?;
    }
    Ok(code)
}

/// What there is to say of a window.
struct Told {
    report: Report,
    /// For a page of the tuning report.
    annex: Option<Annex>,
    /// How much was done in the window.
    work: Work,
    pid: Option<Pid>,
    /// Names of the users seen.
    users: BTreeMap<u32, String>,
}

/// Diagnoses what was seen; writes the capture, where one was asked for.
fn diagnosed(options: &ReportArgs, seen: Seen<'_>, config: &Config, page: bool) -> Result<Told> {
    let Seen { mut recording, profile, capture } = seen;
    let settled = target::settle(options, &mut recording);
    let pid = settled.pid();
    let rates = delta::rates(&recording);
    settled.refuse_unseen(&recording, &rates)?;
    let series = page.then(|| delta::series::series(&recording));
    // Ten thousand processes are no longer needed in two raw copies.
    drop(recording);
    let asked = diagnose::Options {
        sort: options.sort.map(rank_by),
        top: options.top,
        pid,
        profiled: !matches!(profile, Taking::Nothing),
        thresholds: &config.thresholds,
    };
    let mut diagnosis = diagnose::diagnose(&rates, &asked);
    diagnosis.not_checked.extend(config.not_checked.iter().cloned());
    let profile = profile::tell(options, &rates, &mut diagnosis, pid, profile);
    if let Some(capture) = capture {
        let bytes = capture.writer.finish(capture.about, profile.samples.as_ref())?;
        write_atomically(capture.file, &bytes)?;
    }
    let annex = series.map(|series| diagnose::report_extras::annex(&rates, &diagnosis, series, &asked));
    let work = diagnose::compare::work(&rates);
    let report = report(diagnosis, profile.profile, &rates, &config.thresholds);
    Ok(Told { report, annex, work, pid, users: rates.host.users })
}

/// Renders the report and writes it; the exit code.
fn say(options: &ReportArgs, report: &Report, pid: Option<Pid>) -> Result<u8> {
    let text = match options.format {
        // What only the tuning report has is not kept.
        Format::Html => {
            let message = "a page of HTML is what 'diag report' answers; try --format markdown";
            return Err(exit::UsageError(message.to_owned()).into());
        }
        Format::Haproxy => render::monitors::haproxy::render(report, HaproxyOptions::default()),
        Format::Json => render::json::render(report)?,
        Format::Jsonl => render::jsonl::render(report)?,
        Format::Markdown => render::markdown::render(report),
        Format::Nagios => render::monitors::nagios::render(report),
        Format::Prometheus => render::monitors::prometheus::render(report),
        Format::Text => render::text::render(report, &text_options(options, pid, report.processes_order)),
    };
    print(options, text.as_bytes())?;
    Ok(match options.format {
        Format::Nagios => exit::of_plugin(report),
        _ => exit::of_verdict(report, options.fail_on),
    })
}

/// Explains one bottleneck, or lists them all.
fn explain(options: &ReportArgs, arguments: &ExplainArgs) -> Result<u8> {
    let (width, color) = (width(options), color(options));
    let entries = diagnose::manual::entries;
    // Other formats are refused with the command line.
    let text = match (&arguments.id, options.format) {
        (None, Format::Json) => render::json::document(&entries())?,
        (None, _) => render::explain::list(&entries(), width, color),
        (Some(id), format) => {
            let told = id.parse().ok().and_then(diagnose::manual::by_id).ok_or_else(|| no_bottleneck(id))?;
            match format {
                Format::Json => render::json::document(&told)?,
                _ => render::explain::text(&told, width, color),
            }
        }
    };
    let paged = options.format == Format::Text && options.output.is_none() && std::io::stdout().is_terminal();
    if let Some(pager) = paged.then(pager::wanted).flatten()
        && pager::show(&pager, text.as_bytes()).context("cannot write to the pager")?
    {
        return Ok(exit::RAN);
    }
    print(options, text.as_bytes())
}

fn no_bottleneck(id: &str) -> exit::UsageError {
    let meant = diagnose::manual::nearest(id).map(|id| format!(": did you mean {id}?")).unwrap_or_default();
    exit::UsageError(format!(
        "there is no bottleneck '{id}'{meant}{} 'diag explain' lists them all",
        if meant.is_empty() { ";" } else { "" }
    ))
}

/// The report: the diagnosis with the run, the host and the window.
pub(crate) fn report(
    diagnosis: Diagnosis,
    profile: Option<Profile>,
    rates: &Rates,
    thresholds: &Thresholds,
) -> Report {
    let host = &rates.host;
    let memory = rates.memory.as_ref().ok();
    Report {
        schema_version: SCHEMA_VERSION,
        diag: Run {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cpu_seconds: self_usage::cpu_seconds(),
            max_rss_bytes: self_usage::max_rss_bytes(),
            config_files: thresholds.files().into_iter().map(str::to_owned).collect(),
        },
        host: HostReport {
            hostname: host.hostname.clone(),
            kernel: host.kernel.clone(),
            arch: host.arch.clone(),
            cpus_online: rates.cpus_online_count,
            cpus_effective: rates.cpus_effective,
            memory_total_bytes: memory.map(|memory| memory.total_bytes),
            memory_limit_bytes: rates.own_limits.as_ref().and_then(|own| own.memory?.limit_bytes),
            swap_total_bytes: memory.map(|memory| memory.swap_total_bytes),
            uptime_seconds: rates.uptime_seconds,
            boot_id: host.boot_id.clone(),
            virtualization: host.virtualization.clone(),
            container: host.container.clone(),
        },
        window: Window {
            source: match rates.source {
                Source::Live => WindowSource::Live,
                Source::Capture => WindowSource::Capture,
            },
            started_at: rates.started_at.to_string(),
            ended_at: rates.ended_at.to_string(),
            seconds: rates.seconds,
            interrupted: rates.interrupted,
            samples_count: rates.samples_count,
            age_seconds: None,
        },
        verdict: diagnosis.verdict,
        steps: diagnosis.steps,
        findings: diagnosis.findings,
        processes_order: diagnosis.processes_order,
        processes: diagnosis.processes,
        target: diagnosis.target,
        load: diagnosis.load,
        profile,
        not_checked: diagnosis.not_checked,
    }
}

/// Writes the answer where it was asked for.
fn print(options: &ReportArgs, bytes: &[u8]) -> Result<u8> {
    match &options.output {
        // node_exporter is another user; what it reads holds nothing that the others must not see.
        Some(file) if options.format == Format::Prometheus => {
            write_atomically_for(Access::Everybody, file, bytes)?;
        }
        Some(file) => write_atomically(file, bytes)?,
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to standard output")?;
        }
    }
    Ok(exit::RAN)
}

//! What the test files share: the program itself, its schema, boxes made by hand, and processes that burn.

#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, of which each test file uses its own part"
)]

use diag::app::limits;
use diag::capture::{Capture, CaptureWriter, Frame, FrameKind, Meta};
use diag::collect::window;
use diag::diagnose::thresholds::in_force::BUILT_IN;
use diag::diagnose::{self, Options};
use diag::model::rates::Rates;
use diag::model::reading::Absence;
use diag::model::report::Diagnosis;
use diag::model::snapshot::Recording;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// The program under test.
pub(crate) const DIAG: &str = env!("CARGO_BIN_EXE_diag");

/// No run of a test takes this long, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What of the environment changes the answer; a test sets what it wants to see.
const ENVIRONMENT: [&str; 9] =
    ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "TERM", "PAGER", "LESS", "LV"];

/// The program with `arguments`, ended when it hangs.
pub(crate) fn diag<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::from_std(raw(DIAG));
    command.args(arguments).timeout(PATIENCE);
    command
}

/// Any program in the same plain environment.
pub(crate) fn raw(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ENVIRONMENT {
        command.env_remove(name);
    }
    // Tests ignore the settings of this machine.
    command.env("DIAG_NO_CONFIG", "1");
    command
}

/// Runs the program to its end.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    diag(arguments).output().unwrap()
}

/// Standard output, which is text whatever names are on it.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

/// Standard error, likewise.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}

/// Standard output of a run that must have gone well and quietly.
pub(crate) fn good(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    assert_eq!(stderr(output), "");
    stdout(output)
}

/// Standard output of a recording that went well: it says on standard error what it wrote.
pub(crate) fn recorded(output: &Output, file: &Path) -> String {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let name = file.display();
    assert!(
        said.starts_with(&format!("diag: wrote {name}: ")) && said.contains("B, one window of "),
        "{said}"
    );
    assert!(said.ends_with(&format!(" s; diagnose it with: diag replay {name}\n")), "{said}");
    stdout(output)
}

/// The report of a run that must have gone well: valid by the schema, and consistent.
pub(crate) fn report(output: &Output) -> Value {
    sound_report(&good(output))
}

/// The report in `text`: harmless, valid by the schema, and consistent.
pub(crate) fn sound_report(text: &str) -> Value {
    assert_harmless(text);
    let report: Value = serde_json::from_str(text).unwrap();
    assert_sound(&report);
    report
}

/// The one line on standard error of a run that could not do what was asked.
pub(crate) fn one_line(output: &Output, code: i32) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.ends_with('\n') && text.lines().count() == 1, "not one line: {text:?}");
    assert!(text.starts_with("diag: "), "{text:?}");
    assert!(!text.contains("internal error"), "{text:?}");
    assert_harmless(&text);
    assert_eq!(stdout(output), "", "nothing is printed besides the error");
    text
}

/// That no character of `text` acts on a terminal.
pub(crate) fn assert_harmless(text: &str) {
    let acts = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if let Some(at) = text.find(acts) {
        let start = text[..at].char_indices().rev().nth(40).map_or(0, |(index, _)| index);
        panic!("a raw control character after {:?}", &text[start..at]);
    }
}

/// The published schema of the report, as the program prints it.
fn schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| schema_of("report"))
}

/// The published schema of a document.
pub(crate) fn schema_of(document: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&good(&run(["schema", document]))).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// That a report keeps to its schema and to what its fields promise.
pub(crate) fn assert_sound(report: &Value) {
    if let Err(what) = sound(report) {
        panic!("{what}");
    }
}

/// What is wrong with a report, the first thing found.
pub(crate) fn sound(report: &Value) -> Result<(), String> {
    if let Some(error) = schema().iter_errors(report).next() {
        return Err(format!("{error} at {}", error.instance_path()));
    }
    strings_are_harmless(report)?;
    ratios_are_shares(report, "")?;
    metrics_are_shares(&report["metrics"])?;
    advice_is_the_finding_s(report)?;
    load_adds_up(&report["load"])?;
    target_adds_up(&report["target"])?;
    steps_are_in_order(report)
}

/// Also what `jq -r` would print of them.
fn strings_are_harmless(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => {
            Err(format!("acts on a terminal: {text:?}"))
        }
        Value::Array(values) => values.iter().try_for_each(strings_are_harmless),
        Value::Object(fields) => fields.values().try_for_each(strings_are_harmless),
        _ => Ok(()),
    }
}

/// Shares of a whole are from 0 to 1, wherever they stand.
fn ratios_are_shares(value: &Value, path: &str) -> Result<(), String> {
    const SHARES: [&str; 3] = ["share_ratio", "confidence_ratio", "impact_ratio"];
    match value {
        Value::Array(values) => values
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| ratios_are_shares(value, &format!("{path}/{index}"))),
        Value::Object(fields) => {
            let metric = fields.get("metric").and_then(Value::as_str).unwrap_or("");
            for (key, value) in fields {
                let here = format!("{path}/{key}");
                let share = SHARES.contains(&key.as_str()) || key == "value" && metric_is_share(metric);
                let number = value.as_f64().filter(|_| share);
                if number.is_some_and(|number| !(0.0..=1.0 + 1e-9).contains(&number)) {
                    return Err(format!("{here} {metric} is {value}, not from 0 to 1"));
                }
                ratios_are_shares(value, &here)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Every name is there; ratios are from 0 to 1.
fn metrics_are_shares(metrics: &Value) -> Result<(), String> {
    let Some(metrics) = metrics.as_object().filter(|metrics| metrics.len() >= 29) else {
        return Err(format!("names are missing: {metrics}"));
    };
    let ratios = metrics.iter().filter(|(name, _)| name.ends_with("_ratio"));
    for (name, value) in ratios {
        if value.as_f64().is_some_and(|value| !(0.0..=1.0 + 1e-9).contains(&value)) {
            return Err(format!("metrics/{name} is {value}, not from 0 to 1"));
        }
    }
    Ok(())
}

/// The verdict has the advice of its finding.
fn advice_is_the_finding_s(report: &Value) -> Result<(), String> {
    let id = &report["verdict"]["bottleneck"];
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = findings.iter().find(|finding| finding["id"] == *id && *id != "none");
    let expected = own.map_or_else(|| Value::Array(Vec::new()), |finding| finding["advice"].clone());
    if report["verdict"]["advice"] == expected {
        Ok(())
    } else {
        Err(format!("verdict.advice is not that of {id}"))
    }
}

/// Evidence that is a share of time or of a whole. The CPU time of one thread is not: counters that lie can
/// make it more than one CPU, and that is what they said.
fn metric_is_share(metric: &str) -> bool {
    const STARTS: [&str; 3] = ["psi_", "cpu_", "disk_utilization"];
    metric.ends_with("_ratio")
        && (metric.contains("share") || STARTS.iter().any(|start| metric.starts_with(start)))
}

/// The parts of the load make up the whole, for R and for D.
fn load_adds_up(load: &Value) -> Result<(), String> {
    let groups = load["groups"].as_array().ok_or("no groups")?;
    for (state, total) in [("R", "running_mean"), ("D", "uninterruptible_mean")] {
        let parts: Vec<f64> =
            groups.iter().filter(|g| g["state"] == state).filter_map(|g| g["mean"].as_f64()).collect();
        let (sum, whole) = (parts.iter().sum::<f64>(), load[total].as_f64().ok_or("no mean")?);
        let error = 1e-3 * (parts.len() + 1) as f64 + 1e-9 * whole.abs();
        if parts.iter().any(|part| *part < 0.0) || whole < 0.0 || (sum - whole).abs() > error {
            return Err(format!("the parts {parts:?} of the load in {state} add up to {sum}, not {whole}"));
        }
    }
    let known = |group: &Value| group["state"] == "R" || group["state"] == "D";
    if groups.iter().all(known) { Ok(()) } else { Err("a state that is no load".to_owned()) }
}

/// The waits of the process or unit that was asked for make up all of its time, and so do those of each member.
fn target_adds_up(target: &Value) -> Result<(), String> {
    let members = target["members"].as_array();
    for part in std::iter::once(target).chain(members.into_iter().flatten()).filter(|part| !part.is_null()) {
        let waits = part["waits"].as_array().ok_or("no waits")?;
        let ratios: Vec<f64> = waits.iter().filter_map(|wait| wait["ratio"].as_f64()).collect();
        let sum: f64 = ratios.iter().sum();
        let share = |ratio: &f64| (0.0..=1.0 + 1e-9).contains(ratio);
        if ratios.len() != waits.len() || !ratios.iter().all(share) || (sum - 1.0).abs() > 1e-5 {
            return Err(format!("the waits {ratios:?} of the target add up to {sum}"));
        }
        let words: std::collections::BTreeSet<_> = waits.iter().map(|wait| wait["wait"].as_str()).collect();
        if words.len() != waits.len() || part["thread_seconds"].as_f64().is_none_or(|seconds| seconds < 0.0) {
            return Err(format!("not one row by class, or no time: {part}"));
        }
    }
    Ok(())
}

/// The triage's own order, each step naming the next.
fn steps_are_in_order(report: &Value) -> Result<(), String> {
    let steps: Vec<&str> = report["steps"]
        .as_array()
        .ok_or("no steps")?
        .iter()
        .filter_map(|step| step["step"].as_str())
        .collect();
    let [first, second, middle @ .., last] = &steps[..] else { return Err(format!("steps {steps:?}")) };
    // Why is asked where there is a profile.
    let (middle, last) = match (middle, *last) {
        ([middle @ .., who], "why") => (middle, *who),
        (middle, last) => (middle, last),
    };
    let third = ["user-or-system", "swap-or-disk", "limits-and-errors"];
    let distinct = middle.iter().collect::<std::collections::BTreeSet<_>>().len() == middle.len();
    let fits = !middle.is_empty() && distinct && middle.iter().all(|step| third.contains(step));
    if (*first, *second, last) != ("load-average", "cpu-or-io", "who") || !fits {
        return Err(format!("steps {steps:?}"));
    }
    let next = |index: usize| report["steps"][index]["next"].as_str();
    let linked = (0..steps.len()).all(|index| next(index) == steps.get(index + 1).copied());
    if linked { Ok(()) } else { Err(format!("steps {steps:?} do not name the next one")) }
}

/// A box that is described by a few numbers, for captures with a verdict that is known beforehand.
#[derive(Debug, Clone)]
pub(crate) struct MadeBox {
    /// Busy share of the two CPUs.
    pub(crate) busy: f64,
    /// Share of the time in which at least one thread waits for a CPU.
    pub(crate) stalled: f64,
    /// Name of the process that burns.
    pub(crate) comm: Vec<u8>,
    /// Its arguments, NUL separated.
    pub(crate) command_line: Vec<u8>,
    /// Its control group.
    pub(crate) cgroup: Vec<u8>,
    /// Name of the host.
    pub(crate) hostname: String,
}

/// Process that burns in a [`MadeBox`].
pub(crate) const BURNER: i32 = 4242;

/// Process that does nothing there.
pub(crate) const SLEEPER: i32 = 77;

impl Default for MadeBox {
    fn default() -> Self {
        Self {
            busy: 0.99,
            stalled: 0.9,
            comm: b"burner".to_vec(),
            command_line: b"/opt/burner\0--hard\0".to_vec(),
            cgroup: b"/system.slice/burner.service".to_vec(),
            hostname: "box".to_owned(),
        }
    }
}

impl MadeBox {
    /// Two CPUs that are full and threads that queue for them.
    pub(crate) fn critical() -> Self {
        Self::default()
    }

    /// Full, with a short queue.
    pub(crate) fn warning() -> Self {
        Self { stalled: 0.3, ..Self::default() }
    }

    /// Nothing to do.
    pub(crate) fn idle() -> Self {
        Self { busy: 0.02, stalled: 0.0, ..Self::default() }
    }

    /// Names made to act on the administrator's terminal.
    pub(crate) fn hostile() -> Self {
        Self {
            comm: b"\x1b[31m)\n\xff\xc2\x9b(R".to_vec(),
            command_line: b"\x1b]0;owned\x07\0\xff\xfe\0\xe2\x80\xaegpj.exe\0a\nb\r\t\0|<img>&`x`\0".to_vec(),
            cgroup: b"/system.slice/\x1b[2J\xe2\x80\xae.service".to_vec(),
            hostname: "box\n\u{1b}[31m\u{202e}".to_owned(),
            ..Self::default()
        }
    }

    /// What one moment of it looks like.
    pub(crate) fn frame(&self, kind: FrameKind, at_seconds: u64) -> Frame {
        let mut frame = Frame::new(kind, Duration::from_secs(at_seconds));
        let mut put = |path: &str, bytes: &[u8]| {
            frame.files.insert(path.to_owned(), bytes.to_vec());
        };
        put("proc/loadavg", b"3.00 2.00 1.00 4/100 5000\n");
        let stat = |pid: i32, comm: &[u8], state: char, ticks: u64| {
            let start = format!("{pid} (");
            let end = format!(
                ") {state} 1 {pid} {pid} 0 -1 4194304 1 0 0 0 {ticks} 0 0 0 20 0 1 0 500 9999999 300 \
                 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
            );
            [start.as_bytes(), comm, end.as_bytes()].concat()
        };
        let busy = (self.busy * 200.0 * at_seconds as f64) as u64;
        put(&format!("proc/{BURNER}/stat"), &stat(BURNER, &self.comm, 'R', 1000 + busy));
        if kind == FrameKind::Sample {
            put(&format!("proc/{BURNER}/task/{BURNER}/stat"), &stat(BURNER, &self.comm, 'R', 1000 + busy));
            return frame;
        }
        let idle = 200 * at_seconds - busy;
        let mut text = format!("cpu  {} 0 10 {} 0 0 0 0 0 0\n", 5000 + busy, 90_000 + idle);
        for cpu in 0..2 {
            let _ = writeln!(text, "cpu{cpu} {} 0 5 {} 0 0 0 0 0 0", 2500 + busy / 2, 45_000 + idle / 2);
        }
        let _ =
            write!(text, "intr 9 0\nctxt {}\nprocesses 900\nprocs_running 3\nprocs_blocked 0\n", 9 * busy);
        put("proc/stat", text.as_bytes());
        let stalled = (self.stalled * 1e6 * at_seconds as f64) as u64;
        let pressure = |total: u64| {
            format!(
                "some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
            )
        };
        put("proc/pressure/cpu", pressure(stalled).as_bytes());
        put("proc/pressure/memory", pressure(0).as_bytes());
        put("proc/pressure/io", pressure(0).as_bytes());
        put(
            "proc/meminfo",
            b"MemTotal: 4000000 kB\nMemFree: 3000000 kB\nMemAvailable: 3500000 kB\nBuffers: 10 kB\nCached: 9 kB\n\
              SwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\n",
        );
        put("proc/vmstat", b"pswpin 0\npswpout 0\npgmajfault 7\n");
        put("proc/diskstats", b"");
        put("proc/swaps", b"Filename\tType\tSize\tUsed\tPriority\n");
        put("proc/uptime", b"5000.00 9000.00\n");
        put(&format!("proc/{SLEEPER}/stat"), &stat(SLEEPER, b"sleeper", 'S', 4));
        if kind == FrameKind::End {
            put(&format!("proc/{BURNER}/cmdline"), &self.command_line);
            put(&format!("proc/{BURNER}/cgroup"), &[b"0::", &self.cgroup[..], b"\n"].concat());
            put(&format!("proc/{BURNER}/status"), b"Uid:\t1000\t1000\t1000\t1000\nVmSwap:\t0 kB\n");
        }
        frame
    }

    /// The bytes of a capture of five seconds of it.
    pub(crate) fn capture(&self) -> Vec<u8> {
        let mut writer = CaptureWriter::new(true);
        writer.add(self.frame(FrameKind::Start, 0));
        for second in 1..5 {
            writer.add(self.frame(FrameKind::Slice, second));
            writer.add(self.frame(FrameKind::Sample, second));
        }
        writer.add(self.frame(FrameKind::End, 5));
        writer.finish(self.about(), None).unwrap()
    }

    /// The bytes of a capture of a box whose CPU counters stand still, so that nothing can be told.
    pub(crate) fn stopped_capture(&self) -> Vec<u8> {
        let mut writer = CaptureWriter::new(true);
        writer.add(self.frame(FrameKind::Start, 0));
        let mut end = self.frame(FrameKind::End, 0);
        end.at = Duration::from_secs(5);
        writer.add(end);
        writer.finish(self.about(), None).unwrap()
    }

    /// A capture file in a directory of its own.
    pub(crate) fn file(&self) -> (TempDir, PathBuf) {
        file_of(&self.capture())
    }

    pub(crate) fn about(&self) -> Meta {
        let host = serde_json::json!({"ticks_per_second": 100, "page_bytes": 4096, "effective_uid": 0,
            "own_pid": 9, "users": {"1000": "alice"}, "hostname": self.hostname});
        Meta {
            host: serde_json::from_value(host).unwrap(),
            started_at: "2024-05-01T10:00:00Z".parse().unwrap(),
            ended_at: "2024-05-01T10:00:05Z".parse().unwrap(),
            note: None,
            interrupted: false,
            target: None,
        }
    }
}

/// `bytes` in a file of a directory of its own.
pub(crate) fn file_of(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("window.diag");
    fs::write(&file, bytes).unwrap();
    (folder, file)
}

/// The report that a replay of `file` gives.
pub(crate) fn replayed(file: &Path) -> Value {
    report(&diag(["replay", "--format", "json"]).arg(file).output().unwrap())
}

/// A process that is ended with the test, by its own id.
pub(crate) struct Burner {
    child: Child,
    _folder: TempDir,
}

impl Burner {
    /// A shell under the name `comm` that runs `script`; `arguments` are there for everybody to see.
    pub(crate) fn start(comm: &[u8], script: &str, arguments: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(OsStr::from_bytes(comm));
        fs::copy("/bin/sh", &program).unwrap();
        let arguments: Vec<OsString> = arguments.iter().map(|a| OsStr::from_bytes(a).to_owned()).collect();
        let mut command = Command::new(&program);
        command
            // A shell of many names looks at its own name.
            .arg0("sh")
            .args(["-c", script, "sh"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn();
        // A child of another test may hold the copy open for writing until it executes its own program.
        while child.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy) {
            std::thread::sleep(Duration::from_millis(10));
            child = command.spawn();
        }
        let child = child.unwrap();
        let burner = Self { child, _folder: folder };
        wait_until("the burner has its name", || {
            let shown = fs::read(format!("/proc/{}/comm", burner.pid())).unwrap_or_default();
            shown.strip_suffix(b"\n") == Some(&comm[..comm.len().min(15)])
        });
        burner
    }

    /// A program that is installed, as it is.
    pub(crate) fn program(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), _folder: tempfile::tempdir().unwrap() }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loop of a shell that burns a CPU.
pub(crate) const BURN: &str = "while :; do :; done";

/// Looks until it is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !so() {
        assert!(std::time::Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the process sleeps: one that was just started loads its libraries first, on a loaded machine for long.
pub(crate) fn wait_until_asleep(pid: u32) {
    let mut asleep_count = 0;
    wait_until("the process sleeps", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let sleeps = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
        asleep_count = if sleeps { asleep_count + 1 } else { 0 };
        asleep_count >= 3
    });
}

/// Whether a tool is there; says why the test is skipped where it is not.
#[allow(clippy::print_stderr, reason = "the reason of a skipped test")]
pub(crate) fn has(tool: &str) -> bool {
    let there =
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: {tool} is not installed");
    }
    there
}

/// Whether this is root and can become nobody; says why the test is skipped where it cannot.
#[allow(clippy::print_stderr, reason = "the reason of a skipped test")]
pub(crate) fn can_become_nobody() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can run it as nobody");
    }
    root && has("setpriv")
}

/// Words that run what follows as nobody.
pub(crate) const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// The program where every user can run it.
pub(crate) fn public_copy() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("diag");
    // By another process: a child that a test beside this one starts would inherit the file while it is open for
    // writing, and nobody may run it then.
    assert!(Command::new("cp").arg(DIAG).arg(&program).status().unwrap().success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, program)
}

/// A replay by the built-in limits.
pub(crate) fn replay(capture: Capture) -> Result<Recording, Absence> {
    window::replay(capture, &limits::of_window(BUILT_IN))
}

/// Rates by the built-in settings.
pub(crate) fn rates(recording: &Recording) -> Rates {
    diag::delta::rates(recording, &limits::of_delta(BUILT_IN))
}

/// The rates of a real fault, from its capture.
pub(crate) fn rates_of(id: &str) -> Rates {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(id).join("window.diag");
    rates(&replay(Capture::open(&file).unwrap()).unwrap())
}

/// What is made of these rates, by the limits as they are built in.
pub(crate) fn diagnosis(rates: &Rates) -> Diagnosis {
    diagnose::diagnose(
        rates,
        &Options { sort: None, top: 3, pid: None, profiled: false, thresholds: BUILT_IN },
    )
}

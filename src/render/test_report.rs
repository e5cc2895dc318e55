//! Reports made by hand, for the tests of the renderers.

use crate::model::bottleneck::{BottleneckId, Resource, Sort};
use crate::model::finding::{
    ActionKind, Advice, Evidence, Finding, NotChecked, Remedy, Role, Severity, Step, StepId, Suspect,
};
use crate::model::memory_account::{MemoryAccount, MemoryKind, MemoryPart, SlabCache};
use crate::model::metrics::Metrics;
use crate::model::report::{
    Culprit, CulpritKind, HostReport, Load, LoadGroup, News, ProcessRow, Report, Run, SCHEMA_VERSION, Since,
    Verdict, Window, WindowSource,
};
use crate::model::sentence::quote;
use crate::model::target::{Target, TargetFunction, TargetKind, TargetMember, TargetShare, TargetWait};
use crate::model::units::Unit;
use crate::model::wait::Wait;
use crate::render::test_profile;

/// A name that tries everything at once.
pub(crate) const HOSTILE: &str = "<img src=x onerror=1>|\"\x1b[31m\nroot\u{202e}\u{9b}2J\u{7f}\0";

/// A box that swaps itself to death.
pub(crate) fn busy() -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        diag: Run {
            version: "0.1.0".to_owned(),
            cpu_seconds: 0.043,
            max_rss_bytes: Some(9 << 20),
            config_files: Vec::new(),
        },
        host: host(),
        window: Window {
            source: WindowSource::Live,
            started_at: "2026-01-02T03:04:05Z".to_owned(),
            ended_at: "2026-01-02T03:04:10Z".to_owned(),
            seconds: 5.003,
            interrupted: false,
            samples_count: 50,
            age_seconds: None,
        },
        verdict: Verdict {
            bottleneck: BottleneckId::MemorySwap,
            resource: Resource::Memory,
            severity: Severity::Critical,
            confidence_ratio: 0.72,
            confidence: "likely".to_owned(),
            since: Some(Since::Minutes),
            summary: SWAP_SUMMARY.into(),
            cause_chain: vec![BottleneckId::MemorySwap, BottleneckId::DiskSaturated],
            culprit: Some(culprit()),
            remedy: Some(Remedy::FixProgram),
            advice: swap_finding().advice,
            missing_inputs: Vec::new(),
        },
        steps: steps(),
        findings: vec![swap_finding(), disk_finding()],
        news: vec![News {
            summary: "java (pid 99) was OOM-killed 9 min ago; no OOM kill during this window.".into(),
            seconds_ago: Some(540.0),
        }],
        processes_order: Sort::Memory,
        processes: processes(),
        target: Some(target()),
        load: load(),
        metrics: metrics(),
        memory: Some(memory()),
        profile: Some(test_profile::profile()),
        not_checked: ["wait channels of other users", "I/O of other users"]
            .map(|what| NotChecked {
                what: what.to_owned(),
                reason: "permission denied".to_owned(),
                unlock: Some("run as root".to_owned()),
            })
            .to_vec(),
    }
}

/// Where the memory of the busy box is.
fn memory() -> MemoryAccount {
    let part = |kind, name: Option<&str>, bytes, unowned_bytes| MemoryPart {
        kind,
        name: name.map(str::to_owned),
        bytes,
        unowned_bytes,
    };
    MemoryAccount {
        total_bytes: 8 << 30,
        available_bytes: Some(240 << 20),
        available_fall_bytes_per_second: Some(0.0),
        parts: vec![
            part(MemoryKind::Free, None, 128 << 20, 0),
            part(MemoryKind::PageCache, None, 384 << 20, 0),
            part(MemoryKind::Anonymous, None, 7 << 30, 0),
            part(MemoryKind::Tmpfs, Some("/run"), 256 << 20, 256 << 20),
            part(MemoryKind::SlabUnreclaimable, None, 192 << 20, 192 << 20),
            part(MemoryKind::Unexplained, None, 64 << 20, 64 << 20),
        ],
        unowned_bytes: 512 << 20,
        caches: vec![SlabCache { name: "dentry".to_owned(), bytes: 90 << 20 }],
    }
}

/// The numbers of the busy box, without CPU pressure.
fn metrics() -> Metrics {
    Metrics {
        load1: Some(9.5),
        load_per_cpu: Some(2.65),
        cpu_busy_ratio: Some(0.24),
        cpu_iowait_ratio: Some(0.5),
        cpu_steal_ratio: Some(0.0),
        psi_io_some_ratio: Some(0.88),
        psi_memory_some_ratio: Some(0.61),
        memory_available_ratio: Some(0.03),
        disk_utilization_max_ratio: Some(0.99),
        window_seconds: Some(5.003),
        run_cpu_seconds: Some(0.043),
        run_max_rss_bytes: Some(9 << 20),
        ..Metrics::default()
    }
}

/// A box with nothing wrong.
pub(crate) fn healthy() -> Report {
    let mut report = busy();
    report.verdict = Verdict {
        bottleneck: BottleneckId::None,
        resource: Resource::None,
        severity: Severity::Ok,
        confidence_ratio: 0.95,
        confidence: "confident".to_owned(),
        since: None,
        summary: "Nothing is short: the CPUs are busy 3.2 % of the time and no thread waits.".into(),
        cause_chain: Vec::new(),
        culprit: None,
        remedy: None,
        advice: Vec::new(),
        missing_inputs: Vec::new(),
    };
    report.metrics = Metrics { cpu_busy_ratio: Some(0.032), psi_io_some_ratio: Some(0.004), ..metrics() };
    report.findings.clear();
    report.news.clear();
    report.target = None;
    report.profile = None;
    report.steps.truncate(2);
    report.steps[1].evidence = vec![
        evidence("cpu_busy_ratio", 0.032, Unit::Ratio, Some((0.85, 0.95)), "/proc/stat cpu"),
        evidence(
            "psi_cpu_some_ratio",
            0.004,
            Unit::Ratio,
            Some((0.25, 0.5)),
            "/proc/pressure/cpu some total",
        ),
        evidence("psi_io_some_ratio", 0.002, Unit::Ratio, Some((0.1, 0.4)), "/proc/pressure/io some total"),
        evidence(
            "psi_memory_some_ratio",
            0.0,
            Unit::Ratio,
            Some((0.05, 0.2)),
            "/proc/pressure/memory some total",
        ),
        evidence("disk_utilization_ratio", 0.043, Unit::Ratio, Some((0.9, 0.95)), "/proc/diskstats vda"),
    ];
    report.not_checked.clear();
    report
}

/// Inputs that allow no answer.
pub(crate) fn unknown() -> Report {
    let mut report = healthy();
    report.verdict.bottleneck = BottleneckId::Unknown;
    report.verdict.confidence_ratio = 0.0;
    report.verdict.confidence = "suspect".to_owned();
    report.verdict.summary = "Neither /proc/stat nor /proc/pressure could be read.".into();
    report.load.load1 = None;
    report.load.groups.clear();
    report.metrics = Metrics { window_seconds: Some(5.003), ..Metrics::default() };
    report.processes.clear();
    report
}

/// The busy box, with [`HOSTILE`] wherever a word comes from outside.
pub(crate) fn hostile() -> Report {
    let mut report = busy();
    let name = || HOSTILE.to_owned();
    report.host.hostname = Some(name());
    report.host.kernel = Some(name());
    report.host.container = Some(name());
    report.diag.config_files = vec![name()];
    report.verdict.summary.push(quote(HOSTILE));
    report.verdict.culprit = Some(Culprit {
        comm: name(),
        cmdline: Some(name()),
        user: Some(name()),
        unit: Some(name()),
        why: Some(name().into()),
        ..culprit()
    });
    for finding in &mut report.findings {
        finding.summary.push(quote(HOSTILE));
        finding.against.push(name().into());
        finding.suspects.iter_mut().for_each(|suspect| suspect.comm = name());
        for evidence in &mut finding.evidence {
            evidence.source = name();
            evidence.threshold_source = Some(name());
            evidence.threshold_changed = true;
        }
        for advice in &mut finding.advice {
            (advice.command, advice.risk, advice.undo) = (Some(name()), Some(name()), Some(name()));
            (advice.action, advice.expectation, advice.check) = (name(), name(), name());
            advice.undo_note = Some(name());
        }
    }
    report.verdict.advice.iter_mut().for_each(|advice| advice.command = Some(name()));
    for row in &mut report.processes {
        row.comm = name();
        row.cmdline = Some(name());
        row.user = Some(name());
        row.unit = Some(name());
        row.wait_channel = Some(name());
    }
    if let Some(target) = &mut report.target {
        target.unit = Some(name());
        target.comm = Some(name());
        target.summary.push(quote(HOSTILE));
        target.waits[0].function = Some(name());
        target.waits[0].functions[0].function = name();
        target.members[0].comm = name();
    }
    report.profile = Some(test_profile::hostile());
    for group in &mut report.load.groups {
        group.comm = Some(name());
        group.unit = Some(name());
    }
    report.steps.iter_mut().for_each(|step| step.summary.push(quote(HOSTILE)));
    report.not_checked.iter_mut().for_each(|item| item.what = name());
    report.news.iter_mut().for_each(|news| news.summary.push(quote(HOSTILE)));
    report.verdict.missing_inputs.push(name());
    report
}

/// Fails when `text` holds a character that acts on a terminal; line breaks are allowed.
pub(crate) fn assert_harmless(text: &str) {
    let found = text
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{200e}' | '\u{202a}'..='\u{202e}'));
    assert_eq!(found, None, "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("root")), "a forged line in {text:?}");
}

/// Fails when a string within `value`, unescaped as `jq -r` does it, holds such a character.
pub(crate) fn assert_harmless_strings(value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            assert_harmless(text);
            assert!(!text.contains('\n'), "{text:?}");
        }
        serde_json::Value::Array(items) => items.iter().for_each(assert_harmless_strings),
        serde_json::Value::Object(fields) => fields.values().for_each(assert_harmless_strings),
        _ => {}
    }
}

const SWAP_SUMMARY: &str =
    "Memory is short: 14678 pages/s come back from swap, and threads wait for memory 61 % of the time.";

fn host() -> HostReport {
    HostReport {
        hostname: Some("web-1".to_owned()),
        kernel: Some("6.1.0".to_owned()),
        arch: Some("x86_64".to_owned()),
        cpus_online: 2,
        cpus_effective: 2.0,
        memory_total_bytes: Some(4 << 30),
        memory_limit_bytes: None,
        swap_total_bytes: Some(2 << 30),
        uptime_seconds: Some(86_400.5),
        boot_id: None,
        virtualization: Some("kvm".to_owned()),
        container: None,
    }
}

fn culprit() -> Culprit {
    Culprit {
        kind: CulpritKind::Group,
        pid: Some(4242),
        comm: "php-fpm".to_owned(),
        cmdline: Some(
            "php-fpm: pool www --nodaemonize --fpm-config /etc/php/8.2/fpm/php-fpm.conf".to_owned(),
        ),
        user: Some("www-data".to_owned()),
        unit: Some("php8.2-fpm.service".to_owned()),
        members_count: 12,
        share_ratio: Some(0.87),
        why: Some("its workers hold 4.1 GiB together, more than the memory there is".into()),
        pids: (4242..4254).collect(),
        age_seconds: Some(7_300.0),
        cpu_ratio: Some(0.3),
        memory_bytes: Some(3.7e9),
        read_bytes_per_second: Some(20e6),
        write_bytes_per_second: None,
    }
}

fn evidence(metric: &str, value: f64, unit: Unit, limits: Option<(f64, f64)>, source: &str) -> Evidence {
    Evidence {
        metric: metric.to_owned(),
        value: Some(value),
        unit,
        warning: limits.map(|(warning, _)| warning),
        critical: limits.map(|(_, critical)| critical),
        source: source.to_owned(),
        threshold_source: limits.map(|_| "house value".to_owned()),
        threshold_changed: false,
    }
}

fn step(
    step: StepId,
    question: &str,
    answer: &'static str,
    summary: &'static str,
    next: Option<StepId>,
) -> Step {
    Step {
        step,
        question: question.to_owned(),
        answer: answer.into(),

        brief: answer.into(),
        summary: summary.into(),
        evidence: Vec::new(),
        next,
    }
}

fn steps() -> Vec<Step> {
    let mut steps = vec![
        step(
            StepId::LoadAverage,
            "Do more threads want to run than there are CPUs?",
            "queueing",
            "5.3 threads run or wait for 2 CPUs, and 3.9 of them sleep uninterruptibly.",
            Some(StepId::CpuOrIo),
        ),
        step(
            StepId::CpuOrIo,
            "Is it the CPU or I/O that they wait for?",
            "I/O",
            "The CPUs are busy 24 % of the time; threads wait for I/O 88 % of it.",
            Some(StepId::SwapOrDisk),
        ),
        step(
            StepId::SwapOrDisk,
            "Is the I/O swapping, or the work's own?",
            "swapping",
            "98 % of what the disk reads comes from swap.",
            Some(StepId::Who),
        ),
        step(StepId::Who, "Who takes it?", "php-fpm", "12 processes hold 87 % of the memory in use.", None),
    ];
    steps[0].evidence = vec![
        evidence("load_per_cpu", 2.65, Unit::Count, Some((1.0, 2.0)), "/proc/loadavg"),
        evidence("load1_to_load15_ratio", 1.2, Unit::Ratio, None, "/proc/loadavg"),
    ];
    steps[1].evidence = vec![
        evidence("cpu_busy_ratio", 0.24, Unit::Ratio, Some((0.85, 0.95)), "/proc/stat cpu"),
        evidence("psi_io_some_ratio", 0.88, Unit::Ratio, Some((0.1, 0.4)), "/proc/pressure/io some total"),
        Evidence {
            value: None,
            ..evidence("psi_irq_full_ratio", 0.0, Unit::Ratio, None, "/proc/pressure/irq")
        },
    ];
    steps
}

fn swap_finding() -> Finding {
    Finding {
        id: BottleneckId::MemorySwap,
        resource: Resource::Memory,
        severity: Severity::Critical,
        confidence_ratio: 0.72,
        impact_ratio: 0.61,
        summary: SWAP_SUMMARY.into(),
        explained_by: None,
        evidence: vec![
            evidence(
                "swap_in_pages_per_second",
                14_678.0,
                Unit::PerSecond,
                Some((10.0, 1000.0)),
                "/proc/vmstat pswpin",
            ),
            evidence(
                "psi_memory_some_ratio",
                0.61,
                Unit::Ratio,
                Some((0.1, 0.4)),
                "/proc/pressure/memory some total",
            ),
        ],
        against: vec!["The pressure file of the service's own group could not be read.".into()],
        suspects: vec![
            suspect("php-fpm", 4242, Role::Offender, 12, 0.87),
            suspect("mysqld", 77, Role::Victim, 1, 0.4),
        ],
        advice: vec![
            Advice {
                action: "Bound the workers: workers times their size must fit into the memory.".to_owned(),
                kind: ActionKind::Change,
                expectation: "the program needs less: swap in pages goes from 14678/s to below 10/s"
                    .to_owned(),
                check: "swap in pages is below 10/s and memory pressure is below 10 %".to_owned(),
                command: Some("systemctl set-property --runtime php8.2-fpm.service MemoryHigh=2G".to_owned()),
                risk: Some("the service gets slower before the box does".to_owned()),
                undo: Some("systemctl revert php8.2-fpm.service".to_owned()),
                undo_note: None,
                remedy: Remedy::FixProgram,
            },
            Advice {
                action: "Add memory until the working set fits.".to_owned(),
                kind: ActionKind::Plan,
                command: None,
                risk: Some("costs money, and needs a restart where it cannot be added online".to_owned()),
                undo: None,
                undo_note: Some("remove it again".to_owned()),
                expectation: "the same work has more of what is short".to_owned(),
                check: "swap in pages is below 10/s and memory pressure is below 10 %".to_owned(),
                remedy: Remedy::AddResource,
            },
        ],
    }
}

fn disk_finding() -> Finding {
    Finding {
        id: BottleneckId::DiskSaturated,
        resource: Resource::Io,
        severity: Severity::Warning,
        confidence_ratio: 0.9,
        impact_ratio: 0.5,
        summary: "vda is busy 99 % of the time with 4.2 requests in its queue.".into(),
        explained_by: Some(BottleneckId::MemorySwap),
        evidence: vec![evidence(
            "disk_utilization_ratio",
            0.99,
            Unit::Ratio,
            Some((0.7, 0.9)),
            "/proc/diskstats vda",
        )],
        against: vec!["98 % of its reads come from swap.".into()],
        suspects: vec![suspect("mysqld", 77, Role::Victim, 1, 0.4)],
        advice: Vec::new(),
    }
}

fn suspect(comm: &str, pid: i32, role: Role, members_count: u32, share: f64) -> Suspect {
    Suspect { pid: Some(pid), comm: comm.to_owned(), role, share_ratio: Some(share), members_count }
}

fn target() -> Target {
    let function = |function: &str, ratio| TargetFunction { function: function.to_owned(), ratio };
    let wait = |wait, ratio, functions: Vec<TargetFunction>| TargetWait {
        wait,
        ratio,
        seconds: ratio * 50.0,
        function: functions.first().map(|first| first.function.clone()),
        functions,
    };
    let member = |tid, disk| TargetMember {
        pid: 4242,
        tid: Some(tid),
        comm: "php-fpm".to_owned(),
        threads_count: 1,
        thread_seconds: 5.0,
        waits: vec![
            TargetShare { wait: Wait::Disk, ratio: disk },
            TargetShare { wait: Wait::Asleep, ratio: 1.0 - disk },
        ],
    };
    Target {
        kind: TargetKind::Unit,
        pid: None,
        unit: Some("php8.2-fpm.service".to_owned()),
        comm: Some("php-fpm".to_owned()),
        processes_count: 5,
        threads_count: 9,
        thread_seconds: 50.0,
        waits: vec![
            wait(
                Wait::Swap,
                0.61,
                vec![function("folio_wait_bit_common", 0.6), function("swap_readpage", 0.01)],
            ),
            wait(Wait::Asleep, 0.27, vec![function("do_epoll_wait", 0.27)]),
            wait(Wait::Running, 0.12, Vec::new()),
        ],
        members: vec![member(4242, 0.75), member(4243, 0.2)],
        summary:
            "php8.2-fpm.service (5 processes, 9 threads) spent 61 % of its threads' time waiting for swapped \
                  memory, 27 % asleep and 12 % running."
                .into(),
    }
}

fn processes() -> Vec<ProcessRow> {
    let row = ProcessRow {
        pid: 4242,
        ppid: 1,
        comm: "php-fpm".to_owned(),
        cmdline: culprit().cmdline,
        user: Some("www-data".to_owned()),
        unit: Some("php8.2-fpm.service".to_owned()),
        state: "D".to_owned(),
        threads_count: 1,
        cpu_ratio: 0.123,
        user_ratio: 0.1,
        system_ratio: 0.023,
        run_delay_ratio: Some(0.04),
        rss_bytes: 700 << 20,
        pss_bytes: Some(650 << 20),
        swap_bytes: Some(300 << 20),
        read_bytes_per_second: Some(20e6),
        write_bytes_per_second: None,
        major_faults_per_second: 5_012.4,
        nice: 0,
        wait_channel: Some("folio_wait_bit_common".to_owned()),
    };
    let mysqld = ProcessRow {
        pid: 77,
        comm: "mysqld".to_owned(),
        cmdline: Some("/usr/sbin/mysqld".to_owned()),
        user: Some("mysql".to_owned()),
        unit: Some("mysql.service".to_owned()),
        threads_count: 38,
        ..row.clone()
    };
    vec![row, mysqld]
}

fn load() -> Load {
    let group = |state: &str, comm: Option<&str>, reason: Option<&str>, mean| LoadGroup {
        state: state.to_owned(),
        comm: comm.map(str::to_owned),
        unit: comm.map(|name| format!("{name}.service")),
        wait_reason: reason.map(str::to_owned),
        mean,
    };
    Load {
        load1: Some(5.31),
        load5: Some(3.02),
        load15: Some(1.5),
        running_mean: 1.4,
        uninterruptible_mean: 3.9,
        groups: vec![
            group("D", Some("php-fpm"), Some("swap"), 3.1),
            group("D", Some("mysqld"), Some("disk"), 0.8),
            group("R", Some("php-fpm"), None, 1.2),
            group("R", None, None, 0.2),
        ],
    }
}

//! Nothing that identifies people and machines is left in any output of `--redact`, and nothing else is changed by it.
//!
//! Each name here is a word that occurs nowhere else, so that a search for it finds a leak and no accident.

#![allow(clippy::disallowed_methods, reason = "a test reads files and runs the program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod support;

use diag::capture::{Capture, CaptureWriter, FrameKind};
use diag::model::profile::Samples;
use diag::redact::{Redactor, Style};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use support::{BURNER, MadeBox, diag, good, replayed, run};
use tempfile::TempDir;

/// What must be found nowhere, and pieces of it.
const MARKS: [&str; 31] = [
    "zqhost",
    "zqdomain",
    "zqalice",
    "zqbob",
    "zqdiary",
    "zqnotes",
    "zqspace",
    "zqsecret",
    "zqargument",
    "zqserver",
    "zqpeer",
    "zqlxc",
    "zqmail",
    "zqdisk",
    "10.77.66.55",
    "10.77.66.54",
    // The same in the tables of sockets.
    "37424D0A",
    "2001:db9:abc::77",
    "2001:0db9",
    "B90D0120",
    "5e:ad:be:ef:77:01",
    "5E-AD-BE-EF-77-01",
    "7a7b7c7d7e7f",
    "8a8b8c8d-1111-2222-3333-444455556666",
    "8a8b8c8d_1111_2222_3333_444455556666",
    "9a9b9c9d-1111-2222-3333-444455556666",
    "user-1234",
    "user@1234",
    "user/1234",
    "zqtoken",
    "ZQHOST",
];

const CONTAINER: &str = "7a7b7c7d7e7f7a7b7c7d7e7f7a7b7c7d7e7f7a7b7c7d7e7f7a7b7c7d7e7fabcd";

/// A box that tells all of it: a CPU that is short, a disk that is full, the kernel's complaints and a profile.
fn telling() -> Vec<u8> {
    let made = MadeBox {
        comm: b"burner".to_vec(),
        command_line:
            b"/home/zqalice/burner\0--password=zqsecret\0zqargument\0--to=zqmail@zqdomain.example\0".to_vec(),
        cgroup: format!("/kubepods/pod8a8b8c8d_1111_2222_3333_444455556666/docker-{CONTAINER}.scope")
            .into_bytes(),
        hostname: "zqhost.zqdomain.example".to_owned(),
        ..MadeBox::critical()
    };
    let mut writer = CaptureWriter::new(true);
    for (kind, second) in
        [(FrameKind::Start, 0), (FrameKind::Slice, 1), (FrameKind::Sample, 2), (FrameKind::End, 5)]
    {
        let mut frame = made.frame(kind, second);
        if matches!(kind, FrameKind::Start | FrameKind::End) {
            telling_files(&mut frame.files);
            frame.links.insert(format!("proc/{BURNER}/fd/3"), "/home/zqalice/zqspace zqdiary".to_owned());
            frame.links.insert(format!("proc/{BURNER}/fd/4"), "socket:[4711]".to_owned());
            frame.listings.insert(format!("proc/{BURNER}/fd"), vec!["3".to_owned(), "4".to_owned()]);
        }
        writer.add(frame);
    }
    let mut about = made.about();
    about.host.users =
        BTreeMap::from([(0, "root".to_owned()), (1000, "zqalice".to_owned()), (1234, "zqbob".to_owned())]);
    about.host.boot_id = Some("9a9b9c9d-1111-2222-3333-444455556666".to_owned());
    about.note = Some("zqalice says that zqhost is slow".to_owned());
    writer.finish(about, Some(&samples())).unwrap()
}

fn telling_files(files: &mut BTreeMap<String, Vec<u8>>) {
    let mut put = |path: &str, text: &str| {
        files.insert(path.to_owned(), text.as_bytes().to_vec());
    };
    put(
        "proc/self/mountinfo",
        "30 27 0:31 / /home/zqalice/zqspace\\040zqdiary,x rw - ext4 /dev/disk/by-id/ata-zqdisk_77 rw\n\
         31 27 0:32 / /run/user/1234 rw - tmpfs tmpfs rw\n\
         32 27 0:33 / /mnt/zqhost_share rw - nfs zqserver.corp:/export/zqbob rw,addr=10.77.66.55\n\
         33 27 0:34 / /mnt/c rw - cifs //zqserver/share rw,username=zqbob,password=zqtoken\n\
         34 27 0:35 / /mnt/o rw - overlay overlay rw,lowerdir=/home/zqbob/zqnotes:/home/zqalice/x\n",
    );
    for mount in ["home/zqalice/zqspace zqdiary,x", "run/user/1234", "mnt/zqhost_share", "mnt/c", "mnt/o"] {
        put(&format!("{mount}/.statvfs"), "1000000000 1000 1000 1000 10\n");
    }
    put(
        "dev/kmsg",
        "3,100,4990000000,-;nfs: server zqserver.corp:/export not responding, still trying\n\
         4,101,4991000000,-;IN=eth0 MAC=5e:ad:be:ef:77:01 SRC=10.77.66.54 DST=2001:db9:abc::77 on ZQHOST\n\
         4,102,4992000000,-;cifs: zqbob@zqpeer.example.org from 5E-AD-BE-EF-77-01: zqalice_job failed\n\
         3,103,4993000000,-;Out of memory: Killed process 900 (x) user-1234.slice user@1234.service\n\
         3,104,4994000000,-;EXT4-fs error (device sda1): /home/zqbob/zqnotes: I/O error, dev sda, sector 5\n",
    );
    put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/home/zqalice/zqdiary.swap file 1000 900 -2\n");
    put(
        "proc/net/tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
         0: 36424D0A:1F90 37424D0A:0050 01 00000000:00000000 00:00000000 00000000  1234        0 4711 1 0 20 0 0 10 -1\n",
    );
    put(
        "proc/net/tcp6",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
         0: B90D01200000BC0A0000000077000000:1F90 0000000000000000FFFF000037424D0A:0050 01 00000000:00000000 \
         00:00000000 00000000  1234        0 4712 1 0 20 0 0 10 -1\n",
    );
    put(
        "proc/net/dev",
        "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs \
         drop fifo colls carrier compressed\nwg-zqbob: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    );
    put("sys/class/net/wg-zqbob/speed", "1000\n");
    put("sys/block/loop0/size", "1000\n");
    put("sys/block/loop0/loop/backing_file", "/home/zqalice/zqspace zqdiary.img\n");
    put("proc/77/cgroup", "1:name=systemd:/lxc/zqlxc\n0::/user.slice/user-1234.slice/user@1234.service\n");
    put("sys/fs/cgroup/user.slice/user-1234.slice/cpu.stat", "usage_usec 5\n");
    put("sys/fs/cgroup/lxc/zqlxc/cpu.stat", "usage_usec 5\n");
}

fn samples() -> Samples {
    serde_json::from_value(serde_json::json!({
        "event": "cpu-clock", "frequency_hertz": 99, "seconds": 5.0, "attached": null, "kernel_hidden": false,
        "lost_count": 0, "throttled_count": 0, "counters": null,
        "frames": [
            {"symbol": "JS:*main /home/zqalice/zqspace zqdiary.js:10:5", "module": "/tmp/perf-4242.map",
                "space": "user", "unnamed": null},
            {"symbol": null, "module": "/home/zqbob/zqspace zqnotes.so", "space": "user",
                "unnamed": "/home/zqbob/zqspace zqnotes.so is stripped"},
            {"symbol": "py::run:/srv/zqalice/x.py", "module": "/usr/bin/python3", "space": "user",
                "unnamed": null}
        ],
        "processes": [{"pid": BURNER, "ppid": 1, "comm": "burner", "executable": "/home/zqalice/burner",
            "samples_count": 400, "named": true, "stacks": [
                {"frames": [0, 1], "count": 200, "weight": 2_000_000_000_u64, "thread": "burner",
                    "context": "thread", "cut": false},
                {"frames": [2, 1], "count": 200, "weight": 2_000_000_000_u64, "thread": "burner",
                    "context": "thread", "cut": true}]}],
        "syscalls": {"pids": [BURNER], "seconds": 1.0, "calls_count": 500, "period": 1, "lost_count": 0, "calls": [
            {"name": "read", "count": 300, "errors_count": 0, "error": null,
                "subject": ["/home/zqalice/zqspace zqdiary.db", 0.9]},
            {"name": "recvfrom", "count": 200, "errors_count": 0, "error": null,
                "subject": ["10.77.66.55:5432", 0.9]}],
            "note": "the tracer of zqhost was late"},
        "not_checked": [{"what": "the code of /home/zqalice/zqnotes", "reason": "zqhost does not allow it", "unlock": null}]
    }))
    .unwrap()
}

/// Fails on the first mark in `bytes`; `what` they are.
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for mark in MARKS {
        if let Some(at) = text.find(mark) {
            let start = text[..at].char_indices().rev().nth(120).map_or(0, |(index, _)| index);
            let end = text[at..].char_indices().nth(60).map_or(text.len(), |(index, _)| at + index);
            panic!("{mark} is left in {what}: {}", &text[start..end]);
        }
    }
}

fn saved(bytes: &[u8]) -> (TempDir, PathBuf) {
    support::file_of(bytes)
}

/// The same window, as `diag record --redact` would have kept it.
fn redacted(file: &Path) -> Vec<u8> {
    let capture = Capture::open(file).unwrap();
    let mut redactor = Redactor::new(Style::Raw);
    capture.meta.host.hostname.iter().for_each(|host| redactor.know_host(host));
    redactor.know_users(&capture.meta.host.users);
    let mut writer = CaptureWriter::new(false);
    writer.redact(redactor);
    capture.frames.into_iter().for_each(|frame| writer.add(frame));
    writer.finish(capture.meta, capture.samples.as_ref()).unwrap()
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut all).unwrap();
    all
}

#[test]
fn the_marks_are_there_where_nothing_is_redacted() {
    let (_folder, file) = saved(&telling());
    let file = file.to_str().unwrap();
    let mut seen = good(&run(["replay", file, "--format", "json"]));
    seen += &good(&run(["replay", file, "--format", "json", "--profile-mode", "syscalls"]));
    seen += &good(&run(["report", file]));
    seen += &String::from_utf8_lossy(&unpacked(&telling()));
    for mark in MARKS {
        // In the tables an address is in the order of the machine; the long spelling never occurs.
        assert!(seen.contains(mark) || mark == "2001:0db9", "{mark} was not planted");
    }
}

#[test]
fn no_output_has_any_of_the_marks() {
    let (folder, file) = saved(&telling());
    let (one, other) = (folder.path().join("graph.svg"), folder.path().join("stacks"));
    for mode in ["on-cpu", "syscalls", "waits"] {
        for format in ["text", "json", "jsonl", "markdown", "nagios", "prometheus", "haproxy"] {
            let mut command = diag(["replay", "--redact", "--format", format, "--profile-mode", mode]);
            command.arg(&file).args(["--top", "50", "--flamegraph"]).arg(&one).arg("--stacks").arg(&other);
            let output = command.output().unwrap();
            assert_clean(format, &output.stdout);
            assert!(output.stdout.len() > 2, "{format} says nothing: {}", support::stderr(&output));
        }
        if mode == "on-cpu" {
            assert_clean("the flame graph", &fs::read(&one).unwrap());
            assert_clean("the stacks", &fs::read(&other).unwrap());
        }
        for format in ["html", "markdown", "text", "json"] {
            let output =
                diag(["report", "--redact", "--format", format, "--profile-mode", mode]).arg(&file).output();
            let text = good(&output.unwrap());
            assert_clean(&format!("the report as {format}"), text.as_bytes());
        }
    }
    for format in ["html", "markdown"] {
        let output =
            diag(["report", "--redact", "--format", format, "--compare"]).args([&file, &file]).output();
        assert_clean("the comparison", good(&output.unwrap()).as_bytes());
    }
}

#[test]
fn a_file_that_could_not_be_drawn_is_not_named_after_its_owner() {
    let (folder, file) = MadeBox::critical().file();
    let home = folder.path().join("home/zqalice");
    fs::create_dir_all(&home).unwrap();
    let output =
        diag(["replay", "--redact", "--format", "json", "--stacks"]).arg(home.join("x")).arg(&file).output();
    let text = good(&output.unwrap());
    // The box has a user of its own.
    assert!(text.contains("/home/user-2/path-1 was to show"), "{text}");
    assert_clean("what was not checked", text.as_bytes());
}

#[test]
fn no_byte_of_a_capture_has_any_of_the_marks() {
    let (_folder, file) = saved(&telling());
    let bytes = redacted(&file);
    assert_clean("the capture", &unpacked(&bytes));
    let (_folder, put) = saved(&bytes);
    // Redacted again it is the same.
    assert_eq!(unpacked(&redacted(&put)), unpacked(&bytes));
    assert_same(&replayed(&file), &replayed(&put));
}

/// One name in both halves of a comparison has one pseudonym, wherever it was met first.
#[test]
fn a_comparison_calls_the_same_box_by_the_same_name() {
    let named = |hostname: &str| MadeBox { hostname: hostname.to_owned(), ..MadeBox::critical() }.file();
    let ((_a, one), (_b, other)) = (named("zqhost"), named("zqpeer"));
    let compare = |before: &Path, after: &Path| {
        let output =
            diag(["report", "--redact", "--format", "markdown", "--compare"]).args([before, after]).output();
        good(&output.unwrap())
    };
    let text = compare(&one, &other);
    assert!(text.contains("Two boxes: host-1 before, host-2 after."), "{text}");
    let text = compare(&one, &one);
    assert!(!text.contains("Two boxes") && !text.contains("host-2"), "{text}");
}

/// A directory with the files of such a box, for `--root`.
fn tree() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files =
        MadeBox { comm: b"burner".to_vec(), ..MadeBox::critical() }.frame(FrameKind::End, 5).files;
    telling_files(&mut files);
    let passwd =
        b"root:x:0:0::/root:/bin/sh\nzqalice:x:1000:0::/home/zqalice:/bin/sh\nzqbob:x:1234:0::/:/bin/sh\n";
    files.insert("etc/passwd".to_owned(), passwd.to_vec());
    files.insert("proc/sys/kernel/hostname".to_owned(), b"zqhost.zqdomain.example\n".to_vec());
    files.insert(
        "proc/sys/kernel/random/boot_id".to_owned(),
        b"9a9b9c9d-1111-2222-3333-444455556666\n".to_vec(),
    );
    for (path, bytes) in files.into_iter().filter(|(path, _)| !path.ends_with(".statvfs")) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

#[test]
fn a_run_without_end_and_what_it_keeps_have_none_of_the_marks() {
    let (tree, folder) = (tree(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state.json");
    let watch = |redact: &[&str]| {
        let mut command = diag(["watch", "--interval", "1s", "--count", "1"]);
        command.args(redact).arg("--root").arg(tree.path()).arg("--state").arg(&state);
        good(&command.output().unwrap())
    };
    // The plugin has exit codes of its own.
    let status = |options: &[&str]| {
        support::stdout(&diag(["status"]).args(options).arg("--state").arg(&state).output().unwrap())
    };
    let lines = watch(&["--redact"]);
    assert_clean("the lines", lines.as_bytes());
    assert!(lines.contains("\"host\":\"host-1\"") || lines.contains("\"host\": \"host-1\""), "{lines}");
    let kept = fs::read(&state).unwrap();
    assert_clean("the state file", &kept);
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["report"]["host"]["hostname"], "host-1");
    // The run asks this machine which boot it is, and not the tree.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(!kept.to_string().contains(boot.trim()), "{kept}");
    let verdict = kept["report"]["verdict"]["bottleneck"].as_str().unwrap().to_owned();
    let told: Value = serde_json::from_str(&status(&["--format", "json"])).unwrap();
    assert_eq!(told["verdict"]["bottleneck"], verdict.as_str());
    assert!(!told["verdict"]["summary"].as_str().unwrap().contains("boot"), "{told}");
    let again: Value = serde_json::from_str(&status(&["--format", "json", "--redact"])).unwrap();
    assert_eq!((&again["host"], &again["findings"]), (&told["host"], &told["findings"]));

    // What was kept with names can be told without.
    assert!(watch(&[]).contains("zqhost"));
    assert!(String::from_utf8(fs::read(&state).unwrap()).unwrap().contains("zqhost"));
    for format in ["text", "json", "markdown", "nagios", "prometheus", "haproxy"] {
        // Names of users are those of this machine, and of the processes in the state.
        let text = status(&["--redact", "--format", format]);
        assert!(!text.contains("zqhost") && !text.contains("zqdomain"), "{text}");
    }
}

#[test]
fn redaction_changes_names_and_nothing_else() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut count = 0;
    for entry in fs::read_dir(captures).unwrap() {
        let file = entry.unwrap().path().join("window.diag");
        if !file.exists() {
            continue;
        }
        let plain = replayed(&file);
        let (_folder, put) = saved(&redacted(&file));
        assert_same(&plain, &replayed(&put));
        let output = diag(["replay", "--redact", "--format", "json"]).arg(&file).output().unwrap();
        assert_same(&plain, &support::report(&output));
        count += 1;
    }
    assert!(count > 30, "{count}");
}

/// That two reports differ in names alone.
fn assert_same(plain: &Value, put: &Value) {
    assert_alike(plain, put, "");
}

fn assert_alike(a: &Value, b: &Value, path: &str) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{path}");
            // What the run cost.
            let run =
                |key: &str| path.is_empty() && key == "diag" || path == "/metrics" && key.starts_with("run_");
            // Captures without names have no command lines.
            let of = |key: &str| key != "cmdline" && !run(key);
            for (key, value) in a.iter().filter(|(key, _)| of(key)) {
                assert_alike(value, &b[key], &format!("{path}/{key}"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{path}");
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                assert_alike(a, b, &format!("{path}/{index}"));
            }
        }
        (Value::String(a), Value::String(b)) => {
            assert!(differ_in_names(a, b), "{path}: {a} | {b}");
        }
        (a, b) => assert_eq!(a, b, "{path}"),
    }
}

/// Whether `put` is `plain` but for the pseudonyms in it: what is between those stands there in the same order.
fn differ_in_names(plain: &str, put: &str) -> bool {
    let (mut left, mut rest, mut begun) = (plain, put, false);
    loop {
        let next = rest.char_indices().find_map(|(at, _)| Some((at, pseudonym(&rest[at..])?)));
        let (literal, after) =
            next.map_or((rest, None), |(at, length)| (&rest[..at], Some(&rest[at + length..])));
        let Some(after) = after else {
            return if begun { left.ends_with(literal) } else { left == literal };
        };
        let found = if begun { left.find(literal) } else { left.starts_with(literal).then_some(0) };
        let Some(at) = found else { return false };
        left = &left[at + literal.len()..];
        (rest, begun) = (after, true);
    }
}

/// The length of a pseudonym at the start of `text`.
fn pseudonym(text: &str) -> Option<usize> {
    const STARTS: [&str; 10] = [
        "host-",
        "user-",
        "path-",
        "address-",
        "id-",
        "command-",
        "198.18.",
        "2001:db8:d1a6::",
        "00000000",
        "02:00:00:",
    ];
    let start = STARTS.into_iter().find(|start| text.starts_with(start))?;
    let part = |c: char| match start {
        "198.18." => c.is_ascii_digit() || c == '.',
        "00000000" => c.is_ascii_hexdigit() || c == '-' || c == '_',
        _ if start.contains(':') => c.is_ascii_hexdigit() || c == ':',
        _ => c.is_ascii_digit(),
    };
    let tail = &text[start.len()..];
    let length = tail.find(|c| !part(c)).unwrap_or(tail.len());
    (length > 0).then_some(start.len() + length)
}

use super::*;
use crate::model::bottleneck::BottleneckId;
use crate::model::comparison::{Number, Outcome};
use crate::model::explanation::{Explanation, Look};
use crate::model::finding::{Finding, Severity};
use crate::model::rates::CpuRates;
use crate::model::series::{DiskSlice, MemoryLevel, Series, Slice, Stalls};
use crate::model::tuning::{SettingNote, Workers};
use crate::model::units::Unit;
use crate::render::test_report::{self, HOSTILE};
use roxmltree::{Document, Node};
use std::collections::BTreeSet;

/// Extras with something in every part of it; `name` wherever a word comes from outside.
fn extras(name: &str) -> ReportExtras {
    let cpu = CpuRates { user_ratio: 0.5, system_ratio: 0.2, idle_ratio: 0.3, ..CpuRates::default() };
    let slice = |start: f64| Slice {
        start_seconds: start,
        end_seconds: start + 1.0,
        cpu: Some(cpu),
        cpus_busy_ratio: vec![(0, 0.7)],
        stalls: Stalls { cpu_ratio: Some(0.1), memory_ratio: Some(0.6), io_ratio: None },
        blocked_count: Some(2.0),
        memory: Some(MemoryLevel {
            total_bytes: 4 << 30,
            available_bytes: Some(1 << 30),
            swap_used_bytes: 5,
        }),
        swap_in_bytes_per_second: Some(4096.0),
        swap_out_bytes_per_second: None,
        disks: vec![DiskSlice {
            name: name.to_owned(),
            utilization_ratio: 0.9,
            queue_mean: 4.0,
            await_seconds: None,
        }],
    };
    let gap = Slice { start_seconds: 1.0, end_seconds: 2.0, ..Slice::default() };
    ReportExtras {
        series: Series { slices: vec![slice(0.0), gap, slice(2.0)], runnable_counts: vec![1.0, 4.0, 2.0] },
        cpus: (0..40).map(|id| (id, cpu)).collect(),
        cpu: Some(cpu),
        explanations: vec![Explanation {
            id: BottleneckId::MemorySwap,
            title: String::new(),
            symptom: String::new(),
            counters: Vec::new(),
            limits: Vec::new(),
            false_positives: Vec::new(),
            confirm: vec![Look { command: "vmstat 1 5".to_owned(), shows: "si above 0".to_owned() }],
            advice: Vec::new(),
            sources: Vec::new(),
        }],
        settings: vec![SettingNote {
            name: "vm.swappiness".to_owned(),
            value: name.to_owned(),
            sensible: "60".to_owned(),
            why: "why".to_owned(),
            finding: BottleneckId::MemorySwap,
            command: "sysctl -w vm.swappiness=10".to_owned(),
            risk: "risk".to_owned(),
            undo: "sysctl -w vm.swappiness=100".to_owned(),
            evidence: Vec::new(),
            source: "vm.rst".to_owned(),
        }],
        settings_known: true,
        workers: vec![Workers {
            comm: name.to_owned(),
            unit: Some(name.to_owned()),
            count: 12,
            measured_count: 5,
            bytes_each: 300e6,
            largest_bytes: 450e6,
            proportional_bytes: 310e6,
            own_known: true,
            held_bytes: 3.6e9,
            available_bytes: 1e8,
            limited_by: Some(name.to_owned()),
            reserve_bytes: 4e8,
            fit_count: 11,
            fit_largest_count: 7,
        }],
        facts: vec![("Disk".to_owned(), name.to_owned().into())],
    }
}

/// The body as XML: it has no element without an end, and one attribute without a value.
fn body(page: &str) -> String {
    let start = page.find("<body>").unwrap();
    let end = page.find("</body>").unwrap() + "</body>".len();
    page[start..end].replace("<details open>", "<details open=\"\">")
}

/// Elements and attributes, without what they hold.
fn skeleton(page: &str) -> BTreeSet<String> {
    let body = body(page);
    let document = Document::parse(&body).unwrap();
    let words = |node: Node<'_, '_>| {
        let tag = node.tag_name().name().to_owned();
        let attributes: Vec<String> =
            node.attributes().map(|attribute| format!("{tag}@{}", attribute.name())).collect();
        attributes.into_iter().chain([tag])
    };
    document.descendants().filter(Node::is_element).flat_map(words).collect()
}

fn pages() -> Vec<String> {
    let mut full = test_report::busy();
    full.findings.push(note("Only 2 % of memory is free, which is no shortage."));
    vec![
        render(&full, &extras("vda")),
        render(&test_report::healthy(), &ReportExtras::default()),
        render(&test_report::unknown(), &ReportExtras::default()),
        render(&test_report::hostile(), &extras(HOSTILE)),
        compare(&comparison("x")),
        compare(&comparison(HOSTILE)),
    ]
}

fn note(summary: &str) -> Finding {
    let mut note = test_report::busy().findings.remove(1);
    note.id = BottleneckId::None;
    note.severity = Severity::Info;
    note.explained_by = None;
    note.summary = summary.to_owned().into();
    note
}

fn comparison(name: &str) -> Comparison {
    let hostile = name == HOSTILE;
    Comparison {
        outcome: Outcome::Fixed,
        sentence: format!("The bottleneck {name} is gone; now there is none."),
        caveats: vec![name.to_owned()],
        numbers: vec![Number {
            metric: name.to_owned(),
            unit: Unit::Ratio,
            source: String::new(),
            before: Some(0.9),
            after: Some(0.1),
            warning: Some(0.5),
        }],
        gone: vec![BottleneckId::MemorySwap],
        new: Vec::new(),
        still: Vec::new(),
        before: if hostile { test_report::hostile() } else { test_report::busy() },
        after: test_report::healthy(),
    }
}

#[test]
fn every_part_is_there() {
    let page = &pages()[0];
    for words in [
        "The CPUs are busy 24 % of the time",
        "14678 pages/s come back from swap",
        "systemctl set-property --runtime php8.2-fpm.service MemoryHigh=2G",
        "systemctl revert php8.2-fpm.service",
        "the program needs less: swap in pages goes from 14678/s to below 10/s",
        "costs money, and needs a restart",
        "by which 7 fit",
        "memory pressure is below 10 %",
        "vmstat 1 5",
        "zend_hash_find 55 %",
        "CPU time by mode",
        "Pressure: threads wait for",
        "What the load is made of",
        "Disk queue",
        "the 16 busiest of 40",
        "vm.swappiness",
        "11 fit, and 12 run: 1 too many",
        "Only 2 % of memory is free",
        "wait channels of other users",
        "run as root",
    ] {
        assert!(page.contains(words), "{words}");
    }
    for id in
        ["path", "do", "who", "why", "window", "settings", "findings", "harmless", "not-checked", "facts"]
    {
        assert!(page.contains(&format!("id=\"{id}\"")) && page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
}

#[test]
fn a_page_loads_nothing() {
    for page in pages() {
        assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
        assert!(!page.contains("http://") && !page.contains("https://"), "a reference to elsewhere");
        let body = body(&page);
        let document = Document::parse(&body).unwrap();
        for node in document.descendants().filter(Node::is_element) {
            let tag = node.tag_name().name();
            assert!(
                !["script", "img", "link", "iframe", "object", "embed", "form", "use", "image"]
                    .contains(&tag),
                "{tag}"
            );
            for attribute in node.attributes() {
                assert!(!attribute.name().starts_with("on") && attribute.name() != "style", "{attribute:?}");
                let local = attribute.name() != "href" || attribute.value().starts_with('#');
                assert!(local, "{attribute:?}");
            }
        }
        assert!(!page.contains("@import") && !page.contains("url(h"));
    }
}

#[test]
fn names_from_outside_make_neither_elements_nor_attributes() {
    let (report, hostile) = (test_report::busy(), test_report::hostile());
    let (plain, broken) = (render(&report, &extras("vda")), render(&hostile, &extras(HOSTILE)));
    let mut known = skeleton(&plain);
    // A limit of a file and a frame of the kernel have parts that the harmless report shows elsewhere.
    known.extend(
        skeleton(&render(&hostile, &extras("vda")))
            .difference(&known)
            .filter(|part| !part.contains("onerror"))
            .cloned()
            .collect::<Vec<_>>(),
    );
    assert!(
        !known
            .iter()
            .any(|part| part.starts_with("img") || part.contains("onerror") || part.contains("script"))
    );
    assert_eq!(skeleton(&broken).difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    for page in pages() {
        test_report::assert_harmless(&page);
        assert!(!page.contains("<img") && !page.contains("<script"));
    }
    assert!(
        broken.contains("&lt;img src=x onerror=1&gt;|&quot;\\x1b[31m\\nroot"),
        "it is shown as it is written"
    );
}

#[test]
fn pictures_have_words_and_ids_are_there_once() {
    for page in pages() {
        let body = body(&page);
        let document = Document::parse(&body).unwrap();
        let mut ids = BTreeSet::new();
        for node in document.descendants().filter(Node::is_element) {
            if let Some(id) = node.attribute("id") {
                assert!(ids.insert(id.to_owned()), "{id} twice");
            }
            if node.attribute("role") == Some("img") {
                assert!(node.attribute("aria-label").is_some_and(|label| label.len() > 10), "{node:?}");
            }
        }
        for node in document.descendants().filter(|node| node.has_tag_name("a")) {
            assert!(ids.contains(node.attribute("href").unwrap().trim_start_matches('#')));
        }
    }
}

#[test]
fn a_page_stays_small_whatever_is_in_it() {
    let mut report = test_report::hostile();
    let long = "x<\u{202e}".repeat(100_000);
    report.verdict.summary = long.clone().into();
    let finding = report.findings[0].clone();
    report.findings = vec![finding; 500];
    report.processes = vec![report.processes[0].clone(); 10_000];
    report.processes.iter_mut().for_each(|row| row.cmdline = Some(long.clone()));
    report.not_checked = vec![report.not_checked[0].clone(); 5000];
    let mut extras = extras(&long);
    extras.series.slices = (0..240)
        .map(|start| Slice {
            start_seconds: f64::from(start),
            end_seconds: f64::from(start) + 1.0,
            ..extras.series.slices[0].clone()
        })
        .collect();
    let page = render(&report, &extras);
    assert!(page.len() < 600_000, "{}", page.len());
    Document::parse(&body(&page)).unwrap();
}

//! The report, every string of it looked at. It is taken apart field by field, so that a new one has to be decided on
//! before this compiles.

use super::{Kind, Redactor, forms};
use crate::model::finding::{Advice, Evidence, Finding, NotChecked, Step, Suspect};
use crate::model::profile::{Frame, Profile, ProfileWait, Syscall};
use crate::model::report::{
    Culprit, CulpritKind, HostReport, Load, LoadGroup, News, ProcessRow, Report, Run, Verdict,
};
use crate::model::sentence::{Sentence, Span};
use crate::model::target::{Target, TargetMember};

impl Redactor {
    /// Looks for the names that `report` lists, wherever they occur from now on.
    pub fn learn(&mut self, report: &Report) {
        report.host.hostname.iter().for_each(|host| self.know_host(host));
        for row in &report.processes {
            self.know(Kind::Kept, &row.comm);
            row.user.iter().for_each(|user| self.know_user(user));
            row.cmdline.iter().for_each(|line| self.know_command(line));
        }
        if let Some(culprit) = &report.verdict.culprit {
            culprit.user.iter().for_each(|user| self.know_user(user));
            culprit.cmdline.iter().for_each(|line| self.know_command(line));
            self.know_path(&culprit.comm);
        }
        // Text without a structure may hold these paths as well, and would seem to end at the first space in them.
        let modules = report
            .profile
            .iter()
            .flat_map(|profile| &profile.frames)
            .filter_map(|frame| frame.module.as_ref());
        modules.for_each(|module| self.know_path(module));
        let summaries = report.findings.iter().map(|finding| &finding.summary);
        for span in summaries.flat_map(|summary| summary.spans()) {
            if let Span::Path(path) = span {
                self.know_path(path);
            }
        }
    }

    // One word is the name of a program, which text speaks of.
    fn know_command(&mut self, line: &str) {
        if line.contains(' ') {
            self.know(Kind::Command, line);
        }
    }

    // In a sentence a path seems to end where a space is in it.
    pub(super) fn know_path(&mut self, path: &str) {
        if forms::in_home(path).is_some() {
            self.know(Kind::Path, path);
        }
    }

    pub(super) fn in_place(&mut self, text: &mut String) {
        *text = self.text(text);
    }

    pub(super) fn in_option(&mut self, text: &mut Option<String>) {
        text.iter_mut().for_each(|text| self.in_place(text));
    }

    /// Gives each name its pseudonym. Our own words and numbers stay.
    pub(super) fn sentence(&mut self, sentence: &mut Sentence) {
        for span in sentence.spans_mut() {
            match span {
                Span::Text(_) | Span::Number { .. } => {}
                Span::Quote(text) | Span::Address(text) | Span::Device(text) => self.in_place(text),
                Span::Process(name) => *name = self.process(name),
                Span::Function(name) => *name = self.function(name),
                Span::User(name) => *name = self.user(name),
                Span::Host(name) => *name = self.host(name),
                Span::Unit(name) => *name = self.unit(name),
                Span::Path(name) => *name = self.path(name),
            }
        }
    }

    fn user_of(&mut self, user: &mut Option<String>) {
        user.iter_mut().for_each(|user| *user = self.user(user));
    }

    pub(super) fn unit_of(&mut self, unit: &mut Option<String>) {
        unit.iter_mut().for_each(|unit| *unit = self.unit(unit));
    }

    fn command_of(&mut self, cmdline: &mut Option<String>) {
        cmdline.iter_mut().for_each(|line| *line = self.pseudonym(Kind::Command, line));
    }

    pub(super) fn process_of(&mut self, comm: &mut String) {
        *comm = self.process(comm);
    }

    fn path_of(&mut self, path: &mut Option<String>) {
        path.iter_mut().for_each(|path| *path = self.path(path));
    }

    /// Takes out of `report` what identifies people and machines; its names have been learnt before.
    pub fn report(&mut self, report: &mut Report) {
        let Report {
            schema_version: _,
            diag: Run { version: _, cpu_seconds: _, max_rss_bytes: _, config_files },
            host,
            window: _,
            verdict,
            steps,
            findings,
            news,
            processes_order: _,
            processes,
            target,
            load: Load { load1: _, load5: _, load15: _, running_mean: _, uninterruptible_mean: _, groups },
            metrics: _,
            memory,
            profile,
            not_checked,
        } = report;
        self.machine(host);
        config_files.iter_mut().for_each(|file| *file = self.path(file));
        self.verdict(verdict);
        steps.iter_mut().for_each(|step| self.step(step));
        findings.iter_mut().for_each(|finding| self.finding(finding));
        news.iter_mut().for_each(|News { summary, seconds_ago: _ }| self.sentence(summary));
        processes.iter_mut().for_each(|row| self.row(row));
        target.iter_mut().for_each(|target| self.target(target));
        for LoadGroup { state: _, comm, unit, wait_reason, mean: _ } in groups {
            comm.iter_mut().for_each(|comm| self.process_of(comm));
            self.unit_of(unit);
            self.in_option(wait_reason);
        }
        memory.iter_mut().flat_map(|memory| &mut memory.parts).for_each(|part| self.path_of(&mut part.name));
        profile.iter_mut().for_each(|profile| self.profile(profile));
        self.not_checked(not_checked);
    }

    /// The same for what could not be looked at.
    pub fn not_checked(&mut self, all: &mut [NotChecked]) {
        for NotChecked { what, reason, unlock } in all {
            self.in_place(what);
            self.in_place(reason);
            self.in_option(unlock);
        }
    }

    fn machine(&mut self, host: &mut HostReport) {
        let HostReport {
            hostname,
            kernel,
            arch: _,
            cpus_online: _,
            cpus_effective: _,
            memory_total_bytes: _,
            memory_limit_bytes: _,
            swap_total_bytes: _,
            uptime_seconds: _,
            boot_id,
            virtualization: _,
            container,
        } = host;
        hostname.iter_mut().for_each(|name| *name = self.host(name));
        boot_id.iter_mut().for_each(|id| *id = self.id(id));
        self.in_option(kernel);
        self.in_option(container);
    }

    fn verdict(&mut self, verdict: &mut Verdict) {
        let Verdict {
            bottleneck: _,
            resource: _,
            severity: _,
            confidence_ratio: _,
            confidence: _,
            since: _,
            summary,
            cause_chain: _,
            culprit,
            remedy: _,
            advice,
            missing_inputs,
        } = verdict;
        self.sentence(summary);
        self.advice(advice);
        missing_inputs.iter_mut().for_each(|input| self.in_place(input));
        let Some(culprit) = culprit else { return };
        // The rest is numbers.
        let Culprit { kind, comm, cmdline, user, unit, why, .. } = culprit;
        match kind {
            CulpritKind::Process | CulpritKind::Group => self.process_of(comm),
            CulpritKind::Cgroup | CulpritKind::Device => *comm = self.unit(comm),
        }
        self.command_of(cmdline);
        self.user_of(user);
        self.unit_of(unit);
        why.iter_mut().for_each(|why| self.sentence(why));
    }

    fn step(&mut self, step: &mut Step) {
        let Step { step: _, question: _, answer, brief, summary, evidence, next: _ } = step;
        [answer, brief, summary].into_iter().for_each(|sentence| self.sentence(sentence));
        evidence.iter_mut().for_each(|evidence| self.evidence(evidence));
    }

    pub(super) fn evidence(&mut self, evidence: &mut Evidence) {
        let Evidence {
            metric: _,
            value: _,
            unit: _,
            warning: _,
            critical: _,
            source,
            threshold_source,
            threshold_changed: _,
        } = evidence;
        match source.strip_prefix("statvfs ") {
            // It goes on to the end, whatever is in it.
            Some(mount) => *source = format!("statvfs {}", self.path(mount)),
            None => self.in_place(source),
        }
        self.in_option(threshold_source);
    }

    fn finding(&mut self, finding: &mut Finding) {
        let Finding {
            id: _,
            resource: _,
            severity: _,
            confidence_ratio: _,
            impact_ratio: _,
            summary,
            explained_by: _,
            evidence,
            against,
            suspects,
            advice,
        } = finding;
        self.sentence(summary);
        evidence.iter_mut().for_each(|evidence| self.evidence(evidence));
        against.iter_mut().for_each(|sentence| self.sentence(sentence));
        for Suspect { pid, comm, role: _, share_ratio: _, members_count: _ } in suspects {
            match pid {
                Some(_) => self.process_of(comm),
                None => *comm = self.unit(comm),
            }
        }
        self.advice(advice);
    }

    fn advice(&mut self, advice: &mut [Advice]) {
        for Advice { action, kind: _, command, risk, undo, undo_note, expectation, check, remedy: _ } in
            advice
        {
            [action, expectation, check].into_iter().for_each(|text| self.in_place(text));
            [command, risk, undo, undo_note].into_iter().for_each(|text| self.in_option(text));
        }
    }

    fn row(&mut self, row: &mut ProcessRow) {
        // The rest of a row is numbers, a letter, and the name of a kernel function.
        let ProcessRow { comm, cmdline, user, unit, .. } = row;
        self.process_of(comm);
        self.command_of(cmdline);
        self.user_of(user);
        self.unit_of(unit);
    }

    fn target(&mut self, target: &mut Target) {
        let Target {
            kind: _,
            pid: _,
            unit,
            comm,
            processes_count: _,
            threads_count: _,
            thread_seconds: _,
            waits: _,
            members,
            summary,
        } = target;
        self.unit_of(unit);
        comm.iter_mut().for_each(|comm| self.process_of(comm));
        for TargetMember { comm, .. } in members {
            self.process_of(comm);
        }
        self.sentence(summary);
    }

    /// `name;root;...;leaf count`.
    fn stack(&mut self, stack: &str) -> String {
        let (frames, count) = stack.rsplit_once(' ').map_or((stack, None), |(f, count)| (f, Some(count)));
        let frames: Vec<String> = frames.split(';').map(|frame| self.function(frame)).collect();
        frames.join(";") + &count.map_or_else(String::new, |count| format!(" {count}"))
    }

    fn profile(&mut self, profile: &mut Profile) {
        // The rest is numbers.
        let Profile { comm, frames, syscalls, waits, stacks, .. } = profile;
        self.process_of(comm);
        for Frame { symbol, module, space: _, self_ratio: _, total_ratio: _, unnamed_reason } in frames {
            *symbol = self.function(symbol);
            self.path_of(module);
            self.in_option(unnamed_reason);
        }
        for Syscall { name: _, error: _, subject, .. } in syscalls {
            self.path_of(subject);
        }
        for ProfileWait {
            wait: _,
            function: _,
            syscall: _,
            subject,
            kernel_stack: _,
            ratio: _,
            seconds: _,
        } in waits
        {
            self.path_of(subject);
        }
        stacks.iter_mut().for_each(|stack| *stack = self.stack(stack));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sentence::{sentence, unit};
    use crate::redact::Style;
    use crate::render::flame::{folded, graph};
    use crate::render::monitors::{nagios, prometheus};
    use crate::render::{json, jsonl, markdown, test_report, text};

    const SECRETS: [&str; 9] = [
        "carol",
        "shop-7",
        "example.org",
        "10.20.30.40",
        "2001:db9::5",
        "s3cret",
        "4f5e6d7c8b9a",
        "0c3f2c9a-1111-2222-3333-444455556666",
        "diary",
    ];

    fn redacted(mut report: Report, users: &[&str]) -> Report {
        let mut redactor = Redactor::new(Style::Report);
        redactor.know_users(&(1000..).zip(users.iter().map(|user| (*user).to_owned())).collect());
        redactor.learn(&report);
        redactor.report(&mut report);
        report
    }

    /// A box whose every string tells something.
    fn telling() -> Report {
        let mut report = test_report::busy();
        let told = "php-fpm of carol on shop-7 (10.20.30.40, 2001:db9::5) reads /home/carol/diary.txt in docker:4f5e6d7c8b9a";
        report.host.hostname = Some("shop-7.example.org".to_owned());
        report.host.boot_id = Some("0c3f2c9a-1111-2222-3333-444455556666".to_owned());
        report.diag.config_files = vec!["/home/carol/.config/diary".to_owned()];
        report.verdict.summary = Sentence::quoted(told);
        if let Some(culprit) = &mut report.verdict.culprit {
            culprit.user = Some("carol".to_owned());
            culprit.cmdline = Some("php-fpm --password s3cret".to_owned());
            culprit.unit = Some("app@carol.service".to_owned());
            culprit.why = Some(format!("it was started as php-fpm --password s3cret; {told}").into());
        }
        for row in &mut report.processes {
            row.user = Some("carol".to_owned());
            row.cmdline = Some("php-fpm --password s3cret".to_owned());
            row.unit = Some("docker:4f5e6d7c8b9a".to_owned());
        }
        for finding in &mut report.findings {
            finding.summary = Sentence::quoted(told);
            finding.against = vec![Sentence::quoted(told)];
            finding.evidence.iter_mut().for_each(|evidence| evidence.source = told.to_owned());
            finding.advice.iter_mut().for_each(|advice| advice.command = Some(told.to_owned()));
        }
        report.steps.iter_mut().for_each(|step| step.summary = Sentence::quoted(told));
        for group in &mut report.load.groups {
            group.unit = Some("backup-shop-7.service".to_owned());
        }
        if let Some(target) = &mut report.target {
            target.unit = Some("lxc:carol".to_owned());
            target.summary = sentence![unit("lxc:carol"), " spent 1 s"];
        }
        if let Some(profile) = &mut report.profile {
            profile.stacks = vec!["php-fpm;/home/carol/diary.so;main 5".to_owned()];
            profile.frames[0].module = Some("/home/carol/my diary.so".to_owned());
            profile.waits[0].subject = Some("/home/carol/my diary.txt".to_owned());
        }
        report.not_checked[0].reason = told.to_owned();
        report
    }

    #[test]
    fn nothing_is_left_in_any_format() {
        let report = redacted(telling(), &["carol"]);
        let profile = report.profile.as_ref().unwrap();
        for text in [
            text::render(&report, &text::TextOptions::default()),
            json::render(&report).unwrap(),
            jsonl::render(&report).unwrap(),
            markdown::render(&report),
            nagios::render(&report),
            prometheus::render(&report),
            folded::folded(profile),
            graph::svg(profile, "x").unwrap(),
        ] {
            for secret in SECRETS {
                assert!(!text.contains(secret), "{secret} is in {text}");
            }
        }
        let text = json::render(&report).unwrap();
        for kept in [
            "php-fpm of user-1 on host-1 (address-1, address-2) reads /home/user-1/path-",
            "app@user-1.service",
            "backup-host-1.service",
            "command-1",
            "docker:id-",
        ] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
    }

    #[test]
    fn what_tells_nothing_stays() {
        let before = test_report::busy();
        let after = redacted(before.clone(), &[]);
        assert_eq!(after.verdict.summary, before.verdict.summary);
        assert_eq!(after.verdict.cause_chain, before.verdict.cause_chain);
        assert_eq!(after.steps, before.steps);
        assert_eq!(after.findings, before.findings);
        assert_eq!(after.load, before.load);
        assert_eq!(after.profile, before.profile);
        assert_eq!(after.processes[0].user.as_deref(), Some("user-1"));
        redacted(test_report::hostile(), &[test_report::HOSTILE]);
    }
}

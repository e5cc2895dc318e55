//! What the tuning report has beside the report, taken apart likewise.

use super::Redactor;
use crate::model::explanation::Explanation;
use crate::model::series::{DiskSlice, Series, Slice};
use crate::model::tuning::{ReportExtras, SettingNote, Workers};

impl Redactor {
    /// Takes out of `extras` what identifies people and machines.
    pub fn extras(&mut self, extras: &mut ReportExtras) {
        let ReportExtras {
            series: Series { slices, runnable_counts: _ },
            cpus: _,
            cpu: _,
            explanations,
            settings,
            settings_known: _,
            workers,
            facts,
        } = extras;
        slices.iter_mut().for_each(|slice| self.slice(slice));
        explanations.iter().for_each(same_everywhere);
        settings.iter_mut().for_each(|setting| self.setting(setting));
        workers.iter_mut().for_each(|workers| self.workers(workers));
        facts.iter_mut().for_each(|(_, fact)| self.sentence(fact));
    }

    fn slice(&mut self, slice: &mut Slice) {
        let Slice {
            start_seconds: _,
            end_seconds: _,
            cpu: _,
            cpus_busy_ratio: _,
            stalls: _,
            blocked_count: _,
            memory: _,
            swap_in_bytes_per_second: _,
            swap_out_bytes_per_second: _,
            disks,
        } = slice;
        for DiskSlice { name, utilization_ratio: _, queue_mean: _, await_seconds: _ } in disks {
            self.in_place(name);
        }
    }

    /// What else is there is names of settings, their numbers and the program's own words.
    fn setting(&mut self, setting: &mut SettingNote) {
        let SettingNote {
            name: _,
            value: _,
            sensible: _,
            why,
            finding: _,
            evidence,
            command: _,
            risk: _,
            undo: _,
            source: _,
        } = setting;
        self.in_place(why);
        evidence.iter_mut().for_each(|evidence| self.evidence(evidence));
    }

    fn workers(&mut self, workers: &mut Workers) {
        let Workers {
            comm,
            unit,
            count: _,
            measured_count: _,
            bytes_each: _,
            largest_bytes: _,
            proportional_bytes: _,
            own_known: _,
            held_bytes: _,
            available_bytes: _,
            limited_by,
            reserve_bytes: _,
            fit_count: _,
            fit_largest_count: _,
        } = workers;
        self.unit_of(limited_by);
        self.process_of(comm);
        self.unit_of(unit);
    }
}

/// Made of the program's own words.
fn same_everywhere(explanation: &Explanation) {
    let Explanation {
        id: _,
        title: _,
        symptom: _,
        counters: _,
        limits: _,
        false_positives: _,
        confirm: _,
        advice: _,
        sources: _,
    } = explanation;
}

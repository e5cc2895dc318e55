//! The samples of a profile, as a capture keeps them.

use super::Redactor;
use crate::model::finding::NotChecked;
use crate::model::profile::Samples;

impl Redactor {
    /// Paths and names within `samples`; functions and processes stay.
    pub fn samples(&mut self, samples: &Samples) -> Samples {
        let mut samples = samples.clone();
        for frame in &mut samples.frames {
            frame.module.iter().for_each(|module| self.know_path(module));
            frame.symbol.iter_mut().for_each(|symbol| *symbol = self.function(symbol));
            frame.module.iter_mut().for_each(|module| *module = self.path(module));
            frame.unnamed.iter_mut().for_each(|reason| *reason = self.text(reason));
        }
        for process in &mut samples.processes {
            process.comm = self.process(&process.comm);
            process.executable.iter_mut().for_each(|path| *path = self.path(path));
            process.stacks.iter_mut().for_each(|stack| stack.thread = self.process(&stack.thread));
        }
        if let Some(traced) = &mut samples.syscalls {
            for (subject, _) in traced.calls.iter_mut().filter_map(|call| call.subject.as_mut()) {
                *subject = self.path(subject);
            }
            traced.note.iter_mut().for_each(|note| *note = self.text(note));
        }
        for NotChecked { what, reason, unlock } in &mut samples.not_checked {
            *what = self.text(what);
            *reason = self.text(reason);
            unlock.iter_mut().for_each(|unlock| *unlock = self.text(unlock));
        }
        samples
    }
}

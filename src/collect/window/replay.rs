//! A recorded window, built from its frames by the functions that the live window runs.

use super::snapshot::full;
use super::{DetailLimits, follow_up, followings};
use crate::collect::kernel::block_devices;
use crate::collect::root::{Frame, FrameKind, Root};
use crate::collect::tasks::details;
use crate::collect::tasks::follower::{Follower, Followings};
use crate::collect::tasks::sampler::Sampler;
use crate::collect::tasks::scan::Scratch;
use crate::collect::tasks::wait_details::WaitReader;
use crate::collect::window::system;
use crate::model::host::Host;
use crate::model::reading::Absence;
use crate::model::snapshot::{FullSnapshot, Recording, Source, SystemSnapshot};
use crate::model::target::Asked;
use jiff::Timestamp;
use std::time::Duration;

/// A window that was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The machine.
    pub host: Host,
    /// Wall clock at the window's start.
    pub started_at: Timestamp,
    /// Wall clock at the window's end.
    pub ended_at: Timestamp,
    /// Whether Ctrl-C ended the window early.
    pub interrupted: bool,
    /// The process or unit given by `--pid` or `--unit`.
    pub target: Option<Asked>,
    /// Its frames, in the order of recording.
    pub frames: Vec<Frame>,
}

/// What the frames up to one of them give.
struct Seen {
    before: Option<(FullSnapshot, Sampler)>,
    slices: Vec<SystemSnapshot>,
    follower: Option<Follower<'static>>,
    end: Option<(Root, Duration)>,
}

impl Seen {
    fn add(&mut self, frame: Frame, host: &Host, scratch: &mut Scratch) -> Result<(), Absence> {
        let (kind, at) = (frame.kind, frame.at);
        let root = Root::captured(frame);
        match kind {
            FrameKind::Start => {
                let snapshot = full(&root, host, at, scratch)?;
                let sampler = Sampler::new(&root, host.own_pid, &snapshot.processes, scratch);
                self.before = Some((snapshot, sampler));
            }
            FrameKind::Slice => self.slices.push(system::read(&root, at, false, &mut scratch.bytes)),
            FrameKind::Sample => {
                if let Some((_, sampler)) = &mut self.before {
                    sampler.replay(&root, at, scratch);
                }
            }
            FrameKind::Target | FrameKind::Watch => {
                if let Some(follower) = &mut self.follower {
                    follower.replay(&root, at, scratch);
                }
            }
            FrameKind::End => self.end = Some((root, at)),
        }
        Ok(())
    }
}

/// Builds the recording of a window from its frames, by the limits in force where it is replayed.
pub fn replay(recorded: impl Into<Recorded>, limits: &DetailLimits) -> Result<Recording, Absence> {
    let Recorded { host, started_at, ended_at, interrupted, target: asked, frames } = recorded.into();
    let mut scratch = Scratch::default();
    // A window has frames of one of the two kinds: of the target, else of the busiest processes.
    let follows = asked.is_some() || frames.iter().any(|frame| frame.kind == FrameKind::Watch);
    let waits = WaitReader::new(false, host.arch.as_deref());
    let mut seen = Seen {
        before: None,
        slices: Vec::new(),
        follower: follows.then(|| Follower::new(asked, host.own_pid, waits)),
        end: None,
    };
    for frame in frames {
        seen.add(frame, &host, &mut scratch)?;
    }
    let Seen { before, slices, follower, end } = seen;
    let (Some((before, mut sampler)), Some((root, at))) = (before, end) else {
        return Err(Absence::malformed("capture", "it has no start or no end"));
    };
    let mut after = full(&root, &host, at, &mut scratch)?;
    sampler.finish(&root, at, &mut scratch);
    let details = details::read(&root, &details::recorded(&root), &mut scratch);
    let block_devices = block_devices::read(&root, &mut scratch.bytes);
    let limits = follow_up::limits(
        &root,
        &before,
        &mut after,
        block_devices.as_deref().unwrap_or_default(),
        limits,
        host.page_bytes,
        &mut scratch,
    );
    let Followings { target, watched, refused } = followings(follower);
    Ok(Recording {
        source: Source::Capture,
        limits,
        host,
        started_at,
        ended_at,
        before,
        after,
        slices,
        samples: sampler.into_samples(),
        details,
        block_devices,
        target,
        watched,
        refused,
        interrupted,
    })
}

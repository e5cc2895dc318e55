//! Stage 1: kernel files become a [`Recording`](crate::model::snapshot::Recording).
//!
//! One file per kernel source, each with a pure `parse` over bytes and a `read` through a
//! [`root::Root`]. A root is the live system, another root directory, or one frame of a capture: the code
//! above it cannot tell, so a replay runs the very code that ran on the sick box. Only this stage touches
//! files and clocks.
//!
//! What is no kernel source is the machinery around them: [`window`] says when to look, [`system`] reads all that
//! is of the whole machine, [`processes`] scans, [`sampler`] and [`target`] watch threads through [`thread_files`]
//! and [`close_look`], [`details`] reads the costly files of a few processes, [`root`] and [`capture`] are where the bytes come from,
//! [`resilience`] and [`own`] are about the run itself.
#![allow(
    clippy::disallowed_methods,
    reason = "this stage is the one that reads files and clocks; the ban holds for the pure stages"
)]

pub mod kernel;
pub mod priority;
pub mod self_usage;
pub mod tasks;

pub mod clocks;
pub mod root;
pub mod text;
pub mod window;

//! Stage 1: kernel files become a [`Recording`](crate::model::snapshot::Recording).
//!
//! One file per kernel source, each with a pure `parse` over bytes and a `read` through a
//! [`root::Root`]. A root is the live system, another root directory, or one frame of a capture: the code
//! above it cannot tell, so a replay runs the very code that ran on the sick box. Only this stage touches
//! files and clocks.
//!
//! [`kernel`] has the sources, [`tasks`] reads processes and threads, [`window`] decides when to read, and [`root`] is
//! where the bytes come from. [`priority`] and [`self_usage`] are about the run itself.
#![allow(
    clippy::disallowed_methods,
    reason = "this stage is the one that reads files and clocks; the ban holds for the pure stages"
)]

pub mod clocks;
pub mod kernel;
pub mod priority;
pub mod root;
pub mod self_usage;
pub mod tasks;
pub mod text;
pub mod window;

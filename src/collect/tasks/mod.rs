//! Processes and threads: [`scan`] reads all of them at both ends of the window, [`sampler`] looks at thread states in
//! between, [`follower`] follows every thread of what was asked for, [`wait_details`] reads what waiting threads wait in,
//! and [`details`] reads the costly files of the few processes that matter.

pub mod details;
pub mod follower;
pub mod peers;
pub mod sampler;
pub mod scan;
pub mod thread_files;
pub mod wait_details;

//! Stage between the window and the verdict: which code, which system call.
//!
//! Sampling starts before the window and sees every CPU; whom it is about is chosen afterwards, from what was sampled
//! already. So there is no second wait, processes that have ended meanwhile are still there, and a thread that switches
//! often is not slowed down, as it would be by a timer attached to it.
//!
//! [`access`] says what is allowed and what to type if it is not; [`mappings`] and [`modules`] keep what was mapped
//! where, [`unwind`] follows the stacks, [`symbols`] names the addresses, [`syscalls`] traces the calls of a chosen
//! process.
#![allow(
    clippy::disallowed_methods,
    reason = "this stage looks at programs and asks the kernel; the ban holds for the pure stages"
)]

pub mod access;
mod counters;
mod elf;
mod events;
pub mod mappings;
pub mod modules;
pub mod on_cpu;
mod perf;
mod record;
mod stacks;
pub mod symbols;
pub mod syscalls;
pub mod unwind;

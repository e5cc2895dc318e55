//! The steps of the triage, in the order of their questions: [`load`], [`cpu_or_io`], then [`user_or_system`] or
//! [`swap_or_disk`], then [`who`].

pub mod cpu_or_io;
pub mod load;
pub mod swap_or_disk;
pub mod user_or_system;
pub mod who;

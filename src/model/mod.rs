//! The plain values that travel between the stages. Nothing here reads a file, a clock or prints, and
//! nothing here depends on a stage.

pub mod wait_details;

pub mod bottleneck;
pub mod cgroup;
pub mod choice;
pub mod comparison;
pub mod explanation;
pub mod finding;
pub mod host;
pub mod kernel_log;
pub mod limits;
pub mod memory_account;
pub mod metrics;
pub mod network;
pub mod profile;
pub mod rates;
pub mod reading;
pub mod report;
pub mod sentence;
pub mod series;
pub mod snapshot;
pub mod syscall;
pub mod target;
pub mod task;
pub mod task_rates;
pub mod tuning;
pub mod units;
pub mod wait;
pub mod watch;

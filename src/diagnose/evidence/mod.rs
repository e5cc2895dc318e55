//! What the rates mean together: judgements that several steps and rules share.

pub mod children;
pub mod disk_load;
pub mod disk_users;
pub mod facts;
pub mod group_limits;
pub mod groups;
pub mod kernel_log;
pub mod kernel_work;
pub mod limits;
pub mod load;
pub mod memory_blame;
pub mod network;
pub mod shortage;

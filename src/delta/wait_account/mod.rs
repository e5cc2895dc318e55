//! Where threads spent their time: the account of one process or unit ([`target`]), of what waiting threads waited in
//! ([`wait_details`]), and what both share: the arithmetic of one thread, contended locks and CPU quotas.

mod locks;
mod quota;
pub mod target;
pub mod thread_account;
pub mod wait_details;

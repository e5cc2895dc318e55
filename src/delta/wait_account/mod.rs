//! Where threads spent their time: the account of one process or unit ([`target`]), of what waiting threads waited in
//! ([`wait_details`]), and the arithmetic of one thread that both share.

pub mod target;
pub mod thread_account;
pub mod wait_details;

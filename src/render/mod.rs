//! From the report to the bytes of one format. Pure: no file, no clock, no environment, no terminal.
//!
//! Each format escapes names from outside by its own rules. What is never let through, in any format, is a character
//! that acts on a terminal instead of being shown by it: see [`escape`].

pub mod escape;
pub mod explain;
pub mod flame;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod markdown;
mod memory;
pub mod monitors;
mod shared;
pub mod text;
pub mod watch_line;

#[cfg(test)]
mod test_grammars;
#[cfg(test)]
mod test_profile;
#[cfg(test)]
pub(crate) mod test_report;

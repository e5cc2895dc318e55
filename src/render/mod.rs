//! From the report to the bytes of one format. Pure: no file, no clock, no environment, no terminal.
//!
//! Each format escapes names from outside by its own rules. What is never let through, in any format, is a character
//! that acts on a terminal instead of being shown by it: see [`escape`].

pub mod escape;
pub mod explain;
pub mod flamegraph;
pub mod folded;
pub mod haproxy;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod markdown;
pub mod nagios;
pub mod prometheus;
pub mod report_markdown;
pub mod text;

mod text_evidence;
mod text_findings;
mod text_page;
mod text_profile;
mod text_steps;
mod text_table;
mod text_tables;
mod text_target;
mod text_verdict;

#[cfg(test)]
mod test_grammars;
#[cfg(test)]
mod test_profile;
#[cfg(test)]
pub(crate) mod test_report;

//! The arrows between the modules, the registries and the purity of the stages, checked by parsing the source.

#![allow(clippy::disallowed_methods, reason = "this test reads the source")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, as in the tests themselves")]

mod arrows;
mod circles;
mod limits;
mod purity;
mod registries;
mod source;

//! Formats that monitoring systems read, one file for each.

pub mod haproxy;
pub mod nagios;
pub mod prometheus;

//! Traces of a process whose calls are known.

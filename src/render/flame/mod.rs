//! Sampled stacks as pictures and for other tools: [`graph`] is a flame graph, [`folded`] one line per stack.

pub mod folded;
pub mod graph;

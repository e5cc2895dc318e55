//! What a user can choose between. The command line gives each value its word; the renderers act on it.

/// Format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object, indented.
    Json,
    /// JSON on one line; for `diag watch`, one object per line.
    Jsonl,
    /// For a ticket.
    Markdown,
    /// Plugin output of Nagios and Icinga.
    Nagios,
    /// Prometheus metrics for the textfile collector.
    Prometheus,
    /// The tuning report as an HTML page.
    Html,
    /// HAProxy agent-check.
    Haproxy,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Document with a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The report.
    Report,
    /// A line of `diag watch`.
    Watch,
}

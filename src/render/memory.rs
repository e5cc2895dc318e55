//! The account of the memory in words that all formats share.

use crate::model::memory_account::{MemoryAccount, MemoryKind, MemoryPart};
use crate::model::units::{human_bytes, percent};

/// Share of the memory below which a part is one of the others.
const SHOWN_SHARE: f64 = 0.005;

/// A part as it is shown.
pub(in crate::render) struct Row {
    /// What it is; may hold a name from outside.
    pub(in crate::render) label: String,
    /// Its size.
    pub(in crate::render) bytes: u64,
    /// What of it no process owns.
    pub(in crate::render) unowned_bytes: u64,
}

impl Row {
    /// Its share of the whole.
    pub(in crate::render) fn ratio(&self, account: &MemoryAccount) -> f64 {
        self.bytes as f64 / account.total_bytes.max(1) as f64
    }
}

/// The parts, the largest first, the small ones together in the last.
pub(in crate::render) fn rows(account: &MemoryAccount) -> Vec<Row> {
    let shown = |part: &&MemoryPart| part.bytes as f64 >= SHOWN_SHARE * account.total_bytes as f64;
    let row =
        |part: &MemoryPart| Row { label: label(part), bytes: part.bytes, unowned_bytes: part.unowned_bytes };
    let mut rows: Vec<Row> = account.parts.iter().filter(shown).map(row).collect();
    rows.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.label.cmp(&b.label)));
    let others = account.parts.iter().filter(|part| !shown(part));
    let others =
        others.fold((0, 0), |(bytes, unowned), part| (bytes + part.bytes, unowned + part.unowned_bytes));
    if others.0 > 0 {
        rows.push(Row { label: "all other".to_owned(), bytes: others.0, unowned_bytes: others.1 });
    }
    rows
}

fn label(part: &MemoryPart) -> String {
    match (&part.name, part.kind) {
        (Some(name), MemoryKind::Tmpfs) => format!("files in {name} (tmpfs)"),
        (Some(name), kind) => format!("{} ({name})", kind.words()),
        (None, kind) => kind.words().to_owned(),
    }
}

/// The largest parts in one line: `17.6 GiB huge pages, unused (75 %); 3.1 GiB page cache`.
pub(in crate::render) fn line(account: &MemoryAccount, most: usize) -> String {
    let rows = rows(account);
    let parts: Vec<String> = rows
        .iter()
        .take(most)
        .map(|row| {
            format!("{} {} ({})", human_bytes(row.bytes as f64), row.label, percent(row.ratio(account)))
        })
        .collect();
    format!("{} = {}", human_bytes(account.total_bytes as f64), parts.join(" + "))
        + if rows.len() > most { " + ..." } else { "" }
}

/// The largest caches of the kernel's allocator in one line; none where they were not read.
pub(in crate::render) fn caches(account: &MemoryAccount) -> Option<String> {
    let shown: Vec<String> = account
        .caches
        .iter()
        .take(4)
        .map(|cache| format!("{} {}", cache.name, human_bytes(cache.bytes as f64)))
        .collect();
    (!shown.is_empty()).then(|| format!("largest caches of the slabs: {}", shown.join(", ")))
}

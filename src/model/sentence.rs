//! A sentence for people that still knows which of its parts are names.
//!
//! A name comes from outside and may hold anything, so it is escaped before it is shown; a name that identifies a
//! person gets a pseudonym under `--redact`. Both need to tell a name from our own words, so a sentence keeps them
//! apart as [`Span`]s until it is shown. In JSON it is one plain string.

use crate::model::units::{Unit, quantity};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

/// One part of a sentence.
#[derive(Debug, Clone)]
pub enum Span {
    /// Our own words.
    Text(Cow<'static, str>),
    /// Text from outside without a known structure: a line of the kernel log, a sentence that was read from a file.
    Quote(String),
    /// Name of a process.
    Process(String),
    /// Name of a user.
    User(String),
    /// Name of a systemd unit, a container, a pod or a control group.
    Unit(String),
    /// Path of a file, or what else a file descriptor refers to.
    Path(String),
    /// Name of a disk or a network interface.
    Device(String),
    /// Name of a machine.
    Host(String),
    /// Network address, with or without a port.
    Address(String),
    /// Name of a function of a program or the kernel.
    Function(String),
    /// A measured number.
    Number {
        /// The value.
        value: f64,
        /// Its unit.
        unit: Unit,
    },
}

impl Span {
    /// As it is read.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Quote(text)
            | Self::Process(text)
            | Self::User(text)
            | Self::Unit(text)
            | Self::Path(text)
            | Self::Device(text)
            | Self::Host(text)
            | Self::Address(text)
            | Self::Function(text) => Cow::Borrowed(text),
            Self::Number { value, unit } => Cow::Owned(quantity(*value, *unit)),
        }
    }

    /// Whether it consists of our own words and numbers only.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Number { .. })
    }
}

/// Our own words that are put together at run time. Names do not belong here.
pub fn own(text: String) -> Span {
    Span::Text(Cow::Owned(text))
}

/// Text from outside.
pub fn quote(text: impl Into<String>) -> Span {
    Span::Quote(text.into())
}

/// Name of a process.
pub fn process(name: impl Into<String>) -> Span {
    Span::Process(name.into())
}

/// Name of a unit, a container, a pod or a control group.
pub fn unit(name: impl Into<String>) -> Span {
    Span::Unit(name.into())
}

/// Path of a file.
pub fn path(path: impl Into<String>) -> Span {
    Span::Path(path.into())
}

/// Name of a disk or a network interface.
pub fn device(name: impl Into<String>) -> Span {
    Span::Device(name.into())
}

/// Network address.
pub fn address(address: impl Display) -> Span {
    Span::Address(address.to_string())
}

/// Name of a function.
pub fn function(name: impl Into<String>) -> Span {
    Span::Function(name.into())
}

/// A share: `97 %`.
pub fn ratio(value: f64) -> Span {
    Span::Number { value, unit: Unit::Ratio }
}

/// A plain number.
pub fn count(value: f64) -> Span {
    Span::Number { value, unit: Unit::Count }
}

/// An amount: `1.5 GiB`.
pub fn bytes(value: f64) -> Span {
    Span::Number { value, unit: Unit::Bytes }
}

/// A time: `8.2 ms`.
pub fn seconds(value: f64) -> Span {
    Span::Number { value, unit: Unit::Seconds }
}

/// A sentence for people. Two are equal when they read the same.
#[derive(Debug, Clone, Default)]
pub struct Sentence(Vec<Span>);

/// Puts a sentence together: `sentence!["File system ", path(&mount.path), " is ", ratio(used), " full"]`.
///
/// A part is a literal, a [`Span`], an integer, another sentence, or an `Option` of these.
macro_rules! sentence {
    ($($part:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "a sentence may have no part")]
        let mut sentence = $crate::model::sentence::Sentence::new();
        $(sentence.push($part);)*
        sentence
    }};
}
pub(crate) use sentence;

/// What can be added to a sentence. A borrowed string cannot: it must be said which kind of name it is.
pub trait Part {
    /// Adds it.
    fn add_to(self, sentence: &mut Sentence);
}

impl Part for &'static str {
    fn add_to(self, sentence: &mut Sentence) {
        if !self.is_empty() {
            sentence.0.push(Span::Text(Cow::Borrowed(self)));
        }
    }
}

impl Part for Span {
    fn add_to(self, sentence: &mut Sentence) {
        sentence.0.push(self);
    }
}

impl Part for Sentence {
    fn add_to(self, sentence: &mut Sentence) {
        sentence.0.extend(self.0);
    }
}

impl Part for &Sentence {
    fn add_to(self, sentence: &mut Sentence) {
        sentence.0.extend(self.0.iter().cloned());
    }
}

impl<T: Part> Part for Option<T> {
    fn add_to(self, sentence: &mut Sentence) {
        if let Some(part) = self {
            part.add_to(sentence);
        }
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Part for $integer {
            fn add_to(self, sentence: &mut Sentence) {
                sentence.0.push(own(self.to_string()));
            }
        }
    )*};
}

integers!(i32, u16, u32, u64, usize);

impl Sentence {
    /// One without words yet.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Text from outside, all of it one span.
    pub fn quoted(text: impl Into<String>) -> Self {
        Self(vec![quote(text)])
    }

    /// Adds a part.
    pub fn push(&mut self, part: impl Part) {
        part.add_to(self);
    }

    /// The spans.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The spans, to change them.
    pub fn spans_mut(&mut self) -> &mut [Span] {
        &mut self.0
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|span| span.text().is_empty())
    }

    /// Without the full stop at its end, so that it can go on.
    #[must_use]
    pub fn open_ended(mut self) -> Self {
        let Some(last) = self.0.last_mut() else { return self };
        match last {
            Span::Text(text) => *text = Cow::Owned(text.trim_end_matches('.').to_owned()),
            Span::Quote(text) => text.truncate(text.trim_end_matches('.').len()),
            // A name may end in a dot.
            _ => {}
        }
        self
    }

    /// Goes on with a clause: `...; clause.`
    #[must_use]
    pub fn with_clause(self, clause: &Self) -> Self {
        let mut sentence = self.open_ended();
        sentence.push("; ");
        sentence.push(clause);
        sentence.push(".");
        sentence
    }

    /// Several, with `between` between them.
    pub fn joined(sentences: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let mut all = Self::new();
        for (index, sentence) in sentences.into_iter().enumerate() {
            if index > 0 {
                all.push(between);
            }
            all.push(sentence);
        }
        all
    }
}

impl From<&'static str> for Sentence {
    fn from(text: &'static str) -> Self {
        sentence![text]
    }
}

/// A string that is put together at run time may hold names.
impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self::quoted(text)
    }
}

impl Display for Sentence {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|span| formatter.write_str(&span.text()))
    }
}

impl PartialEq for Sentence {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Sentence {}

impl PartialOrd for Sentence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sentence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialEq<str> for Sentence {
    fn eq(&self, other: &str) -> bool {
        let mut rest = other;
        let same = self.0.iter().all(|span| match rest.strip_prefix(span.text().as_ref()) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        });
        same && rest.is_empty()
    }
}

impl PartialEq<&str> for Sentence {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sentence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::quoted)
    }
}

impl JsonSchema for Sentence {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Sentence {
        sentence!["File system ", path("/srv/a b"), " is ", ratio(0.97), " full, ", 3_usize, " writers."]
    }

    #[test]
    fn a_sentence_reads_as_its_spans_in_a_row() {
        assert_eq!(full(), "File system /srv/a b is 97 % full, 3 writers.");
        assert!(Sentence::new().is_empty() && sentence![""].is_empty() && !full().is_empty());
        assert_eq!(sentence!["a", None::<Span>, Some(" b")], "a b");
    }

    #[test]
    fn a_clause_goes_before_the_full_stop() {
        let clause = sentence![process("tar."), " writes there"];
        assert_eq!(
            full().with_clause(&clause),
            "File system /srv/a b is 97 % full, 3 writers; tar. writes there."
        );
        assert_eq!(sentence!["Held by ", process("tar.")].open_ended(), "Held by tar.");
        assert_eq!(Sentence::joined([full(), clause], "; ").spans().len(), 10);
    }

    #[test]
    fn json_is_one_string_and_is_read_back_as_a_quote() {
        let json = serde_json::to_string(&full()).unwrap();
        assert_eq!(json, "\"File system /srv/a b is 97 % full, 3 writers.\"");
        let back: Sentence = serde_json::from_str(&json).unwrap();
        assert_eq!(back, full());
        assert!(matches!(back.spans(), [Span::Quote(_)]));
    }
}

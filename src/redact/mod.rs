//! Pseudonyms for what identifies people and machines: the same name has the same one throughout.
//!
//! What is looked for: names that are known (host, users), and whatever has the form of an address, of a path below a
//! home directory, of a container's or boot's id, of a server in a URL or a mount. Names of processes are kept, since a
//! diagnosis is about them; so are the addresses of the machine itself (127.0.0.0/8, ::1), and the user root.
//!
//! A sentence of a report knows which of its parts are names ([`crate::model::sentence`]): each gets a pseudonym of its
//! kind. Text without such a structure is searched: files of a capture, lines of the kernel log, command lines, a
//! report that was read from a file. Accounts that come with the distribution are not searched for: they identify
//! nobody, and have names such as `proxy` and `backup`.

mod extras;
mod forms;
mod report;
mod samples;
#[cfg(test)]
mod tests;

use crate::model::host::Host;
use forms::is_word;
use std::collections::{BTreeMap, BTreeSet};

/// What a pseudonym stands for; of equal names the first kind counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A machine.
    Host,
    /// The name of a process or function, which stays.
    Kept,
    /// A user.
    User,
    /// An address of a network interface, IPv4, IPv6 or of the hardware.
    Address,
    /// What is below a home directory.
    Path,
    /// The id of a container, a pod, a boot, a disk.
    Id,
    /// A command line.
    Command,
}

/// What pseudonyms look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people: `address-1`.
    Report,
    /// For a file that is read again: an address is an address still, and an id as long as it was.
    Raw,
}

/// User ids below this belong to accounts that the distribution sets up itself: Debian Policy 9.2.2.
const ACCOUNTS_MAX: u32 = 100;

/// The account nobody.
const NOBODY: u32 = 65_534;

/// Pseudonyms that are remembered from one window to the next; a run without end meets ever new ones.
const REMEMBERED_MAX: usize = 4096;

/// Which of the known names are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    All,
    /// Within one of the others: whatever is none of those that are looked through themselves.
    Inner,
    None,
}

/// A name to be found within text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// As it is written there.
    written: String,
    kind: Kind,
    /// The name that it is.
    name: String,
}

/// Gives pseudonyms, and remembers them. No pseudonym ever stands for two names, and one that is met as a name stays
/// what it is, so that what was redacted once can be redacted again.
#[derive(Debug, Clone)]
pub struct Redactor {
    style: Style,
    /// By kind and name, the number of the pseudonym.
    numbers: BTreeMap<(Kind, String), usize>,
    /// The last number that was given, by kind.
    last: BTreeMap<Kind, usize>,
    /// Numbers beyond the last that names have brought along.
    taken: BTreeSet<(Kind, usize)>,
    /// By the first letter, in lower case, the longest first.
    known: BTreeMap<char, Vec<Known>>,
    /// Names of users by the numbers that systemd calls them by.
    users: BTreeMap<String, String>,
    /// What the machine's own name ends with.
    domains: BTreeSet<String>,
}

impl Redactor {
    /// One that knows no name yet.
    pub fn new(style: Style) -> Self {
        let (numbers, last, taken, known, users, domains) = Default::default();
        Self { style, numbers, last, taken, known, users, domains }
    }

    /// One that knows the names of `host` and of its users.
    pub fn of_host(style: Style, host: &Host) -> Self {
        let mut redactor = Self::new(style);
        if let Some(name) = &host.hostname {
            redactor.know_host(name);
        }
        redactor.know_users(&host.users);
        redactor
    }

    /// Looks for the name of a machine from now on; by its short name it is the same machine.
    pub fn know_host(&mut self, host: &str) {
        let number = self.number(Kind::Host, &host.to_lowercase());
        let (short, domain) = host.split_once('.').unwrap_or((host, ""));
        self.numbers.entry((Kind::Host, short.to_lowercase())).or_insert(number);
        self.know(Kind::Host, host);
        self.know(Kind::Host, short);
        if !domain.is_empty() {
            self.domains.insert(domain.to_lowercase());
        }
    }

    /// Looks for the names of these users from now on, by user id as `/etc/passwd` has them.
    pub fn know_users(&mut self, users: &BTreeMap<u32, String>) {
        for (id, user) in users {
            self.users.entry(id.to_string()).or_insert_with(|| user.clone());
        }
        users.values().for_each(|user| self.know_user(user));
    }

    /// Looks for the name of a user from now on, unless every system has this account.
    fn know_user(&mut self, user: &str) {
        let of_distribution = |(id, name): (&String, &String)| {
            name == user && id.parse().is_ok_and(|id: u32| id < ACCOUNTS_MAX || id == NOBODY)
        };
        if !self.users.iter().any(of_distribution) {
            self.know(Kind::User, user);
        }
    }

    /// Keeps the name of a process, where a user has the same.
    pub fn know_process(&mut self, comm: &str) {
        if self.users.values().any(|user| user == comm) {
            self.know(Kind::Kept, comm);
        }
    }

    /// Looks for `name` in every text from now on.
    fn know(&mut self, kind: Kind, name: &str) {
        // A single letter occurs in any text, and digits may be any number.
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if name.chars().count() < 2 || kind != Kind::Kept && is_number {
            return;
        }
        self.know_as(name, kind, name);
        // As systemd writes it within the name of a unit.
        if matches!(kind, Kind::Host | Kind::User) && name.contains('-') {
            self.know_as(&name.replace('-', "\\x2d"), kind, name);
        }
    }

    fn know_as(&mut self, written: &str, kind: Kind, name: &str) {
        let Some(first) = written.chars().next() else { return };
        let known = self.known.entry(first.to_ascii_lowercase()).or_default();
        let order = |known: &Known| (usize::MAX - known.written.len(), known.written.clone(), known.kind);
        let new = Known { written: written.to_owned(), kind, name: name.to_owned() };
        if let Err(place) = known.binary_search_by_key(&order(&new), order) {
            known.insert(place, new);
        }
    }

    /// Forgets what is of one window: its processes and command lines. A pseudonym that is forgotten is never given to
    /// another name.
    pub fn end_window(&mut self) {
        for known in self.known.values_mut() {
            known.retain(|known| matches!(known.kind, Kind::Host | Kind::User));
        }
        if self.numbers.len() > REMEMBERED_MAX {
            self.numbers.retain(|(kind, _), _| matches!(kind, Kind::Host | Kind::User));
        }
    }

    fn number(&mut self, kind: Kind, name: &str) -> usize {
        if let Some(number) = self.numbers.get(&(kind, name.to_owned())) {
            return *number;
        }
        let last = self.last.entry(kind).or_default();
        let own = forms::number_of(kind, self.style, name).filter(|number| number > last);
        let number = match own.filter(|number| self.taken.insert((kind, *number))) {
            Some(number) => number,
            None => loop {
                *last += 1;
                if !self.taken.remove(&(kind, *last)) {
                    break *last;
                }
            },
        };
        self.numbers.insert((kind, name.to_owned()), number);
        number
    }

    /// The pseudonym of `name`, all of which is a name of this kind.
    fn pseudonym(&mut self, kind: Kind, name: &str) -> String {
        let name = match kind {
            Kind::User => {
                let name = forms::folded(kind, name);
                self.users.get(&name).cloned().unwrap_or(name)
            }
            _ => forms::folded(kind, name),
        };
        if kind == Kind::User && name == "root" {
            return name;
        }
        let number = self.number(kind, &forms::key(kind, &name));
        match (kind, self.style) {
            (Kind::Kept, _) => name,
            (Kind::Host, _) => format!("host-{number}"),
            (Kind::User, _) => format!("user-{number}"),
            (Kind::Path, _) => format!("path-{number}"),
            (Kind::Command, _) => format!("command-{number}"),
            (Kind::Address, Style::Report) => format!("address-{number}"),
            (Kind::Id, Style::Report) => format!("id-{number}"),
            (Kind::Address | Kind::Id, Style::Raw) => forms::of_same_form(&name, number),
        }
    }

    /// The pseudonym of a machine.
    pub fn host(&mut self, name: &str) -> String {
        self.pseudonym(Kind::Host, name)
    }

    /// The pseudonym of a user; root is root everywhere.
    pub fn user(&mut self, name: &str) -> String {
        self.pseudonym(Kind::User, name)
    }

    /// The pseudonym of an id.
    pub fn id(&mut self, name: &str) -> String {
        self.pseudonym(Kind::Id, name)
    }

    /// The pseudonym of an address; those of the machine itself stay.
    pub fn address(&mut self, address: core::net::IpAddr) -> Option<core::net::IpAddr> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(address);
        }
        if let core::net::IpAddr::V6(v6) = address
            && let Some(v4) = v6.to_ipv4_mapped()
        {
            return match self.address(v4.into())? {
                core::net::IpAddr::V4(put) => Some(put.to_ipv6_mapped().into()),
                other @ core::net::IpAddr::V6(_) => Some(other),
            };
        }
        let number = self.number(Kind::Address, &address.to_string());
        forms::of_same_form(&address.to_string(), number).parse().ok()
    }

    /// `text` with a pseudonym for everything in it that identifies a person or machine.
    pub fn text(&mut self, text: &str) -> String {
        self.replaced(text, Names::All)
    }

    /// The same for a path, in which anything may occur: below a home it goes on to the end.
    pub fn path(&mut self, path: &str) -> String {
        self.path_with(path, Names::All)
    }

    fn path_with(&mut self, path: &str, names: Names) -> String {
        let (path, deleted) = path.strip_suffix(" (deleted)").map_or((path, ""), |path| (path, " (deleted)"));
        let ends = |c: char| if c.is_alphanumeric() || "/._-".contains(c) { c } else { '_' };
        let whole: String =
            if forms::in_home(path).is_some() { path.chars().map(ends).collect() } else { path.to_owned() };
        self.replaced(&whole, names) + deleted
    }

    /// The pseudonym of an id that was met before and begins with `digits`.
    pub fn known_id(&mut self, digits: &str) -> Option<String> {
        let is_id = digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let met = self.numbers.keys().find(|(kind, name)| *kind == Kind::Id && name.starts_with(digits));
        let name = met.filter(|_| is_id)?.1.clone();
        let put = self.id(&name);
        Some(put.get(..digits.len().max(12)).unwrap_or(&put).to_owned())
    }

    /// The same for bytes; what is not text stays as it is.
    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.extend_from_slice(self.text(chunk.valid()).as_bytes());
            out.extend_from_slice(chunk.invalid());
        }
        out
    }

    /// The name of a process: it stays, but for addresses, paths and the like in it.
    fn process(&mut self, comm: &str) -> String {
        let parts = comm.split_inclusive(|c: char| c.is_whitespace() || c == ';');
        let names = |part: &str| if part.contains('/') { Names::Inner } else { Names::None };
        parts.map(|part| self.replaced(part, names(part))).collect()
    }

    /// The name of a function, which runtimes put a path into: `LazyCompile:*main /home/alice/app.js:10:5`.
    fn function(&mut self, symbol: &str) -> String {
        let Some(at) = forms::in_home(symbol) else { return self.process(symbol) };
        let (before, path) = symbol.split_at(at);
        let end = path.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':').len();
        let end = end + path[end..].find(':').unwrap_or(path.len() - end);
        format!("{}{}{}", self.process(before), self.path_with(&path[..end], Names::Inner), &path[end..])
    }

    /// The name of a unit, container or pod.
    pub fn unit(&mut self, unit: &str) -> String {
        match unit.strip_prefix("lxc:") {
            // Its creator chose its name.
            Some(name) => format!("lxc:{}", self.pseudonym(Kind::Id, name)),
            None => self.text(unit),
        }
    }

    fn replaced(&mut self, text: &str, names: Names) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let (before, rest) = (&text[..at], &text[at..]);
            match self.name(before, rest, names) {
                Some((length, put)) => {
                    out.push_str(&put);
                    at += length.max(first.len_utf8());
                }
                None => {
                    out.push(first);
                    at += first.len_utf8();
                }
            }
        }
        out
    }

    /// A name at the start of `rest`: its length and what to put in its place. Of what is known and what has the form of
    /// something the longer one counts: a process may be called `10`, and an address begin with it.
    fn name(&mut self, before: &str, rest: &str, names: Names) -> Option<(usize, String)> {
        if let Some(home) = forms::home(before, rest) {
            // One that is known goes on behind a space.
            let longer = |known: &Known| known.kind == Kind::Path && known.written.len() > home.length;
            if let Some(known) = self.known_name(before, rest, names).filter(longer) {
                return Some((known.written.len(), self.put(&known)));
            }
            let user = home.user.map_or_else(String::new, |user| self.user(user));
            let path =
                home.below.map_or_else(String::new, |path| format!("/{}", self.pseudonym(Kind::Path, path)));
            return Some((home.length, format!("{}{user}{path}", home.prefix)));
        }
        if before.ends_with(char::is_alphanumeric) {
            let length = forms::of_pod(before, rest)?;
            return Some((length, self.pseudonym(Kind::Id, &rest[..length])));
        }
        let known = self.known_name(before, rest, names);
        let fresh = !before.ends_with(is_word);
        let formed = if fresh { self.formed(before, rest) } else { None };
        let Some(found) = formed else {
            let known = known?;
            return Some((known.written.len(), self.put(&known)));
        };
        match known {
            Some(known)
                if known.written.len() > found.end
                    || known.written.len() == found.end && known.kind != Kind::Kept =>
            {
                Some((known.written.len(), self.put(&known)))
            }
            _ => {
                let put = self.pseudonym(found.kind, &rest[found.start..found.end]);
                Some((found.end, format!("{}{put}", &rest[..found.start])))
            }
        }
    }

    fn put(&mut self, known: &Known) -> String {
        match known.kind {
            Kind::Kept => self.process(&known.name),
            Kind::Path if known.name.starts_with('/') => self.path_with(&known.name, Names::Inner),
            Kind::Path => self.function(&known.name),
            kind => self.pseudonym(kind, &known.name),
        }
    }

    /// A known name at the start of `rest`.
    fn known_name(&self, before: &str, rest: &str, names: Names) -> Option<Known> {
        if names == Names::None {
            return None;
        }
        let first = rest.chars().next()?.to_ascii_lowercase();
        let found = self.known.get(&first)?.iter().find(|known| {
            let length = known.written.len();
            // `carol_data` is Carol's, but `malloc_init` is one word.
            let (same, part): (bool, fn(char) -> bool) = match known.kind {
                Kind::Host => (
                    rest.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(&known.written)),
                    char::is_alphanumeric,
                ),
                Kind::User => (rest.starts_with(known.written.as_str()), char::is_alphanumeric),
                _ => (rest.starts_with(known.written.as_str()), is_word),
            };
            let wanted = names == Names::All || !matches!(known.kind, Kind::Kept | Kind::Path);
            let wanted = wanted && !(known.kind <= Kind::User && forms::of_every_system(before, rest));
            wanted && same && !rest[length..].starts_with(part) && !before.ends_with(part)
        });
        found.cloned()
    }

    /// Something that is known by its form.
    fn formed(&self, before: &str, rest: &str) -> Option<forms::Found> {
        forms::find(before, rest, self.style).or_else(|| {
            if self.domains.is_empty() {
                return None;
            }
            let length = forms::host_length(rest);
            let name = rest[..length].to_lowercase();
            let ours = |domain: &String| {
                name.strip_suffix(domain.as_str())
                    .is_some_and(|start| start.ends_with('.') || start.is_empty() && domain.contains('.'))
            };
            self.domains.iter().any(ours).then_some(forms::Found { kind: Kind::Host, start: 0, end: length })
        })
    }
}

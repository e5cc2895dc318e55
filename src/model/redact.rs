//! Pseudonyms for what identifies people and machines: the same name has the same one throughout.
//!
//! What is looked for: names that are known (host, users), and whatever has the form of an address, of a path below a
//! home directory, of a container's or boot's id, of a server in a URL or a mount. Names of processes are kept, since a
//! diagnosis is about them; so are the addresses of the machine itself (127.0.0.0/8, ::1), the user root, and names that
//! are ordinary words, which identify nobody.

mod forms;
mod report;
mod samples;

pub use report::report;

use std::collections::BTreeMap;

/// What a pseudonym stands for; of equal names the first kind counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A machine.
    Host,
    /// The name of a process, which stays.
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

/// Names that no sentence can do without, and accounts that every system has.
const ORDINARY: [&str; 40] = [
    "backup",
    "bin",
    "box",
    "cpu",
    "daemon",
    "disk",
    "games",
    "group",
    "host",
    "io",
    "irc",
    "kernel",
    "kmem",
    "linux",
    "list",
    "localhost",
    "lp",
    "mail",
    "man",
    "memory",
    "network",
    "news",
    "nobody",
    "none",
    "operator",
    "proc",
    "process",
    "proxy",
    "root",
    "server",
    "service",
    "swap",
    "sync",
    "sys",
    "system",
    "tty",
    "unit",
    "user",
    "users",
    "uucp",
];

/// Gives pseudonyms, and remembers them.
#[derive(Debug, Clone)]
pub struct Redactor {
    style: Style,
    /// By kind and name, the number of the pseudonym.
    numbers: BTreeMap<(Kind, String), usize>,
    /// Names to be found within sentences, the longest first.
    known: Vec<(String, Kind)>,
}

impl Redactor {
    /// One that knows the names `hosts` and `users`.
    pub fn new<'a>(
        style: Style,
        hosts: impl IntoIterator<Item = &'a str>,
        users: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut redactor = Self { style, numbers: BTreeMap::new(), known: Vec::new() };
        for host in hosts {
            // Known by its short name as well, which is the same machine.
            let number = redactor.number(Kind::Host, &host.to_lowercase());
            let short = host.split('.').next().unwrap_or(host);
            redactor.numbers.entry((Kind::Host, short.to_lowercase())).or_insert(number);
            redactor.know(Kind::Host, host);
            redactor.know(Kind::Host, short);
        }
        users.into_iter().for_each(|user| redactor.know(Kind::User, user));
        redactor
    }

    /// Looks for `name` in every sentence from now on.
    fn know(&mut self, kind: Kind, name: &str) {
        // A single letter is a word of any sentence.
        if name.chars().count() < 2 || kind != Kind::Kept && ORDINARY.contains(&name.to_lowercase().as_str())
        {
            return;
        }
        self.known.push((name.to_owned(), kind));
        self.known.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        self.known.dedup();
    }

    fn number(&mut self, kind: Kind, name: &str) -> usize {
        if let Some(number) = self.numbers.get(&(kind, name.to_owned())) {
            return *number;
        }
        let last = self.numbers.iter().filter(|((of, _), _)| *of == kind).map(|(_, number)| *number).max();
        let number = last.unwrap_or(0) + 1;
        self.numbers.insert((kind, name.to_owned()), number);
        number
    }

    /// The pseudonym of `name`, all of which is a name of this kind.
    fn pseudonym(&mut self, kind: Kind, name: &str) -> String {
        let folded = if kind == Kind::Host { name.to_lowercase() } else { name.to_owned() };
        let number = self.number(kind, &folded);
        match (kind, self.style) {
            (Kind::Kept, _) => name.to_owned(),
            (Kind::Host, _) => format!("host-{number}"),
            (Kind::User, _) => format!("user-{number}"),
            (Kind::Path, _) => format!("path-{number}"),
            (Kind::Command, _) => format!("command-{number}"),
            (Kind::Address, Style::Report) => format!("address-{number}"),
            (Kind::Id, Style::Report) => format!("id-{number}"),
            (Kind::Address | Kind::Id, Style::Raw) => forms::of_same_form(name, number),
        }
    }

    /// The pseudonym of a machine.
    pub fn host(&mut self, name: &str) -> String {
        self.pseudonym(Kind::Host, name)
    }

    /// The pseudonym of a user; root is root everywhere.
    pub fn user(&mut self, name: &str) -> String {
        if name == "root" { name.to_owned() } else { self.pseudonym(Kind::User, name) }
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

    /// `text` with a pseudonym for everything in it that identifies somebody.
    pub fn text(&mut self, text: &str) -> String {
        self.replaced(text, true)
    }

    /// The same for a path, in which anything may occur: below a home it goes on to the end.
    pub fn path(&mut self, path: &str) -> String {
        let (path, deleted) = path.strip_suffix(" (deleted)").map_or((path, ""), |path| (path, " (deleted)"));
        let in_home = forms::HOMES.iter().chain(&forms::ROOTS).any(|home| path.contains(home));
        let ends = |c: char| if c.is_alphanumeric() || "/._-".contains(c) { c } else { '_' };
        let whole: String = if in_home { path.chars().map(ends).collect() } else { path.to_owned() };
        self.text(&whole) + deleted
    }

    /// The pseudonym of an id that was met before and begins with `digits`.
    pub fn known_id(&mut self, digits: &str) -> Option<String> {
        let is_id = digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let met = self.numbers.keys().find(|(kind, name)| *kind == Kind::Id && name.starts_with(digits));
        let name = met.filter(|_| is_id)?.1.clone();
        let put = self.id(&name);
        Some(put.get(..digits.len().max(12)).unwrap_or(&put).to_owned())
    }

    /// The same for bytes, of which what is no text stays as it is.
    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.extend_from_slice(self.text(chunk.valid()).as_bytes());
            out.extend_from_slice(chunk.invalid());
        }
        out
    }

    /// The name of a process: it stays, but for addresses and the like in it.
    fn process(&mut self, comm: &str) -> String {
        self.replaced(comm, false)
    }

    /// The name of a unit, container or pod.
    pub fn unit(&mut self, unit: &str) -> String {
        match unit.strip_prefix("lxc:") {
            // Whoever made it chose its name.
            Some(name) => format!("lxc:{}", self.pseudonym(Kind::Id, name)),
            None => self.text(unit),
        }
    }

    fn replaced(&mut self, text: &str, names: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let (before, rest) = (&text[..at], &text[at..]);
            let fresh = !before.ends_with(is_word);
            let known = if fresh && names { self.known_name(rest) } else { None };
            match known.or_else(|| self.form(before, rest, fresh)) {
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

    /// A known name at the start of `rest`: its length and what to put in its place.
    fn known_name(&mut self, rest: &str) -> Option<(usize, String)> {
        let found = self.known.iter().find(|(name, kind)| {
            let same = match kind {
                Kind::Host => rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)),
                _ => rest.starts_with(name.as_str()),
            };
            same && !rest[name.len()..].starts_with(is_word)
        });
        let (name, kind) = found.cloned()?;
        let put = if kind == Kind::Kept { self.process(&name) } else { self.pseudonym(kind, &name) };
        Some((name.len(), put))
    }

    /// Something that is known by its form.
    fn form(&mut self, before: &str, rest: &str, fresh: bool) -> Option<(usize, String)> {
        if let Some(home) = forms::home(before, rest) {
            let user = home.user.map_or_else(String::new, |user| self.user(user));
            let path =
                home.below.map_or_else(String::new, |path| format!("/{}", self.pseudonym(Kind::Path, path)));
            return Some((home.length, format!("{}{user}{path}", home.prefix)));
        }
        if !fresh {
            return None;
        }
        let found = forms::find(before, rest, self.style)?;
        let name = &rest[found.start..found.end];
        let put = match found.kind {
            // The slice of a user is called after the number that others call the user by.
            Kind::User => self.user(name.strip_prefix("user-").unwrap_or(name)),
            kind => self.pseudonym(kind, name),
        };
        Some((found.end, format!("{}{put}", &rest[..found.start])))
    }
}

/// What a name is made of; it ends where something else comes.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(style: Style) -> Redactor {
        let mut redactor = Redactor::new(style, ["web-1.example.com"], ["root", "alice", "postgres", "disk"]);
        redactor.know(Kind::Kept, "postgres");
        redactor
    }

    #[test]
    fn the_same_name_has_the_same_pseudonym() {
        let mut redactor = redactor(Style::Report);
        for (text, expected) in [
            ("web-1 and WEB-1.example.com, not web-10 or myweb", "host-1 and host-1, not web-10 or myweb"),
            ("alice's, malice, run as root on the disk", "user-1's, malice, run as root on the disk"),
            ("postgres: 61 %", "postgres: 61 %"),
            ("waits for 10.1.2.3:5432 and 10.1.2.3", "waits for address-1:5432 and address-1"),
            ("[2001:db8::7]:80, fe80::1%eth0 via 127.0.0.1", "[address-2]:80, address-3%eth0 via 127.0.0.1"),
            ("::ffff:10.1.2.3, ::1, at 12:34:56", "address-4, ::1, at 12:34:56"),
            ("de:ad:be:ef:00:01", "address-5"),
            (
                "std::vector<int>::push, a::b, v1.2.3.4.5, 6.1.0",
                "std::vector<int>::push, a::b, v1.2.3.4.5, 6.1.0",
            ),
            ("/home/alice/x y, /home/bob", "/home/user-1/path-1 y, /home/user-2"),
            ("/root/.ssh/id;/home/alice/x", "/root/path-2;/home/user-1/path-1"),
            ("docker:4f5e6d7c8b9a", "docker:id-1"),
            ("0c3f2c9a-1111-2222-3333-444455556666", "id-2"),
            ("http://shop.example.org:8080/cart", "http://host-2:8080/cart"),
            ("mounted from nas.corp:/export", "mounted from host-3:/export"),
            ("mail to bob@mail.example.org", "mail to user-2@host-4"),
            ("user-1000.slice user@1000.service", "user-3.slice user@user-3.service"),
            ("backup-alice.service getty@tty1.service", "backup-user-1.service getty@tty1.service"),
            ("lib.so.6.0.30 0xffffffff81000000 php8.2-fpm", "lib.so.6.0.30 0xffffffff81000000 php8.2-fpm"),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
        assert_eq!(redactor.unit("lxc:shop"), "lxc:id-3");
        assert_eq!(
            (redactor.user("root"), redactor.host("web-1.example.com")),
            ("root".to_owned(), "host-1".to_owned())
        );
    }

    #[test]
    fn what_is_read_again_keeps_its_form() {
        let mut redactor = redactor(Style::Raw);
        let id = "4f5e6d7c8b9a".repeat(5) + "aabb";
        let text = format!(
            "0::/system.slice/docker-{id}.scope 10.1.2.3 2001:db9::1 0c3f2c9a-1111-2222-3333-444455556666"
        );
        assert_eq!(
            redactor.text(&text),
            format!(
                "0::/system.slice/docker-{}.scope 198.18.0.1 2001:db8::2 00000000-0000-4000-8000-000000000002",
                format!("{:012x}", 1) + &"0".repeat(52)
            )
        );
        assert_eq!(redactor.text("CapEff: 000001ffffffffff"), "CapEff: 000001ffffffffff");
        assert_eq!(redactor.bytes(b"a\xff 10.1.2.3\xfe"), b"a\xff 198.18.0.1\xfe");
    }

    #[test]
    fn names_of_any_kind_do_no_harm() {
        for text in [
            "",
            "/home/",
            "/home//",
            "::",
            "@",
            "a@b.",
            "http://",
            ":/",
            "日本/home/é/ü",
            "1.2.3.4.",
            "/root/",
        ] {
            let once = redactor(Style::Report).text(text);
            assert!(once.len() < 60, "{once}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_address_and_no_name_is_left(
            before in "[ (\"=,;]{1,3}", after in "[ )\",;]{1,3}", v4: [u8; 4], v6: [u16; 8], text: String,
        ) {
            let (v4, v6) = (core::net::Ipv4Addr::from(v4), core::net::Ipv6Addr::from(v6));
            let given = format!("{before}{v4}{after}{v6}{before}alice{after}/home/alice/secret{after}web-1 {text}");
            let left = redactor(Style::Report).text(&given);
            let own = v4.is_loopback() || v4.is_unspecified();
            let whole = format!("{before}{v4}{after}");
            proptest::prop_assert!(own || !left.contains(&whole));
            let own = v6.is_loopback() || v6.is_unspecified();
            proptest::prop_assert!(own || !left.contains(&v6.to_string()), "{left}");
            proptest::prop_assert!(!left.contains("secret"), "{left}");
            proptest::prop_assert!(!left.contains("alice") || text.contains("alice"));
        }
    }
}

//! What is known by its form: addresses, ids, paths below a home, servers.

use super::{Kind, Style};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Directories whose entries are named after users.
const HOMES: [&str; 3] = ["/home/", "/Users/", "/run/user/"];

/// The home of root, whose name says nothing.
const ROOTS: [&str; 1] = ["/root/"];

/// Options that are followed by a secret.
const SECRETS: [&str; 8] =
    ["password=", "passwd=", "pass=", "secret=", "token=", "apikey=", "api_key=", "credentials="];

/// Links to disks by what only one disk has.
const DISKS: [&str; 4] =
    ["/dev/disk/by-id/", "/dev/disk/by-label/", "/dev/disk/by-partlabel/", "/dev/disk/by-uuid/"];

/// Smaller numbers of users are those of services, and of pseudonyms.
const PEOPLE_MIN: u32 = 1000;

/// Suffixes of systemd's units: `user@1000.service` is not a mail address.
const UNITS: [&str; 11] = [
    "service",
    "socket",
    "scope",
    "slice",
    "timer",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "device",
];

/// Fewest digits of an id that stands alone: what is shown of a container.
const ID_DIGITS_MIN: usize = 12;

/// Directories that every system has at the top.
const TOP: [&str; 18] = [
    "bin", "boot", "dev", "etc", "home", "lib", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv",
    "sys", "tmp", "usr", "var",
];

/// Slices that systemd makes itself.
const SLICES: [&str; 3] = ["machine.slice", "system.slice", "user.slice"];

/// What a name is made of; it ends where something else comes.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether `rest` begins with a part of a path that every system has, whatever a user or host is called.
pub(super) fn of_every_system(before: &str, rest: &str) -> bool {
    let at_top = before
        .strip_suffix('/')
        .is_some_and(|before| !before.ends_with(|c: char| is_word(c) || "./-".contains(c)));
    let end = rest.find(|c: char| !is_word(c) && c != '-').unwrap_or(rest.len());
    at_top && TOP.contains(&&rest[..end]) || SLICES.iter().any(|slice| rest.starts_with(slice))
}

/// A path below a home.
pub(super) struct Home<'a> {
    pub(super) prefix: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) below: Option<&'a str>,
    pub(super) length: usize,
}

/// Where in `path` a home begins.
pub(super) fn in_home(path: &str) -> Option<usize> {
    HOMES.iter().chain(&ROOTS).filter_map(|home| path.find(home)).min()
}

/// A path below a home at the start of `rest`; to its end by what cannot be in a path that stands in a sentence.
pub(super) fn home<'a>(before: &str, rest: &'a str) -> Option<Home<'a>> {
    if !rest.starts_with('/') {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`;,:()<>|[]{}".contains(c);
    let path = &rest[..rest.find(ends).unwrap_or(rest.len())];
    if let Some(prefix) = ROOTS.into_iter().find(|prefix| path.starts_with(prefix)) {
        let below = path[prefix.len()..].trim_end_matches('.');
        // `/usr/share/root/x` is not a home directory.
        let own = !below.is_empty() && !before.ends_with(is_word);
        let prefix = &rest[..prefix.len() - 1];
        return own.then_some(Home {
            prefix,
            user: None,
            below: Some(below),
            length: prefix.len() + 1 + below.len(),
        });
    }
    let prefix = HOMES.into_iter().find(|prefix| path.starts_with(prefix))?;
    let tail = path[prefix.len()..].trim_end_matches('.');
    let (user, below) = tail.split_once('/').map_or((tail, None), |(user, below)| (user, Some(below)));
    let below = below.filter(|below| !below.is_empty());
    let length = prefix.len() + user.len() + below.map_or(0, |below| below.len() + 1);
    (!user.is_empty()).then_some(Home { prefix: &rest[..prefix.len()], user: Some(user), below, length })
}

/// Where in the rest a name stands; what is before `start` is kept.
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

fn found(kind: Kind, end: usize) -> Option<Found> {
    Some(Found { kind, start: 0, end })
}

/// A name at the start of `rest`, which begins a word.
pub(super) fn find(before: &str, rest: &str, style: Style) -> Option<Found> {
    option(before, rest)
        .or_else(|| address(before, rest).and_then(|end| found(Kind::Address, end)))
        .or_else(|| disk(before, rest))
        .or_else(|| id(rest, style).and_then(|end| found(Kind::Id, end)))
        .or_else(|| login(before, rest))
        .or_else(|| server(before, rest))
        .or_else(|| mail(before, rest))
        .or_else(|| user_number(before, rest))
        .or_else(|| home_unit(before, rest))
}

/// The length of an address; those of the machine itself are none.
fn address(before: &str, rest: &str) -> Option<usize> {
    let run = |good: fn(char) -> bool| &rest[..rest.find(|c: char| !good(c)).unwrap_or(rest.len())];
    let v6 = run(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    if v6.matches(':').count() >= 2
        && let Some(length) = colons(before, rest, v6)
        && !rest[length..].starts_with(is_word)
    {
        return Some(length);
    }
    let dashed = run(|c| c.is_ascii_hexdigit() || c == '-');
    if dashed.len() == 17 && is_hardware(dashed, '-') && !rest[17..].starts_with(is_word) {
        return Some(17);
    }
    let v4 = run(|c| c.is_ascii_digit() || c == '.').trim_end_matches('.');
    // A fifth number makes it a version.
    let parsed: Ipv4Addr = v4.parse().ok()?;
    let of_version =
        before.strip_suffix('.').is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()));
    let ends = !rest[v4.len()..].starts_with(is_word) && !of_version;
    (ends && !parsed.is_loopback() && !parsed.is_unspecified()).then_some(v4.len())
}

/// Six pairs of hex digits.
fn is_hardware(text: &str, between: char) -> bool {
    let mut pairs = text.split(between);
    text.len() == 17 && pairs.all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The length of what is an address of IPv6 or of the hardware at the start of a run of digits, colons and dots.
fn colons(before: &str, rest: &str, run: &str) -> Option<usize> {
    // A sentence may go on with a colon or a dot.
    (2..=run.len()).rev().find(|end| {
        let text = &run[..*end];
        let known = |address: Ipv6Addr| {
            // `a::b` is rather a name in a program; an address without a single digit is rare.
            let digits = text.bytes().any(|byte| byte.is_ascii_digit()) || !text.contains("::");
            let marked = before.ends_with('[') && rest[*end..].starts_with(']')
                || rest[*end..].starts_with(['%', '/']) && !text.ends_with(':');
            (digits || marked) && !address.is_loopback() && !address.is_unspecified() && !of_itself(address)
        };
        !run[*end..].starts_with(is_word) && (is_hardware(text, ':') || text.parse().is_ok_and(known))
    })
}

fn of_itself(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback() || v4.is_unspecified())
}

/// The length of a pod's id, which stands right behind the word: `pod0c3f2c9a_1111_2222_3333_444455556666`.
pub(super) fn of_pod(before: &str, rest: &str) -> Option<usize> {
    let own = !before.strip_suffix("pod")?.ends_with(is_word);
    id(rest, Style::Raw).filter(|length| own && *length >= 32)
}

/// The length of an id: 32 or 64 hex digits, with or without the dashes of a UUID; for people also the short form.
fn id(rest: &str, style: Style) -> Option<usize> {
    let length = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    let uuid = rest.get(..36).filter(|text| {
        text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-' || c == '_',
            _ => c.is_ascii_hexdigit(),
        })
    });
    if uuid.is_some() && !rest[36..].starts_with(is_word) {
        return Some(36);
    }
    let digits = &rest[..length];
    let mixed = digits.bytes().any(|b| b.is_ascii_digit()) && digits.bytes().any(|b| b.is_ascii_alphabetic());
    let long = match style {
        Style::Raw => length == 64 || length == 32 && mixed,
        Style::Report => length >= 32 || length >= ID_DIGITS_MIN && mixed,
    };
    (long && !rest[length..].starts_with(is_word)).then_some(length)
}

fn is_of_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.' || c == '-'
}

/// The length of what may be the name of a machine at the start of `rest`.
pub(super) fn host_length(rest: &str) -> usize {
    let length = rest.find(|c| !is_of_host(c)).unwrap_or(rest.len());
    rest[..length].trim_end_matches(['.', '-']).len()
}

/// The authority of a URL that begins at the end of `before`, as far as it is in it.
fn authority(before: &str) -> Option<&str> {
    let authority = before.rsplit(|c: char| c.is_whitespace() || c == '/').next()?;
    let start = before[..before.len() - authority.len()].strip_suffix("//")?;
    let of_share = start.is_empty() || start.ends_with([':', ' ', '"', '\'', '=']);
    of_share.then_some(authority)
}

/// `bob:secret` in `https://bob:secret@shop.example.org/`.
fn login(before: &str, rest: &str) -> Option<Found> {
    authority(before).filter(|authority| authority.is_empty())?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(rest.len());
    let length = rest[..end].rfind('@').filter(|length| *length > 0)?;
    found(Kind::User, length)
}

/// The server of a URL, or of a mount: `nas:/export`.
fn server(before: &str, rest: &str) -> Option<Found> {
    let name = &rest[..host_length(rest)];
    let of_url = authority(before).is_some_and(|authority| authority.is_empty() || authority.ends_with('@'));
    let starts = before.is_empty() || before.ends_with([' ', '"', '\'', '(', '=', '\t', '\n', '@', ',']);
    let after = &rest[name.len()..];
    let of_mount = starts && after.starts_with(":/") && !after.starts_with("://");
    let own = ["localhost", "127.0.0.1"].contains(&name);
    let named = name.contains(|c: char| c.is_ascii_alphabetic());
    if (of_url || of_mount) && named && !own { found(Kind::Host, name.len()) } else { None }
}

/// `bob@mail.example.org` and `bob@nas:/export`: first the one, then the other.
fn mail(before: &str, rest: &str) -> Option<Found> {
    let of_domain = |text: &str| {
        let domain = &text[..host_length(text)];
        let (_, last) = domain.rsplit_once('.')?;
        let good = last.len() > 1 && last.bytes().all(|b| b.is_ascii_alphabetic()) && !UNITS.contains(&last);
        good.then_some(domain.len())
    };
    if before.ends_with('@') {
        return of_domain(rest).and_then(|length| found(Kind::Host, length));
    }
    let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._+-".contains(c)))?;
    let domain = rest[length..].strip_prefix('@')?;
    let of_mount = domain[host_length(domain)..].starts_with(":/") && host_length(domain) > 0;
    if length > 0 && (of_mount || of_domain(domain).is_some()) { found(Kind::User, length) } else { None }
}

/// What stands behind an option: the user of a mount, a password.
fn option(before: &str, rest: &str) -> Option<Found> {
    let ends = |c: char| c.is_whitespace() || ",;&\"')".contains(c);
    let length = rest.find(ends).unwrap_or(rest.len());
    let of = |option: &str| {
        let start = before.len().checked_sub(option.len()).and_then(|start| before.get(start..));
        start.is_some_and(|start| start.eq_ignore_ascii_case(option))
    };
    match () {
        () if length == 0 => None,
        () if of("username=") => found(Kind::User, length),
        () if SECRETS.into_iter().any(of) => found(Kind::Id, length),
        () => None,
    }
}

/// The model and serial number of a disk, or its label.
fn disk(before: &str, rest: &str) -> Option<Found> {
    let length = rest.find(|c: char| c.is_whitespace() || ",;:\"')".contains(c)).unwrap_or(rest.len());
    let of_link = DISKS.iter().any(|folder| before.ends_with(folder));
    if of_link && length > 0 { found(Kind::Id, length) } else { None }
}

/// The number of the user in `user-1000.slice` and `user@1000.service`.
fn user_number(before: &str, rest: &str) -> Option<Found> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if before.ends_with("user@") {
        let length = digits(rest);
        let person = rest[..length].parse().is_ok_and(|number: u32| number >= PEOPLE_MIN);
        return if person && rest[length..].starts_with('.') { found(Kind::User, length) } else { None };
    }
    let tail = rest.strip_prefix("user-")?;
    let end = digits(tail);
    let number: u32 = tail[..end].parse().ok()?;
    // The slice's own name is what the pseudonym begins with.
    let names_a_person = number >= PEOPLE_MIN && !tail[end..].starts_with(is_word);
    names_a_person.then_some(Found { kind: Kind::User, start: 0, end: 5 + end })
}

/// The user in `home-alice.mount`, which systemd makes of `/home/alice`.
fn home_unit(before: &str, rest: &str) -> Option<Found> {
    before.strip_suffix("home-").filter(|before| !before.ends_with(is_word))?;
    let unit = &rest[..rest.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(rest.len())];
    let (name, suffix) = unit.rsplit_once('.')?;
    if !["mount", "automount", "swap"].contains(&suffix) {
        return None;
    }
    let length = name.find('-').unwrap_or(name.len());
    // What was redacted already has a dash within the name.
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let length = match name.strip_prefix("user-").map(digits) {
        Some(digits) if digits > 0 => 5 + digits,
        _ => length,
    };
    if length > 0 { found(Kind::User, length) } else { None }
}

/// `name` as all spellings of it are known.
pub(super) fn folded(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Host => name.to_lowercase(),
        Kind::User => match name.strip_prefix("user-").map(str::parse::<u32>) {
            Some(Ok(number)) if number >= PEOPLE_MIN => number.to_string(),
            _ => name.to_owned(),
        },
        Kind::Address => match name.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => name.to_lowercase(),
        },
        _ => name.to_owned(),
    }
}

/// What two spellings of one address have in common.
pub(super) fn key(kind: Kind, folded: &str) -> String {
    let v4 = |v6: Ipv6Addr| v6.to_ipv4_mapped();
    match kind {
        Kind::Address => match folded.parse::<Ipv6Addr>().ok().and_then(v4) {
            Some(v4) => v4.to_string(),
            None => folded.replace('-', ":"),
        },
        // A pod's has either.
        Kind::Id if folded.len() == 36 => folded.replace('_', "-").to_lowercase(),
        _ => folded.to_owned(),
    }
}

/// The number of what is a pseudonym already.
pub(super) fn number_of(kind: Kind, style: Style, name: &str) -> Option<usize> {
    let prefix = match (kind, style) {
        (Kind::Host, _) => "host-",
        (Kind::User, _) => "user-",
        (Kind::Path, _) => "path-",
        (Kind::Command, _) => "command-",
        (Kind::Id, Style::Report) => "id-",
        (Kind::Address, Style::Report) => "address-",
        (Kind::Address | Kind::Id, Style::Raw) => return number_of_form(name),
        (Kind::Kept, _) => return None,
    };
    let digits = name.strip_prefix(prefix)?;
    let number: usize = digits.parse().ok()?;
    (number.to_string() == digits && number < 1_000_000).then_some(number)
}

fn number_of_form(name: &str) -> Option<usize> {
    let hex = |text: &str| usize::from_str_radix(text, 16).ok();
    let number = match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => usize::try_from(u32::from(v4) & 0x1_ffff).ok()?,
        Ok(IpAddr::V6(v6)) => usize::try_from(u128::from(v6) & 0xffff_ffff).ok()?,
        Err(_) if name.contains(':') => hex(name.replace(':', "").get(4..)?)?,
        Err(_) if name.len() == 36 => hex(name.get(24..)?)?,
        Err(_) => hex(name.get(..12)?)?,
    };
    let ours = (1..1_000_000).contains(&number) && of_same_form(name, number) == name;
    ours.then_some(number)
}

/// Another one of the same form as `name`, by its number.
pub(super) fn of_same_form(name: &str, number: usize) -> String {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    match name.parse::<IpAddr>() {
        // For benchmarks, RFC 2544: no address of anybody.
        Ok(IpAddr::V4(_)) => {
            let low = u32::try_from(number & 0x0fff_ffff).unwrap_or(0);
            // More than there are of those: reserved, RFC 1112.
            let start = if low > 0x1_ffff { 0xf000_0000 } else { 0xc612_0000_u32 };
            Ipv4Addr::from(start | low).to_string()
        }
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            format!("::ffff:{}", of_same_form("0.0.0.0", usize::try_from(number).unwrap_or(usize::MAX)))
        }
        // For documentation, RFC 3849.
        Ok(IpAddr::V6(_)) => Ipv6Addr::from(0x2001_0db8_d1a6_u128 << 80 | u128::from(number)).to_string(),
        Err(_) if is_hardware(name, ':') || is_hardware(name, '-') => {
            let [.., a, b, c, d] = number.to_be_bytes();
            let bytes = format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
            if name.contains('-') { bytes.replace(':', "-") } else { bytes }
        }
        Err(_) if name.len() == 36 => {
            let dash = if name.contains('_') { "_" } else { "-" };
            ["00000000", "0000", "4000", "8000", &format!("{number:012x}")].join(dash)
        }
        // What is shown of an id is its start.
        Err(_) => {
            let mut digits = format!("{number:012x}");
            digits.extend(std::iter::repeat_n('0', name.len().saturating_sub(12)));
            digits.truncate(name.len().max(12));
            digits
        }
    }
}

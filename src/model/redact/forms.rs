//! What is known by its form: addresses, ids, paths below a home, servers.

use super::{Kind, Style, is_word};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Directories whose entries are named after users.
pub(super) const HOMES: [&str; 3] = ["/home/", "/Users/", "/run/user/"];

/// The home of root, whose name says nothing.
pub(super) const ROOTS: [&str; 1] = ["/root/"];

/// Suffixes of systemd's units: `user@1000.service` is no address of mail.
const UNITS: [&str; 10] =
    ["service", "socket", "scope", "slice", "timer", "mount", "automount", "swap", "target", "path"];

/// Fewest digits of an id that stands alone: what is shown of a container.
const ID_DIGITS_MIN: usize = 12;

/// A path below a home.
pub(super) struct Home<'a> {
    pub(super) prefix: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) below: Option<&'a str>,
    pub(super) length: usize,
}

/// A path below a home at the start of `rest`; to its end by what cannot be in a path that stands in a sentence.
pub(super) fn home<'a>(before: &str, rest: &'a str) -> Option<Home<'a>> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`;,:()<>|[]{}".contains(c);
    let path = &rest[..rest.find(ends).unwrap_or(rest.len())];
    if let Some(prefix) = ROOTS.into_iter().find(|prefix| path.starts_with(prefix)) {
        let below = path[prefix.len()..].trim_end_matches('.');
        // `/usr/share/root/x` is somebody else's.
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
    address(before, rest)
        .and_then(|end| found(Kind::Address, end))
        .or_else(|| id(rest, style).and_then(|end| found(Kind::Id, end)))
        .or_else(|| server(before, rest))
        .or_else(|| mail(before, rest))
        .or_else(|| option(before, rest))
        .or_else(|| user_number(rest))
}

/// The length of an address; those of the machine itself are none.
fn address(before: &str, rest: &str) -> Option<usize> {
    let run = |good: fn(char) -> bool| &rest[..rest.find(|c: char| !good(c)).unwrap_or(rest.len())];
    let v6 = run(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    if v6.matches(':').count() >= 2
        && let Some(length) = colons(v6)
        && !rest[length..].starts_with(is_word)
    {
        return Some(length);
    }
    let v4 = run(|c| c.is_ascii_digit() || c == '.').trim_end_matches('.');
    // A fifth number makes it a version.
    let parsed: Ipv4Addr = v4.parse().ok()?;
    let of_version =
        before.strip_suffix('.').is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()));
    let ends = !rest[v4.len()..].starts_with(is_word) && !of_version;
    (ends && !parsed.is_loopback() && !parsed.is_unspecified()).then_some(v4.len())
}

/// The length of what is an address of IPv6 or of the hardware at the start of a run of digits, colons and dots.
fn colons(run: &str) -> Option<usize> {
    // A sentence may go on with a colon or a dot.
    (2..=run.len()).rev().find(|end| {
        let text = &run[..*end];
        let hardware = || {
            let mut pairs = text.split(':');
            text.len() == 17
                && pairs.all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let known = |address: Ipv6Addr| {
            // `a::b` is rather a name in a program; an address without a single digit is rare.
            let digits = text.bytes().any(|byte| byte.is_ascii_digit()) || !text.contains("::");
            digits && !address.is_loopback() && !address.is_unspecified()
        };
        !run[*end..].starts_with(is_word) && (hardware() || text.parse().is_ok_and(known))
    })
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

/// The server of a URL, or of a mount: `nas:/export`.
fn server(before: &str, rest: &str) -> Option<Found> {
    let length = rest.find(|c| !is_of_host(c)).unwrap_or(rest.len());
    let name = rest[..length].trim_end_matches(['.', '-']);
    let of_share = |start: &str| start.is_empty() || start.ends_with([':', ' ', '"', '\'', '=']);
    let of_url = before.strip_suffix("//").is_some_and(of_share);
    let starts = before.is_empty() || before.ends_with([' ', '"', '\'', '(', '=', '\t', '\n']);
    let after = &rest[name.len()..];
    let of_mount = starts && after.starts_with(":/") && !after.starts_with("://");
    let own = ["localhost", "127.0.0.1"].contains(&name);
    let named = name.contains(|c: char| c.is_ascii_alphabetic());
    if (of_url || of_mount) && named && !own { found(Kind::Host, name.len()) } else { None }
}

/// `bob@mail.example.org`: first the one, then the other.
fn mail(before: &str, rest: &str) -> Option<Found> {
    let of_domain = |text: &str| {
        let domain = &text[..text.find(|c| !is_of_host(c)).unwrap_or(text.len())];
        let domain = domain.trim_end_matches(['.', '-']);
        let (_, last) = domain.rsplit_once('.')?;
        let good = last.len() > 1 && last.bytes().all(|b| b.is_ascii_alphabetic()) && !UNITS.contains(&last);
        good.then_some(domain.len())
    };
    if before.ends_with('@') {
        return of_domain(rest).and_then(|length| found(Kind::Host, length));
    }
    let (name, domain) = rest.split_once('@')?;
    let local = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let good = !name.is_empty() && name.chars().all(local) && of_domain(domain).is_some();
    if good { found(Kind::User, name.len()) } else { None }
}

/// The user of a mount: `username=carol`.
fn option(before: &str, rest: &str) -> Option<Found> {
    let length = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
    if before.ends_with("username=") { found(Kind::User, length) } else { None }
}

/// The number of the user in `user-1000.slice` and `user@1000.service`.
fn user_number(rest: &str) -> Option<Found> {
    let (start, end) = match rest.strip_prefix("user")? {
        tail if tail.starts_with('-') => ("", tail.find(".slice")?),
        tail if tail.starts_with('@') => ("user@", tail.find(".service")?),
        _ => return None,
    };
    let number = rest.get(5..4 + end).filter(|number| !number.is_empty())?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The slice's own name is what the pseudonym begins with.
    let start = if start.is_empty() { 0 } else { 5 };
    Some(Found { kind: Kind::User, start, end: 4 + end })
}

/// Another one of the same form as `name`, by its number.
pub(super) fn of_same_form(name: &str, number: usize) -> String {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    match name.parse::<IpAddr>() {
        // For benchmarks, RFC 2544: no address of anybody.
        Ok(IpAddr::V4(_)) => {
            let low = u32::try_from(number & 0x1_ffff).unwrap_or(0);
            Ipv4Addr::from(0xc612_0000_u32 | low).to_string()
        }
        // For documentation, RFC 3849.
        Ok(IpAddr::V6(_)) => Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number)).to_string(),
        Err(_) if name.len() == 17 && name.contains(':') => {
            let [.., a, b, c, d] = number.to_be_bytes();
            format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
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

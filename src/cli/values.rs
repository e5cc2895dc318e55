//! The values of options, as people write them; an error says how they are written.

use super::request::Target;
use super::{MAX_INTERVAL, MIN_INTERVAL};
use std::time::Duration;

pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let seconds =
        parse_seconds(text).ok_or("not a duration; write it as 5s, 1500ms, 1m30s or plain seconds")?;
    if seconds < MIN_INTERVAL.as_secs_f64() || seconds > MAX_INTERVAL.as_secs_f64() {
        return Err("the window must be from 1s to 1h long, for example --interval 5s".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub(super) fn parse_timeout(text: &str) -> Result<Duration, String> {
    parse_interval(text).map_err(|_| "the timeout must be from 1s to 1h, for example -t 10".to_owned())
}

pub(super) fn parse_profile(text: &str) -> Result<Duration, String> {
    let wrong = "must be from 100ms to 1m, for example --profile=5s";
    let seconds = parse_seconds(text).ok_or(wrong)?;
    if !(0.1..=60.0).contains(&seconds) {
        return Err(wrong.to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub(super) fn parse_frequency(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(hertz) if (1..=10_000).contains(&hertz) => Ok(hertz),
        _ => {
            Err("must be a number of samples a second from 1 to 10000, for example --frequency 999"
                .to_owned())
        }
    }
}

/// Parses `5`, `2.5`, `5s`, `1m30s`. A negative number parses as well, so that the error can name the range.
fn parse_seconds(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'e')).then_some(seconds);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()));
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    (!text.is_empty()).then_some(seconds)
}

pub(super) fn parse_top(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(top) if top > 0 => Ok(top),
        _ => Err("must be a number from 1 up, for example --top 10".to_owned()),
    }
}

/// A process by its id or by its name. Digits are an id.
pub(super) fn parse_process(text: &str) -> Result<Target, String> {
    let name = text.trim();
    let is_number = name.strip_prefix('-').unwrap_or(name).bytes().all(|byte| byte.is_ascii_digit());
    match name.parse() {
        Ok(pid) if pid > 0 => Ok(Target::Pid(pid)),
        Err(_) if !is_number => Ok(Target::Name(name.to_owned())),
        _ => Err("not a process id, which is a positive number; write --pid 4242 or --pid nginx".to_owned()),
    }
}

pub(super) fn parse_unit(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must be the name of a unit, container or pod, for example --unit nginx".to_owned()),
        name => Ok(name.to_owned()),
    }
}

pub(super) fn parse_instance(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must be a name, for example --instance web-1:9100".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// `3/5`: three of the last five windows.
pub(super) fn parse_raise(text: &str) -> Result<(u32, u32), String> {
    let wrong =
        || "must be N/M, N of the last M windows, with M up to 60, for example --raise 3/5".to_owned();
    let (raise, of) = text.split_once('/').unwrap_or((text, text));
    match (raise.parse(), of.parse()) {
        (Ok(raise), Ok(of)) if 1 <= raise && raise <= of && of <= 60 => Ok((raise, of)),
        _ => Err(wrong()),
    }
}

pub(super) fn parse_clear(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(clear) if (1..=1000).contains(&clear) => Ok(clear),
        _ => Err("must be a number of windows from 1 to 1000, for example --clear 5".to_owned()),
    }
}

pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("must be a number of windows from 1 up, for example --count 6".to_owned()),
    }
}

/// The address of a server that is posted to.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    const HTTP: &str = "http://";
    let scheme = text.get(..HTTP.len()).unwrap_or("");
    if text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")) {
        return Err("diag speaks plain HTTP only: give it the http:// address of a local proxy, or let --exec run curl".to_owned());
    }
    let rest = text.get(HTTP.len()..).unwrap_or("");
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if rest.split('/').next().is_some_and(|host| host.contains('@')) {
        return Err(
            "a name and password cannot be sent; give it the address of a local proxy that adds them"
                .to_owned(),
        );
    }
    if !scheme.eq_ignore_ascii_case(HTTP) || rest.is_empty() || rest.starts_with('/') || !plain {
        return Err("not an address; write it as http://127.0.0.1:9093".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(super) fn parse_percent(text: &str) -> Result<u8, String> {
    match text.strip_suffix('%').unwrap_or(text).parse() {
        Ok(percent) if (1..=100).contains(&percent) => Ok(percent),
        _ => Err("must be a percentage from 1 to 100, for example --floor 10".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [
            ("5", 5.0),
            ("2.5", 2.5),
            ("5s", 5.0),
            ("1500ms", 1.5),
            ("1m", 60.0),
            ("1m30s", 90.0),
            ("1h", 3600.0),
        ] {
            assert_eq!(parse_interval(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "5x", "5 s", "s5", "1..5s", "nan", "inf", "infinity", "1m30", "٣s", "+5s"] {
            assert!(parse_interval(text).unwrap_err().contains("not a duration"), "{text}");
        }
        for text in ["0", "500ms", "0.999", "3601", "61m", "1e9", "-5", "99999999999999999999h"] {
            assert!(parse_interval(text).unwrap_err().contains("from 1s to 1h"), "{text}");
        }
    }

    #[test]
    fn a_process_is_an_id_or_a_name() {
        assert_eq!(parse_process("4242"), Ok(Target::Pid(4242)));
        for name in ["nginx", "kworker/0:1", "7zip", "-x"] {
            assert_eq!(parse_process(name), Ok(Target::Name(name.to_owned())), "{name}");
        }
        for text in ["", " ", "0", "-1", "99999999999999999999"] {
            assert!(parse_process(text).unwrap_err().contains("not a process id"), "{text}");
        }
    }

    #[test]
    fn what_raises_an_alarm_reads_as_a_fraction() {
        for (text, raise) in [("3/5", (3, 5)), ("1/1", (1, 1)), ("2", (2, 2)), ("60/60", (60, 60))] {
            assert_eq!(parse_raise(text), Ok(raise), "{text}");
        }
        for text in ["", "/", "0/5", "6/5", "3/61", "-1/3", "a/b", "3/", "4294967296/5", "1/2/3"] {
            assert!(parse_raise(text).unwrap_err().contains("--raise 3/5"), "{text}");
        }
    }

    #[test]
    fn addresses_are_plain_http() {
        assert_eq!(parse_url("http://127.0.0.1:9093/"), Ok("http://127.0.0.1:9093".to_owned()));
        assert_eq!(parse_url("HTTP://h/p?q=1"), Ok("HTTP://h/p?q=1".to_owned()));
        assert!(parse_url("HTTPS://h").unwrap_err().contains("local proxy"));
        for text in
            ["", "http://", "http:///x", "h:80", "ftp://h", "http://a b", "http://a\n", "http://é", "é"]
        {
            assert!(parse_url(text).unwrap_err().contains("not an address"), "{text}");
        }
    }
}

//! Pieces of text that several kernel files share: decimal numbers, and escaped names.

/// Decimal digits as a number; `None` for anything else, an overflow included.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// Undoes the kernel's `\ooo` for blanks, line ends and backslashes (`fs/seq_file.c`, `mangle_path`).
pub fn unescape(escaped: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(escaped.len()), escaped.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_only_and_does_not_wrap() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for text in [&b""[..], b"18446744073709551616", b"-1", b"+1", b"1 ", b"0x1"] {
            assert_eq!(number(text), None);
        }
    }

    #[test]
    fn only_complete_octal_escapes_are_undone() {
        assert_eq!(unescape("/a\\040b\\134\\011"), "/a b\\\t");
        assert_eq!(unescape("\\134040"), "\\040", "once, not twice");
        for text in ["\\04", "\\999\\\u{e9}\\", ""] {
            assert_eq!(unescape(text), text);
        }
    }
}

//! The names that compilers made of C++ and Rust names, read back.

use super::{NAME_BYTES_MAX, bounded};
use std::fmt::{self, Write};

/// Takes so many bytes and then refuses: a few hundred bytes can be made to stand for gigabytes of a C++ name.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() >= NAME_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// The name as it was written in the program, or as it is.
pub(super) fn demangle(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    // Versions of shared symbols are no part of the name: `memcpy@@GLIBC_2.14`.
    let plain = match text.find('@') {
        Some(at) if at > 0 => text.get(..at).unwrap_or(&text),
        _ => &text,
    };
    let mut out = Bounded(String::new());
    let known = if let Ok(rust) = rustc_demangle::try_demangle(plain) {
        write!(out, "{rust:#}").is_ok() || !out.0.is_empty()
    } else if plain.starts_with("_Z") || plain.starts_with("_GLOBAL_") {
        demangle_cpp(plain, &mut out)
    } else {
        false
    };
    bounded(if known { out.0 } else { plain.to_owned() })
}

fn demangle_cpp(name: &str, out: &mut Bounded) -> bool {
    // As perf(1) shows them: overloads count as one function.
    let options = cpp_demangle::DemangleOptions::new().no_params().no_return_type();
    cpp_demangle::Symbol::new(name).is_ok_and(|symbol| {
        symbol.structured_demangle(out, &options).is_ok() || out.0.len() >= NAME_BYTES_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_languages_are_read_back() {
        for (mangled, written) in [
            ("main", "main"),
            ("runtime.mallocgc", "runtime.mallocgc"),
            ("main.(*Tree).insert", "main.(*Tree).insert"),
            ("foo.constprop.0", "foo.constprop.0"),
            ("fill.part.0", "fill.part.0"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("_ZN4hash4feedEPKcm", "hash::feed"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("_Z", "_Z"),
        ] {
            assert_eq!(demangle(mangled.as_bytes()), written);
        }
        assert!(demangle(b"_ZN3foo3barEv.cold").contains("foo::bar"));
        assert_eq!(demangle(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn a_name_that_unfolds_without_end_is_cut() {
        // Each pair of template arguments is the one before, twice.
        let mut name = String::from("_Z1fI1aS_E");
        for depth in 0..40 {
            name = format!("_Z1fI{}E", "S0_".repeat(depth + 2));
        }
        let _ = demangle(name.as_bytes());
        let mut doubling = String::from("_Z1f1AI1BS0_E");
        for last in 1..30 {
            let id = std::char::from_digit(last, 36).unwrap().to_ascii_uppercase();
            doubling.push_str(&format!("S_IS{id}_S{id}_E"));
        }
        assert!(demangle(doubling.as_bytes()).len() <= NAME_BYTES_MAX);
        assert_eq!(demangle(&[b'x'; 10_000]).len(), NAME_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_name_is_survived(tail in "[A-Za-z0-9_.$@]{0,80}", start in "(_Z|_ZN|_R|_RNv|)") {
            let name = format!("{start}{tail}");
            prop_assert!(demangle(name.as_bytes()).len() <= NAME_BYTES_MAX);
        }
    }
}

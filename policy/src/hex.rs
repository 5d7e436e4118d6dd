//! Octets as hexadecimal text.

use std::fmt;

/// Writes `octets` in lower case, two digits each.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    // At once: events do it for every request, and formatting octet by octet is slow.
    let pairs = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
    let text: String = pairs.map(|digit| DIGITS[usize::from(digit)]).collect();
    f.write_str(&text)
}

const DIGITS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];

/// Reads pairs of digits in either case, with or without one `:` between octets; an odd first digit
/// stands alone.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    if text.contains(':') {
        return text.split(':').map(octet).collect();
    }
    let (first, rest) = text.as_bytes().split_at(text.len() % 2);
    let pairs = std::iter::once(first)
        .filter(|f| !f.is_empty())
        .chain(rest.chunks(2));
    pairs
        .map(|pair| octet(std::str::from_utf8(pair).ok()?))
        .collect()
}

fn octet(digits: &str) -> Option<u8> {
    // `from_str_radix` would also take a sign.
    let plain = matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if plain {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        assert_eq!(read("0aFF"), Some(vec![0x0a, 0xff]));
        assert_eq!(read("0A:ff"), Some(vec![0x0a, 0xff]));
        assert_eq!(read("aff"), Some(vec![0x0a, 0xff]));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "0x01", "+1", "0a:", ":0a", "0a::0b", "zz", "é1", "0aff:01", " 01",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! Text into a line that no terminal and no log parser can misread.

use std::io;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One value as one line: ASCII only, control characters escaped, newline at the end.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::with_capacity(1024);
    value
        .serialize(&mut Serializer::with_formatter(&mut line, AsciiFormatter))
        .expect("event values are strings and numbers, written to memory");
    line.push(b'\n');
    line
}

/// At most 256 characters of a value somebody else chose.
pub(crate) fn truncated(value: &str) -> String {
    match value.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// RFC 3339 in UTC, to the microsecond.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let micros = time.microsecond();
    let time = time.replace_nanosecond(micros * 1000).unwrap_or(time);
    time.format(&Rfc3339)
        .unwrap_or_else(|_| String::from("9999-12-31T23:59:59Z"))
}

/// serde_json leaves DEL, C1 controls and direction marks raw; here nothing beyond `~` stays raw.
struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(start) = rest.find(|c: char| !(' '..='~').contains(&c)) {
            let (plain, special) = rest.split_at(start);
            CompactFormatter.write_string_fragment(writer, plain)?;
            let Some(character) = special.chars().next() else {
                break;
            };
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &special[character.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

const MAX_CHARACTERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_reads_back_as_it_was() {
        let text = "gr\u{fc}n \u{1f600} \u{85} \u{7f} \"\\ \n";
        let line = line(&text);
        assert!(line.is_ascii());
        let back: String = serde_json::from_slice(&line).unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn time_is_rfc_3339_utc() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_250);
        assert_eq!(rfc3339(time), "2023-11-14T22:13:20.25Z");
    }

    #[test]
    fn truncation_respects_characters() {
        assert_eq!(truncated("short"), "short");
        assert_eq!(truncated(&"\u{fc}".repeat(300)).chars().count(), 257);
    }
}

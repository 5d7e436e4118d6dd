//! What may stand in a name that people read in logs and terminals.

/// The first character of `text` that does not print as itself, if there is one.
///
/// Besides controls these are the characters that hide or reorder their neighbours (zero width,
/// bidirectional overrides, line separators) and U+FFFD, which only says that somebody could not
/// decode the real character.
pub(crate) fn unprintable(text: &str) -> Option<char> {
    text.chars().find(|&c| c.is_control() || is_deceptive(c))
}

fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fffd}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}'
    )
}

/// `text` between double quotes, as a TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if unprintable(c.encode_utf8(&mut [0; 4])).is_some() => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `text` between single quotes (a TOML literal string) where that is possible.
pub(crate) fn literal(text: &str) -> String {
    if text.contains('\'') || unprintable(text).is_some() {
        return quoted(text);
    }
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_invisible_characters_do_not_print() {
        for c in [
            '\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{200b}', '\u{202e}',
            '\u{2028}', '\u{feff}', '\u{fffd}',
        ] {
            assert_eq!(unprintable(&format!("a{c}b")), Some(c));
        }
        assert_eq!(unprintable("Gerät 12 – Ω"), None);
    }

    #[test]
    fn quoting_reads_back_as_the_same_text() {
        for text in ["plain", "a\"b\\c", "it's", "tab\there", "\u{202e}x"] {
            for quoted in [quoted(text), literal(text)] {
                let table: toml::Table = toml::from_str(&format!("v = {quoted}")).unwrap();
                assert_eq!(table["v"].as_str(), Some(text));
            }
        }
    }
}

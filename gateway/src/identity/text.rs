//! What certificates hold, as text that every upstream reads alike.

use std::fmt::Write as _;

use http::HeaderValue;
use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postern_pki::Certificate;

/// A field's value, of text that is ASCII by construction.
pub(crate) fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits, base64, addresses and escaped names are ASCII")
}

/// The certificate as PEM, percent-encoded like nginx's `$ssl_client_escaped_cert` and Envoy's
/// `Cert`.
pub(super) fn escaped_pem(certificate: &Certificate) -> String {
    let block = Pem::new("CERTIFICATE", certificate.der().as_ref());
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    utf8_percent_encode(&encode_config(&block, config), RESERVED).to_string()
}

/// A name in the form of RFC 4514, in ASCII that can stand between double quotes and at the end of
/// a field: `"`, `\`, leading and trailing spaces and everything beyond ASCII are written as their
/// octets (section 2.4), which is what OpenSSL does with the latter.
pub(super) fn ascii_name(name: &str) -> String {
    let mut ascii = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some(escaped) if escaped.is_ascii_graphic() && !matches!(escaped, '"' | '\\') => {
                    ascii.extend(['\\', escaped]);
                }
                Some(special) => push_octets(&mut ascii, special),
                None => push_octets(&mut ascii, '\\'),
            },
            '"' | '\0'..='\x1f' | '\x7f'.. => push_octets(&mut ascii, character),
            plain => ascii.push(plain),
        }
    }
    ascii
}

fn push_octets(text: &mut String, character: char) {
    for octet in character.encode_utf8(&mut [0; 4]).bytes() {
        write!(text, "\\{octet:02X}").expect("writing to a String cannot fail");
    }
}

/// Whether a text survives as the value of a field, octet for octet: receivers cut spaces off.
pub(super) fn is_plain(text: &str) -> bool {
    let is_printable = text
        .bytes()
        .all(|octet| octet.is_ascii_graphic() || octet == b' ');
    is_printable && text.trim() == text
}

/// RFC 3986 section 2.3: all others are encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_between_quotes_whatever_is_in_it() {
        for (name, written) in [
            ("CN=device-1,O=Factory", "CN=device-1,O=Factory"),
            (r#"CN=a\"b"#, r"CN=a\22b"),
            (r"CN=a\\", r"CN=a\5C"),
            (r#"CN=a\\\";URI=evil"#, r"CN=a\5C\22;URI=evil"),
            (r"CN=\ a\ ", r"CN=\20a\20"),
            (r"CN=a\,O\=b\+c", r"CN=a\,O\=b\+c"),
            (r"CN=a\0Ab", r"CN=a\0Ab"),
            ("CN=Gerät", r"CN=Ger\C3\A4t"),
            ("CN=a\u{202e}b", r"CN=a\E2\80\AEb"),
            ("CN=a\nb\"", r"CN=a\0Ab\22"),
            ("CN=a\\", r"CN=a\5C"),
        ] {
            assert_eq!(ascii_name(name), written);
            assert!(is_plain(&ascii_name(name)), "{name}");
        }
    }

    #[test]
    fn what_a_receiver_would_change_is_not_plain() {
        for text in [" a", "a ", "a\tb", "ä", "a\u{7f}"] {
            assert!(!is_plain(text), "{text:?}");
        }
        assert!(is_plain("a b") && is_plain(""));
    }
}

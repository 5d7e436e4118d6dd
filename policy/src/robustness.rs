//! No text, however broken, makes a parser panic; what parses prints as something that parses to
//! the same.

use crate::{
    CommonName, CommonNamePattern, HostName, PathPrefix, SerialNumber, Upstream, parse_duration,
    path, pattern, testing::File,
};

/// Pieces that parsers treat specially, and some they do not expect.
const PIECES: [&str; 56] = [
    "a",
    "Z",
    "0",
    "9",
    "-",
    "_",
    ".",
    "..",
    "/",
    "//",
    ":",
    "::",
    "@",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "*",
    "+",
    "?",
    "|",
    "^",
    "$",
    "\\",
    "\\x{",
    "\\d",
    "(?i)",
    "(?x)",
    "#",
    "%",
    "%2f",
    "%zz",
    ";",
    ",",
    "=",
    "\"",
    "'",
    " ",
    "\n",
    "\r",
    "\0",
    "\u{1b}",
    "é",
    "\u{200b}",
    "\u{fffd}",
    "😀",
    "http://",
    "1000",
    "xn--",
    "application",
    "[[",
    "]]",
    "{ ",
    "s",
];

/// `count` texts of up to twelve pieces, always the same ones (the MINSTD generator).
fn texts(count: usize) -> impl Iterator<Item = String> {
    let mut state = 1_usize;
    let mut next = move |below: usize| {
        state = state * 48271 % 2_147_483_647;
        state % below
    };
    (0..count).map(move |_| (0..next(13)).map(|_| PIECES[next(PIECES.len())]).collect())
}

#[test]
fn no_text_makes_a_parser_panic() {
    for text in texts(20_000) {
        if let Ok(name) = CommonName::parse(&text) {
            assert_eq!(name.as_str(), text);
        }
        drop((
            Upstream::parse(&text),
            parse_duration(&text),
            text.parse::<SerialNumber>(),
        ));
        drop((toml::from_str::<File>(&text), path::is_ambiguous(&text)));
        assert!(pattern::bare(&text).all(|(place, byte)| text.as_bytes()[place] == byte));
    }
}

#[test]
fn what_parses_prints_as_the_same() {
    for text in texts(20_000) {
        if let Ok(host) = HostName::parse(&text) {
            assert_eq!(HostName::parse(host.as_str()), Ok(host));
        }
        if let Ok(prefix) = PathPrefix::parse(&text) {
            assert!(!path::is_ambiguous(prefix.as_str()), "{prefix}");
            assert_eq!(PathPrefix::parse(prefix.as_str()), Ok(prefix));
        }
    }
}

#[test]
fn no_pattern_that_compiles_matches_a_part_of_a_name() {
    for text in texts(3_000) {
        let Ok(pattern) = CommonNamePattern::parse(&text) else {
            continue;
        };
        for name in ["a", "Z9", "a.a", "00", "a-_"].map(|name| CommonName::parse(name).unwrap()) {
            let extended = CommonName::parse(&format!("{name}\u{3bb}")).unwrap();
            // No piece but the wide ones can reach a Greek letter.
            let wide = text.contains(['.', '\\', '[', 'é']);
            assert!(
                wide || !pattern.matches(&extended),
                "{text:?} matches {extended}"
            );
        }
    }
}

use super::*;

const FLEET: &str = r"^device-[a-z0-9-]+\.factory\.corp$";

fn pattern(text: &str) -> CommonNamePattern {
    CommonNamePattern::parse(text).unwrap()
}

fn matches(text: &str, name: &str) -> bool {
    pattern(text).matches(&CommonName::parse(name).unwrap())
}

#[test]
fn the_fleet_pattern_admits_the_fleet() {
    for name in [
        "device-1.factory.corp",
        "device-a1-b2.factory.corp",
        "device--.factory.corp",
    ] {
        assert!(matches(FLEET, name), "{name}");
    }
}

#[test]
fn the_fleet_pattern_refuses_what_only_looks_like_the_fleet() {
    for name in [
        "evil-device-1.factory.corp.attacker",
        "xdevice-1.factory.corp",
        "DEVICE-1.factory.corp",
        "device-1.factory.corp.attacker",
        "device-1.factory.corp ",
        " device-1.factory.corp",
        "device-.factory.corp",
        "device-1xfactory.corp",
        "device-1.factoryxcorp",
        "device-1.factory.corp,CN=x",
    ] {
        assert!(!matches(FLEET, name), "{name}");
    }
}

#[test]
fn a_pattern_without_anchors_still_matches_whole_names_only() {
    assert!(matches("device-.*", "device-1"));
    for name in ["evil-device-1", "xdevice-1", "evil-device-1.attacker"] {
        assert!(!matches("device-.*", name), "{name}");
    }
    assert!(!matches("device-1", "device-12"));
    assert!(!matches("device-[0-9]+", "device-1.attacker"));
}

#[test]
fn alternatives_are_anchored_together() {
    for name in ["ax", "xb", "abc", "xa", "a|b"] {
        assert!(!matches("a|b", name), "{name}");
        assert!(!matches("^a|b$", name), "{name}");
    }
    assert!(matches("^a|b$", "a") && matches("^a|b$", "b"));
    assert!(
        matches("a|ab", "ab"),
        "the longer alternative counts although the shorter stands first"
    );
}

/// Octets that no `CommonName` holds, tried on the engine alone: a second line of defence.
#[test]
fn a_line_break_never_ends_a_match() {
    for text in [
        "device-1",
        "^device-1$",
        "(?m)^device-1$",
        "(?m)(?:^device-1$)",
        "(?mR)^device-1$",
    ] {
        for octets in [
            &b"device-1\nevil"[..],
            b"evil\ndevice-1",
            b"device-1\n",
            b"device-1\r\n",
            b"device-1\0",
        ] {
            assert!(!pattern(text).whole.is_match(octets), "{text} {octets:?}");
        }
        assert!(matches(text, "device-1"));
    }
    assert!(CommonName::parse("device-1\nevil").is_err());
}

#[test]
fn flags_open_no_hole() {
    assert!(!pattern("(?s)device-1.").whole.is_match(b"device-1\n\n"));
    assert!(!matches("(?s)device-.", "device-12"));
    assert!(!matches("(?U)device-.+", "xdevice-1"));
    assert!(!matches("(?x) device - 1 ", "device-12"));
    assert!(
        matches("(?i)device-1", "DEVICE-1"),
        "ignoring case is the author's choice"
    );
}

#[test]
fn a_text_that_closes_our_bracket_is_refused() {
    for text in ["a)|(?:.*", "a)|(.*", ")", "(", "a)", "a)(?:b", "x)|(?:"] {
        assert!(
            matches!(
                CommonNamePattern::parse(text),
                Err(PatternError::Syntax { .. })
            ),
            "{text}"
        );
    }
    assert_eq!(
        CommonNamePattern::parse("(?x)device-1 # comment"),
        Err(PatternError::NotWrappable)
    );
    assert_eq!(
        CommonNamePattern::parse("(?x)a # )|.*"),
        Err(PatternError::NotWrappable)
    );
}

#[test]
fn match_all_patterns_are_refused_however_they_are_spelled() {
    for text in [
        ".*",
        ".+",
        "^.*$",
        "^.+$",
        "(.*)",
        "((.+))",
        "^(?:.*)$",
        r"[\s\S]*",
        r"[\w\W]+",
        ".{1,64}",
        ".{1,}",
        ".{8,32}",
        "(?s).*",
        "(?s:.)+",
        "(?m)^.*$",
        ".*?",
        "x|.*",
        ".*|x",
        "device-.*|.+",
        "(?:device-)?.*",
        "[^x]*x*.*",
        r"\S+",
        r"[!-~]+",
        "[^ ]+",
        r"[^\n]*",
        r"\A.*\z",
        ".*.*",
        "(?i).*",
        "(?-u:.)+",
        "(?u).*",
        "a?.*b?",
        "|.*",
    ] {
        assert_eq!(
            CommonNamePattern::parse(text),
            Err(PatternError::MatchesEverything),
            "{text}"
        );
    }
    let hint = CommonNamePattern::parse(".*").unwrap_err().to_string();
    assert!(hint.contains("certificate = {}"), "{hint}");
}

#[test]
fn wide_patterns_with_some_shape_are_accepted() {
    for text in [
        "device-.*",
        r".*\.corp",
        "[a-z0-9.-]+",
        r"\w+",
        ".+-.+",
        "|a",
        "[0-9]+|[a-z]+",
    ] {
        assert!(CommonNamePattern::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn classes_and_case_folding_know_ascii_only() {
    assert!(matches(r"device-\d", "device-1"));
    for name in ["device-١", "device-１", "device-߁", "device-²"] {
        assert!(!matches(r"device-\d+", name), "{name}");
    }
    assert!(!matches(r"\w+", "dévice"));
    assert!(
        !matches(r"dеvice".replace('е', "e").as_str(), "dеvice"),
        "a Cyrillic е is not an e"
    );
    for name in ["\u{212a}1", "\u{17f}1"] {
        assert!(
            !matches("(?i)[ks]1", name),
            "neither the Kelvin sign nor the long s"
        );
    }
    assert!(matches!(
        CommonNamePattern::parse(r"\p{L}+"),
        Err(PatternError::Syntax { .. })
    ));
    assert!(!matches("(?i)ä", "Ä"));
}

#[test]
fn names_beyond_ascii_are_matched_octet_by_octet() {
    assert!(matches("Gerät-.+", "Gerät-7"));
    assert!(matches("device-.+", "device-ä"));
    assert!(!matches("device-.", "device-ä"), "two octets");
    assert!(
        matches("(?u:Gerät)-[0-9]+", "Gerät-7"),
        "the author may ask for Unicode"
    );
}

#[test]
fn what_does_not_compile_shows_the_reason() {
    for (text, reason) in [
        ("device-[", "unclosed character class"),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "backreferences are not supported"),
        ("*a", "repetition operator missing expression"),
        (r"\q", "unrecognized escape sequence"),
    ] {
        let message = CommonNamePattern::parse(text).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn patterns_that_explode_are_refused() {
    let deep = "(".repeat(400) + "a" + &")".repeat(400);
    for text in [
        "a{9999999}",
        "(?:){4294967295}",
        "(?:a{1000}){1000}",
        r"((((\w{90}){90}){90}){90})",
        deep.as_str(),
    ] {
        let result = CommonNamePattern::parse(text);
        let refused = matches!(
            result,
            Err(PatternError::Syntax { .. } | PatternError::RepeatsTooOften)
        );
        assert!(refused, "{text}: {result:?}");
    }
    assert_eq!(
        CommonNamePattern::parse(&"a".repeat(1025)),
        Err(PatternError::TooLong { bytes: 1025 })
    );
    assert!(CommonNamePattern::parse(&"a".repeat(1024)).is_ok());
    assert_eq!(CommonNamePattern::parse(""), Err(PatternError::Empty));
}

#[test]
fn matching_takes_linear_time() {
    let pattern = pattern("(a+)+b");
    // A backtracking engine would not come back from this in a lifetime.
    assert!(!pattern.whole.is_match("a".repeat(3000).as_bytes()));
}

#[test]
fn a_pattern_prints_what_was_written() {
    for text in [FLEET, "a|b", "(?i)x"] {
        assert_eq!(pattern(text).to_string(), text);
        assert_eq!(pattern(&pattern(text).to_string()), pattern(text));
    }
}

#[test]
fn repetitions_are_counted_only_where_they_are_repetitions() {
    for text in [
        r"a{1,1000}b",
        r"\{2000\}",
        r"[{]2000[}]",
        r"\x{0061}-x",
        r"(?u:\x{1000})-1",
        r"a\\{2}",
    ] {
        assert!(CommonNamePattern::parse(text).is_ok(), "{text}");
    }
    for text in [
        "a{1001}",
        "a{1,1001}",
        "a{1001,}",
        r"\\{1001}",
        "a{ 1001 }",
        "(?:){4294967295}",
    ] {
        assert_eq!(
            CommonNamePattern::parse(text),
            Err(PatternError::RepeatsTooOften),
            "{text}"
        );
    }
}

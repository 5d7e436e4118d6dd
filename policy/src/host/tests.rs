use super::*;

fn host(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

#[test]
fn every_spelling_of_a_host_is_the_same_host() {
    let expected = host("telemetry.example.com");
    for text in [
        "Telemetry.Example.COM",
        "telemetry.example.com.",
        "telemetry.example.com:8443",
        "Telemetry.Example.com.:8443",
        "telemetry.example.com:0",
    ] {
        assert_eq!(host(text), expected, "{text}");
    }
}

#[test]
fn another_host_is_another_host() {
    let expected = host("telemetry.example.com");
    for text in [
        "telemetry.example.com.attacker",
        "xtelemetry.example.com",
        "example.com",
        "telemetry-example.com",
    ] {
        assert_ne!(host(text), expected, "{text}");
    }
}

#[test]
fn userinfo_is_refused_wherever_it_stands() {
    for text in [
        "telemetry.example.com@attacker",
        "a@b",
        "a:b@c:1",
        "@a",
        "a@",
    ] {
        assert_eq!(
            HostName::parse(text),
            Err(HostNameError::UserInfo),
            "{text}"
        );
    }
}

#[test]
fn a_second_trailing_dot_or_an_empty_label_is_refused() {
    for text in ["example.com..", ".example.com", "example..com", ".."] {
        assert_eq!(
            HostName::parse(text),
            Err(HostNameError::EmptyLabel),
            "{text}"
        );
    }
    for text in ["", ".", ":443", ".:443"] {
        assert_eq!(HostName::parse(text), Err(HostNameError::Empty), "{text}");
    }
}

#[test]
fn a_port_is_a_number_and_nothing_else() {
    for text in [
        "a:",
        "a:+1",
        "a:-1",
        "a:65536",
        "a:1x",
        "a:1:2",
        "a: 1",
        "::1",
        "a:\u{661}",
    ] {
        assert!(
            matches!(
                HostName::parse(text),
                Err(HostNameError::Port { .. } | HostNameError::Empty)
            ),
            "{text}"
        );
    }
    assert_eq!(
        HostName::parse_with_port("a:65535"),
        Ok((host("a"), Some(65535)))
    );
    assert_eq!(HostName::parse_with_port("a"), Ok((host("a"), None)));
}

#[test]
fn characters_no_host_has_are_refused() {
    for (text, character) in [
        ("a b", ' '),
        ("a\tb", '\t'),
        ("a\0", '\0'),
        ("a\r\nHost", '\r'),
        ("a/b", '/'),
        ("a\\b", '\\'),
        ("a%00", '%'),
        ("a,b", ','),
        ("b\u{fc}cher.example", 'ü'),
        ("ｅxample.com", 'ｅ'),
        ("example。com", '。'),
        ("[::1", '['),
        ("a]", ']'),
    ] {
        let result = HostName::parse(text);
        let expected = match character {
            '[' => HostNameError::Port { port: ":1".into() },
            _ => HostNameError::Character { character },
        };
        assert_eq!(result, Err(expected), "{text:?}");
    }
}

#[test]
fn wildcards_are_refused_with_advice() {
    for text in ["*", "*.example.com", "a*.example.com"] {
        assert_eq!(
            HostName::parse(text),
            Err(HostNameError::Wildcard),
            "{text}"
        );
    }
}

#[test]
fn names_longer_than_dns_allows_are_refused() {
    let label = "a".repeat(63);
    assert!(HostName::parse(&label).is_ok());
    assert_eq!(
        HostName::parse(&"a".repeat(64)),
        Err(HostNameError::TooLong)
    );
    assert_eq!(
        HostName::parse(&[label.as_str(); 5].join(".")),
        Err(HostNameError::TooLong)
    );
}

#[test]
fn address_literals_have_one_spelling_each() {
    assert_eq!(host("127.0.0.1:8443"), host("127.0.0.1"));
    assert_eq!(host("[0:0::0:1]:8443").as_str(), "[::1]");
    assert_eq!(host("[2001:DB8::A]"), host("[2001:db8:0::a]"));
    assert_eq!(host("[::1]").ip(), Some("::1".parse().unwrap()));
    assert_eq!(host("127.0.0.1").ip(), Some("127.0.0.1".parse().unwrap()));
    assert_eq!(host("localhost").ip(), None);
}

#[test]
fn addresses_that_resolvers_read_differently_are_refused() {
    for text in [
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "1.2.3.4.5",
        "256.0.0.1",
        "0x7f.1",
    ] {
        assert_eq!(
            HostName::parse(text),
            Err(HostNameError::Ipv4Literal),
            "{text}"
        );
    }
    for text in [
        "[::1%eth0]",
        "[::1].",
        "[]",
        "[127.0.0.1]",
        "[::1]x",
        "[[::1]]",
    ] {
        assert_eq!(
            HostName::parse(text),
            Err(HostNameError::Ipv6Literal),
            "{text}"
        );
    }
}

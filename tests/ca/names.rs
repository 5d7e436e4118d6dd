//! Which names are issued, and by which profile.

use std::fs;

use postern_tests::Postern;

use crate::support::{certificates, openssl, tree};

const PROFILES: &str = r#"
[ca.profile.device]
lifetime     = "30d"
common_name  = '^device-[a-z0-9-]+\.factory\.corp$'
organization = "Factory"
san_dns      = ["{common_name}"]
"#;

#[test]
fn names_that_could_be_taken_for_something_else_are_refused_and_leave_nothing() {
    let postern = Postern::with_ca();
    let before = tree(postern.folder()).len();
    let (long, longest) = ("x".repeat(65), "y".repeat(64));
    for (name, code) in [
        ("client.access", 6),
        ("CLIENT.ACCESS", 6),
        ("a,b", 6),
        ("a/b", 6),
        ("/abs", 6),
        ("a+b", 6),
        ("CN=x", 6),
        ("../../x", 6),
        ("..", 6),
        ("-rf", 6),
        ("a\\b", 6),
        ("trailing ", 6),
        ("", 2),
        ("a\nb", 2),
        ("a\u{7f}b", 2),
        ("\u{1b}[2J", 2),
        ("a\u{200b}b", 2),
        (&long, 2),
    ] {
        for command in ["issue", "request"] {
            let output = postern.run(&["cert", command, "--out", "out", "--", name]);
            assert_eq!(
                output.code,
                Some(code),
                "{command} {name:?}: {}",
                output.stderr
            );
        }
    }
    assert_eq!(tree(postern.folder()).len(), before, "nothing was made");
    assert_eq!(
        certificates(&postern).len(),
        1,
        "only the publisher is recorded"
    );
    postern
        .run(&["cert", "issue", &longest, "--out", "out"])
        .expect_code(0);
}

#[test]
fn three_devices_pass_the_fleets_pattern_and_look_alikes_do_not() {
    let postern = Postern::with_ca();
    fs::write(postern.path("postern.toml"), PROFILES).expect("a file");
    let issue = |name: &str| {
        postern.run(&[
            "cert",
            "issue",
            name,
            "--profile",
            "device",
            "--out",
            "devices",
        ])
    };
    for name in [
        "device-1.factory.corp",
        "device-b-2.factory.corp",
        "device-0.factory.corp",
    ] {
        issue(name).expect_code(0);
        let file = format!("devices/{name}.crt");
        let args = [
            "x509", "-in", &file, "-noout", "-subject", "-nameopt", "RFC2253",
        ];
        let args = [&args[..], &["-ext", "subjectAltName", "-dates"]].concat();
        let told = openssl(&postern, &args).expect_code(0).stdout;
        assert!(
            told.contains(&format!("subject=O=Factory,CN={name}\n")),
            "{told}"
        );
        assert!(told.contains(&format!("DNS:{name}\n")), "{told}");
    }
    for name in [
        "evil-device-1.factory.corp.attacker",
        "xdevice-1.factory.corp",
        "DEVICE-1.factory.corp",
        "device-1.factory.corp.attacker",
        "device-1xfactory.corp",
        "device-.factory.corp ",
        "device-ä.factory.corp",
    ] {
        let refused = issue(name).expect_code(6);
        assert!(
            !postern.path(&format!("devices/{name}.key")).exists(),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(certificates(&postern).len(), 4);
}

#[test]
fn the_same_pattern_means_the_same_without_anchors() {
    let postern = Postern::with_ca();
    fs::write(
        postern.path("postern.toml"),
        "[ca.profile.device]\ncommon_name = 'device-[0-9]+'\n",
    )
    .expect("a file");
    let issue = ["cert", "issue", "--profile", "device", "--out", "."];
    for name in [
        "evil-device-1",
        "device-1.attacker",
        "device-1-",
        "xdevice-1x",
    ] {
        postern.run(&[&issue[..], &[name]].concat()).expect_code(6);
    }
    postern
        .run(&[&issue[..], &["device-1"]].concat())
        .expect_code(0);
}

#[test]
fn an_unknown_profile_is_not_found_and_the_known_ones_are_named() {
    let postern = Postern::with_ca();
    let output = postern.run(&["cert", "issue", "a", "--profile", "devise", "--out", "."]);
    let output = output.expect_code(3);
    assert!(
        output.stderr.contains("device, high, server, service"),
        "{}",
        output.stderr
    );
    assert!(!postern.path("a.key").exists() && !postern.path("a.crt").exists());
}

#[test]
fn names_and_owners_do_not_steer_the_terminal() {
    let postern = Postern::with_ca();
    let steering = [
        "cert",
        "issue",
        "a",
        "--owner",
        "\u{1b}]0;owned\u{7}",
        "--out",
        ".",
    ];
    postern.run(&steering).expect_code(2);
    let owner = "\u{202e}team";
    let args = ["cert", "issue", "Gerät 12", "--owner", owner, "--out", "."];
    postern.run(&args).expect_code(0);
    let revoke = ["cert", "revoke", "Gerät 12", "--note", "a\u{1b}[2Jb"];
    postern.run(&revoke).expect_code(0);
    for args in [
        &["cert", "list"][..],
        &["cert", "show", "Gerät 12"],
        &["expiry", "list"],
    ] {
        let shown = postern.run(args).expect_code(0).stdout;
        let raw = shown.chars().any(|one| one.is_control() && one != '\n');
        assert!(!raw && !shown.contains('\u{202e}'), "{shown:?}");
    }
    let shown = postern.run(&["cert", "list"]).expect_code(0).stdout;
    assert!(shown.contains("\\u{202e}team"), "{shown:?}");
    let rows = certificates(&postern);
    assert_eq!(rows[1]["owner"], owner, "JSON has the exact text");
}

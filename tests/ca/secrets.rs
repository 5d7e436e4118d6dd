//! Secrets and passphrases stand in the one file meant for them and nowhere else.

use std::fs;
use std::process::Stdio;

use postern_tests::Postern;
use postern_tests::canary::contains;

use crate::support::{mode, tree};

const ROOT: &str = "canary-root-passphrase-93c1";
const ISSUING: &str = "canary-issuing-passphrase-58ab";

/// Runs `postern` at its loudest, and looks at every argument list on the machine meanwhile.
fn run(postern: &Postern, args: &[&str], seen: &mut Vec<u8>) {
    let mut command = postern.command(args);
    command
        .env("POSTERN_LOG", "trace")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1");
    command.env("TMPDIR", postern.path("tmp"));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let arguments = format!("/proc/{}", child.id());
    while child.try_wait().expect("it runs").is_none() {
        for file in ["cmdline", "environ"] {
            seen.extend(fs::read(format!("{arguments}/{file}")).unwrap_or_default());
        }
    }
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    seen.extend(output.stdout);
    seen.extend(output.stderr);
}

#[test]
fn the_spellings_that_are_searched_for_are_those_of_other_programs() {
    let postern = Postern::new();
    for prefix in ["", "a", "ab"] {
        fs::write(postern.path("canary"), format!("{prefix}{ROOT}zz")).expect("a file");
        let encode = ["base64", "-A", "-in", "canary"];
        let encoded = postern.tool("openssl", &encode).expect_code(0).stdout;
        assert!(contains(encoded.as_bytes(), ROOT), "{encoded}");
    }
    assert!(!contains(b"nothing of it", ROOT));
}

#[test]
fn no_passphrase_and_no_token_secret_stands_anywhere_but_in_its_file() {
    let postern = Postern::new();
    fs::create_dir(postern.path("tmp")).expect("a folder");
    for (file, passphrase) in [("root.pass", ROOT), ("issuing.pass", ISSUING)] {
        fs::write(postern.path(file), format!("{passphrase}\n")).expect("a file");
    }
    let mut seen = Vec::new();
    let issuing = ["--passphrase-file", "issuing.pass"];
    let init = ["ca", "init", "--name", "Example", "--root-dir", "root"];
    let init = [
        &init[..],
        &["--root-passphrase-file", "root.pass"],
        &issuing,
    ]
    .concat();
    run(&postern, &init, &mut seen);
    let issue = ["cert", "issue", "a", "--out", "out"];
    run(&postern, &[&issue[..], &issuing].concat(), &mut seen);
    let mut secrets = vec![
        (ROOT.to_owned(), "root.pass"),
        (ISSUING.to_owned(), "issuing.pass"),
    ];
    let formats = ["pair", "headers", "json", "dotenv"];
    for format in formats {
        let name = format!("ci-{format}-test");
        let create = [
            "token", "create", &name, "--out", format, "--format", format,
        ];
        run(&postern, &[&create[..], &issuing].concat(), &mut seen);
        secrets.push((secret_in(&postern, format), format));
    }
    run(
        &postern,
        &[&["cert", "revoke", "a"][..], &issuing].concat(),
        &mut seen,
    );
    run(&postern, &["token", "list", "-o", "json"], &mut seen);
    run(&postern, &["token", "disable", "ci-pair-test"], &mut seen);
    for (secret, its_file) in &secrets {
        assert!(!contains(&seen, secret), "printed, or in an argument list");
        for path in tree(postern.folder()).iter().filter(|path| path.is_file()) {
            let holds = contains(&fs::read(path).expect("a file"), secret);
            assert_eq!(holds, path.ends_with(its_file), "{}", path.display());
        }
    }
    let keys = fs::read_to_string(postern.path("out/a.key")).expect("a key");
    let key = keys.lines().nth(1).expect("base64");
    assert!(!contains(&seen, key), "a private key was printed");
}

/// The secret of the token file: it starts with a prefix that scanners know.
fn secret_in(postern: &Postern, file: &str) -> String {
    assert_eq!(mode(&postern.path(file)), 0o600, "{file}");
    let text = fs::read_to_string(postern.path(file)).expect("a token file");
    let start = text.find("pst_").expect("the prefix");
    let rest = &text[start..];
    let end = rest.find(|one: char| !one.is_ascii_alphanumeric() && one != '_');
    let secret = rest[..end.unwrap_or(rest.len())].to_owned();
    assert_eq!(secret.len(), 53, "prefix, 256 bits, checksum");
    secret
}

#[test]
fn a_found_secret_is_identified_from_stdin_and_a_stranger_is_not() {
    let postern = Postern::with_ca();
    postern
        .run(&[
            "token",
            "create",
            "ci-a-test",
            "--out",
            "token",
            "--format",
            "json",
        ])
        .expect_code(0);
    let identify = |file: &str| {
        crate::support::in_shell(
            &postern,
            &format!("exec \"$@\" <{file}"),
            &["token", "identify"],
        )
    };
    let told = identify("token").expect_code(0);
    assert!(told.stdout.contains("ci-a-test"), "{}", told.stdout);
    assert!(
        told.stderr.contains("postern token disable ci-a"),
        "{}",
        told.stderr
    );
    let secret = secret_in(&postern, "token");
    assert!(!told.stdout.contains(&secret) && !told.stderr.contains(&secret));
    fs::write(
        postern.path("leak"),
        format!("curl -H 'X: {secret}' https://x/\n"),
    )
    .expect("a file");
    identify("leak").expect_code(0);
    fs::write(postern.path("other"), secret.replace("pst_", "pst_x")).expect("a file");
    let stranger = identify("other").expect_code(3);
    assert!(
        !stranger.stderr.contains(&secret[4..]),
        "{}",
        stranger.stderr
    );
    postern
        .run(&["token", "delete", "ci-a-test"])
        .expect_code(0);
    let gone = identify("leak").expect_code(3);
    assert!(gone.stderr.contains("made by Postern"), "{}", gone.stderr);
}

#[test]
fn a_tokens_file_that_exists_is_left_as_it_is_and_no_token_is_made() {
    let postern = Postern::with_ca();
    fs::write(postern.path("token"), "precious").expect("a file");
    std::os::unix::fs::symlink("nowhere", postern.path("link")).expect("a link");
    for out in ["token", "link"] {
        postern
            .run(&["token", "create", "ci-a-test", "--out", out])
            .expect_code(5);
    }
    postern
        .run(&["token", "create", "ci-a-test", "--out", "missing/token"])
        .expect_code(3);
    assert!(!postern.path("nowhere").exists());
    assert_eq!(
        fs::read_to_string(postern.path("token")).expect("text"),
        "precious"
    );
    let listing = postern
        .run(&["token", "list", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listing["items"], serde_json::json!([]));
}

//! What several modules use: other people's programs, and how to read what Postern left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postern_tests::{Output, Postern};
use serde_json::Value;

/// `openssl` in the test's folder.
pub(crate) fn openssl(postern: &Postern, args: &[&str]) -> Output {
    postern.tool("openssl", args)
}

/// A key and a signing request by openssl; `key` is what stands behind `-newkey`.
pub(crate) fn openssl_csr(postern: &Postern, key: &[&str], subject: &str, file: &str) {
    let key_file = format!("{file}.key");
    let rest = [
        "-nodes", "-utf8", "-keyout", &key_file, "-out", file, "-subj", subject,
    ];
    let args: Vec<_> = ["req", "-new", "-newkey"]
        .iter()
        .chain(key)
        .chain(&rest)
        .copied()
        .collect();
    openssl(postern, &args).expect_code(0);
}

/// The arguments of an EC key on `curve`.
pub(crate) fn ec(curve: &str) -> [String; 3] {
    [
        "ec".into(),
        "-pkeyopt".into(),
        format!("ec_paramgen_curve:{curve}"),
    ]
}

/// `postern` with another program before it, in the same clean environment.
pub(crate) fn under(postern: &Postern, wrapper: &[&str], args: &[&str]) -> Command {
    let inner = postern.command(args);
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(inner.get_program())
        .args(args);
    command
        .current_dir(postern.folder())
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

/// `postern` started by a shell line that holds `"$@"`.
pub(crate) fn in_shell(postern: &Postern, line: &str, args: &[&str]) -> Output {
    Output::of(&mut under(postern, &["sh", "-c", line, "sh"], args))
}

/// `postern` with the `nth` call of `syscall` made to fail, or to kill it.
pub(crate) fn inject(postern: &Postern, what: &str, when: &str, args: &[&str]) -> Output {
    let (syscall, fault) = what.split_once(':').expect("SYSCALL:FAULT");
    let trace = format!("trace={syscall}");
    let inject = format!("inject={syscall}:{fault}:when={when}");
    let wrapper = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    Output::of(&mut under(postern, &wrapper, args))
}

/// Everything `cert list` knows.
pub(crate) fn certificates(postern: &Postern) -> Vec<Value> {
    let listing = postern
        .run(&["cert", "list", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listing["schema"], "postern.certificates/1");
    listing["items"].as_array().expect("items").clone()
}

/// The rows of `name`.
pub(crate) fn of_name(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter()
        .filter(|row| row["common_name"] == name)
        .cloned()
        .collect()
}

/// A text field.
pub(crate) fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {row}"))
}

/// The serial numbers, of which none may stand twice.
pub(crate) fn distinct_serials(rows: &[Value]) -> Vec<String> {
    let mut serials: Vec<String> = rows
        .iter()
        .map(|row| text(row, "serial").to_owned())
        .collect();
    let all = serials.len();
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), all, "a serial number stands twice");
    serials
}

/// Permission bits.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it exists").mode() & 0o7777
}

/// Every file and folder below `folder`.
pub(crate) fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found
}

/// Key files, whole or partial, are their owner's alone.
pub(crate) fn assert_keys_are_private(folder: &Path) {
    for path in tree(folder).iter().filter(|path| path.is_file()) {
        let holds_key =
            fs::read(path).is_ok_and(|text| String::from_utf8_lossy(&text).contains("PRIVATE KEY"));
        if holds_key || path.to_string_lossy().contains(".key") {
            assert_eq!(mode(path), 0o600, "{}", path.display());
        }
    }
}

/// The serial numbers of a CRL and its number, as openssl reads them.
pub(crate) fn crl(postern: &Postern, file: &str) -> (u64, Vec<String>) {
    let form = if file.ends_with(".pem") { "PEM" } else { "DER" };
    let args = [
        "crl",
        "-inform",
        form,
        "-in",
        file,
        "-noout",
        "-text",
        "-crlnumber",
    ];
    let told = openssl(postern, &args).expect_code(0).stdout;
    let after = |line: &'_ str, what: &str| line.trim().strip_prefix(what).map(str::to_owned);
    let number = told
        .lines()
        .find_map(|line| after(line, "crlNumber=0x"))
        .expect("a CRL number");
    let number = u64::from_str_radix(&number, 16).expect("a hexadecimal number");
    let serials = told
        .lines()
        .filter_map(|line| after(line, "Serial Number: "));
    (
        number,
        serials.map(|serial| serial.to_ascii_lowercase()).collect(),
    )
}

/// The home's CRL for clients.
pub(crate) const CLIENT_CRL: &str = "postern-home/public/crl/intermediate.crl";

/// The journal's lines, all segments; the last one must be whole.
pub(crate) fn journal(postern: &Postern) -> Vec<String> {
    let folder = postern.path("postern-home/public/journal");
    let mut segments: Vec<_> = fs::read_dir(folder)
        .expect("a journal")
        .map(|entry| entry.expect("one").path())
        .collect();
    segments.sort();
    let text: String = segments
        .iter()
        .map(|path| fs::read_to_string(path).expect("UTF-8"))
        .collect();
    assert!(text.ends_with('\n'), "the journal's last line is whole");
    text.lines().map(str::to_owned).collect()
}

/// The entries of the journal: what stands behind version, signer and signature.
pub(crate) fn entries(postern: &Postern) -> Vec<Value> {
    let body = |line: &String| {
        line.splitn(4, ' ')
            .nth(3)
            .map(str::to_owned)
            .expect("four parts")
    };
    journal(postern)
        .iter()
        .map(|line| serde_json::from_str(&body(line)).expect("an entry is JSON"))
        .collect()
}

/// The journal says that `serial` is revoked.
pub(crate) fn journal_revokes(postern: &Postern, serial: &str) -> bool {
    entries(postern)
        .iter()
        .any(|entry| entry["kind"] == "revoked" && entry["data"]["serial"] == serial)
}

/// Checks numbers, hashes and signatures of the whole journal with openssl.
pub(crate) fn assert_journal_is_intact(postern: &Postern) {
    let signers = signers(postern);
    let mut previous = None;
    for (line, expected) in journal(postern).iter().zip(1u64..) {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        let [_, signer, signature, body] = parts[..] else {
            panic!("four parts: {line}")
        };
        let entry: Value = serde_json::from_str(body).expect("an entry is JSON");
        assert_eq!(entry["seq"], expected);
        if let Some(previous) = &previous {
            assert_eq!(
                entry["previous"],
                Value::String(String::clone(previous)),
                "{line}"
            );
        }
        fs::write(postern.path(".body"), body).expect("a file");
        fs::write(
            postern.path(".message"),
            format!("postern journal v1\n{body}"),
        )
        .expect("a file");
        fs::write(postern.path(".signature.b64"), format!("{signature}\n")).expect("a file");
        let decode = [
            "base64",
            "-d",
            "-A",
            "-in",
            ".signature.b64",
            "-out",
            ".signature",
        ];
        openssl(postern, &decode).expect_code(0);
        let key = signers
            .iter()
            .find(|(print, _)| print == signer)
            .expect("a known signer");
        let key = key.1.to_str().expect("UTF-8");
        let verify = [
            "dgst",
            "-sha256",
            "-verify",
            key,
            "-signature",
            ".signature",
            ".message",
        ];
        openssl(postern, &verify).expect_code(0);
        let hash = openssl(postern, &["dgst", "-sha256", "-r", ".body"])
            .expect_code(0)
            .stdout;
        previous = hash.split(' ').next().map(str::to_owned);
    }
}

/// Fingerprint and public key file of every certificate that may sign the journal.
fn signers(postern: &Postern) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for file in ["issuers.pem", "publishers.pem"] {
        let text = fs::read_to_string(postern.path("postern-home/public").join(file)).expect(file);
        for (number, pem) in text
            .split_inclusive("-----END CERTIFICATE-----\n")
            .enumerate()
        {
            let path = postern.path(&format!(".{file}.{number}"));
            fs::write(&path, pem).expect("a file");
            let name = path.to_str().expect("UTF-8");
            let ask = |what: &[&str]| {
                let args = [&["x509", "-in", name, "-noout"], what].concat();
                openssl(postern, &args).expect_code(0).stdout
            };
            let print = ask(&["-fingerprint", "-sha256"]);
            let print = print
                .trim()
                .rsplit('=')
                .next()
                .expect("a value")
                .replace(':', "");
            let key = postern.path(&format!(".{file}.{number}.pub"));
            fs::write(&key, ask(&["-pubkey"])).expect("a file");
            found.push((print.to_ascii_lowercase(), key));
        }
    }
    found
}

/// Whether the slow version of a loop was asked for.
pub(crate) fn everything() -> bool {
    std::env::var_os("POSTERN_TESTS_ALL").is_some_and(|value| value == "1")
}

/// Issues a certificate of that name into a folder.
pub(crate) fn issue(postern: &Postern, name: &str, out: &str) {
    postern
        .run(&["cert", "issue", name, "--out", out])
        .expect_code(0);
}

/// The serial number of the first certificate of that name.
pub(crate) fn serial_of(postern: &Postern, name: &str) -> String {
    text(&of_name(&certificates(postern), name)[0], "serial").to_owned()
}

/// The serial numbers of everything that is revoked.
pub(crate) fn revoked(postern: &Postern) -> Vec<String> {
    let rows = certificates(postern);
    let rows = rows.iter().filter(|row| row["state"] == "revoked");
    rows.map(|row| text(row, "serial").to_owned()).collect()
}

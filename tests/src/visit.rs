//! curl as a client of the emulated edge.

use std::io::Write as _;
use std::process::{Command, Stdio};

use postern_fixtures::access::Emulator;
use serde_json::Value;

use crate::Identity;

/// What curl saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The status code; 0 where there was no answer.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Asks the edge for pages of one host, one after the other on one connection, with a client's
/// certificate where there is one.
///
/// # Panics
/// Where there is no edge, a URL has no host, or curl had to connect again.
pub fn visit(
    emulator: &Emulator,
    urls: &[&str],
    client: Option<&Identity>,
    headers: &[(&str, &str)],
) -> Vec<Seen> {
    let folder = tempfile::tempdir().expect("a folder for curl");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let root = emulator.edge_root().expect("it has an edge");
    std::fs::write(path("edge.crt"), root).expect("the folder can be written");
    let port = emulator.edge().expect("it has an edge").port();
    let mut config = vec![
        ("cacert", path("edge.crt")),
        ("write-out", CONNECTS.to_owned()),
    ];
    for (number, url) in urls.iter().enumerate() {
        let host = url.split('/').nth(2).expect("a URL with a host");
        config.push(("resolve", format!("{host}:{port}:127.0.0.1")));
        config.push(("url", url.replacen(host, &format!("{host}:{port}"), 1)));
        config.push(("output", path(&number.to_string())));
    }
    if let Some(client) = client {
        config.push(("cert", client.certificate.display().to_string()));
        config.push(("key", client.key.display().to_string()));
    }
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    config.extend(lines.map(|line| ("header", line)));
    let connects = curl(&config);
    let again = connects.lines().skip(1).find(|connects| *connects != "0");
    assert_eq!(again, None, "not one connection for {urls:?}: {connects}");
    let answers = (0..urls.len()).map(|number| {
        // No file: there was no answer.
        let text = std::fs::read(path(&number.to_string())).unwrap_or_default();
        Seen::parse(&String::from_utf8_lossy(&text))
    });
    answers.collect()
}

impl Seen {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(':'));
        let headers =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Self {
            status: status.unwrap_or(0),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs curl with a configuration on its standard input, where no other process reads it.
pub(crate) fn curl(config: &[(&str, String)]) -> String {
    let mut child = Command::new("curl")
        .args([
            "--disable",
            "--silent",
            "--include",
            "--max-time",
            "30",
            "--config",
            "-",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl starts");
    let quoted = |value: &String| value.replace('\\', r"\\").replace('"', r#"\""#);
    let lines: String = config
        .iter()
        .map(|(option, value)| format!("{option} = \"{}\"\n", quoted(value)))
        .collect();
    let mut input = child.stdin.take().expect("it was piped");
    input
        .write_all(lines.as_bytes())
        .expect("curl reads its configuration");
    drop(input);
    let output = child.wait_with_output().expect("curl ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many connections a transfer needed.
const CONNECTS: &str = r"%{num_connects}\n";

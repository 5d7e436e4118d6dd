//! What the event logs of gateways show: who was let in, and when last.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use postern_pki::journal::Hash as Sha256;
use postern_policy::Fingerprint;
use serde::Deserialize;

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;

/// Where the evidence is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EventsArgs {
    /// A file of gateway events; may be repeated, for other gateways and for files rotated away
    ///
    /// Without it: the file that `[gateway] events` names in postern.toml. /dev/stdin will do.
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
}

/// When certificates and tokens were let in last, Unix seconds.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// By fingerprint: a serial number says nothing without its issuer.
    certificates: HashMap<Fingerprint, u64>,
    tokens: HashMap<String, u64>,
    secrets: HashMap<Sha256, u64>,
    since: Option<u64>,
}

/// What a line must hold to count; the other keys are not looked at.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    /// What happens to the gateway itself has none.
    decision: Option<String>,
    fingerprint: Option<Fingerprint>,
    client_id: Option<String>,
    secret_sha256: Option<Sha256>,
}

impl EventsArgs {
    /// Whether no file was named.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The same, and nothing where no file is named anywhere.
    pub(crate) fn read_if_known(
        &self,
        context: &Context,
    ) -> Result<Option<Evidence>, CommandError> {
        if self.events.is_empty() && known(context)?.is_none() {
            return Ok(None);
        }
        self.read(context).map(Some)
    }

    /// Reads the files named, or the one that the configuration names.
    pub(crate) fn read(&self, context: &Context) -> Result<Evidence, CommandError> {
        let mut evidence = Evidence::default();
        if self.events.is_empty() {
            evidence.add_file(&configured(context)?)?;
        }
        for path in &self.events {
            evidence.add_file(path)?;
        }
        Ok(evidence)
    }
}

fn known(context: &Context) -> Result<Option<PathBuf>, CommandError> {
    let config = context.optional_config()?;
    Ok(config.and_then(|config| config.events_file()))
}

fn configured(context: &Context) -> Result<PathBuf, CommandError> {
    known(context)?.ok_or_else(|| {
        CommandError::usage("no file of gateway events is known to look for evidence in")
            .hint("name it with --events, or write `[gateway] events` in postern.toml")
    })
}

impl Evidence {
    /// When the first event was written that was read: of what was before, nothing is known.
    pub(crate) fn since(&self) -> Option<u64> {
        self.since
    }

    /// When a request was last permitted that came with this certificate.
    pub(crate) fn certificate_seen(&self, fingerprint: &Fingerprint) -> Option<u64> {
        self.certificates.get(fingerprint).copied()
    }

    /// When a request was last permitted that came with the token of this client id.
    pub(crate) fn token_seen(&self, client_id: &str) -> Option<u64> {
        self.tokens.get(client_id).copied()
    }

    /// When a request was last permitted that came with the secret of this SHA-256: of two that
    /// are good, which one is in use.
    pub(crate) fn secret_seen(&self, secret: &Sha256) -> Option<u64> {
        self.secrets.get(secret).copied()
    }

    fn add_file(&mut self, path: &Path) -> Result<(), CommandError> {
        let unreadable = |error: io::Error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let kind = if missing {
                Kind::NotFound
            } else {
                Kind::Failure
            };
            let message = format!("cannot read the events in {}: {error}", path.display());
            CommandError::new(kind, message)
        };
        let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
        let odd = self.add(&mut reader).map_err(unreadable)?;
        if odd > 0 {
            let path = path.display();
            tell(&format!(
                "{path}: {odd} lines are no events and were passed over"
            ));
        }
        Ok(())
    }

    /// Reads line by line, for such files are large. Gives how many lines are no events: a
    /// gateway that was killed leaves half a line, and something else may write to its output.
    fn add(&mut self, reader: &mut impl BufRead) -> io::Result<u64> {
        let mut odd = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(odd);
            }
            if line.last() != Some(&b'\n') {
                // Too long, or the last one, which may still grow into an event.
                reader.skip_until(b'\n')?;
                odd += 1;
            } else if !self.add_line(&line) {
                odd += 1;
            }
        }
    }

    /// Whether the line is an event, of whatever kind.
    fn add_line(&mut self, line: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
            return false;
        };
        let Ok(at) = time::parse_rfc3339(&line.time) else {
            return false;
        };
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        if line.event != "request" || line.decision.as_deref() != Some("permit") {
            return true;
        }
        note(&mut self.certificates, line.fingerprint, at);
        note(&mut self.tokens, line.client_id, at);
        note(&mut self.secrets, line.secret_sha256, at);
        true
    }
}

fn note<K: Eq + Hash>(seen: &mut HashMap<K, u64>, key: Option<K>, at: u64) {
    if let Some(key) = key {
        let last = seen.entry(key).or_insert(at);
        *last = at.max(*last);
    }
}

/// Far more than a gateway writes in a line.
const MAX_LINE: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, decision: &str, rest: &str) -> String {
        format!("{{\"time\":\"{time}\",\"event\":\"request\",\"decision\":\"{decision}\"{rest}}}\n")
    }

    fn read(text: &[u8]) -> (Evidence, u64) {
        let mut evidence = Evidence::default();
        let odd = evidence.add(&mut &*text).unwrap();
        (evidence, odd)
    }

    const TOKEN: &str = ",\"client_id\":\"1.access\"";

    #[test]
    fn the_last_permitted_request_counts_in_whatever_order_lines_come() {
        let print = Fingerprint::from([7; 32]);
        let certificate = format!(",\"fingerprint\":\"{print}\",\"serial\":\"01\"");
        let secret = Sha256::of(b"secret");
        let token = format!("{TOKEN},\"secret_sha256\":\"{secret}\"");
        let text = [
            line("1970-01-01T00:01:00.25Z", "permit", &certificate),
            line("1970-01-01T00:03:00Z", "permit", &certificate),
            line(
                "1970-01-01T00:02:00Z",
                "permit",
                &format!("{certificate}{token}"),
            ),
            line(
                "1970-01-01T00:09:00Z",
                "deny",
                &format!("{certificate}{token}"),
            ),
        ];
        let (evidence, odd) = read(text.concat().as_bytes());
        assert_eq!((odd, evidence.since()), (0, Some(60)));
        assert_eq!(evidence.certificate_seen(&print), Some(180));
        assert_eq!(evidence.token_seen("1.access"), Some(120));
        assert_eq!(evidence.secret_seen(&secret), Some(120));
        assert_eq!(evidence.certificate_seen(&Fingerprint::from([8; 32])), None);
        assert_eq!(evidence.token_seen("2.access"), None);
        assert_eq!(evidence.secret_seen(&Sha256::of(b"other")), None);
    }

    #[test]
    fn garbage_and_half_lines_are_passed_over_and_what_stands_around_them_is_read() {
        let good = line("1970-01-01T00:01:00Z", "permit", TOKEN);
        let later = line("1970-01-01T00:02:00Z", "permit", TOKEN);
        let long = "x".repeat(usize::try_from(MAX_LINE).unwrap() + 10);
        let notice = "{\"time\":\"1970-01-01T00:00:00Z\",\"event\":\"started\",\"listen\":\"\"}\n";
        let text = [
            b"not json\n\xff\xfe\n[1]\n".as_slice(),
            good.as_bytes(),
            long.as_bytes(),
            later.as_bytes(),
            notice.as_bytes(),
            &good.as_bytes()[..40],
        ];
        let (evidence, odd) = read(&text.concat());
        assert_eq!(odd, 5);
        // The long line took the next one with it: there was no end between them.
        assert_eq!(evidence.token_seen("1.access"), Some(60));
    }

    #[test]
    fn a_last_line_that_is_still_being_written_is_no_evidence() {
        let whole = line("1970-01-01T00:01:00Z", "permit", TOKEN);
        let (evidence, odd) = read(whole.trim_end().as_bytes());
        assert_eq!((evidence.token_seen("1.access"), odd), (None, 1));
    }
}

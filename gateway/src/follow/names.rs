//! Which names are refused where a name is all that is known of a certificate.
//!
//! Behind Cloudflare a JWT tells a certificate's name and not its serial number, and Cloudflare
//! looks at no CRL. So a revoked certificate refuses its *name*, until it would have ended anyway:
//! then the edge refuses it. One that was merely superseded refuses nobody, or every renewal would.

use std::collections::HashMap;

use postern_pki::journal::{CertificateEvent, Entry, Event};
use postern_pki::{Crl, IssuerId, RevocationReason, WhenStale};
use postern_policy::{CommonName, SerialNumber};
use rustls_pki_types::UnixTime;

use crate::registry::CutReason;

/// Whether a gateway ever goes by names, and so needs every segment of the journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamesUse {
    Needed,
    Unused,
}

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameRefusal {
    #[error(
        "a certificate of this name (serial {serial}) was revoked, {reason}, and the assertion \
         does not say which one was shown; forward the certificate to have it looked at"
    )]
    Revoked {
        serial: SerialNumber,
        reason: &'static str,
    },
    #[error("a certificate of this name (serial {serial}) is on hold")]
    Held { serial: SerialNumber },
    #[error("the name is on the deny list")]
    Denied,
    #[error(
        "nobody who is followed tells which names are revoked, or what they say is out of date"
    )]
    Unknown,
}

impl NameRefusal {
    /// The stable reason in events: the ones of certificates.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Revoked { .. } => "revoked",
            Self::Held { .. } => "held",
            Self::Denied => "denied",
            Self::Unknown => "revocation_unknown",
        }
    }

    /// Why a stream that was opened under the name ends.
    pub(crate) fn cut_reason(&self) -> CutReason {
        match self {
            Self::Revoked { .. } => CutReason::Revoked,
            Self::Held { .. } => CutReason::Held,
            Self::Denied => CutReason::Denied,
            Self::Unknown => CutReason::NoLongerAccepted,
        }
    }
}

/// What one CA's journal said of each certificate it ever took something away from.
#[derive(Default)]
pub(super) struct CertificateNames {
    standings: HashMap<(IssuerId, SerialNumber), Standing>,
    /// Whether the journal was read from its first entry.
    complete: bool,
}

#[derive(Clone)]
struct Standing {
    common_name: String,
    not_after: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Revoked(RevocationReason),
    Held,
    Released,
}

impl CertificateNames {
    /// Reads the whole journal, oldest entry first.
    pub(super) fn read(entries: &[Entry]) -> Self {
        let mut names = Self {
            complete: entries.first().is_some_and(|entry| entry.seq == 1),
            ..Self::default()
        };
        for entry in entries {
            names.apply(&entry.event);
        }
        names
    }

    /// Takes one more entry.
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Revoked(event) => self.record(event, What::Revoked(event.reason)),
            Event::Held(event) => self.record(event, What::Held),
            Event::Released(event) => self.record(event, What::Released),
            Event::Checkpoint(_)
            | Event::Sealed { .. }
            | Event::CrlPublished(_)
            | Event::TokenAdded(_)
            | Event::TokenChanged(_)
            | Event::TokenEnabled(_)
            | Event::TokenDisabled(_)
            | Event::TokenRemoved(_) => {}
        }
    }

    /// What was revoked stays revoked.
    fn record(&mut self, event: &CertificateEvent, what: What) {
        let key = (event.issuer, event.serial);
        let known = self.standings.get(&key).map(|standing| standing.what);
        if !matches!(known, Some(What::Revoked(_))) {
            let common_name = event.common_name.clone();
            let not_after = event.not_after;
            self.standings.insert(
                key,
                Standing {
                    common_name,
                    not_after,
                    what,
                },
            );
        }
    }
}

/// The names that are refused, over all sources.
#[derive(Default)]
pub(crate) struct Names {
    locks: HashMap<String, Vec<Lock>>,
    sources: Vec<Coverage>,
}

#[derive(Clone)]
struct Lock {
    not_after: u64,
    refusal: NameRefusal,
}

/// Until when a source can be relied on: its issuers' ends, and their CRLs' next updates.
struct Coverage {
    complete: bool,
    issuers: Vec<(u64, u64)>,
    /// Instead of what holds for all sources.
    when_stale: Option<WhenStale>,
}

impl Coverage {
    fn refuses(&self, when_stale: WhenStale, now: u64) -> bool {
        self.when_stale.unwrap_or(when_stale) == WhenStale::Refuse && !self.is_current(now)
    }

    fn is_current(&self, now: u64) -> bool {
        let mut living = self
            .issuers
            .iter()
            .filter(|(end, _)| now <= *end)
            .peekable();
        self.complete
            && living.peek().is_some()
            && living.all(|(_, next_update)| now <= *next_update)
    }
}

impl Names {
    /// Adds one source: what it took away, and how current its lists are.
    pub(super) fn add<'a>(
        &mut self,
        names: &CertificateNames,
        crls: impl Iterator<Item = (&'a Crl, u64)>,
        fresh_until: Option<u64>,
        when_stale: Option<WhenStale>,
    ) {
        for ((_, serial), standing) in &names.standings {
            let Some(refusal) = refusal(*serial, standing.what) else {
                continue;
            };
            let locks = self.locks.entry(standing.common_name.clone()).or_default();
            locks.push(Lock {
                not_after: standing.not_after,
                refusal,
            });
        }
        self.sources.push(Coverage {
            complete: names.complete,
            issuers: crls
                .map(|(crl, end)| {
                    let current =
                        fresh_until.map_or(crl.next_update(), |at| at.min(crl.next_update()));
                    (end, current)
                })
                .collect(),
            when_stale,
        });
    }

    /// Whether a name may be believed now; `when_stale` decides where nobody can tell.
    pub(crate) fn check(
        &self,
        name: &CommonName,
        when_stale: WhenStale,
        now: UnixTime,
    ) -> Result<(), NameRefusal> {
        let now = now.as_secs();
        let mut locks = self.locks.get(name.as_str()).into_iter().flatten();
        if let Some(lock) = locks.find(|lock| now <= lock.not_after) {
            return Err(lock.refusal.clone());
        }
        let mut sources = self.sources.iter();
        let nobody_tells = self.sources.is_empty() && when_stale == WhenStale::Refuse;
        if nobody_tells || sources.any(|source| source.refuses(when_stale, now)) {
            return Err(NameRefusal::Unknown);
        }
        Ok(())
    }
}

fn refusal(serial: SerialNumber, what: What) -> Option<NameRefusal> {
    match what {
        What::Held | What::Revoked(RevocationReason::CertificateHold) => {
            Some(NameRefusal::Held { serial })
        }
        What::Released | What::Revoked(RevocationReason::Superseded) => None,
        What::Revoked(
            reason @ (RevocationReason::Unspecified
            | RevocationReason::KeyCompromise
            | RevocationReason::CaCompromise
            | RevocationReason::AffiliationChanged
            | RevocationReason::CessationOfOperation
            | RevocationReason::RemoveFromCrl
            | RevocationReason::PrivilegeWithdrawn
            | RevocationReason::AaCompromise),
        ) => Some(NameRefusal::Revoked {
            serial,
            reason: reason.name(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postern_fixtures::TestPki;
    use postern_pki::Certificate;

    use super::*;

    const END: u64 = 2_000;

    fn event(serial: u8, reason: RevocationReason) -> CertificateEvent {
        let pki = TestPki::new();
        let issuer = Certificate::from_der(pki.intermediate().der()).unwrap();
        CertificateEvent {
            issuer: IssuerId::of(&issuer),
            serial: SerialNumber::from_octets(&[serial]).unwrap(),
            common_name: "device-1".to_owned(),
            reason,
            not_after: END,
        }
    }

    fn check(events: &[Event], name: &str, now: u64) -> Result<(), &'static str> {
        let mut names = CertificateNames::default();
        events.iter().for_each(|event| names.apply(event));
        let mut all = Names::default();
        all.add(&names, std::iter::empty(), None, None);
        let name = CommonName::parse(name).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        all.check(&name, WhenStale::Admit, now)
            .map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_revoked_certificate_refuses_its_name_until_it_would_have_ended() {
        let revoked = [Event::Revoked(event(1, RevocationReason::KeyCompromise))];
        assert_eq!(check(&revoked, "device-1", END), Err("revoked"));
        assert_eq!(check(&revoked, "device-1", END + 1), Ok(()));
        assert_eq!(check(&revoked, "device-2", END), Ok(()));
        assert_eq!(check(&[], "device-1", END), Ok(()));
    }

    #[test]
    fn a_superseded_one_does_not_and_does_not_hide_another() {
        let superseded = Event::Revoked(event(1, RevocationReason::Superseded));
        assert_eq!(
            check(std::slice::from_ref(&superseded), "device-1", 1),
            Ok(())
        );
        let compromised = Event::Revoked(event(2, RevocationReason::KeyCompromise));
        assert_eq!(
            check(&[superseded, compromised], "device-1", 1),
            Err("revoked")
        );
    }

    #[test]
    fn a_hold_lasts_until_the_release_and_a_revocation_for_good() {
        let certificate = event(1, RevocationReason::CertificateHold);
        let held = Event::Held(certificate.clone());
        let released = Event::Released(certificate.clone());
        let revoked = Event::Revoked(CertificateEvent {
            reason: RevocationReason::Unspecified,
            ..certificate
        });
        assert_eq!(
            check(std::slice::from_ref(&held), "device-1", 1),
            Err("held")
        );
        let let_go = [held, released.clone()];
        assert_eq!(check(&let_go, "device-1", 1), Ok(()));
        assert_eq!(check(&[revoked, released], "device-1", 1), Err("revoked"));
    }

    #[test]
    fn where_nobody_can_tell_the_file_decides() {
        let name = CommonName::parse("device-1").unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(100));
        let covered = |sources| Names {
            sources,
            ..Names::default()
        };
        let coverage = |complete, issuers: &[(u64, u64)]| Coverage {
            complete,
            issuers: issuers.to_vec(),
            when_stale: None,
        };
        for (sources, expected) in [
            (vec![coverage(true, &[(500, 200)])], Ok(())),
            // An issuer that has ended publishes no list any more.
            (vec![coverage(true, &[(500, 200), (50, 60)])], Ok(())),
            (vec![], Err(NameRefusal::Unknown)),
            (vec![coverage(true, &[])], Err(NameRefusal::Unknown)),
            (
                vec![coverage(false, &[(500, 200)])],
                Err(NameRefusal::Unknown),
            ),
            (
                vec![coverage(true, &[(500, 99)])],
                Err(NameRefusal::Unknown),
            ),
        ] {
            let names = covered(sources);
            assert_eq!(names.check(&name, WhenStale::Refuse, now), expected);
            assert_eq!(names.check(&name, WhenStale::Admit, now), Ok(()));
        }
    }
}

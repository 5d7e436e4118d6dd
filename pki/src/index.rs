//! "Is this serial number of this issuer revoked?", from CRLs and single events.

use std::collections::HashMap;
use std::sync::Arc;

use postern_policy::SerialNumber;
use rustls_pki_types::UnixTime;
use thiserror::Error;

use crate::revoked_entries::RevokedEntries;
use crate::{Crl, IssuerId, PathRole, Rejection, RevocationReason, VerifiedPath};

/// What is known of revocations. A value: updating gives a new one, which shares what did not
/// change, so that readers keep the one they hold.
#[derive(Debug, Clone, Default)]
pub struct RevocationIndex {
    issuers: HashMap<IssuerId, Arc<Source>>,
}

/// What is known of one issuer.
#[derive(Debug, Clone, Default)]
struct Source {
    /// The last full CRL.
    base: Option<Base>,
    /// What happened since, or apart from it.
    events: HashMap<SerialNumber, Status>,
    /// Stale from here on, whatever the CRL says.
    fresh_until: Option<u64>,
    /// Decides instead of what the caller says.
    when_stale: Option<WhenStale>,
}

#[derive(Debug, Clone)]
struct Base {
    number: u128,
    next_update: u64,
    entries: RevokedEntries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Revoked(RevocationReason),
    Held,
    Released,
}

/// Something that happened to one certificate, told outside a CRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationEvent {
    /// Revoked, for good. A `CertificateHold` as reason counts as [`RevocationEvent::Held`].
    Revoked(RevocationReason),
    /// Suspended.
    Held,
    /// Released from hold. Never undoes a revocation.
    Released,
}

/// The answer for one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationStatus {
    /// Not revoked, as a current source says.
    Good,
    /// Revoked.
    Revoked {
        /// Why.
        reason: RevocationReason,
    },
    /// Suspended.
    Held,
    /// Not known as revoked by a source that is out of date.
    Stale {
        /// When it ran out, in seconds since 1970.
        next_update: u64,
    },
    /// No CRL of this issuer is known.
    NoSource,
}

/// What to do where revocation cannot be told: there is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenStale {
    /// Admit: an unreachable source locks nobody out, and a thief may profit.
    Admit,
    /// Refuse: nobody gets in on old knowledge, and an unreachable source locks everybody out.
    Refuse,
}

/// Why a CRL is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IndexError {
    /// A replayed old list would forget revocations.
    #[error("CRL number {offered} of issuer {issuer} is lower than {held}, which is known already")]
    OlderCrl {
        /// Whose.
        issuer: IssuerId,
        /// The number held.
        held: u128,
        /// The number offered.
        offered: u128,
    },
}

impl RevocationIndex {
    /// Knows nothing of anybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the full CRL of an issuer, in place of the one before; its entries are shared, not
    /// copied. Events stay: a list may have been issued before them.
    ///
    /// # Errors
    /// Where a list with a higher number is known already.
    pub fn with_crl(&self, crl: Crl) -> Result<Self, IndexError> {
        let issuer = crl.issuer();
        let mut index = self.clone();
        let source = index.source_mut(issuer);
        let offered = crl.number();
        if let Some(held) = source.base.as_ref().map(|base| base.number)
            && held > offered
        {
            return Err(IndexError::OlderCrl {
                issuer,
                held,
                offered,
            });
        }
        source.base = Some(Base::new(crl));
        Ok(index)
    }

    /// With one event.
    #[must_use]
    pub fn with_event(
        &self,
        issuer: IssuerId,
        serial: SerialNumber,
        event: RevocationEvent,
    ) -> Self {
        self.with_events([(issuer, serial, event)])
    }

    /// With many events in their order; cheaper than one at a time.
    #[must_use]
    pub fn with_events(
        &self,
        events: impl IntoIterator<Item = (IssuerId, SerialNumber, RevocationEvent)>,
    ) -> Self {
        let mut index = self.clone();
        for (issuer, serial, event) in events {
            index.source_mut(issuer).record(serial, event);
        }
        index
    }

    /// With a time after which the issuer counts as stale even where its CRL is current: for a
    /// source that should have been heard of; and with what its staleness means, where that is
    /// another matter than for others. `None` lifts either.
    #[must_use]
    pub fn with_terms(
        &self,
        issuer: IssuerId,
        fresh_until: Option<u64>,
        when_stale: Option<WhenStale>,
    ) -> Self {
        let mut index = self.clone();
        let source = index.source_mut(issuer);
        source.fresh_until = fresh_until;
        source.when_stale = when_stale;
        index
    }

    /// The number of the CRL known for an issuer.
    pub fn crl_number(&self, issuer: IssuerId) -> Option<u128> {
        Some(self.issuers.get(&issuer)?.base.as_ref()?.number)
    }

    /// When the newest CRL of an issuer runs out, in seconds since 1970.
    pub fn next_update(&self, issuer: IssuerId) -> Option<u64> {
        Some(self.issuers.get(&issuer)?.base.as_ref()?.next_update)
    }

    /// The issuers that something is known of.
    pub fn issuers(&self) -> impl Iterator<Item = IssuerId> {
        self.issuers.keys().copied()
    }

    /// What is known of one certificate.
    pub fn status(
        &self,
        issuer: IssuerId,
        serial: &SerialNumber,
        now: UnixTime,
    ) -> RevocationStatus {
        let Some(source) = self.issuers.get(&issuer) else {
            return RevocationStatus::NoSource;
        };
        match source.known(serial) {
            Some(Status::Revoked(reason)) => RevocationStatus::Revoked { reason },
            Some(Status::Held) => RevocationStatus::Held,
            Some(Status::Released) | None => source.freshness(now.as_secs()),
        }
    }

    /// Looks up the leaf and every intermediate under its issuer. `Revoked` and `Held` refuse
    /// always; where nothing current is known, the issuer's own terms or else `when_stale` decide.
    ///
    /// # Errors
    /// The first certificate, counted from the leaf, that is not to be admitted.
    pub fn check(
        &self,
        path: &VerifiedPath,
        when_stale: WhenStale,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        self.check_links(path.links(), when_stale, now)
    }

    /// As [`check`](Self::check), for the [`links`](VerifiedPath::links) of a path that were kept
    /// without it.
    ///
    /// # Errors
    /// The first certificate, counted from the leaf, that is not to be admitted.
    pub fn check_links(
        &self,
        links: impl IntoIterator<Item = (IssuerId, SerialNumber)>,
        when_stale: WhenStale,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let mut unknown = None;
        for (at, (issuer, serial)) in links.into_iter().enumerate() {
            let role = if at == 0 {
                PathRole::Leaf
            } else {
                PathRole::Intermediate
            };
            let doubt = match self.status(issuer, &serial, now) {
                RevocationStatus::Good => None,
                RevocationStatus::Revoked { reason } => {
                    return Err(Rejection::Revoked {
                        role,
                        serial,
                        reason,
                    });
                }
                RevocationStatus::Held => return Err(Rejection::Held { role, serial }),
                RevocationStatus::Stale { next_update } => Some(Rejection::RevocationStale {
                    issuer,
                    next_update,
                }),
                RevocationStatus::NoSource => Some(Rejection::RevocationUnknown { issuer }),
            };
            unknown = unknown.or(match self.when_stale(issuer).unwrap_or(when_stale) {
                WhenStale::Refuse => doubt,
                WhenStale::Admit => None,
            });
        }
        unknown.map_or(Ok(()), Err)
    }

    fn when_stale(&self, issuer: IssuerId) -> Option<WhenStale> {
        self.issuers.get(&issuer)?.when_stale
    }

    /// Copied first where another index shares it.
    fn source_mut(&mut self, issuer: IssuerId) -> &mut Source {
        Arc::make_mut(self.issuers.entry(issuer).or_default())
    }
}

impl Status {
    /// Section 5.3.1: a hold is written as a revocation with a reason of its own.
    fn revoked(reason: RevocationReason) -> Self {
        if reason == RevocationReason::CertificateHold {
            Self::Held
        } else {
            Self::Revoked(reason)
        }
    }
}

impl Source {
    fn record(&mut self, serial: SerialNumber, event: RevocationEvent) {
        let status = match event {
            RevocationEvent::Revoked(reason) => Status::revoked(reason),
            RevocationEvent::Held => Status::Held,
            RevocationEvent::Released => Status::Released,
        };
        // Revocation is for good (RFC 5280 section 5.3.1: only a hold can be lifted).
        let known = self.events.entry(serial).or_insert(status);
        if !matches!(known, Status::Revoked(_)) {
            *known = status;
        }
    }

    fn known(&self, serial: &SerialNumber) -> Option<Status> {
        let event = self.events.get(serial).copied();
        let listed = self.base.as_ref().and_then(|base| base.find(serial));
        match (event, listed) {
            (Some(Status::Revoked(reason)), _) | (_, Some(Status::Revoked(reason))) => {
                Some(Status::Revoked(reason))
            }
            (Some(event), _) => Some(event),
            (None, listed) => listed,
        }
    }

    fn freshness(&self, now: u64) -> RevocationStatus {
        let Some(base) = &self.base else {
            return RevocationStatus::NoSource;
        };
        let limit = self
            .fresh_until
            .map_or(base.next_update, |limit| limit.min(base.next_update));
        if now > limit {
            RevocationStatus::Stale { next_update: limit }
        } else {
            RevocationStatus::Good
        }
    }
}

impl Base {
    fn new(crl: Crl) -> Self {
        Self {
            number: crl.number(),
            next_update: crl.next_update(),
            entries: crl.into_entries(),
        }
    }

    fn find(&self, serial: &SerialNumber) -> Option<Status> {
        let entry = self.entries.find(serial)?;
        Some(Status::revoked(entry.reason))
    }
}

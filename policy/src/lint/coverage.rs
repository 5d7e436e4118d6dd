//! When one rule matches whatever another matches.

use crate::{Policy, Rule};

/// Whether `wide` provably matches every request that `narrow` matches.
pub(super) fn covers(wide: &Rule, narrow: &Rule) -> bool {
    if wide == narrow {
        return true;
    }
    match (wide, narrow) {
        (Rule::Everyone, _) => true,
        (Rule::Certificate, narrow) => narrow.needs_certificate(),
        (Rule::AnyValidServiceToken, narrow) => narrow.needs_token(),
        (Rule::CommonNamePattern(pattern), Rule::CommonName(name)) => pattern.matches(name),
        (Rule::Ip(wide), Rule::Ip(narrow)) => wide.contains(narrow),
        (
            Rule::CommonName(_)
            | Rule::CommonNamePattern(_)
            | Rule::Issuer(_)
            | Rule::Organization(_)
            | Rule::SubjectCountry(_)
            | Rule::SanDns(_)
            | Rule::SanUri(_)
            | Rule::ServiceToken(_)
            | Rule::Ip(_)
            | Rule::Geo(_),
            _,
        ) => false,
    }
}

/// Whether `earlier` provably admits every request that `later` would.
pub(super) fn decides_first(earlier: &Policy, later: &Policy) -> bool {
    let included = |narrow: &Rule| earlier.include().iter().any(|wide| covers(wide, narrow));
    later.include().iter().all(included)
        && earlier
            .require()
            .iter()
            .all(|rule| later.require().contains(rule))
        && earlier
            .exclude()
            .iter()
            .all(|rule| later.exclude().contains(rule))
}

/// Two rules of which at most one can match any request.
pub(super) fn contradict(one: &Rule, other: &Rule) -> bool {
    match (one, other) {
        (Rule::CommonName(a), Rule::CommonName(b)) => a != b,
        (Rule::CommonName(name), Rule::CommonNamePattern(pattern))
        | (Rule::CommonNamePattern(pattern), Rule::CommonName(name)) => !pattern.matches(name),
        (Rule::ServiceToken(a), Rule::ServiceToken(b)) => a != b,
        (Rule::Ip(a), Rule::Ip(b)) => !a.contains(b) && !b.contains(a),
        (
            Rule::Certificate
            | Rule::Everyone
            | Rule::CommonName(_)
            | Rule::CommonNamePattern(_)
            | Rule::Issuer(_)
            | Rule::Organization(_)
            | Rule::SubjectCountry(_)
            | Rule::SanDns(_)
            | Rule::SanUri(_)
            | Rule::ServiceToken(_)
            | Rule::AnyValidServiceToken
            | Rule::Ip(_)
            | Rule::Geo(_),
            _,
        ) => false,
    }
}

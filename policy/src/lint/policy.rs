//! Findings about what policies decide, and in which order.

use std::sync::Arc;

use super::{
    Finding, Lint, Severity,
    coverage::{contradict, covers, decides_first},
};
use crate::{Application, Decision, Policy, Rule};

/// Looks at the policies of an application together.
pub(super) fn application(application: &Application, findings: &mut Vec<Finding>) {
    if !application
        .policies()
        .iter()
        .any(|policy| policy.decision().admits())
    {
        let finding = Finding::new(
            Lint::NobodyAdmitted,
            Severity::Error,
            "it has only `deny` policies, and what no policy admits is refused anyway: nobody can get in",
            "add a `non_identity` policy",
        );
        findings.push(finding.of_application(application));
    }
}

/// Looks at one policy and those before it.
pub(super) fn policy(
    application: &Application,
    policy: &Policy,
    earlier: &[Arc<Policy>],
    findings: &mut Vec<Finding>,
) {
    let found = [
        deny_after_admit(application, policy),
        bypass(policy),
        everyone(policy),
        any_address(policy),
        any_token(policy),
        token_outside_service_auth(policy),
        geo(policy),
        unreachable(policy, earlier),
        never_matches(policy),
    ];
    findings.extend(
        found
            .into_iter()
            .flatten()
            .map(|finding| finding.of_policy(application, policy)),
    );
}

fn deny_after_admit(application: &Application, policy: &Policy) -> Option<Finding> {
    let admitted_before = application
        .policies()
        .iter()
        .find(|other| other.decision().admits())?;
    (policy.decision() == Decision::Deny).then(|| {
        let word = admitted_before.decision();
        Finding::new(
            Lint::DenyAfterAdmit,
            Severity::Warning,
            format!("`deny` is asked after `{word}`, wherever it stands: it does not stop what `{word}` policies admit"),
            "put its rules into the `exclude` of the policies that admit",
        )
    })
}

fn bypass(policy: &Policy) -> Option<Finding> {
    (policy.decision() == Decision::Bypass).then(|| {
        Finding::new(
            Lint::Bypass,
            Severity::Warning,
            "Cloudflare neither enforces nor logs what a `bypass` policy admits",
            "write `non_identity`",
        )
    })
}

fn everyone(policy: &Policy) -> Option<Finding> {
    admits_unproven(policy, |rule| *rule == Rule::Everyone).then(|| {
        Finding::new(
            Lint::Everyone,
            Severity::Error,
            "`everyone` admits any client, with a certificate or without",
            "write `certificate = {}`, or put what clients must prove into `require`",
        )
    })
}

fn any_address(policy: &Policy) -> Option<Finding> {
    let whole = |rule: &Rule| matches!(rule, Rule::Ip(network) if network.prefix_len() == 0);
    admits_unproven(policy, whole).then(|| {
        Finding::new(
            Lint::IpAny,
            Severity::Error,
            "the network of all addresses admits any client, with a certificate or without",
            "write the networks that are meant, or `certificate = {}`",
        )
    })
}

/// Whether a policy admits by such a rule alone.
fn admits_unproven(policy: &Policy, rule: impl Fn(&Rule) -> bool) -> bool {
    let proven = policy
        .require()
        .iter()
        .any(|r| r.needs_certificate() || r.needs_token());
    policy.decision().admits() && !proven && policy.include().iter().any(rule)
}

fn any_token(policy: &Policy) -> Option<Finding> {
    let narrowed = policy
        .require()
        .iter()
        .any(|rule| matches!(rule, Rule::ServiceToken(_)));
    let any = policy.include().contains(&Rule::AnyValidServiceToken);
    (policy.decision().admits() && any && !narrowed).then(|| {
        Finding::new(
            Lint::AnyValidServiceToken,
            Severity::Warning,
            "every token of the account admits here, those made later for something else included; Cloudflare's inactivity \
             clean-up may also remove a token that no policy names",
            "name the tokens: `service_token = \"…\"`",
        )
    })
}

fn token_outside_service_auth(policy: &Policy) -> Option<Finding> {
    (policy.decision() != Decision::NonIdentity && policy.names_a_token()).then(|| {
        Finding::new(
            Lint::TokenOutsideServiceAuth,
            Severity::Warning,
            format!(
                "Cloudflare takes token rules only in `non_identity` policies, this one says `{}`",
                policy.decision()
            ),
            "write `non_identity`, or `exclude` the token where it is admitted",
        )
    })
}

fn geo(policy: &Policy) -> Option<Finding> {
    let is_geo = |rule: &Rule| matches!(rule, Rule::Geo(_));
    let refuses_all = policy.exclude().iter().chain(policy.require()).any(is_geo);
    let effect = match (refuses_all, policy.include().iter().any(is_geo)) {
        (true, _) => "so the gateway lets nobody match this policy",
        (false, true) => "so the gateway never matches it",
        (false, false) => return None,
    };
    let severity = if refuses_all {
        Severity::Error
    } else {
        Severity::Warning
    };
    Some(Finding::new(
        Lint::GeoNeverMatches,
        severity,
        format!(
            "the gateway cannot tell the country of an address, and what is not known never admits: {effect}"
        ),
        "use `ip`, or `subject_country` for the certificate's country",
    ))
}

fn unreachable(policy: &Policy, earlier: &[Arc<Policy>]) -> Option<Finding> {
    if !policy.decision().admits() {
        return None;
    }
    let before = earlier
        .iter()
        .find(|e| e.decision().admits() && decides_first(e, policy))?;
    Some(Finding::new(
        Lint::UnreachablePolicy,
        Severity::Warning,
        format!(
            "policy `{}` stands before it and admits all it would admit",
            before.name()
        ),
        "remove one of the two, or narrow the first",
    ))
}

fn never_matches(policy: &Policy) -> Option<Finding> {
    let required = policy.require();
    let pair = required.iter().enumerate().find_map(|(place, rule)| {
        let other = required
            .iter()
            .skip(place + 1)
            .find(|other| contradict(rule, other))?;
        Some(format!(
            "no request meets both `{rule}` and `{other}`, and `require` asks for all its rules"
        ))
    });
    let shut = |rule: &Rule| {
        policy
            .exclude()
            .iter()
            .any(|excluded| covers(excluded, rule))
    };
    let ruled_out =
        |rule: &Rule| shut(rule) || required.iter().any(|other| contradict(rule, other));
    let reason = pair
        .or_else(|| {
            required
                .iter()
                .find(|r| shut(r))
                .map(|rule| format!("`exclude` refuses all that meets `{rule}`"))
        })
        .or_else(|| {
            policy
                .include()
                .iter()
                .all(ruled_out)
                .then(|| "`require` and `exclude` leave nothing of `include`".into())
        })?;
    let message = format!("it matches no request: {reason}");
    Some(Finding::new(
        Lint::NeverMatches,
        Severity::Error,
        message,
        "put alternatives into `include` or policies of their own",
    ))
}

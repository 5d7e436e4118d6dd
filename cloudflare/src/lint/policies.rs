//! Findings about applications, their policies and the rule groups.

use super::{EdgeFinding, EdgeLint, Subject, finding};
use crate::access::{AccessPolicy, AccessRule, App, RuleList};

pub(super) fn lint(subject: &Subject<'_>) -> Vec<EdgeFinding> {
    let mut findings = Vec::new();
    for app in &subject.remote.apps {
        session(app, &mut findings);
        let policies = subject.remote.policies.get(app.id());
        for policy in policies.into_iter().flatten() {
            let place = format!("{} / {}", app.name(), policy.name());
            decision(&place, policy, &mut findings);
            let include = policy.rules(RuleList::Include);
            rules(subject, &place, &include, &mut findings);
        }
    }
    for group in &subject.remote.groups {
        let place = format!("group {}", group.name());
        let include = group.rules(RuleList::Include);
        rules(subject, &place, &include, &mut findings);
    }
    findings
}

fn session(app: &App, findings: &mut Vec<EdgeFinding>) {
    if app.session_duration().is_none() {
        findings.push(finding(
            EdgeLint::NoSessionDuration,
            app.name(),
            "it does not say how long a session lasts",
            "write `session_duration` in [application.cloudflare]",
        ));
    }
}

fn decision(place: &str, policy: &AccessPolicy, findings: &mut Vec<EdgeFinding>) {
    let include = policy.rules(RuleList::Include);
    let is_machine = include.iter().any(is_machines);
    let mut add = |lint, message: &str, remedy: &str| {
        findings.push(finding(lint, place, message, remedy));
    };
    match policy.decision() {
        Some("bypass") => add(
            EdgeLint::Bypass,
            "`bypass` is neither enforced nor logged",
            "write `non_identity` with a rule that says who is meant",
        ),
        Some("allow") if is_machine => add(
            EdgeLint::MachineUnderAllow,
            "`allow` sends a machine to a login page (302)",
            "make it `non_identity`; for a policy of ours `cloudflare apply --allow-decision-change`",
        ),
        Some("non_identity") if include.contains(&AccessRule::Everyone) => add(
            EdgeLint::Everyone,
            "`everyone` admits anyone without a credential",
            "say who is meant",
        ),
        Some("non_identity") if is_machine && !policy.rules(RuleList::Require).is_empty() => add(
            EdgeLint::RequireOnMachinePolicy,
            "a `require` on a machine policy: `require` is an and over its values",
            "make sure that a client can meet all of them at once",
        ),
        Some(_) | None => {}
    }
}

fn rules(
    subject: &Subject<'_>,
    place: &str,
    rules: &[AccessRule],
    findings: &mut Vec<EdgeFinding>,
) {
    for rule in rules {
        if let AccessRule::CommonName(name) = rule {
            self::name(subject, place, name, findings);
        }
        if *rule == AccessRule::AnyValidServiceToken {
            findings.push(finding(
                EdgeLint::AnyValidServiceToken,
                place,
                "every service token of the account passes, also those made tomorrow",
                "name the tokens that are meant",
            ));
        }
        if let AccessRule::Email(address) = rule
            && is_robot(address)
        {
            findings.push(finding(
                EdgeLint::RobotEmail,
                place,
                format!("{address} looks like a robot's account"),
                "give it a service token or a certificate: `postern token create`",
            ));
        }
        if let AccessRule::ServiceToken(id) = rule
            && id.ends_with(".access")
        {
            findings.push(finding(
                EdgeLint::ClientIdAsTokenId,
                place,
                format!("{id} is a client id; the rule takes the token's id and matches nobody"),
                "use the token's id: `postern token show`",
            ));
        }
    }
}

fn name(subject: &Subject<'_>, place: &str, name: &str, findings: &mut Vec<EdgeFinding>) {
    let excluded = is_excluded(subject, place, name);
    if subject.dead_names.revoked.contains(name) && !excluded {
        findings.push(finding(
            EdgeLint::NameRevoked,
            place,
            format!("{name} is revoked here and admitted there: the edge reads no CRL"),
            "`postern cloudflare apply` takes it out where the policy is ours",
        ));
    } else if subject.dead_names.ended.contains(name) {
        findings.push(finding(
            EdgeLint::NameEnded,
            place,
            format!("every certificate of {name} has ended"),
            "take the name out, or renew: `postern cert renew`",
        ));
    }
}

/// Whether the policy at this place excludes the name by itself.
fn is_excluded(subject: &Subject<'_>, place: &str, name: &str) -> bool {
    let rule = AccessRule::CommonName(name.to_owned());
    subject.remote.apps.iter().any(|app| {
        let policies = subject.remote.policies.get(app.id()).into_iter().flatten();
        let mut here =
            policies.filter(|policy| place == format!("{} / {}", app.name(), policy.name()));
        here.any(|policy| policy.rules(RuleList::Exclude).contains(&rule))
    })
}

fn is_machines(rule: &AccessRule) -> bool {
    matches!(
        rule,
        AccessRule::Certificate
            | AccessRule::CommonName(_)
            | AccessRule::ServiceToken(_)
            | AccessRule::AnyValidServiceToken
    )
}

fn is_robot(address: &str) -> bool {
    let name = address
        .split('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let parts: Vec<&str> = name.split(['-', '_', '.', '+']).collect();
    parts.iter().any(|part| ROBOTS.contains(part))
}

const ROBOTS: [&str; 7] = [
    "bot",
    "svc",
    "service",
    "robot",
    "ci",
    "automation",
    "noreply",
];

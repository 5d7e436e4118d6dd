//! Findings about patterns, and about rules that Cloudflare does not have.

use super::{Finding, Lint, Severity};
use crate::{Application, CommonName, CommonNamePattern, Policy, Rule, edge, pattern};

/// Looks at the patterns and the edge strategy of one policy.
pub(super) fn policy(application: &Application, policy: &Policy, findings: &mut Vec<Finding>) {
    let patterns = policy.rules().filter_map(|rule| match rule {
        Rule::CommonNamePattern(pattern) => Some(pattern),
        Rule::Certificate
        | Rule::Everyone
        | Rule::CommonName(_)
        | Rule::Issuer(_)
        | Rule::Organization(_)
        | Rule::SubjectCountry(_)
        | Rule::SanDns(_)
        | Rule::SanUri(_)
        | Rule::ServiceToken(_)
        | Rule::AnyValidServiceToken
        | Rule::Ip(_)
        | Rule::Geo(_) => None,
    });
    let of_patterns = patterns.flat_map(|pattern| [unescaped_dot(pattern), too_wide(pattern)]);
    let found = of_patterns
        .chain([edge_strategy(application, policy)])
        .flatten();
    findings.extend(found.map(|finding| finding.of_policy(application, policy)));
}

fn unescaped_dot(pattern: &CommonNamePattern) -> Option<Finding> {
    let place = unescaped_dot_in(pattern.as_str())?;
    let (before, after) = pattern.as_str().split_at(place);
    Some(Finding::new(
        Lint::PatternUnescapedDot,
        Severity::Warning,
        format!("`.` stands for any character in `{pattern}`, so `-` or `x` matches there too"),
        format!("write `{before}\\{after}`"),
    ))
}

/// The place of the first `.` that stands, as itself and once, between what looks like parts of a
/// name.
fn unescaped_dot_in(text: &str) -> Option<usize> {
    let mut dots = pattern::bare(text).filter(|&(_, byte)| byte == b'.');
    dots.find(|&(place, _)| joins_name_parts(text.as_bytes(), place))
        .map(|(place, _)| place)
}

fn joins_name_parts(bytes: &[u8], place: usize) -> bool {
    let before = place.checked_sub(1).and_then(|p| bytes.get(p));
    let part_ends = before.is_some_and(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b']' | b')' | b'}' | b'+' | b'*')
    });
    let part_begins = bytes
        .get(place + 1)
        .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'[' | b'('));
    part_ends && part_begins
}

fn too_wide(pattern: &CommonNamePattern) -> Option<Finding> {
    let unlike = [
        "printer",
        "www.example.net",
        "build-agent-17",
        "00112233445566",
        "a.b.c.d.e",
        "x9",
        "root-ca",
        "k8s.node-3",
    ];
    let names = unlike.map(|name| CommonName::parse(name).expect("short and printable"));
    names.iter().all(|name| pattern.matches(name)).then(|| {
        Finding::new(
            Lint::PatternTooWide,
            Severity::Warning,
            format!(
                "`{pattern}` matches ordinary names of every kind, `{}` and `{}` among them",
                names[0], names[1]
            ),
            "write what the names have in common, or `certificate = {}` if any will do",
        )
    })
}

fn edge_strategy(application: &Application, policy: &Policy) -> Option<Finding> {
    let beyond = policy.rules().find(|rule| !edge::is_expressible(rule));
    match (beyond, policy.edge()) {
        (Some(rule), None) => {
            // Without a Cloudflare part nobody means to push the application.
            let pushed = application.cloudflare().is_some();
            let severity = if pushed {
                Severity::Warning
            } else {
                Severity::Info
            };
            let message = format!(
                "Cloudflare cannot express `{rule}`, and the policy does not say what to enforce there"
            );
            let remedy = "write `edge = \"certificate+gateway\"`, \"expand\", \"dedicated-ca\" or \"waf\" before a push";
            Some(Finding::new(
                Lint::PatternWithoutEdge,
                severity,
                message,
                remedy,
            ))
        }
        (None, Some(edge)) => {
            let message = format!(
                "`edge = \"{edge}\"` changes nothing: Cloudflare can enforce the policy as it is written"
            );
            Some(Finding::new(
                Lint::EdgeWithoutNeed,
                Severity::Info,
                message,
                "remove it",
            ))
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_between_parts_of_a_name_is_found() {
        for (pattern, place) in [
            ("device-1.factory", 8),
            (r"^device-[a-z0-9-]+.factory\.corp$", 18),
            (r"device-\d{2}.corp", 12),
            ("(a|b).corp", 5),
            ("host.[a-z]+", 4),
        ] {
            assert_eq!(unescaped_dot_in(pattern), Some(place), "{pattern}");
        }
    }

    #[test]
    fn a_dot_that_means_any_character_or_itself_is_not() {
        for pattern in [
            r"^device-[a-z0-9-]+\.factory\.corp$",
            "device-.*",
            "device-.+x",
            "[a.b]+",
            r"a\\\.b",
            "a.{2}b",
            ".corp",
        ] {
            assert_eq!(unescaped_dot_in(pattern), None, "{pattern}");
        }
    }
}

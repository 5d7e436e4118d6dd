use postern_fixtures::TestPki;
use postern_pki::Certificate;
use postern_policy::config::{ApplicationConfig, CloudflareConfig, CloudflareSettings};
use postern_policy::{CertificateIdentity, CommonName, Fingerprint, SerialNumber};
use serde::Deserialize;

use super::*;
use crate::access::AccessRule;
use crate::desired::DesiredPolicy;
use crate::inventory::{ClientCertificate, Standing};

#[derive(Deserialize)]
struct File {
    application: Vec<ApplicationConfig>,
}

fn settings() -> CloudflareSettings {
    let config: CloudflareConfig = toml::from_str("ca_name = \"CA\"").unwrap();
    postern_policy::config::cloudflare(&config).unwrap()
}

fn identity(name: &str, organization: &str) -> CertificateIdentity {
    CertificateIdentity {
        common_name: CommonName::parse(name).ok(),
        serial: SerialNumber::from_octets(&[1]).unwrap(),
        fingerprint: Fingerprint::from([0; 32]),
        issuer_common_name: None,
        issuer_fingerprint: None,
        organizations: vec![organization.to_owned()],
        countries: Vec::new(),
        san_dns: Vec::new(),
        san_uri: Vec::new(),
        not_after: u64::MAX,
    }
}

const CLIENTS: [(&str, &str, Standing); 5] = [
    ("device-1", "A", Standing::Live),
    ("device-2", "A", Standing::Revoked),
    ("device-3", "B", Standing::Live),
    ("probe-1", "A", Standing::Live),
    ("probe-2", "A", Standing::Revoked),
];

fn run(file: &str) -> Result<Translation, Vec<Inexpressible>> {
    let file: File = toml::from_str(file).unwrap();
    let applications = postern_policy::config::applications(file.application, &[]).unwrap();
    let clients = CLIENTS
        .iter()
        .map(|(name, organization, standing)| ClientCertificate {
            identity: identity(name, organization),
            standing: *standing,
        });
    let inventory = Inventory::new(clients.collect());
    let tokens = BTreeMap::from([
        (
            TokenName::parse("ci-a-prod").unwrap(),
            TokenAtEdge::Minted(String::from("id-a")),
        ),
        (
            TokenName::parse("ci-b-prod").unwrap(),
            TokenAtEdge::GatewayOnly,
        ),
    ]);
    let successor = |name: &str| {
        let names = [name, &format!("{name}-v2")].map(|it| TokenName::parse(it).unwrap());
        names.into()
    };
    let successors: BTreeMap<TokenName, TokenName> =
        ["ci-a-prod", "ci-gone-prod"].map(successor).into();
    let pki = TestPki::new();
    let read = |der| Certificate::from_der(der).unwrap();
    let chain = Chain::new(vec![read(pki.intermediate().der()), read(pki.root().der())]).unwrap();
    translate(&Sources {
        applications: &applications,
        settings: &settings(),
        chains: &[chain],
        inventory: &inventory,
        tokens: &tokens,
        successors: &successors,
    })
}

/// An application with one policy of these lines.
fn app(policy: &str) -> String {
    format!(
        "[[application]]\nname = \"a\"\nhosts = [\"a.example.com\"]\nupstream = \"http://127.0.0.1:1\"\n\
         cloudflare = {{ app = \"a.example.com\" }}\n[[application.policy]]\nname = \"p\"\n\
         decision = \"non_identity\"\n{policy}\n"
    )
}

fn policies(policy: &str) -> (Vec<DesiredPolicy>, Statement) {
    let translation = run(&app(policy)).unwrap();
    let application = translation.desired.applications[0].clone();
    (application.policies, translation.statements[0].clone())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn reason(file: &str) -> String {
    run(file).unwrap_err()[0].to_string()
}

#[test]
fn expand_admits_the_live_names_that_all_rules_admit() {
    let (parts, statement) = policies(
        "include = [{ common_name_pattern = 'device-.+' }]\nrequire = [{ organization = \"A\" }]\nedge = \"expand\"",
    );
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].name, "p (mTLS)");
    assert_eq!(parts[0].admitted, Some(names(&["device-1"])));
    assert_eq!((&parts[0].include, &parts[0].require), (&vec![], &vec![]));
    assert_eq!(statement.gateway_only, Vec::<String>::new());
    assert_eq!(statement.edge, ["1 exact common name"]);
}

#[test]
fn expand_leaves_out_what_a_pattern_excludes() {
    let (parts, _) = policies(
        "include = [{ common_name_pattern = '.+-[0-9]' }]\nexclude = [{ common_name_pattern = 'device-.+' }]\nedge = \"expand\"",
    );
    assert_eq!(parts[0].admitted, Some(names(&["probe-1"])));
}

#[test]
fn certificate_and_gateway_says_any_certificate_and_excludes_who_is_revoked_here() {
    let (parts, statement) = policies(
        "include = [{ common_name_pattern = 'device-.+' }]\nedge = \"certificate+gateway\"",
    );
    assert_eq!(parts[0].include, [AccessRule::Certificate]);
    // The edge would admit a revoked probe too: it knows nothing of the pattern.
    assert_eq!(parts[0].revoked, names(&["device-2", "probe-2"]));
    assert_eq!(statement.edge, ["any valid certificate of the CA"]);
    assert_eq!(
        statement.gateway_only,
        ["common_name_pattern = 'device-.+'"]
    );
}

#[test]
fn an_exact_name_needs_no_strategy_and_is_excluded_when_it_is_revoked() {
    let (parts, _) =
        policies("include = [{ common_name = \"device-2\" }, { common_name = \"elsewhere\" }]");
    assert_eq!(parts[0].include.len(), 2);
    assert_eq!(parts[0].revoked, names(&["device-2"]));
    assert_eq!(parts[0].admitted, None);
}

#[test]
fn one_policy_a_client_so_that_each_can_be_taken_away_alone() {
    let (parts, statement) = policies(
        "include = [{ certificate = {} }, { service_token = \"ci-a-prod\" }, { service_token = \"ci-b-prod\" }, { ip = \"192.0.2.0/24\" }]\nexclude = [{ ip = \"192.0.2.7/32\" }]",
    );
    let called: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(
        called,
        ["p (mTLS)", "ci-a-prod (service token)", "p (network)"]
    );
    for part in &parts {
        assert_eq!(
            part.exclude,
            [AccessRule::Ip(String::from("192.0.2.7/32"))],
            "{}",
            part.name
        );
    }
    assert!(
        statement.remarks[0].contains("ci-b-prod is not at the edge"),
        "{statement:?}"
    );
}

#[test]
fn a_policy_is_never_pushed_without_a_token_that_it_requires() {
    let (parts, statement) =
        policies("include = [{ certificate = {} }]\nrequire = [{ service_token = \"ci-b-prod\" }]");
    assert!(parts.is_empty());
    assert!(statement.remarks[0].contains("re-mint"), "{statement:?}");
    let (parts, _) =
        policies("include = [{ certificate = {} }]\nrequire = [{ service_token = \"ci-a-prod\" }]");
    assert_eq!(
        parts[0].require,
        [AccessRule::ServiceToken(String::from("id-a"))]
    );
}

#[test]
fn a_token_that_requires_a_name_of_a_fleet_gets_that_fleet_as_one_group() {
    let (parts, _) = policies(
        "include = [{ service_token = \"ci-a-prod\" }]\nrequire = [{ common_name_pattern = 'probe-.+' }]\nedge = \"expand\"",
    );
    assert_eq!(parts[0].required, Some(names(&["probe-1"])));
    assert_eq!(
        parts[0].include,
        [AccessRule::ServiceToken(String::from("id-a"))]
    );
}

#[test]
fn everyone_without_a_credential_is_refused() {
    assert!(reason(&app("include = [{ everyone = {} }]")).contains("bypass"));
}

#[test]
fn a_dedicated_ca_must_not_be_asked_for_by_others() {
    let fleet = app("include = [{ common_name_pattern = 'device-.+' }]\nedge = \"dedicated-ca\"");
    assert!(run(&fleet).is_ok());
    let other = app("include = [{ certificate = {} }]")
        .replace("\"a\"", "\"b\"")
        .replace("a.example.com", "b.example.com");
    let error = reason(&(fleet + &other));
    assert!(error.contains("b.example.com"), "{error}");
}

#[test]
fn a_dedicated_ca_that_issued_to_others_is_told_with_their_names() {
    let dedicated = |pattern: &str| {
        let rule = format!("include = [{{ common_name_pattern = '{pattern}' }}]");
        policies(&(rule + "\nedge = \"dedicated-ca\"")).1.remarks
    };
    let remarks = dedicated("device-.+");
    assert!(
        remarks[0].contains("the edge admits probe-1 too"),
        "{remarks:?}"
    );
    // What is revoked is no stranger: it is excluded by name.
    assert_eq!(dedicated("(device|probe)-[0-9]+"), Vec::<String>::new());
}

#[test]
fn a_widened_deny_is_left_to_the_gateway() {
    let file =
        app("include = [{ common_name_pattern = 'device-.+' }]\nedge = \"certificate+gateway\"")
            .replace("non_identity", "deny");
    let translation = run(&file).unwrap();
    assert!(translation.desired.applications[0].policies.is_empty());
    assert!(translation.statements[0].remarks[0].contains("every certificate"));
}

#[test]
fn two_policies_that_name_one_token_can_be_told_apart() {
    let file = app("include = [{ service_token = \"ci-a-prod\" }]")
        + "[[application.policy]]\nname = \"q\"\ndecision = \"non_identity\"\ninclude = [{ service_token = \"ci-a-prod\" }]\nrequire = [{ ip = \"192.0.2.0/24\" }]\n";
    let translation = run(&file).unwrap();
    let parts = &translation.desired.applications[0].policies;
    let called: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(
        called,
        ["ci-a-prod (service token)", "ci-a-prod (service token) 2"]
    );
}

#[test]
fn all_errors_are_told_not_the_first() {
    let file = app("include = [{ common_name_pattern = 'a-.+' }]")
        + "[[application.policy]]\nname = \"q\"\ndecision = \"non_identity\"\ninclude = [{ san_dns = \"x\" }]\nedge = \"waf\"\n";
    let errors = run(&file).unwrap_err();
    let policies: BTreeSet<&str> = errors.iter().map(|error| error.policy.as_str()).collect();
    assert_eq!(policies, BTreeSet::from(["p", "q"]));
}

#[test]
fn a_policy_that_names_a_token_and_not_its_successor_says_so() {
    let unnamed = |include: &str| {
        let (_, statement) = policies(&format!("include = [{include}]"));
        assert!(
            statement
                .unnamed
                .iter()
                .all(|it| statement.remarks.contains(&it.to_string()))
        );
        statement.unnamed.len()
    };
    let rule = |name: &str| format!("{{ service_token = \"{name}\" }}");
    assert_eq!(unnamed(&rule("ci-a-prod")), 1);
    assert_eq!(unnamed(&rule("ci-gone-prod")), 1);
    assert_eq!(unnamed(&rule("ci-b-prod")), 0);
    let both = format!("{}, {}", rule("ci-a-prod"), rule("ci-a-prod-v2"));
    assert_eq!(unnamed(&both), 0);
    let (_, statement) = policies(&format!("include = [{}]", rule("ci-gone-prod")));
    let told = statement.remarks.join("\n");
    assert!(
        told.contains("ci-gone-prod is gone, ci-gone-prod-v2 has taken its place"),
        "{told}"
    );
}

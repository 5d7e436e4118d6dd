//! `[[application]]` and `[[application.policy]]`.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::{
    CloudflareApplicationConfig, ConfigError, RuleConfig,
    cloudflare::cloudflare_application,
    error::Collector,
    group::{Listed, RuleGroupConfig, RuleGroups},
    identity::forwarded_identity,
    upstream::{UpstreamConfig, UpstreamHealthConfig, upstream_group},
};
use crate::{
    Application, ApplicationName, ApplicationSet, ClientAuth, Decision, Edge, HostName,
    IdentityForm, PathPrefix, Policy, PolicyName, Rule, TokenHeader, UpstreamProtocol,
};

/// An `[[application]]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationConfig {
    name: Spanned<String>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    #[serde(default)]
    paths: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) upstream: Spanned<UpstreamConfig>,
    #[serde(default)]
    pub(super) upstream_protocol: UpstreamProtocol,
    #[serde(default)]
    pub(super) upstream_trust: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) upstream_name: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) upstream_certificate: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) upstream_key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) upstream_health: Option<UpstreamHealthConfig>,
    #[serde(default)]
    client_auth: Option<Spanned<ClientAuth>>,
    #[serde(default)]
    token_header: Option<Spanned<String>>,
    #[serde(default)]
    identity: Option<Spanned<Vec<IdentityForm>>>,
    #[serde(default)]
    audience: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    policy: Vec<PolicyConfig>,
    #[serde(default)]
    cloudflare: Option<CloudflareApplicationConfig>,
}

/// An `[[application.policy]]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    name: Spanned<String>,
    decision: Spanned<Decision>,
    #[serde(default)]
    include: Vec<Spanned<RuleConfig>>,
    #[serde(default)]
    require: Vec<Spanned<RuleConfig>>,
    #[serde(default)]
    exclude: Vec<Spanned<RuleConfig>>,
    #[serde(default)]
    edge: Option<Edge>,
}

/// Checks every application and puts them into one set; reports all errors, not the first.
pub fn applications(
    configs: Vec<ApplicationConfig>,
    groups: &[RuleGroupConfig],
) -> Result<ApplicationSet, Vec<ConfigError>> {
    let mut collector = Collector::default();
    let groups = RuleGroups::load(groups, &mut collector);
    let spans: Vec<_> = configs.iter().map(|config| config.name.span()).collect();
    let checked: Vec<_> = configs
        .iter()
        .map(|config| application(config, &groups, &mut collector))
        .collect();
    collector.enter(String::new());
    // Duplicates are looked for among what could be read, so their places are counted with it.
    let (spans, readable): (Vec<_>, Vec<_>) = spans
        .into_iter()
        .zip(checked)
        .filter_map(|(span, checked)| Some((span, checked?)))
        .unzip();
    match ApplicationSet::new(readable) {
        Ok(set) => collector.finish(set),
        Err(errors) => {
            for error in errors {
                let span = spans.get(error.index()).cloned();
                collector.push(ConfigError {
                    span,
                    message: error.to_string(),
                    hint: None,
                });
            }
            collector.finish(ApplicationSet::default())
        }
    }
}

fn application(
    config: &ApplicationConfig,
    groups: &RuleGroups,
    collector: &mut Collector,
) -> Option<Application> {
    let context = format!("application `{}`", config.name.get_ref().escape_debug());
    collector.enter(context.clone());
    let name = collector.parse(&config.name, ApplicationName::parse);
    let hosts = collector.parse_all(&config.hosts, host);
    let paths = paths(config, collector);
    let upstream = upstream_group(config, collector);
    let token_header = collector.parse_optional(config.token_header.as_ref(), TokenHeader::parse);
    let cloudflare = cloudflare_application(config.cloudflare.as_ref(), collector);
    let identity = forwarded_identity(
        config.identity.as_ref(),
        config.audience.as_ref(),
        cloudflare.as_ref().and_then(Option::as_ref),
        collector,
    );
    for (what, hint, missing) in [
        ("host", "write `hosts = [\"…\"]`", config.hosts.is_empty()),
        (
            "policy: nobody could ever get in",
            "add an `[[application.policy]]`",
            config.policy.is_empty(),
        ),
    ] {
        if missing {
            collector.push(
                ConfigError::at(config.name.span(), format!("it has no {what}")).with_hint(hint),
            );
        }
    }
    let policies = policies(config, &context, groups, collector)?;
    collector.enter(context);
    if hosts.is_empty() || policies.is_empty() {
        return None;
    }
    let application = Application::new(name?, hosts, upstream?, policies);
    let application = application.map_err(|error| ConfigError::at(config.name.span(), error));
    let application = collector.keep(application)?;
    let client_auth = config.client_auth.as_ref();
    let place = client_auth.map_or(config.name.span(), Spanned::span);
    let application = application.with_client_auth(client_auth.map(|it| *it.get_ref()));
    let application = application.map_err(|error| {
        ConfigError::at(place, error).with_hint("write \"requested\", or leave it out")
    });
    Some(
        collector
            .keep(application)?
            .with_paths(paths?)
            .with_token_header(token_header?)
            .with_identity(identity?)
            .with_cloudflare(cloudflare?),
    )
}

pub(super) fn host(text: &str) -> Result<HostName, String> {
    match HostName::parse_with_port(text).map_err(|error| error.to_string())? {
        (host, None) => Ok(host),
        (host, Some(_)) => Err(format!(
            "a host is written without a port: \"{host}\"; it counts for every port"
        )),
    }
}

fn paths(config: &ApplicationConfig, collector: &mut Collector) -> Option<Vec<PathPrefix>> {
    let Some(paths) = &config.paths else {
        return Some(vec![PathPrefix::root()]);
    };
    if paths.get_ref().is_empty() {
        let error = ConfigError::at(paths.span(), "`paths` must not be empty");
        collector.push(error.with_hint("leave it out, or write [\"/\"], for every path"));
        return None;
    }
    Some(collector.parse_all(paths.get_ref(), PathPrefix::parse))
}

/// All policies of an application, or `None` if one of them has an error.
fn policies(
    config: &ApplicationConfig,
    context: &str,
    groups: &RuleGroups,
    collector: &mut Collector,
) -> Option<Vec<Policy>> {
    let mut names = Vec::new();
    let mut policies = Vec::new();
    for policy_config in &config.policy {
        let name = policy_config.name.get_ref();
        collector.enter(format!("policy `{}` of {context}", name.escape_debug()));
        if names.contains(&name) {
            let message = "another policy of this application has the same name; events could not tell them apart";
            collector.push(ConfigError::at(policy_config.name.span(), message));
        }
        names.push(name);
        policies.push(policy(policy_config, groups, collector));
    }
    policies.into_iter().collect()
}

fn policy(config: &PolicyConfig, groups: &RuleGroups, collector: &mut Collector) -> Option<Policy> {
    let name = collector.parse(&config.name, PolicyName::parse);
    if *config.decision.get_ref() == Decision::Allow {
        let error = ConfigError::at(
            config.decision.span(),
            "`allow` means a human login at Cloudflare",
        );
        collector.push(error.with_hint("write `non_identity`"));
    }
    if config.include.is_empty() {
        let error = ConfigError::at(
            config.name.span(),
            "it has no `include`, and an empty list never means everyone",
        );
        collector.push(
            error.with_hint("say whom it is about, for example `include = [{ certificate = {} }]`"),
        );
    }
    let mut rules = |list: &[Spanned<RuleConfig>], listed| {
        let stand_for = |config| groups.rules(config, listed, collector);
        // Every entry is looked at, so that every mistake is told.
        let checked: Vec<_> = list.iter().map(stand_for).collect();
        let all: Option<Vec<Vec<Rule>>> = checked.into_iter().collect();
        all.map(|rules| rules.concat())
    };
    let include = rules(&config.include, Listed::Any);
    let require = rules(&config.require, Listed::All);
    let exclude = rules(&config.exclude, Listed::Any);
    let policy = Policy::new(name?, *config.decision.get_ref(), include?).ok()?;
    Some(
        policy
            .with_require(require?)
            .with_exclude(exclude?)
            .with_edge(config.edge),
    )
}

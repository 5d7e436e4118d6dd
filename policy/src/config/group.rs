//! `[[group]]`: rules that several policies share.
//!
//! A group stands for its rules: in `include` and `exclude`, where any one of several counts, they
//! are put in its place when the file is read. So a decision costs the same, events name the rule
//! that decided, and Cloudflare is told the rules and needs no group of ours.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::rule::{RuleConfig, rule};
use super::{ConfigError, error::Collector};
use crate::{PolicyName, Rule};

/// A `[[group]]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleGroupConfig {
    name: Spanned<String>,
    #[serde(default)]
    include: Vec<Spanned<RuleConfig>>,
}

/// The groups by name; `None` for one that has a mistake, which is told once.
#[derive(Default)]
pub(super) struct RuleGroups(BTreeMap<String, Option<Vec<Rule>>>);

/// How the rules of a list are taken together.
#[derive(Clone, Copy)]
pub(super) enum Listed {
    /// Any one of them counts: `include`, `exclude`.
    Any,
    /// All of them have to match: `require`.
    All,
}

impl RuleGroups {
    /// Checks the groups.
    pub(super) fn load(configs: &[RuleGroupConfig], collector: &mut Collector) -> Self {
        let mut groups = BTreeMap::new();
        for config in configs {
            let name = config.name.get_ref();
            collector.enter(format!("group `{}`", name.escape_debug()));
            let checked = group(config, collector);
            if groups.insert(name.clone(), checked).is_some() {
                let message = "another group has the same name";
                collector.push(ConfigError::at(config.name.span(), message));
            }
        }
        Self(groups)
    }

    /// The rules that one entry of a list stands for.
    pub(super) fn rules(
        &self,
        config: &Spanned<RuleConfig>,
        listed: Listed,
        collector: &mut Collector,
    ) -> Option<Vec<Rule>> {
        let Some(name) = config.get_ref().group() else {
            return collector.keep(rule(config)).map(|rule| vec![rule]);
        };
        match (self.0.get(name), listed) {
            (None, _) => {
                let message = format!("there is no group `{}`", name.escape_debug());
                collector.push(ConfigError::at(config.span(), message).with_hint(self.hint()));
                None
            }
            (Some(rules), Listed::Any) => rules.clone(),
            (Some(_), Listed::All) => {
                let error = ConfigError::at(
                    config.span(),
                    "a group is any one of its rules, and `require` is all of them",
                );
                collector.push(
                    error.with_hint("write the rules here, or the group in `include` or `exclude`"),
                );
                None
            }
        }
    }

    fn hint(&self) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        match names.as_slice() {
            [] => String::from("add a [[group]] with `name` and `include`"),
            names => format!("the groups are: {}", names.join(", ")),
        }
    }
}

fn group(config: &RuleGroupConfig, collector: &mut Collector) -> Option<Vec<Rule>> {
    let name = collector.parse(&config.name, PolicyName::parse);
    if config.include.is_empty() {
        let error = ConfigError::at(
            config.name.span(),
            "it has no `include`, and an empty list never means everyone",
        );
        collector.push(error.with_hint("list its rules, or remove it"));
        return None;
    }
    let mut rules = Vec::new();
    let mut all_good = name.is_some();
    for config in &config.include {
        let checked = match config.get_ref().group() {
            None => rule(config),
            Some(_) => Err(ConfigError::at(
                config.span(),
                "a group holds rules, not groups",
            )),
        };
        match collector.keep(checked) {
            Some(rule) => rules.push(rule),
            None => all_good = false,
        }
    }
    all_good.then_some(rules)
}

#[cfg(test)]
mod tests;

//! One policy of the file becomes one policy a client: the fleet's certificates in one, each
//! service token in one of its own, addresses in another. `include` is an or, so nothing changes by
//! that; and each of them can be taken away alone.

use std::collections::BTreeSet;

use postern_policy::{Application, Decision, Edge, Policy, Rule, TokenName};

use super::rules::{Expansion, certificate_rules, others, strangers};
use super::{InexpressibleReason, Sources, TokenAtEdge};
use crate::access::AccessRule;
use crate::desired::{DesiredPolicy, Statement, UnnamedSuccessor};
use crate::limits::{GROUPS, RULES_PER_GROUP};
use crate::minting::token_policy_name;
use crate::shown;
use crate::waf;

type Parts = (Vec<DesiredPolicy>, Statement);

/// Translates a policy whose strategy was found to fit.
pub(super) fn translate(
    application: &Application,
    policy: &Policy,
    sources: &Sources<'_>,
) -> Result<Parts, InexpressibleReason> {
    let admits_all = policy.include().contains(&Rule::Everyone);
    if policy.decision() == Decision::NonIdentity && admits_all {
        return Err(InexpressibleReason::Everyone);
    }
    let mut parts = Parting {
        application,
        policy,
        sources,
        expansion: Expansion::of(policy, sources.inventory),
        policies: Vec::new(),
        statement: Statement {
            application: application.name().clone(),
            policy: policy.name().to_string(),
            edge: Vec::new(),
            gateway_only: Vec::new(),
            remarks: Vec::new(),
            unnamed: Vec::new(),
        },
    };
    parts.gateway_only();
    parts.certificates()?;
    parts.tokens()?;
    parts.successors();
    parts.others()?;
    if parts.statement.edge.is_empty() {
        parts
            .statement
            .edge
            .push(String::from("nothing: it is not pushed"));
    }
    Ok((parts.policies, parts.statement))
}

/// Two policies of one application may name the same token; their names at Cloudflare must differ.
pub(super) fn tell_apart(policies: &mut [DesiredPolicy]) {
    let mut taken = BTreeSet::new();
    for policy in policies {
        let plain = policy.name.clone();
        for number in 2.. {
            if taken.insert(policy.name.clone()) {
                break;
            }
            policy.name = format!("{plain} {number}");
        }
    }
}

struct Parting<'a> {
    application: &'a Application,
    policy: &'a Policy,
    sources: &'a Sources<'a>,
    expansion: Expansion,
    policies: Vec<DesiredPolicy>,
    statement: Statement,
}

impl Parting<'_> {
    /// What no strategy brings to the edge: all of it where any certificate passes there, and what
    /// a policy for tokens or addresses excludes by a rule that Access does not have.
    fn gateway_only(&mut self) {
        let is_beyond = |rule: &&Rule| !postern_policy::edge::is_expressible(rule);
        let policy = self.policy;
        let beyond: Vec<String> = match policy.edge() {
            // The WAF rule says all of them.
            Some(Edge::Waf) => Vec::new(),
            Some(Edge::Expand) if policy.include().iter().all(Rule::needs_certificate) => {
                Vec::new()
            }
            Some(Edge::Expand) => {
                let excluded = policy.exclude().iter().filter(is_beyond);
                excluded.map(ToString::to_string).collect()
            }
            Some(Edge::CertificateAndGateway | Edge::DedicatedCa) | None => policy
                .rules()
                .filter(is_beyond)
                .map(ToString::to_string)
                .collect(),
        };
        self.statement.gateway_only = beyond;
    }

    fn certificates(&mut self) -> Result<(), InexpressibleReason> {
        let mut include =
            certificate_rules(self.policy.include(), self.policy.edge(), &self.expansion);
        let admitted = self.expansion.admitted(self.policy);
        let names = admitted.as_ref().map_or(0, BTreeSet::len);
        if include.is_empty() && admitted.is_none() {
            return Ok(());
        }
        if names > GROUPS * RULES_PER_GROUP {
            return Err(InexpressibleReason::TooManyNames { names });
        }
        if self.would_deny_too_many() {
            return Ok(());
        }
        if include.is_empty() && names == 0 {
            let remark = "no certificate of ours matches yet: nothing is pushed, so the edge refuses all of them";
            self.statement.remarks.push(remark.to_owned());
            return Ok(());
        }
        self.say_certificates(&include, admitted.as_ref());
        include.dedup();
        let Some(mut part) = self.part("mTLS", include)? else {
            return Ok(());
        };
        part.admitted = admitted;
        self.policies.push(part);
        Ok(())
    }

    fn tokens(&mut self) -> Result<(), InexpressibleReason> {
        let include = self.policy.include();
        for name in include
            .iter()
            .filter_map(token_name)
            .collect::<BTreeSet<_>>()
        {
            let Some(rule) = self.token(name) else {
                continue;
            };
            self.statement.edge.push(format!("service token {name}"));
            if let Some(part) = self.part_named(&token_policy_name(name.as_str()), vec![rule])? {
                self.policies.push(part);
            }
        }
        if include.contains(&Rule::AnyValidServiceToken) {
            let all = "any service token of the account, also those that are not ours";
            self.statement.edge.push(all.to_owned());
            let rule = vec![AccessRule::AnyValidServiceToken];
            let part = self.part("any service token", rule)?;
            self.policies.extend(part);
        }
        Ok(())
    }

    /// A rotation in parallel mints a second token, and only people write the file.
    fn successors(&mut self) {
        let policy = self.policy;
        let successors = self.sources.successors.iter();
        let unnamed = successors
            .filter(|(token, successor)| {
                policy.names_token(token) && !policy.names_token(successor)
            })
            .map(|(token, successor)| UnnamedSuccessor {
                token: token.clone(),
                successor: successor.clone(),
            });
        let statement = &mut self.statement;
        statement.unnamed = unnamed.collect();
        let told = statement.unnamed.iter().map(ToString::to_string);
        statement.remarks.extend(told);
    }

    fn others(&mut self) -> Result<(), InexpressibleReason> {
        let include = others(self.policy.include());
        if include.is_empty() {
            return Ok(());
        }
        self.statement
            .edge
            .push(String::from("addresses as written"));
        let part = self.part("network", include)?;
        self.policies.extend(part);
        Ok(())
    }

    fn part(
        &mut self,
        what: &str,
        include: Vec<AccessRule>,
    ) -> Result<Option<DesiredPolicy>, InexpressibleReason> {
        let name = format!("{} ({what})", self.policy.name());
        self.part_named(&name, include)
    }

    /// A part with the `require` and `exclude` of the policy; none where a required token is not
    /// at the edge, so that the policy is never pushed without it.
    fn part_named(
        &mut self,
        name: &str,
        include: Vec<AccessRule>,
    ) -> Result<Option<DesiredPolicy>, InexpressibleReason> {
        let policy = self.policy;
        let mut require = certificate_rules(policy.require(), policy.edge(), &self.expansion);
        require.extend(others(policy.require()));
        let mut exclude = self.expansion.exclude(policy);
        exclude.extend(others(policy.exclude()));
        for rule in policy.require().iter().filter(|rule| rule.needs_token()) {
            let Some(rule) = self.token_rule(rule) else {
                return Ok(None);
            };
            require.push(rule);
        }
        for rule in policy.exclude().iter().filter(|rule| rule.needs_token()) {
            exclude.extend(self.token_rule(rule));
        }
        let required = self.expansion.required(policy);
        if let Some(names) = required.as_ref().map(BTreeSet::len)
            && names > RULES_PER_GROUP
        {
            return Err(InexpressibleReason::RequireTooLarge { names });
        }
        let asked: Vec<&AccessRule> = include.iter().chain(&require).collect();
        let revoked = self.revoked(&asked);
        // One slash is ours, so that no two policies can mean the same groups.
        let application = self.application.name().as_str();
        let application = application.replace('%', "%25").replace('/', "%2F");
        let groups = format!("{application}/{}", policy.name());
        Ok(Some(DesiredPolicy {
            name: name.to_owned(),
            groups,
            decision: policy.decision(),
            include,
            require,
            exclude,
            admitted: None,
            required,
            revoked,
            after_waf: self.waf_rule(),
        }))
    }

    fn token_rule(&mut self, rule: &Rule) -> Option<AccessRule> {
        match token_name(rule) {
            Some(name) => self.token(name),
            None => Some(AccessRule::AnyValidServiceToken),
        }
    }

    fn token(&mut self, name: &TokenName) -> Option<AccessRule> {
        let remark = match self.sources.tokens.get(name) {
            Some(TokenAtEdge::Minted(id)) => return Some(AccessRule::ServiceToken(id.clone())),
            Some(TokenAtEdge::GatewayOnly) => format!(
                "service token {name} is not at the edge: re-mint it with `postern token delete {name}` and `postern token create {name} --at cloudflare`"
            ),
            None => match self.sources.successors.get(name) {
                Some(successor) => format!(
                    "service token {name} is gone, {successor} has taken its place: take it out"
                ),
                None => format!(
                    "service token {name} does not exist: `postern token create {name} --at cloudflare`"
                ),
            },
        };
        if !self.statement.remarks.contains(&remark) {
            self.statement.remarks.push(remark);
        }
        None
    }

    /// "Any certificate" in place of a rule is what the gateway narrows; nobody narrows a refusal.
    fn would_deny_too_many(&mut self) -> bool {
        let is_beyond = |rule: &Rule| !postern_policy::edge::is_expressible(rule);
        let widened =
            self.policy.edge() != Some(Edge::Expand) && self.policy.include().iter().any(is_beyond);
        let denies = widened && !self.policy.decision().admits();
        if denies {
            let remark = "not pushed: at the edge it would deny every certificate of the CA";
            self.statement.remarks.push(remark.to_owned());
        }
        denies
    }

    /// The rule that has to block before Access may admit any certificate.
    fn waf_rule(&mut self) -> Option<String> {
        if self.policy.edge() != Some(Edge::Waf) {
            return None;
        }
        let expression = waf::expression(self.application)
            .expect("`strategies` has refused what no expression can say");
        let remark =
            format!("the name is left to this WAF custom rule with the action block: {expression}");
        self.statement.remarks.push(remark);
        Some(expression)
    }

    fn say_certificates(&mut self, include: &[AccessRule], admitted: Option<&BTreeSet<String>>) {
        if include.contains(&AccessRule::Certificate) {
            self.look_for_strangers();
            let what = match self.policy.edge() {
                Some(Edge::DedicatedCa) => "any valid certificate of the CA, which is to be theirs",
                Some(Edge::Waf) => "any valid certificate in Access, the name in the WAF rule",
                Some(Edge::Expand | Edge::CertificateAndGateway) | None => {
                    "any valid certificate of the CA"
                }
            };
            self.statement.edge.push(what.to_owned());
        }
        let exact = include
            .iter()
            .filter(|rule| matches!(rule, AccessRule::CommonName(_)));
        let exact = exact.count() + admitted.map_or(0, BTreeSet::len);
        if exact > 0 {
            let plural = if exact == 1 { "" } else { "s" };
            self.statement
                .edge
                .push(format!("{exact} exact common name{plural}"));
        }
    }

    /// `dedicated-ca` says that the CA issues to nobody else. Our inventory knows that of our own CA;
    /// of one that stands in `[cloudflare] chain` nothing is known here.
    fn look_for_strangers(&mut self) {
        if self.policy.edge() != Some(Edge::DedicatedCa) {
            return;
        }
        let remark = if self.sources.settings.chain.is_some() {
            String::from("whom the CA in `[cloudflare] chain` issued to is not known here")
        } else {
            let strangers = strangers(self.policy, self.sources.inventory);
            if strangers.is_empty() {
                return;
            }
            format!(
                "the CA is not dedicated: the edge admits {} too; give them another CA, or use another strategy",
                shown(&strangers)
            )
        };
        self.statement.remarks.push(remark);
    }

    /// The names that the edge would go on admitting by these rules.
    fn revoked(&self, asked: &[&AccessRule]) -> BTreeSet<String> {
        let admits = |name: &str| {
            asked.iter().any(|rule| {
                let exact = matches!(rule, AccessRule::CommonName(exact) if exact == name);
                exact || **rule == AccessRule::Certificate
            })
        };
        let names = self.sources.inventory.revoked_names().into_iter();
        names
            .filter(|name| admits(name))
            .map(str::to_owned)
            .collect()
    }
}

fn token_name(rule: &Rule) -> Option<&TokenName> {
    if let Rule::ServiceToken(name) = rule {
        return Some(name);
    }
    None
}

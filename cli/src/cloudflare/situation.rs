//! What is wanted, what is there, and what is ours: everything that a plan is made of.

use std::path::Path;

use postern_ca::{CertificateAuthority, IssuerRole, files};
use postern_cloudflare::{
    Breadth, Chain, Consents, Desired, Ledger, Plan, Remote, Sources, Translation, translate,
};
use postern_policy::config::CloudflareSettings;

use super::{Edge, inventory, ledger};
use crate::commands::token::successors;
use crate::config::Config;
use crate::error::{CommandError, Kind};
use crate::time;

/// What is wanted, what is there, and what is ours.
pub(crate) struct Situation {
    pub(crate) translation: Translation,
    pub(crate) ledger: Ledger,
    pub(crate) remote: Remote,
}

impl Situation {
    /// Reads all of it; nothing is written.
    pub(crate) fn read(
        config: &Config,
        authority: &CertificateAuthority,
        edge: &Edge,
        breadth: Breadth,
    ) -> Result<Self, CommandError> {
        let ledger = ledger::read(authority.store(), &edge.account)?;
        let translation = wanted(config, authority, &ledger)?;
        let scope = edge.scope();
        let remote = edge.run(Remote::fetch(
            &edge.client,
            &scope,
            &translation.desired,
            &ledger,
            breadth,
        ))?;
        Ok(Self {
            translation,
            ledger,
            remote,
        })
    }

    /// What is there of ours, and nothing wanted.
    pub(crate) fn without_a_file(
        authority: &CertificateAuthority,
        edge: &Edge,
    ) -> Result<Self, CommandError> {
        let ledger = ledger::read(authority.store(), &edge.account)?;
        let (nothing, scope) = (Desired::default(), edge.scope());
        let fetch = Remote::fetch(&edge.client, &scope, &nothing, &ledger, Breadth::Ours);
        Ok(Self {
            remote: edge.run(fetch)?,
            translation: Translation::default(),
            ledger,
        })
    }

    /// What has to change.
    pub(crate) fn plan(&self, consents: Consents) -> Plan {
        Plan::new(
            &self.translation.desired,
            &self.remote,
            &self.ledger,
            consents,
            time::now(),
        )
    }
}

/// What the policy file asks of Access; nothing is sent.
pub(crate) fn wanted(
    config: &Config,
    authority: &CertificateAuthority,
    ledger: &Ledger,
) -> Result<Translation, CommandError> {
    let settings = config.cloudflare.as_ref().ok_or_else(|| {
        CommandError::new(
            Kind::NotFound,
            "the configuration has no [cloudflare] table",
        )
    })?;
    let inventory = inventory::clients(authority, time::now())?;
    let tokens = inventory::tokens(authority, ledger)?;
    let successors = successors(authority.store())?;
    let chains = vec![chain(authority, settings, config.folder())?];
    let sources = Sources {
        applications: &config.applications,
        settings,
        chains: &chains,
        inventory: &inventory,
        tokens: &tokens,
        successors: &successors,
    };
    translate(&sources).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        CommandError::new(
            Kind::Policy,
            format!("nothing is pushed:\n{}", lines.join("\n")),
        )
    })
}

/// The chain that the file names, or the one of the home.
fn chain(
    authority: &CertificateAuthority,
    settings: &CloudflareSettings,
    folder: &Path,
) -> Result<Chain, CommandError> {
    let refused = |what: String| {
        move |error| CommandError::new(Kind::Policy, format!("{what} is not uploaded: {error}"))
    };
    if let Some(path) = &settings.chain {
        let path = folder.join(path);
        let pem = files::read(&path)?;
        return Chain::from_pem(&pem).map_err(refused(path.display().to_string()));
    }
    let certificate = |role| authority.issuer(role).map(|issuer| issuer.certificate);
    let chain = vec![
        certificate(IssuerRole::Client)?,
        certificate(IssuerRole::Root)?,
    ];
    Chain::new(chain).map_err(refused(String::from("the home's chain")))
}

//! A token minted by Cloudflare: good at the edge and at the gateway.

use postern_ca::{Actor, TokenRecord, Unlocked};
use postern_cloudflare::access::{App, ServiceToken};
use postern_cloudflare::minting::find_app;
use postern_policy::TokenName;

use super::earlier::Earlier;
use super::minting::{AGAIN, Minted, Minting, Secret};
use super::{CreateArgs, print_created, try_out};
use crate::commands::token::policies::Policies;
use crate::commands::token::record::EdgeRecord;
use crate::commands::token::steps::Steps;
use crate::commands::token::terms::Terms;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::delivery::{Credentials, Destination};
use crate::error::{CommandError, Kind};
use crate::time;

pub(super) fn run(
    context: &Context,
    args: &CreateArgs,
    terms: &Terms,
    destination: &Destination,
) -> Outcome {
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let minting = Minting {
        edge: &edge,
        authority: &authority,
        record: EdgeRecord {
            store: authority.store(),
            account: &edge.account,
        },
        terms,
        destination,
        steps: Steps(context.format),
    };
    let earlier = minting.prepare()?;
    let apps = minting.find_apps(&args.app)?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let unlocked = authority.unlock(passphrase.as_ref(), time::now())?;
    let minted = minting.mint(earlier)?;
    let done = minting
        .finish(unlocked, minted, &apps, args)
        .map_err(|error| error.partly(AGAIN))?;
    try_out(context, args, done.credentials.as_ref())?;
    print_created(context, &done.made, destination, &done.policies)?;
    DONE
}

/// What there is when all is done.
struct Done {
    made: TokenRecord,
    policies: Vec<String>,
    /// Nothing where the destination does not give them back.
    credentials: Option<Credentials>,
}

impl Minting<'_> {
    /// Everything that can be known before the mint: what is there, and that the secret has
    /// somewhere to go.
    fn prepare(&self) -> Result<Earlier, CommandError> {
        let earlier = self.earlier()?;
        match &earlier {
            Earlier::Nothing | Earlier::Unanswered(_) | Earlier::Undelivered(_) => {
                self.destination.test()?;
                self.steps.done(
                    "destination",
                    &format!("{} takes a secret", self.destination),
                )?;
            }
            Earlier::Arrived(..) | Earlier::Delivered(..) => {
                let there = format!("{} has the secret", self.destination);
                self.steps.unchanged("destination", &there)?;
            }
        }
        Ok(earlier)
    }

    fn find_apps(&self, wanted: &[String]) -> Result<Vec<App>, CommandError> {
        let mut apps = Vec::new();
        for wanted in wanted {
            let scope = self.edge.scope();
            let app = self.edge.run(find_app(&self.edge.client, &scope, wanted))?;
            self.steps
                .done("application", &format!("{wanted} is {}", app.id()))?;
            apps.push(app);
        }
        if apps.is_empty() {
            let told = "no --app: until a policy names the token, it opens nothing at the edge";
            self.steps.warn("application", told)?;
        }
        Ok(apps)
    }

    /// Everything after the mint.
    fn finish(
        &self,
        unlocked: Unlocked<'_>,
        minted: Minted,
        apps: &[App],
        args: &CreateArgs,
    ) -> Result<Done, CommandError> {
        let Minted {
            mut object,
            token,
            secret,
        } = minted;
        let made = self.admit(unlocked, &token, &secret)?;
        let policies = Policies {
            home: self.authority.home().path(),
            edge: self.edge,
            record: self.record,
            steps: self.steps,
        }
        .open(&self.terms.name, token.id(), apps, args.precedence)?;
        if let Secret::InHand(credentials) = &secret {
            self.destination.deliver(&self.terms.name, credentials)?;
            self.steps
                .done("deliver", &format!("to {}", self.destination))?;
        }
        self.record
            .delivered(&mut object, &self.destination.to_string())?;
        Ok(Done {
            made,
            policies,
            credentials: secret.known(),
        })
    }

    /// Makes the token good at the gateway too: the SHA-256 of its secret is all that it takes.
    pub(crate) fn admit(
        &self,
        unlocked: Unlocked<'_>,
        token: &ServiceToken,
        secret: &Secret,
    ) -> Result<TokenRecord, CommandError> {
        let name = &self.terms.name;
        let known = self.authority.store().token(name)?;
        let Some(credentials) = secret.as_known() else {
            let known = known.ok_or_else(|| lost_from_store(name))?;
            self.steps
                .unchanged("gateway", "it knows the secret's SHA-256")?;
            return Ok(known);
        };
        let now = time::now();
        let hash = credentials.hash();
        let made = match known {
            Some(known) if known.secrets == [hash] => {
                self.steps
                    .unchanged("gateway", "it knows the secret's SHA-256")?;
                return Ok(known);
            }
            Some(_) => unlocked.change_token(name, move |life| life.secrets = vec![hash], now)?,
            None => {
                let made = self.record_of(token, credentials, now);
                unlocked.add_token(made.clone(), now)?;
                made
            }
        };
        self.steps
            .done("gateway", "the secret's SHA-256 is published to gateways")?;
        Ok(made)
    }

    fn record_of(&self, token: &ServiceToken, credentials: &Credentials, now: u64) -> TokenRecord {
        let ends = token.expires_at().map(time::parse_rfc3339);
        TokenRecord {
            name: self.terms.name.clone(),
            client_id: credentials.client_id().to_owned(),
            class: self.terms.class.as_str().to_owned(),
            owner: self.terms.owner.clone(),
            labels: self.terms.labels(),
            enabled: true,
            secrets: vec![credentials.hash()],
            created_at: now,
            created_by: Actor::current().to_string(),
            expires_at: ends
                .and_then(Result::ok)
                .unwrap_or_else(|| self.terms.life.ends_at(now)),
        }
    }
}

fn lost_from_store(name: &TokenName) -> CommandError {
    let message =
        format!("token {name} was delivered, and the gateway's table does not have it any more");
    CommandError::new(Kind::Conflict, message).hint(format!(
        "give --out the file that holds its secret; or `postern token delete {name}`, then this \
         command again"
    ))
}

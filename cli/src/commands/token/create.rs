//! `postern token create`

use clap::Args;
use postern_ca::TokenRecord;
use postern_policy::TokenName;
use postern_policy::config::TokenOrigin;
use serde_json::json;

use super::probing::{Freshness, ProbingArgs};
use super::steps::Steps;
use super::terms::{Terms, TermsArgs};
use crate::cloudflare::CloudflareArgs;
use crate::cloudflare::lock::Turn;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::delivery::{Credentials, DeliveryArgs, Destination, Existing};
use crate::error::{CommandError, Kind};
use crate::output::print_object;
use crate::passphrase::PassphraseArgs;
use crate::time;

mod cloudflare;
mod earlier;
mod gateway;
mod minting;

pub(crate) use gateway::{create as create_at_gateway, fresh_credentials};
pub(crate) use minting::{Minting, Secret, is_orphan};

/// Make a service token and bring it where it is used
///
/// Examples:
///   postern token create ci-deploy-prod --class ci --owner payments --out token.headers --format headers
///   postern token create ci-deploy-prod --at cloudflare --app api.example.com --out token.json \
///       --format json --test https://api.example.com/health
///   postern token create ci-deploy-prod --at cloudflare --app api.example.com --format k8s \
///       --pipe 'kubectl apply -f -'
///
/// The secret is delivered once, and only its SHA-256 is kept. The destination is tested before
/// anything is minted. Class, owner and --at come from the [[token]] of that name in postern.toml
/// where there is one. A token minted by Cloudflare gets an additive policy in each --app and is
/// good at the gateway too. With --device it is refused when that device is revoked. Run again after a failure, the command goes on where it stopped.
/// Lifetimes: ci 90 days, service 180 days, high 30 days.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CreateArgs {
    /// The name that policies use: <team>-<purpose>-<env>
    #[arg(value_parser = super::name)]
    name: TokenName,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    terms: TermsArgs,
    /// An application at Cloudflare to open, by its host or its id; repeatable
    #[arg(long, value_name = "HOST|ID")]
    app: Vec<String>,
    /// The place of the policy in the application; without it, the next free one
    #[arg(long, value_name = "N")]
    precedence: Option<u64>,
    /// A URL to try the token on when it is there; repeatable
    #[arg(long, value_name = "URL")]
    test: Vec<String>,
    #[command(flatten)]
    probing: ProbingArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(context: &Context, args: &CreateArgs) -> Outcome {
    let terms = args.terms.terms(context, &args.name)?;
    terms.check_device(context)?;
    let _turn = Turn::of_token(context.home(), &args.name)?;
    let destination = args.delivery.required(Existing::Refused)?;
    match terms.at {
        TokenOrigin::Gateway => at_gateway(context, args, &terms, &destination),
        TokenOrigin::Cloudflare => cloudflare::run(context, args, &terms, &destination),
    }
}

fn at_gateway(
    context: &Context,
    args: &CreateArgs,
    terms: &Terms,
    destination: &Destination,
) -> Outcome {
    if !args.app.is_empty() {
        return Err(CommandError::usage(
            "Cloudflare accepts no token that it did not mint: --app needs --at cloudflare",
        ));
    }
    destination.test()?;
    let authority = context.authority()?;
    if authority.store().token(&terms.name)?.is_some() {
        let message = format!("token {} exists already", terms.name);
        return Err(CommandError::new(Kind::Conflict, message).hint(format!(
            "a new secret for it: postern token rotate {}",
            terms.name
        )));
    }
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    let unlocked = authority.unlock(passphrase.as_ref(), now)?;
    let (made, credentials) = create_at_gateway(unlocked, terms, destination, now)?;
    try_out(context, args, Some(&credentials))?;
    print_created(context, &made, destination, &[])?;
    DONE
}

/// Tries the token on every --test URL, where there is one.
fn try_out(
    context: &Context,
    args: &CreateArgs,
    credentials: Option<&Credentials>,
) -> Result<(), CommandError> {
    if args.test.is_empty() {
        return Ok(());
    }
    let credentials = credentials.ok_or_else(|| {
        CommandError::usage("--test needs the secret, which the destination does not give back")
            .hint("`postern token test --credentials FILE --url URL` tries it")
    })?;
    let prober = args.probing.prober(Freshness::JustChanged)?;
    let tried = prober.must_open(&args.test, credentials, Steps(context.format));
    tried.map_err(|error| {
        error.partly("the token was made and delivered; `postern token test` tries it again")
    })
}

/// Says what there is now; `policies` are those at Cloudflare.
fn print_created(
    context: &Context,
    made: &TokenRecord,
    destination: &Destination,
    policies: &[String],
) -> Result<(), CommandError> {
    let mut fields = vec![
        ("name", made.name.to_string()),
        ("client id", made.client_id.clone()),
        ("class", made.class.clone()),
        ("owner", made.owner.clone().unwrap_or_default()),
        ("expires", time::rfc3339(made.expires_at)),
        ("secret", format!("in {destination}")),
    ];
    if !policies.is_empty() {
        fields.push(("policies", policies.join(", ")));
    }
    print_object(
        context.format,
        "postern.token/1",
        &fields,
        json!({
            "name": made.name.as_str(),
            "client_id": made.client_id,
            "class": made.class,
            "owner": made.owner,
            "expires_at": time::rfc3339(made.expires_at),
            "file": destination.file(),
            "destination": destination.to_string(),
            "policies": policies,
        }),
    )
}

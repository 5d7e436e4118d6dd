//! `postern token create`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use postern_ca::files::FileError;
use postern_ca::{Actor, ServiceTokenSecret, TokenRecord, Unlocked, new_client_id};
use postern_policy::TokenName;
use postern_policy::config::TokenClass;
use serde_json::json;

use super::secret_file::{SecretFormat, write_secret};
use crate::commands::{DONE, Outcome, owner};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::print_object;
use crate::passphrase::PassphraseArgs;
use crate::time;

/// Make a service token that is good at the gateway
///
/// Examples:
///   postern token create ci-deploy-prod --out ci-deploy-prod.json --format json
///   postern token create ci-deploy-prod --out token.headers --format headers
///   curl -H @token.headers https://telemetry.example.com/
///
/// The secret is written to --out (mode 0600) and nowhere else; only its SHA-256 is kept. Class
/// and owner come from the [[token]] of that name in postern.toml where there is one. Lifetimes:
/// ci 90 days, service 180 days, high 30 days.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CreateArgs {
    /// The name that policies use, such as <team>-<purpose>-<env>
    #[arg(value_parser = super::name)]
    name: TokenName,
    /// The file that the secret goes to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How the secret is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "pair")]
    format: SecretFormat,
    /// How long it lives
    #[arg(long, value_enum, value_name = "CLASS")]
    class: Option<Class>,
    /// Who answers for it
    #[arg(long, value_name = "OWNER", value_parser = owner)]
    owner: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Class {
    /// 90 days
    Ci,
    /// 180 days
    Service,
    /// 30 days
    High,
}

impl Class {
    fn token_class(self) -> TokenClass {
        match self {
            Self::Ci => TokenClass::Ci,
            Self::Service => TokenClass::Service,
            Self::High => TokenClass::High,
        }
    }
}

/// A token to be made.
pub(crate) struct NewToken<'a> {
    pub(crate) name: &'a TokenName,
    pub(crate) class: TokenClass,
    pub(crate) owner: Option<String>,
    pub(crate) out: &'a std::path::Path,
    pub(crate) format: SecretFormat,
}

pub(crate) fn run(context: &Context, args: &CreateArgs) -> Outcome {
    let authority = context.authority()?;
    let declared = context.optional_config()?.and_then(|config| {
        config
            .tokens
            .into_iter()
            .find(|token| token.name == args.name)
    });
    let class = args.class.map(Class::token_class);
    let new = NewToken {
        name: &args.name,
        class: class
            .or(declared.as_ref().map(|token| token.class))
            .unwrap_or(TokenClass::Service),
        owner: args.owner.clone().or(declared.map(|token| token.owner)),
        out: &args.out,
        format: args.format,
    };
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    let made = create(authority.unlock(passphrase.as_ref(), now)?, &new, now)?;
    print_object(
        context.format,
        "postern.token/1",
        &[
            ("name", made.name.to_string()),
            ("client id", made.client_id.clone()),
            ("class", made.class.clone()),
            ("owner", made.owner.clone().unwrap_or_default()),
            ("expires", time::rfc3339(made.expires_at)),
            ("secret", format!("in {}", args.out.display())),
        ],
        json!({
            "name": made.name.as_str(),
            "client_id": made.client_id,
            "class": made.class,
            "owner": made.owner,
            "expires_at": time::rfc3339(made.expires_at),
            "file": args.out,
        }),
    )?;
    DONE
}

/// Makes a token: the secret is on the disk before the token is good, so that none is ever good
/// that nobody has.
pub(crate) fn create(
    unlocked: Unlocked<'_>,
    new: &NewToken<'_>,
    now: u64,
) -> Result<TokenRecord, CommandError> {
    if new.out.symlink_metadata().is_ok() {
        return Err(FileError::Exists(new.out.to_path_buf()).into());
    }
    let secret = ServiceTokenSecret::generate()?;
    let record = TokenRecord {
        name: new.name.clone(),
        client_id: new_client_id()?,
        class: new.class.as_str().to_owned(),
        owner: new.owner.clone(),
        labels: String::from("{}"),
        enabled: true,
        secrets: vec![secret.hash()],
        created_at: now,
        created_by: Actor::current().to_string(),
        expires_at: now.saturating_add(new.class.lifetime().as_secs()),
    };
    write_secret(new.out, new.format, &record.client_id, &secret)?;
    unlocked
        .add_token(record.clone(), now)
        .inspect_err(|_| drop(std::fs::remove_file(new.out)))?;
    Ok(record)
}

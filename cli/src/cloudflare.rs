//! How the commands reach Cloudflare: the account, the API token, the address.
//!
//! The token comes from the environment, a file, a credential or a prompt; never from a flag's
//! value.

pub(crate) mod closing;
pub(crate) mod inventory;
pub(crate) mod ledger;
pub(crate) mod lock;
pub(crate) mod situation;

use std::env;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read as _, stdin};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use postern_ca::EdgeObject;
use postern_cloudflare::{ApiError, ApiErrorKind, ApiToken, Client, ClientOptions, Scope};
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::{CommandError, Kind};

/// Which account, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct CloudflareArgs {
    /// The account's id; without it, `account_id` in postern.toml
    #[arg(
        long,
        value_name = "ID",
        env = "CLOUDFLARE_ACCOUNT_ID",
        hide_env_values = true
    )]
    pub(crate) account_id: Option<String>,
    /// File with the API token of Cloudflare
    ///
    /// Without it: CLOUDFLARE_API_TOKEN, `$CREDENTIALS_DIRECTORY/cloudflare-api-token` where
    /// systemd gives one, or a prompt.
    #[arg(
        long,
        value_name = "FILE",
        env = "CLOUDFLARE_API_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) api_token_file: Option<PathBuf>,
}

/// A way to one account at Cloudflare.
pub(crate) struct Edge {
    pub(crate) client: Client,
    pub(crate) account: String,
    runtime: Runtime,
}

impl CloudflareArgs {
    /// A client for the account that is meant; nothing is sent yet.
    pub(crate) fn connect(&self, context: &Context) -> Result<Edge, CommandError> {
        let account = self.account(context)?;
        let token = match self.token_without_asking()? {
            Some(token) => token,
            None => prompt()?,
        };
        connect(account, token)
    }

    /// The same for what is recorded already: in another account, it would be looked for in vain and
    /// taken for gone.
    pub(crate) fn connect_to(
        &self,
        context: &Context,
        object: &EdgeObject,
    ) -> Result<Edge, CommandError> {
        let edge = self.connect(context)?;
        if edge.account == object.account {
            return Ok(edge);
        }
        let message = format!(
            "{} is recorded in the account {}, and the one named is {}",
            object.name, object.account, edge.account
        );
        Err(CommandError::new(Kind::Conflict, message).hint(
            "name its own: --account-id, CLOUDFLARE_ACCOUNT_ID, or `account_id` in [cloudflare]",
        ))
    }

    /// A client where nobody can be asked: nothing where there is no API token.
    pub(crate) fn connect_without_asking(
        &self,
        account: String,
    ) -> Result<Option<Edge>, CommandError> {
        let token = self.token_without_asking()?;
        token.map(|token| connect(account, token)).transpose()
    }

    /// The same where there must be one.
    pub(crate) fn connect_unattended(&self, account: String) -> Result<Edge, CommandError> {
        let edge = self.connect_without_asking(account)?;
        edge.ok_or_else(|| CommandError::usage("there is no API token"))
    }

    /// The account's id.
    pub(crate) fn account(&self, context: &Context) -> Result<String, CommandError> {
        let configured = || -> Result<Option<String>, CommandError> {
            let cloudflare = context
                .optional_config()?
                .and_then(|config| config.cloudflare);
            Ok(cloudflare.and_then(|cloudflare| cloudflare.account_id))
        };
        let named = self
            .account_id
            .as_ref()
            .filter(|account| !account.is_empty());
        let account = match named {
            Some(account) => Some(account.clone()),
            None => configured()?,
        };
        account.ok_or_else(|| {
            CommandError::usage("no account at Cloudflare is named").hint(
                "write `account_id` in [cloudflare] of postern.toml, or set CLOUDFLARE_ACCOUNT_ID",
            )
        })
    }

    fn token_without_asking(&self) -> Result<Option<ApiToken>, CommandError> {
        if let Some(path) = &self.api_token_file {
            return from_file(path).map(Some);
        }
        if let Some(token) = env::var(TOKEN_VARIABLE)
            .ok()
            .filter(|token| !token.is_empty())
        {
            return checked(&Zeroizing::new(token), TOKEN_VARIABLE).map(Some);
        }
        let credential = env::var_os("CREDENTIALS_DIRECTORY")
            .map(|folder| Path::new(&folder).join("cloudflare-api-token"))
            .filter(|path| path.exists());
        credential.map(|path| from_file(&path)).transpose()
    }
}

impl Edge {
    /// The account as the API's scope.
    pub(crate) fn scope(&self) -> Scope {
        Scope::Account(self.account.clone())
    }

    /// Waits for a conversation with Cloudflare.
    pub(crate) fn run<F: Future>(&self, conversation: F) -> F::Output {
        self.runtime.block_on(conversation)
    }
}

/// Whether the API is on this machine: an emulator, never an account that anybody needs.
pub(crate) fn is_emulator() -> bool {
    let base: Option<http::Uri> = base().parse().ok();
    let host = base.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse()
        .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn base() -> String {
    let base = BASE_VARIABLES.iter().find_map(|name| env::var(name).ok());
    base.unwrap_or_else(|| BASE.to_owned())
}

fn connect(account: String, token: ApiToken) -> Result<Edge, CommandError> {
    let options = ClientOptions {
        base: base(),
        token,
        timeout: TIMEOUT,
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        CommandError::new(Kind::Failure, format!("cannot start the runtime: {error}"))
    })?;
    let place = options.base.clone();
    let client = Client::new(options).map_err(|error| {
        CommandError::usage(format!(
            "{place:?} is no address of the API: {}",
            error.kind
        ))
    })?;
    Ok(Edge {
        client,
        account,
        runtime,
    })
}

fn from_file(path: &Path) -> Result<ApiToken, CommandError> {
    let place = path.display().to_string();
    let mut octets = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(MAX_TOKEN_FILE).read_to_end(&mut octets));
    read.map_err(|error| {
        let missing = error.kind() == ErrorKind::NotFound;
        let kind = if missing {
            Kind::NotFound
        } else {
            Kind::Failure
        };
        CommandError::new(kind, format!("cannot read {place}: {error}"))
    })?;
    let text = std::str::from_utf8(&octets)
        .map_err(|_| CommandError::usage(format!("{place} is not text")))?;
    checked(text, &place)
}

/// What goes into a header must be one word: a whole `.env` file pasted in is found here.
fn checked(text: &str, place: &str) -> Result<ApiToken, CommandError> {
    let token = text.trim();
    let is_word = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
    if !is_word {
        return Err(CommandError::usage(format!(
            "{place} holds no API token: it is one word of printable ASCII"
        )));
    }
    Ok(ApiToken::from(token.to_owned()))
}

fn prompt() -> Result<ApiToken, CommandError> {
    if !stdin().is_terminal() {
        return Err(CommandError::usage(
            "an API token of Cloudflare is needed, and there is no terminal to ask on",
        )
        .hint("set CLOUDFLARE_API_TOKEN, or give --api-token-file"));
    }
    let typed = rpassword::prompt_password("API token of Cloudflare: ").map_err(|error| {
        CommandError::new(Kind::Failure, format!("cannot read the token: {error}"))
    })?;
    checked(&Zeroizing::new(typed), "what was typed")
}

impl From<ApiError> for CommandError {
    fn from(error: ApiError) -> Self {
        let kind = match &error.kind {
            ApiErrorKind::NoAnswer(_)
            | ApiErrorKind::Unreachable(_)
            | ApiErrorKind::LimitReached { .. }
            | ApiErrorKind::ServerFailed { .. } => Kind::Unreachable,
            ApiErrorKind::Unauthenticated(_)
            | ApiErrorKind::Forbidden(_)
            | ApiErrorKind::NotEnabled(_) => Kind::Denied,
            ApiErrorKind::NotFound => Kind::NotFound,
            ApiErrorKind::SettingsBusy
            | ApiErrorKind::ActiveAssociations
            | ApiErrorKind::TokenInUse
            | ApiErrorKind::Conflict(_) => Kind::Conflict,
            ApiErrorKind::Refused { .. } | ApiErrorKind::Unreadable(_) => Kind::Failure,
        };
        let denied = kind == Kind::Denied;
        let told = Self::new(kind, format!("Cloudflare: {error}"));
        if denied {
            return told.hint("`postern cloudflare doctor` says which permissions are missing");
        }
        told
    }
}

const BASE: &str = "https://api.cloudflare.com/client/v4";
/// The first is ours; the second is what Cloudflare's own SDKs read.
const BASE_VARIABLES: [&str; 2] = ["CLOUDFLARE_API_BASE", "CLOUDFLARE_BASE_URL"];
/// Octets; a token has some fifty.
const MAX_TOKEN_FILE: u64 = 64 * 1024;
const TOKEN_VARIABLE: &str = "CLOUDFLARE_API_TOKEN";
/// On one call.
const TIMEOUT: Duration = Duration::from_secs(15);

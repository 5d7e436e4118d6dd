//! The playground's files: made whole under another name, then renamed into place.

use std::fs;
use std::path::{Path, PathBuf};

use postern_ca::files::{self, Access, FileError};
use postern_ca::{Actor, CertificateAuthority, Home, IssuerRole, Profiles, Selection};
use postern_policy::TokenName;
use postern_policy::config::{TokenClass, TokenOrigin};

use crate::commands::ca::{Protection, inaugurate};
use crate::commands::cert::{NewCertificate, issue};
use crate::commands::token::{Life, Terms, create_at_gateway};
use crate::delivery::{Destination, SecretFormat};
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;

pub(super) const CLIENT: &str = "dev-client";
const TOKEN: &str = "dev-token";

/// A folder with a CA, a client, a token and a configuration.
pub(super) struct Playground(PathBuf);

impl Playground {
    /// The playground in `dir`; made where there is none.
    pub(super) fn open_or_make(dir: &Path, port: u16, upstream: u16) -> Result<Self, CommandError> {
        let playground = Self(dir.to_path_buf());
        if playground.config().exists() {
            playground.refuse_other_ports(port, upstream)?;
        } else if dir.exists() {
            return Err(CommandError::new(
                Kind::Conflict,
                format!(
                    "{} exists and is no playground of quickstart's",
                    dir.display()
                ),
            )
            .hint("choose another folder with --dir, or remove it"));
        } else {
            Self::make(dir, port, upstream)?;
            tell(&format!("Made a throw-away PKI in {}.", dir.display()));
        }
        playground.renew_client()?;
        playground.renew_crls()?;
        Ok(playground)
    }

    fn make(dir: &Path, port: u16, upstream: u16) -> Result<(), CommandError> {
        let name = dir
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("postern-dev");
        let partial = Self(dir.with_file_name(format!(".{name}.{}.partial", std::process::id())));
        let made = partial.fill(port, upstream).and_then(|()| {
            fs::rename(&partial.0, dir).map_err(|error| {
                CommandError::new(
                    Kind::Failure,
                    format!("cannot make {}: {error}", dir.display()),
                )
            })
        });
        made.inspect_err(|_| drop(fs::remove_dir_all(&partial.0)))
    }

    fn fill(&self, port: u16, upstream: u16) -> Result<(), CommandError> {
        inaugurate(
            "Quickstart",
            &self.path("root"),
            &self.path("home"),
            &Protection::Nothing,
        )?;
        let authority = self.authority()?;
        let now = time::now();
        let server = NewCertificate {
            name: "localhost",
            profile: "server",
            owner: None,
            san: &[String::from("localhost"), String::from("127.0.0.1")],
            out: &self.0,
        };
        issue(&authority.unlock(None, now)?, &server, now)?;
        let token = Terms {
            name: TokenName::parse(TOKEN).map_err(CommandError::usage)?,
            class: TokenClass::Ci,
            owner: Some(String::from("quickstart")),
            at: TokenOrigin::Gateway,
            life: Life::Limited(TokenClass::Ci.lifetime()),
            reason: None,
            device: None,
        };
        let place = Destination::new_file(self.path("dev-token.headers"), SecretFormat::Headers);
        create_at_gateway(authority.unlock(None, now)?, &token, &place, now)?;
        let config = CONFIG
            .replace("{port}", &port.to_string())
            .replace("{upstream}", &upstream.to_string());
        files::write_new(&self.config(), config.as_bytes(), Access::Everybody)?;
        Ok(())
    }

    /// A client that was revoked last time gets a new certificate.
    fn renew_client(&self) -> Result<(), CommandError> {
        let authority = self.authority()?;
        let now = time::now();
        let selection = Selection {
            common_name: Some(String::from(CLIENT)),
            ..Selection::default()
        };
        let known = authority.store().certificates(&selection)?;
        let files = [self.path("dev-client.key"), self.path("dev-client.crt")];
        if known.iter().any(|record| record.is_live(now)) && files.iter().all(|file| file.exists())
        {
            return Ok(());
        }
        for file in files.iter().filter(|file| file.exists()) {
            fs::remove_file(file).map_err(|source| FileError::Io {
                what: "remove",
                path: file.clone(),
                source,
            })?;
        }
        let client = NewCertificate {
            name: CLIENT,
            profile: "service",
            owner: Some("quickstart"),
            san: &[],
            out: &self.0,
        };
        issue(&authority.unlock(None, now)?, &client, now)?;
        Ok(())
    }

    /// CRLs live 7 days, and somebody may look again after a holiday.
    fn renew_crls(&self) -> Result<(), CommandError> {
        let authority = self.authority()?;
        let now = time::now();
        let issuer = authority.issuer(IssuerRole::Client)?;
        let crl = authority.store().crl(&issuer)?;
        let is_old = crl.is_none_or(|crl| now > crl.this_update + DAY);
        if is_old {
            authority.unlock(None, now)?.publish_crls(now)?;
        }
        Ok(())
    }

    /// The ports stand in the configuration: it is what the gateway is started from.
    fn refuse_other_ports(&self, port: u16, upstream: u16) -> Result<(), CommandError> {
        let config = self.config();
        let text = String::from_utf8_lossy(&files::read(&config)?).into_owned();
        let defaults = (port, upstream) == (8443, 8480);
        let there = text.contains(&format!("127.0.0.1:{port}\""))
            && text.contains(&format!("127.0.0.1:{upstream}\""));
        if defaults || there {
            return Ok(());
        }
        Err(CommandError::new(
            Kind::Conflict,
            format!(
                "{} was made with other ports, and the gateway is started from it",
                config.display()
            ),
        )
        .hint("edit it, or make another playground with --dir"))
    }

    pub(super) fn authority(&self) -> Result<CertificateAuthority, CommandError> {
        let home = Home::at(self.path("home"));
        Ok(CertificateAuthority::open(
            home,
            Profiles::built_in(),
            Actor::current(),
        )?)
    }

    /// The port that the configuration's upstream has.
    pub(super) fn upstream_port(&self) -> Result<u16, CommandError> {
        let config = crate::config::Config::load(&self.config())?;
        let port = config
            .applications
            .iter()
            .next()
            .and_then(|application| application.upstream().servers().first())
            .map(postern_policy::Upstream::port);
        port.ok_or_else(|| {
            CommandError::new(Kind::NotFound, "the configuration has no application")
        })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path("postern.toml")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

const DAY: u64 = 86_400;

const CONFIG: &str = r#"# Made by `postern quickstart`. Relative paths count from this file's folder.

[gateway]
listen      = "127.0.0.1:{port}"
certificate = "localhost.crt"        # the server certificate, then its intermediate
key         = "localhost.key"
state       = "gateway-state"        # what was seen of the CA, so that it never goes back
events      = "events.jsonl"         # one line per request; or "stdout"
trust       = ["root/root.crt"]      # client certificates must lead here
follow      = ["home/public"]        # what the CA publishes: revocations, tokens
when_stale  = "refuse"               # past the CRL's nextUpdate; the other choice is "admit"

[[application]]
name     = "echo"
hosts    = ["localhost", "127.0.0.1"]
paths    = ["/"]
upstream = "http://127.0.0.1:{upstream}"

# Cloudflare Access calls a machine policy `non_identity`; `include` means any one of these rules.
[[application.policy]]
name     = "dev-clients"
decision = "non_identity"
include  = [{ common_name_pattern = '^dev-[a-z0-9-]+$' }]
edge     = "certificate+gateway"     # what Cloudflare is to enforce, which knows no patterns

[[application.policy]]
name     = "dev-token"
decision = "non_identity"
include  = [{ service_token = "dev-token" }]

[[token]]
name  = "dev-token"
class = "ci"                         # 90 days
owner = "quickstart"
at    = "gateway"
"#;

//! One folder with a CA, a server certificate, clients, a configuration and an upstream.

use std::fs;
use std::path::{Path, PathBuf};

use postern_fixtures::Issued;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Output, Postern, Upstream};

/// A host that needs a certificate of a factory device.
pub const DEVICES: &str = "devices.example.com";
/// A host that needs any valid certificate: of the same scope as [`DEVICES`].
pub const LOGS: &str = "logs.example.com";
/// A host that takes a device's certificate or the token `ci-deploy-prod`.
pub const MIXED: &str = "mixed.example.com";
/// A host that needs a device's certificate and the token `ci-deploy-prod`.
pub const BOTH: &str = "both.example.com";
/// A host that takes a device's certificate or an address nobody has, and names no token.
pub const PLAIN: &str = "plain.example.com";
/// A client that [`DEVICES`] lets in.
pub const DEVICE: &str = "device-1.factory.corp";

/// A CA made by `ca init`, a server certificate made by `cert issue`, `postern.toml`, an upstream.
pub struct Site {
    /// Runs `postern` in the folder.
    pub postern: Postern,
    /// What the gateway forwards to.
    pub upstream: Upstream,
}

/// A certificate with its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Leaf, then intermediates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Site {
    /// A site with the configuration of [`config`].
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with more lines in `[gateway]`; tables may follow them.
    ///
    /// # Panics
    /// Where the server certificate cannot be issued.
    pub fn with(extra: &str) -> Self {
        let postern = Postern::with_ca();
        let upstream = Upstream::start();
        let mut args = vec![
            "cert",
            "issue",
            "gateway.example.com",
            "--profile",
            "server",
        ];
        for san in [DEVICES, LOGS, MIXED, BOTH, PLAIN, "localhost", "127.0.0.1"] {
            args.extend(["--san", san]);
        }
        args.extend(["--out", "."]);
        drop(postern.run(&args).expect_code(0));
        let site = Self { postern, upstream };
        site.write_config(&config(&site.upstream.authority(), extra));
        site
    }

    /// Writes `postern.toml`.
    ///
    /// # Panics
    /// Where the disk is full.
    pub fn write_config(&self, text: &str) {
        fs::write(self.path("postern.toml"), text).expect("the configuration is written");
    }

    /// Changes `postern.toml`.
    ///
    /// # Panics
    /// Where the change changes nothing.
    pub fn edit_config(&self, from: &str, to: &str) {
        let old = fs::read_to_string(self.path("postern.toml")).expect("there is a configuration");
        assert!(old.contains(from), "{from:?} is not in {old}");
        self.write_config(&old.replace(from, to));
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.postern.path(name)
    }

    /// Runs a line of shell in the folder to its end.
    pub fn shell(&self, script: &str) -> Output {
        self.postern.tool("sh", &["-c", script])
    }

    /// A client certificate of the default profile, made by `cert issue`.
    pub fn client(&self, name: &str) -> Identity {
        self.issue(name, "service", "clients")
    }

    /// A certificate made by `cert issue` into a folder of its own choice.
    pub fn issue(&self, name: &str, profile: &str, folder: &str) -> Identity {
        let args = ["cert", "issue", name, "--profile", profile, "--out", folder];
        drop(self.postern.run(&args).expect_code(0));
        let folder = self.path(folder);
        Identity {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        }
    }

    /// Revokes every certificate of this name.
    pub fn revoke(&self, name: &str) {
        drop(
            self.postern
                .run(&["cert", "revoke", name, "--reason", "key-compromise"])
                .expect_code(0),
        );
    }

    /// Makes the token; its id and secret.
    ///
    /// # Panics
    /// Where that fails.
    pub fn token(&self, name: &str) -> (String, String) {
        let out = format!("{name}.pair");
        drop(
            self.postern
                .run(&["token", "create", name, "--out", &out])
                .expect_code(0),
        );
        let pair = fs::read_to_string(self.path(&out)).expect("the token is written");
        let (id, secret) = pair.trim().split_once(':').expect("id:secret");
        (id.to_owned(), secret.to_owned())
    }

    /// Writes a fixture's certificate and key where programs can read them.
    ///
    /// # Panics
    /// Where the disk is full.
    pub fn keep(&self, issued: &Issued, name: &str) -> Identity {
        let identity = Identity {
            certificate: self.path(&format!("{name}.fixture.crt")),
            key: self.path(&format!("{name}.fixture.key")),
        };
        fs::write(&identity.certificate, issued.chain_pem()).expect("the certificate is written");
        fs::write(&identity.key, issued.key_pem()).expect("the key is written");
        identity
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// The certificate and its intermediates.
    ///
    /// # Panics
    /// Where the file is none.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.certificate)
    }

    /// The private key.
    ///
    /// # Panics
    /// Where the file is none.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).expect("a private key")
    }
}

/// The certificates in a PEM file.
///
/// # Panics
/// Where it holds something else.
pub fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_file_iter(path).expect("a PEM file");
    found.map(|one| one.expect("a certificate")).collect()
}

/// The configuration: five applications in front of one upstream, on a free port of loopback.
pub fn config(upstream: &str, extra: &str) -> String {
    let pattern = r"'^device-[a-z0-9-]+\.factory\.corp$'";
    let application = |name: &str, host: &str, rules: &str| {
        format!(
            "\n[[application]]\nname = \"{name}\"\nhosts = [\"{host}\"]\n\
             upstream = \"http://{upstream}\"\n\
             [[application.policy]]\nname = \"{name}-in\"\ndecision = \"non_identity\"\n{rules}\n"
        )
    };
    let device = format!("include = [{{ common_name_pattern = {pattern} }}]");
    let token = "\n[[application.policy]]\nname = \"ci\"\ndecision = \"non_identity\"\n\
                 include = [{ service_token = \"ci-deploy-prod\" }]";
    let stolen = "\nexclude = [{ common_name = \"device-stolen.factory.corp\" }]";
    let address =
        format!("include = [{{ common_name_pattern = {pattern} }}, {{ ip = \"192.0.2.0/24\" }}]");
    let applications = [
        application("devices", DEVICES, &format!("{device}{stolen}")),
        application("logs", LOGS, "include = [{ certificate = {} }]"),
        application("mixed", MIXED, &format!("{device}{token}")),
        application(
            "both",
            BOTH,
            &format!("{device}\nrequire = [{{ service_token = \"ci-deploy-prod\" }}]"),
        ),
        application("plain", PLAIN, &address),
    ];
    format!("{GATEWAY}{extra}\n{}", applications.concat())
}

/// `[gateway]` of a site, on a free port of loopback; more of its lines may follow.
pub const GATEWAY: &str = r#"
[gateway]
listen      = "127.0.0.1:0"
certificate = "gateway.example.com.crt"
key         = "gateway.example.com.key"
state       = "gateway-state"
events      = "events.jsonl"
trust       = ["root/root.crt"]
follow      = ["postern-home/public"]
when_stale  = "refuse"
"#;

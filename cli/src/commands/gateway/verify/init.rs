//! `postern gateway verify --init-pki DIR`: a PKI that is thrown away, and how a proxy uses it.

use std::os::unix::fs::symlink;
use std::path::Path;

use postern_ca::files::{self, Access};
use postern_ca::{Actor, CertificateAuthority, Home, Profiles};

use crate::commands::ca::{Protection, inaugurate};
use crate::commands::cert::{NewCertificate, issue};
use crate::commands::gateway::failure;
use crate::commands::{DONE, Outcome};
use crate::error::CommandError;
use crate::output::{print, tell};
use crate::time;
use crate::verify::{Lists, SuitePki, clock_number};

pub(super) fn run(folder: &Path, names: &[String]) -> Outcome {
    let home = folder.join(HOME);
    inaugurate("Postern verify", folder, &home, &Protection::Nothing)?;
    for file in ["intermediate.crt", "intermediate.key"] {
        symlink(Path::new(HOME).join(file), folder.join(file)).map_err(failure)?;
    }
    write_server(folder, &home, names)?;
    let pki = SuitePki::load(folder, "postern-verify")?;
    let crls = Lists::default().to_pem(&pki, clock_number());
    files::write_new(&folder.join("crl.pem"), crls.as_bytes(), Access::Everybody)?;
    print(&snippets(&std::path::absolute(folder).map_err(failure)?))?;
    tell("\nIts keys are not encrypted. It is for tests: remove the folder when you are done.");
    DONE
}

/// The proxy's own certificate, for whoever has none to test with.
fn write_server(folder: &Path, home: &Path, names: &[String]) -> Result<(), CommandError> {
    let authority =
        CertificateAuthority::open(Home::at(home), Profiles::built_in(), Actor::current())?;
    let now = time::now();
    let local = ["localhost", "127.0.0.1"].map(String::from);
    let server = NewCertificate {
        name: "server",
        profile: "server",
        owner: None,
        san: &[&local[..], names].concat(),
        out: folder,
    };
    issue(&authority.unlock(None, now)?, &server, now)?;
    Ok(())
}

fn snippets(folder: &Path) -> String {
    SNIPPETS.replace("{dir}", &folder.display().to_string())
}

const HOME: &str = "home";

const SNIPPETS: &str = r#"# nginx: in `server`; --reload 'nginx -s reload'
listen 127.0.0.1:8443 ssl http2;
ssl_protocols          TLSv1.2 TLSv1.3;
ssl_certificate        {dir}/server.crt;
ssl_certificate_key    {dir}/server.key;
ssl_client_certificate {dir}/root.crt;
ssl_crl                {dir}/crl.pem;
ssl_verify_client      on;
ssl_verify_depth       2;

# HAProxy: in `global` and in a `frontend`; --reload 'systemctl reload haproxy'
ssl-load-extra-del-ext
bind 127.0.0.1:8443 ssl crt {dir}/server.crt ca-file {dir}/root.crt crl-file {dir}/crl.pem verify required alpn h2,http/1.1

# postern.toml; --reload true: the file is looked at 20 times a second
[gateway]
listen      = "127.0.0.1:8443"
certificate = "{dir}/server.crt"
key         = "{dir}/server.key"
state       = "{dir}/gateway-state"
trust       = ["{dir}/root.crt"]
follow      = ["{dir}/home/public"]
crl         = ["{dir}/crl.pem"]
when_stale  = "refuse"

[[application]]
name     = "verified"
hosts    = ["localhost"]
upstream = "http://127.0.0.1:8080"
[[application.policy]]
name     = "suite"
decision = "non_identity"
include  = [{ common_name = "postern-verify" }]
"#;

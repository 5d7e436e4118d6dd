//! HAProxy: one process, one thread.

use std::fs;
use std::process::Command;

use super::{COMMON_NAME_PATTERN, Plan};
use crate::error::{BenchError, Doing as _};

pub(super) fn command(plan: &Plan<'_>) -> Result<Command, BenchError> {
    let config = TEMPLATE
        .replace("LISTEN", &plan.listen.to_string())
        .replace("UPSTREAM", &plan.site.upstream.address.to_string())
        .replace(
            "CRL",
            &plan.crl.with_extension("peers.pem").display().to_string(),
        )
        .replace("SITE", &plan.site.path("").display().to_string())
        .replace("PATTERN", COMMON_NAME_PATTERN);
    fs::write(plan.folder.join("haproxy.cfg"), config).doing("write a configuration")?;
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f", "haproxy.cfg"]);
    Ok(command)
}

const TEMPLATE: &str = r"
global
    nbthread 1
    maxconn 8000
    log stdout format raw daemon

defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 600s
    timeout server 60s
    timeout http-keep-alive 600s
    http-reuse always

frontend bench
    bind LISTEN ssl crt SITE/server.pem ca-file SITE/trust.pem crl-file CRL verify required alpn h2,http/1.1 ssl-min-ver TLSv1.3 curves X25519
    http-request deny unless { ssl_c_s_dn(cn) -m reg PATTERN }
    http-request set-header X-Client-CN %[ssl_c_s_dn(cn)]
    default_backend upstream

backend upstream
    server bench UPSTREAM
";

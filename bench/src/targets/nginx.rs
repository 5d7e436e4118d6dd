//! nginx: a master and one worker.

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
        .replace("PATTERN", &format!("^CN=(?<name>{})$", inner_pattern()));
    fs::write(plan.folder.join("nginx.conf"), config).doing("write a configuration")?;
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(plan.folder)
        .args(["-c", "nginx.conf", "-e", "error.log"]);
    Ok(command)
}

/// `$ssl_client_s_dn` is the whole subject, here the common name alone.
fn inner_pattern() -> &'static str {
    COMMON_NAME_PATTERN
        .trim_start_matches('^')
        .trim_end_matches('$')
}

// Buffers that hold an answer of 64 KB, so that none goes through a file.
const TEMPLATE: &str = r#"
daemon off;
pid nginx.pid;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http {
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 600;
    keepalive_requests 100000000;
    proxy_buffers 8 16k;
    map $ssl_client_s_dn $device {
        default "";
        "~PATTERN" $name;
    }
    upstream bench {
        server UPSTREAM;
        keepalive 64;
        keepalive_requests 100000000;
    }
    server {
        listen LISTEN ssl http2 backlog=4096;
        ssl_certificate SITE/server.crt;
        ssl_certificate_key SITE/server.key;
        ssl_protocols TLSv1.3;
        ssl_ecdh_curve X25519;
        ssl_client_certificate SITE/trust.pem;
        ssl_verify_client on;
        ssl_verify_depth 2;
        ssl_crl CRL;
        if ($device = "") { return 403; }
        location / {
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Client-CN $device;
        }
    }
}
"#;

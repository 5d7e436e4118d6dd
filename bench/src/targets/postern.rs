//! Postern, following the CA and reading the CRL beside it; events go to a file.

use std::fs;
use std::process::Command;

use super::{COMMON_NAME_PATTERN, Plan};
use crate::client::BENCH_HOST;
use crate::error::{BenchError, Doing as _};

pub(super) fn command(plan: &Plan<'_>) -> Result<Command, BenchError> {
    let Plan { site, folder, .. } = plan;
    let file = folder.join("postern.toml");
    let config = format!(
        r#"[gateway]
listen      = "{listen}"
certificate = "../server.crt"
key         = "../server.key"
state       = "state"
events      = "events.jsonl"
trust       = ["../root/root.crt"]
follow      = ["../postern-home/public"]
crl         = ["{crl}"]
when_stale  = "refuse"
drain       = "1s"

[gateway.limits]
idle_timeout = "10m"
max_connections_per_address = 10000

[[application]]
name     = "bench"
hosts    = ["{BENCH_HOST}"]
upstream = "http://{upstream}"
[[application.policy]]
name     = "devices"
decision = "non_identity"
include  = [{{ common_name_pattern = '{COMMON_NAME_PATTERN}' }}]
"#,
        listen = plan.listen,
        crl = plan.crl.display(),
        upstream = site.upstream.address,
    );
    fs::write(&file, config).doing("write a configuration")?;
    let mut command = Command::new(&site.postern);
    command.args(["gateway", "run", "--config"]).arg(file);
    Ok(command)
}

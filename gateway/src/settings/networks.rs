//! Lists of networks whose members are trusted with something.

use std::net::IpAddr;

use postern_policy::IpNet;
use postern_policy::config::ConfigError;
use toml::Spanned;

use super::error;
use crate::config::GatewayConfig;
use crate::networks::Networks;

/// Checks `proxy_protocol`.
pub(super) fn proxy_protocol(config: &GatewayConfig) -> Result<Networks, Vec<ConfigError>> {
    networks(&config.proxy_protocol, "a load balancer", BALANCER_HINT)
}

/// Checks `forwarded_for`.
pub(super) fn forwarded_for(config: &GatewayConfig) -> Result<Networks, Vec<ConfigError>> {
    match (config.forwarded_for.first(), &config.behind_cloudflare) {
        (Some(first), Some(_)) => Err(error(
            first,
            "behind Cloudflare the client's address is in `Cf-Connecting-IP`".to_owned(),
            "remove `forwarded_for`",
        )),
        _ => networks(&config.forwarded_for, "a proxy", PROXY_HINT),
    }
}

/// Checks a list of networks; nothing in it may stand for everybody, which is not `whom`.
pub(super) fn networks(
    list: &[Spanned<String>],
    whom: &str,
    hint: &str,
) -> Result<Networks, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut checked: Vec<IpNet> = Vec::new();
    for network in list {
        let text = network.get_ref();
        let parsed = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match parsed {
            Ok(parsed) if parsed.prefix_len() > 0 => checked.push(parsed),
            Ok(_) => {
                let message = format!("{text:?} is everybody, and not {whom}");
                errors.extend(error(network, message, hint));
            }
            Err(_) => {
                let message = format!("{text:?} is not an address or network");
                errors.extend(error(network, message, hint));
            }
        }
    }
    if errors.is_empty() {
        Ok(checked.into())
    } else {
        Err(errors)
    }
}

const BALANCER_HINT: &str =
    "give the addresses that your load balancers connect from: proxy_protocol = [\"10.0.0.0/24\"]";
const PROXY_HINT: &str =
    "give the addresses that your proxies connect from: forwarded_for = [\"10.0.0.0/24\"]";

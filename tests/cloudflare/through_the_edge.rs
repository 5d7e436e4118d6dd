//! One policy, two enforcers: curl, the emulated edge as `cloudflare apply` made it, the gateway
//! behind it, and an upstream; everything from one `postern.toml`.

mod devices;
mod forgeries;
mod front;
mod revoking;
mod tokens;
mod ways;

use front::{Front, Way, stopped_at_the_edge};

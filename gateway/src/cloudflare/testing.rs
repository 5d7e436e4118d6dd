//! What the tests of this folder claim.

use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://example.cloudflareaccess.com";
pub(crate) const AUDIENCE: &str =
    "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
pub(crate) const NOW: u64 = 1_800_000_000;

/// The claims of a certificate login at [`NOW`].
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": [AUDIENCE], "exp": NOW + 60, "iat": NOW - 1,
        "type": "app", "sub": "", "common_name": "device-1.factory.corp",
    })
}

//! The names of fields that say who somebody is.

/// Whether a field name is one of ours, in any spelling (`Client_Cert`, `CF_ACCESS_CLIENT_ID`).
pub(super) fn is_identity(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    IDENTITY_NAMES.contains(&name.as_str())
        || IDENTITY_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

const IDENTITY_PREFIXES: [&str; 27] = [
    "cf-access-",
    "cf-client-cert",
    "cf-connecting-",
    "client-cert",
    "fastly-client-",
    "remote-",
    "ssl-cert",
    "ssl-client-",
    "tailscale-",
    "x-amzn-mtls-",
    "x-auth-request-",
    "x-authenticated-",
    "x-cert-",
    "x-client-",
    "x-consumer-",
    "x-credential-",
    "x-forwarded",
    "x-goog-authenticated-",
    "x-ms-client-principal",
    "x-mtls-",
    "x-pomerium-",
    "x-postern-",
    "x-remote-",
    "x-spiffe-",
    "x-ssl-",
    "x-tls-",
    "x-webauth-",
];

const IDENTITY_NAMES: [&str; 20] = [
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "client-ip",
    "forwarded",
    "l5d-client-id",
    "proxy",
    "true-client-ip",
    "x-arr-clientcert",
    "x-cluster-client-ip",
    "x-email",
    "x-envoy-external-address",
    "x-host",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-user",
    "x-user-id",
];

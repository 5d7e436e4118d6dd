//! Where a request wants to go: exactly one host, said once or twice in the same words.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method};
use postern_policy::{HostName, HostNameError};

/// The host that applications are looked up by, and the authority that the upstream is told: the
/// same host and the port if the client wrote one, never the client's spelling.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: HostName,
    pub(crate) authority: String,
}

/// Why nobody can say where a request wants to go.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the request has neither `Host` nor `:authority`")]
    HostMissing,
    #[error("the request has more than one `Host`")]
    HostTwice,
    #[error("`Host` is not printable ASCII")]
    HostUnreadable,
    #[error("{0}")]
    HostInvalid(#[from] HostNameError),
    #[error("`Host` is {header}, the request line or `:authority` says {authority}")]
    HostsDiffer {
        header: HostName,
        authority: HostName,
    },
    #[error("CONNECT is not served")]
    Connect,
    #[error("the request target is not a path")]
    NotAPath,
}

impl Target {
    /// Reads the target from an HTTP/1.1 or HTTP/2 request head, absolute form included.
    pub(crate) fn of(parts: &Parts) -> Result<Self, TargetError> {
        if parts.method == Method::CONNECT {
            return Err(TargetError::Connect);
        }
        if !parts.uri.path().starts_with('/') {
            return Err(TargetError::NotAPath);
        }
        let header = host_header(&parts.headers)?;
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        match (authority, header) {
            (None, None) => Err(TargetError::HostMissing),
            (Some(one), None) | (None, Some(one)) => Self::parse(one),
            (Some(authority), Some(header)) => {
                agreed(Self::parse(authority)?, Self::parse(header)?)
            }
        }
    }

    fn parse(authority: &str) -> Result<Self, TargetError> {
        let (host, port) = HostName::parse_with_port(authority)?;
        let authority = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Self { host, authority })
    }
}

fn agreed(authority: Target, header: Target) -> Result<Target, TargetError> {
    if authority.host == header.host {
        return Ok(authority);
    }
    Err(TargetError::HostsDiffer {
        header: header.host,
        authority: authority.host,
    })
}

fn host_header(headers: &HeaderMap) -> Result<Option<&str>, TargetError> {
    let mut values = headers.get_all(HOST).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(TargetError::HostTwice);
    }
    first
        .to_str()
        .map(Some)
        .map_err(|_| TargetError::HostUnreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn target(uri: &str, hosts: &[&str]) -> Result<String, TargetError> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Target::of(&parts).map(|target| target.host.to_string())
    }

    #[test]
    fn one_host_function_serves_every_form() {
        let name = Ok("app.example.com".to_owned());
        assert_eq!(target("/", &["App.Example.COM"]), name);
        assert_eq!(target("/", &["app.example.com.:8443"]), name);
        assert_eq!(target("https://app.example.com/x", &[]), name);
        assert_eq!(
            target("https://APP.example.com:8443/x", &["app.example.com"]),
            name
        );
    }

    #[test]
    fn the_upstream_is_told_one_spelling() {
        let authority = |host| Target::parse(host).unwrap().authority;
        assert_eq!(authority("App.Example.COM."), "app.example.com");
        assert_eq!(authority("app.example.com.:08443"), "app.example.com:8443");
        assert_eq!(authority("[2001:DB8:0::1]:443"), "[2001:db8::1]:443");
    }

    #[test]
    fn whatever_is_ambiguous_is_refused() {
        assert_eq!(target("/", &[]), Err(TargetError::HostMissing));
        assert_eq!(
            target("/", &["a.example", "a.example"]),
            Err(TargetError::HostTwice)
        );
        assert!(matches!(
            target("/", &["user@a.example"]),
            Err(TargetError::HostInvalid(_))
        ));
        assert!(matches!(
            target("/", &["a.example, b.example"]),
            Err(TargetError::HostInvalid(_))
        ));
        assert!(matches!(
            target("https://a.example/", &["b.example"]),
            Err(TargetError::HostsDiffer { .. })
        ));
        assert_eq!(target("*", &["a.example"]), Err(TargetError::NotAPath));
    }

    #[test]
    fn connect_is_refused() {
        let connect = Request::builder()
            .method("CONNECT")
            .uri("a.example:443")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        assert_eq!(Target::of(&connect), Err(TargetError::Connect));
    }
}

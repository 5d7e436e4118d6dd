//! Applications: hosts and paths with the policies that guard them.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    ApplicationName, ClientAuth, Credentials, Decision, ForwardedIdentity, HostName, PathPrefix,
    Policy, PolicyName, TokenHeader, UpstreamGroup, Verdict, decision,
};

/// What one upstream serves, and who may reach it.
#[derive(Clone, Debug)]
pub struct Application {
    name: ApplicationName,
    hosts: Vec<HostName>,
    paths: Vec<PathPrefix>,
    upstream: UpstreamGroup,
    policies: Vec<Arc<Policy>>,
    client_auth: Option<ClientAuth>,
    token_header: Option<TokenHeader>,
    identity: ForwardedIdentity,
    cloudflare: Option<CloudflareApplication>,
}

impl Application {
    /// Makes an application that serves every path of its hosts.
    pub fn new(
        name: ApplicationName,
        hosts: Vec<HostName>,
        upstream: UpstreamGroup,
        policies: Vec<Policy>,
    ) -> Result<Self, ApplicationError> {
        check(&name, &hosts, &policies)?;
        let policies = policies.into_iter().map(Arc::new).collect();
        Ok(Self {
            name,
            hosts,
            paths: vec![PathPrefix::root()],
            upstream,
            policies,
            client_auth: None,
            token_header: None,
            identity: ForwardedIdentity::default(),
            cloudflare: None,
        })
    }

    /// Limits the application to these paths; an empty list leaves it as it is.
    pub fn with_paths(self, paths: Vec<PathPrefix>) -> Self {
        if paths.is_empty() {
            self
        } else {
            Self { paths, ..self }
        }
    }

    /// Sets how the handshake of its hosts treats client certificates.
    pub fn with_client_auth(
        self,
        client_auth: Option<ClientAuth>,
    ) -> Result<Self, ApplicationError> {
        let mut admitting = self.policies.iter().filter(|it| it.decision().admits());
        match admitting.find(|policy| policy.needs_certificate()) {
            Some(policy) if client_auth == Some(ClientAuth::NotAsked) => {
                Err(ApplicationError::CertificateNotAsked {
                    application: self.name,
                    policy: policy.name().clone(),
                })
            }
            Some(_) | None => Ok(Self {
                client_auth,
                ..self
            }),
        }
    }

    /// Sets the header that may carry a whole service token.
    pub fn with_token_header(self, token_header: Option<TokenHeader>) -> Self {
        Self {
            token_header,
            ..self
        }
    }

    /// Sets how the upstream is told whom a request is from.
    pub fn with_identity(self, identity: ForwardedIdentity) -> Self {
        Self { identity, ..self }
    }

    /// Sets what Cloudflare is to know of the application.
    pub fn with_cloudflare(self, cloudflare: Option<CloudflareApplication>) -> Self {
        Self { cloudflare, ..self }
    }

    /// The application's name.
    pub fn name(&self) -> &ApplicationName {
        &self.name
    }

    /// The hosts it answers for.
    pub fn hosts(&self) -> &[HostName] {
        &self.hosts
    }

    /// The path prefixes it answers for.
    pub fn paths(&self) -> &[PathPrefix] {
        &self.paths
    }

    /// Where permitted requests go.
    pub fn upstream(&self) -> &UpstreamGroup {
        &self.upstream
    }

    /// The policies in file order.
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// How the handshake of its hosts treats client certificates, where that is written.
    pub fn client_auth(&self) -> Option<ClientAuth> {
        self.client_auth
    }

    /// The header that may carry a whole service token, at the gateway and at Cloudflare.
    pub fn token_header(&self) -> Option<&TokenHeader> {
        self.token_header.as_ref()
    }

    /// How the upstream is told whom a request is from.
    pub fn identity(&self) -> &ForwardedIdentity {
        &self.identity
    }

    /// What Cloudflare is to know of the application.
    pub fn cloudflare(&self) -> Option<&CloudflareApplication> {
        self.cloudflare.as_ref()
    }

    /// The policies in the order in which they are asked: those that admit, then those that deny.
    pub fn policies_as_decided(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let (admitting, others): (Vec<_>, Vec<_>) =
            self.policies.iter().partition(|p| p.decision().admits());
        admitting.into_iter().chain(others)
    }

    /// Whether a policy names a service token; where none does, token headers mean nothing.
    pub fn names_a_token(&self) -> bool {
        self.policies.iter().any(|policy| policy.names_a_token())
    }

    /// Whether nobody can be admitted without a certificate.
    pub fn needs_certificate(&self) -> bool {
        let mut admitting = self
            .policies
            .iter()
            .filter(|policy| policy.decision().admits())
            .peekable();
        admitting.peek().is_some() && admitting.all(|policy| policy.needs_certificate())
    }

    /// Decides whether a request with these credentials is admitted: the only way to a
    /// [`Permit`](crate::Permit).
    pub fn decide(&self, credentials: &Credentials<'_>) -> Verdict {
        decision::decide(&self.policies, credentials)
    }

    /// Decides about a person whom Cloudflare logged in for this application: everybody gets in
    /// whom no `deny` policy here names.
    pub fn decide_person(&self, credentials: &Credentials<'_>) -> Verdict {
        decision::decide_person(&self.policies, credentials)
    }
}

fn check(
    name: &ApplicationName,
    hosts: &[HostName],
    policies: &[Policy],
) -> Result<(), ApplicationError> {
    let application = || name.clone();
    if hosts.is_empty() {
        return Err(ApplicationError::NoHost {
            application: application(),
        });
    }
    if policies.is_empty() {
        return Err(ApplicationError::NoPolicy {
            application: application(),
        });
    }
    for (place, policy) in policies.iter().enumerate() {
        if policy.decision() == Decision::Allow {
            return Err(ApplicationError::AllowPolicy {
                application: application(),
                policy: policy.name().clone(),
            });
        }
        if policies
            .iter()
            .take(place)
            .any(|earlier| earlier.name() == policy.name())
        {
            return Err(ApplicationError::PolicyTwice {
                application: application(),
                policy: policy.name().clone(),
            });
        }
    }
    Ok(())
}

/// What Cloudflare is to know of an application: checked here, used by the push.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CloudflareApplication {
    /// The Access application, by domain or id.
    pub app: Option<String>,
    /// How long a session lasts.
    pub session_duration: Option<Duration>,
    /// Whether `cloudflared` logins skip the interstitial page.
    pub skip_interstitial: Option<bool>,
    /// Who else manages the application.
    pub managed_by: Option<String>,
    /// The audience tag in the JWTs that Access makes for it: 64 hex digits.
    pub aud: Option<String>,
}

/// Why something is not an application.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ApplicationError {
    /// It answers for no host.
    #[error("application `{application}` has no host: write `hosts = [\"…\"]`")]
    NoHost {
        /// The application's name.
        application: ApplicationName,
    },
    /// It has no policy.
    #[error("application `{application}` has no policy: nobody could ever get in")]
    NoPolicy {
        /// The application's name.
        application: ApplicationName,
    },
    /// Two policies have one name.
    #[error(
        "application `{application}` has two policies named `{policy}`: events could not tell them apart"
    )]
    PolicyTwice {
        /// The application's name.
        application: ApplicationName,
        /// The policies' name.
        policy: PolicyName,
    },
    /// A policy needs a certificate, and nobody is asked for one.
    #[error(
        "policy `{policy}` of `{application}` admits only with a certificate, and `client_auth` is \"none\": nobody is asked for one"
    )]
    CertificateNotAsked {
        /// The application's name.
        application: ApplicationName,
        /// The policy's name.
        policy: PolicyName,
    },
    /// A policy says `allow`.
    #[error(
        "policy `{policy}` of `{application}`: `allow` means a human login at Cloudflare; write `non_identity`"
    )]
    AllowPolicy {
        /// The application's name.
        application: ApplicationName,
        /// The policy's name.
        policy: PolicyName,
    },
}

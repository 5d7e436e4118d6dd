//! `identity` and `audience` of an `[[application]]`: what its upstream is told.

use toml::Spanned;

use super::{ConfigError, error::Collector};
use crate::{Audience, CloudflareApplication, ForwardedIdentity, IdentityForm};

/// Checks both; `None` for an error. Without an `audience`, the application's tag at Cloudflare is
/// it: that is what whoever verifies Cloudflare's assertions expects.
pub(super) fn forwarded_identity(
    forms: Option<&Spanned<Vec<IdentityForm>>>,
    audience: Option<&Spanned<Vec<String>>>,
    cloudflare: Option<&CloudflareApplication>,
    collector: &mut Collector,
) -> Option<ForwardedIdentity> {
    let default = ForwardedIdentity::default();
    let wanted = forms.map_or(default.forms(), |forms| forms.get_ref());
    let tag = cloudflare.and_then(|cloudflare| cloudflare.aud.clone());
    let values = match audience {
        Some(written) => Some(written.get_ref().clone()),
        None if wanted.iter().any(|form| form.is_assertion()) => tag.map(|tag| vec![tag]),
        None => None,
    };
    // Where neither is written, nothing can be wrong.
    let span = audience.map(Spanned::span).or(forms.map(Spanned::span));
    let error = |message: String| ConfigError {
        span: span.clone(),
        message,
        hint: Some(HINT.to_owned()),
    };
    let audience = values.map(Audience::new).transpose();
    let audience = collector.keep(audience.map_err(|why| error(why.to_string())))?;
    let checked = ForwardedIdentity::new(wanted.to_vec(), audience);
    collector.keep(checked.map_err(|why| error(why.to_string())))
}

const HINT: &str =
    "for example identity = [\"client-cert\", \"jwt\"] with audience = [\"what verifiers expect\"]";

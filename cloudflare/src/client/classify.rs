//! What a refusal means: by its text key first, then its number, then the status, because
//! Cloudflare reuses numbers and statuses.

use super::envelope::EnvelopeError;
use crate::error::ApiErrorKind;

pub(super) fn classify(status: u16, errors: &[EnvelopeError]) -> ApiErrorKind {
    let refusal = Refusal {
        status,
        message: message(errors),
    };
    errors
        .iter()
        .find_map(|error| refusal.by_key(&error.message.to_ascii_lowercase()))
        .or_else(|| errors.iter().find_map(|error| refusal.by_number(error)))
        .unwrap_or_else(|| refusal.by_status())
}

struct Refusal {
    status: u16,
    message: String,
}

impl Refusal {
    /// Keys and texts as Cloudflare's Terraform provider and its users' reports have them.
    fn by_key(&self, text: &str) -> Option<ApiErrorKind> {
        let says = |key: &str| text.contains(key);
        if says("previous certificate settings still being updated") {
            return Some(ApiErrorKind::SettingsBusy);
        }
        if says("active associations") || says("active_associations") {
            return Some(ApiErrorKind::ActiveAssociations);
        }
        if says("service_token_in_use") {
            return Some(ApiErrorKind::TokenInUse);
        }
        if says("api.error.not_found") {
            return Some(ApiErrorKind::NotFound);
        }
        if says("not_enabled") || says("not_entitled") {
            return Some(ApiErrorKind::NotEnabled(self.message.clone()));
        }
        if says("api.error.conflict") {
            return Some(ApiErrorKind::Conflict(self.message.clone()));
        }
        says("api.error.internal_server_error").then(|| self.server_failed())
    }

    fn by_number(&self, error: &EnvelopeError) -> Option<ApiErrorKind> {
        let about_a_token = error.message.to_ascii_lowercase().contains("token");
        match error.code {
            12132 => Some(ApiErrorKind::SettingsBusy),
            12139 => Some(ApiErrorKind::TokenInUse),
            10000 if self.status == 401 => Some(self.unauthenticated()),
            // Also under 405, and once under 400: the token is good, its permissions are not.
            10000 => Some(ApiErrorKind::Forbidden(self.message.clone())),
            1000 | 9109 if about_a_token => Some(self.unauthenticated()),
            9109 => Some(ApiErrorKind::Forbidden(self.message.clone())),
            // "No route": the path is wrong, or the account's id; nothing is said about objects.
            7000 | 7003 => Some(self.refused()),
            _ => None,
        }
    }

    fn by_status(&self) -> ApiErrorKind {
        match self.status {
            401 => self.unauthenticated(),
            403 => ApiErrorKind::Forbidden(self.message.clone()),
            404 => ApiErrorKind::NotFound,
            409 => ApiErrorKind::Conflict(self.message.clone()),
            500.. => self.server_failed(),
            _ => self.refused(),
        }
    }

    fn unauthenticated(&self) -> ApiErrorKind {
        ApiErrorKind::Unauthenticated(self.message.clone())
    }

    fn refused(&self) -> ApiErrorKind {
        ApiErrorKind::Refused {
            status: self.status,
            message: self.message.clone(),
        }
    }

    fn server_failed(&self) -> ApiErrorKind {
        ApiErrorKind::ServerFailed {
            status: self.status,
            message: self.message.clone(),
        }
    }
}

/// All that the envelope says, on one line, fit for a terminal.
pub(super) fn message(errors: &[EnvelopeError]) -> String {
    let told = errors.iter().map(|error| match error.code {
        0 => error.message.clone(),
        code => format!("{} ({code})", error.message),
    });
    let told = told.collect::<Vec<_>>().join("; ");
    if told.is_empty() {
        return "no reason given".to_owned();
    }
    let printable = told.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(LONGEST_MESSAGE).collect()
}

const LONGEST_MESSAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: u64, message: &str) -> String {
        let message = message.to_owned();
        let kind = classify(status, &[EnvelopeError { code, message }]);
        let name = format!("{kind:?}");
        let end = name.find(['(', ' ']).unwrap_or(name.len());
        name[..end].to_owned()
    }

    #[test]
    fn a_refusal_is_told_by_its_text_key_first() {
        let busy = "access.api.error.conflict: previous certificate settings still being updated";
        let detaching = "access.api.error.conflict: certificate has active associations";
        let older = "access.api.error.certificate_has_active_associations";
        let mtls = "access.api.error.mtls_not_enabled";
        let in_use = "access.api.error.service_token_in_use";
        let failed = "access.api.error.internal_server_error";
        for (status, code, message, expected) in [
            (409, 12132, busy, "SettingsBusy"),
            (400, 1, busy, "SettingsBusy"),
            (409, 0, detaching, "ActiveAssociations"),
            (400, 12132, older, "ActiveAssociations"),
            (400, 12139, in_use, "TokenInUse"),
            (404, 0, "access.api.error.not_found", "NotFound"),
            (404, 9999, "access.api.error.not_enabled", "NotEnabled"),
            (403, 10000, mtls, "NotEnabled"),
            (400, 0, "access.api.error.conflict", "Conflict"),
            (400, 0, failed, "ServerFailed"),
        ] {
            let told = kind(status, code, message);
            assert_eq!(told, expected, "{status} {code} {message}");
        }
    }

    #[test]
    fn a_refusal_without_a_key_is_told_by_its_number_then_its_status() {
        let foreign = "access.api.error.hostnames_must_belong_to_your_domain";
        for (status, code, message, expected) in [
            (400, 12132, "", "SettingsBusy"),
            (400, 12139, "", "TokenInUse"),
            (404, 7003, "No route for the URI", "Refused"),
            (401, 10000, "Authentication error", "Unauthenticated"),
            (403, 10000, "Authentication error", "Forbidden"),
            (405, 10000, "Authentication error", "Forbidden"),
            (400, 1000, "Invalid API Token", "Unauthenticated"),
            (400, 1000, "of another product", "Refused"),
            (403, 9109, "Invalid access token", "Unauthenticated"),
            (403, 9109, "Unauthorized to access it", "Forbidden"),
            (400, 12036, foreign, "Refused"),
            (401, 0, "", "Unauthenticated"),
            (403, 0, "", "Forbidden"),
            (404, 0, "", "NotFound"),
            (409, 0, "", "Conflict"),
            (302, 0, "", "Refused"),
            (503, 0, "", "ServerFailed"),
        ] {
            let told = kind(status, code, message);
            assert_eq!(told, expected, "{status} {code} {message}");
        }
    }

    #[test]
    fn a_message_is_one_short_line() {
        let message = format!("a\r\n\u{1b}[31mb{}", "c".repeat(10_000));
        let kind = classify(400, &[EnvelopeError { code: 5, message }]);
        let told = kind.to_string();
        assert!(told.contains("a   [31mb"), "{told}");
        assert!(!told.chars().any(char::is_control));
        assert!(told.len() < 600);
    }
}

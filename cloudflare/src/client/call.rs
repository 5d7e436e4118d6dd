//! One call: what is asked, and whether it may be asked twice.

use std::fmt::Write as _;

use reqwest::Method;
use serde::Serialize;

use super::Scope;
use crate::error::{ApiError, ApiErrorKind};

/// A request that is yet to be sent.
pub(super) struct Call {
    pub(super) method: Method,
    /// Below the API's base, with a slash in front.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) repeat: Repeat,
}

/// What may be done when it is not known whether a call took effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeat {
    /// Asking twice does what asking once does.
    Harmless,
    /// Asking twice may make two of it.
    Never,
}

impl Call {
    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path, Repeat::Harmless)
    }

    pub(super) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, Repeat::Harmless)
    }

    pub(super) fn put(path: String, body: &impl Serialize) -> Self {
        Self::new(Method::PUT, path, Repeat::Harmless).with_body(body)
    }

    pub(super) fn post(path: String) -> Self {
        Self::new(Method::POST, path, Repeat::Never)
    }

    pub(super) fn observed(method: Method, path: String, body: Option<&impl Serialize>) -> Self {
        let call = Self::new(method, path, Repeat::Never);
        match body {
            Some(body) => call.with_body(body),
            None => call,
        }
    }

    pub(super) fn with_body(mut self, body: &impl Serialize) -> Self {
        let octets = serde_json::to_vec(body);
        self.body = Some(octets.expect("our own documents have text as keys"));
        self
    }

    pub(super) fn with_query(mut self, key: &'static str, value: impl ToString) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    /// For a POST that only reads.
    pub(super) fn only_reads(mut self) -> Self {
        self.repeat = Repeat::Harmless;
        self
    }

    /// A path with an empty segment means the list where an object was meant.
    pub(super) fn names_an_object(&self) -> bool {
        !self.path.contains("//") && !self.path.ends_with('/')
    }

    pub(super) fn failed(&self, kind: ApiErrorKind) -> ApiError {
        ApiError {
            method: verb(&self.method),
            path: self.path.clone(),
            kind,
        }
    }

    fn new(method: Method, path: String, repeat: Repeat) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            body: None,
            repeat,
        }
    }
}

/// A path of Access below its owner: `/accounts/{id}/access/…`.
pub(super) fn access(scope: &Scope, rest: &[&str]) -> String {
    let [kind, owner] = scope.segments();
    path(&[&[kind, owner, "access"], rest].concat())
}

/// A path of segments, each encoded: an id never reaches into another path.
pub(super) fn path(segments: &[&str]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        match *segment {
            // Dots are not encoded by anyone, and mean a folder.
            "." | ".." => {}
            segment => encode(&mut path, segment),
        }
    }
    path
}

fn encode(path: &mut String, segment: &str) {
    for octet in segment.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(octet));
            }
            _ => write!(path, "%{octet:02X}").expect("a String takes all"),
        }
    }
}

fn verb(method: &Method) -> &'static str {
    match method.as_str() {
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "GET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_in_its_segment() {
        let zone = Scope::Zone("z/../a".to_owned());
        assert_eq!(
            access(&zone, &["apps", "9c?x=1#y"]),
            "/zones/z%2F..%2Fa/access/apps/9c%3Fx%3D1%23y"
        );
    }

    #[test]
    fn an_empty_id_names_no_object() {
        for id in ["", ".", ".."] {
            let account = Scope::Account("a".to_owned());
            assert!(!Call::delete(access(&account, &["apps", id])).names_an_object());
            let nobody = Scope::Account(id.to_owned());
            assert!(!Call::get(access(&nobody, &["apps"])).names_an_object());
        }
    }
}

//! Makes throw-away objects and deletes them.

use reqwest::Method;
use serde_json::Value;

use super::Throwaway;
use crate::client::{Client, Observed, Scope};
use crate::error::ApiError;

pub(super) struct Bench<'a> {
    pub(super) client: &'a Client,
    pub(super) scope: &'a Scope,
    pub(super) with: &'a Throwaway,
    made: Vec<Made>,
}

/// An object that is to be deleted.
struct Made {
    kind: Kind,
    id: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Ca,
    Token,
    Group,
    ReusablePolicy,
    App,
}

impl Kind {
    /// In an order in which the last can be deleted first.
    const ALL: [Self; 5] = [
        Self::Ca,
        Self::Token,
        Self::Group,
        Self::ReusablePolicy,
        Self::App,
    ];

    /// Its list, below `access`.
    fn collection(self) -> &'static str {
        match self {
            Self::Ca => "certificates",
            Self::Token => "service_tokens",
            Self::Group => "groups",
            Self::ReusablePolicy => "policies",
            Self::App => "apps",
        }
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(client: &'a Client, scope: &'a Scope, with: &'a Throwaway) -> Self {
        Self {
            client,
            scope,
            with,
            made: Vec::new(),
        }
    }

    /// The name of one of this run's objects.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{PREFIX}{}-{what}", self.with.run)
    }

    /// Makes an object and says how that was answered.
    pub(super) async fn make(&mut self, kind: Kind, body: &Value) -> Result<Observed, ApiError> {
        let observed = self
            .observe(Method::POST, &[kind.collection()], Some(body))
            .await?;
        if let Some(id) = observed.result.get("id").and_then(Value::as_str) {
            self.owns(kind, id);
        }
        Ok(observed)
    }

    /// Sends a call below `access` once, whatever it does.
    pub(super) async fn observe(
        &self,
        method: Method,
        below: &[&str],
        body: Option<&Value>,
    ) -> Result<Observed, ApiError> {
        self.client.observe(self.scope, method, below, body).await
    }

    /// Remembers an object for the end.
    pub(super) fn owns(&mut self, kind: Kind, id: &str) {
        let id = id.to_owned();
        self.made.push(Made { kind, id });
    }

    /// The last object of that kind.
    pub(super) fn last(&self, kind: Kind) -> Option<String> {
        let mut made = self.made.iter().rev();
        made.find(|made| made.kind == kind)
            .map(|made| made.id.clone())
    }

    /// Forgets an object that is deleted.
    pub(super) fn forget(&mut self, id: &str) {
        self.made.retain(|made| made.id != id);
    }

    /// Deletes what a run that was interrupted left behind. What cannot be listed is left.
    pub(super) async fn sweep(&mut self) {
        for kind in Kind::ALL {
            let listed = self
                .client
                .documents(self.scope, &[kind.collection()])
                .await;
            for id in listed.iter().flatten().filter_map(ours) {
                self.owns(kind, id);
            }
        }
        self.clean_up().await;
    }

    /// Deletes everything, the last first, and says what could not be.
    pub(super) async fn clean_up(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(made) = self.made.pop() {
            if let Err(error) = self.delete(&made).await {
                left.push(format!("{:?} {}: {error}", made.kind, made.id));
            }
        }
        left
    }

    async fn delete(&self, made: &Made) -> Result<bool, ApiError> {
        let (client, scope, id) = (self.client, self.scope, made.id.as_str());
        match made.kind {
            Kind::Ca => client.delete_mtls_ca(scope, id).await,
            Kind::Token => client.delete_service_token(scope, id).await,
            Kind::Group => client.delete_group(scope, id).await,
            Kind::ReusablePolicy => client.delete_reusable_policy(scope, id).await,
            Kind::App => client.delete_app(scope, id).await,
        }
    }
}

/// The id of an object that a live probe made.
fn ours(object: &Value) -> Option<&str> {
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    text("id").filter(|_| text("name").is_some_and(|name| name.starts_with(PREFIX)))
}

/// An answer in words.
pub(super) fn told(observed: &Observed) -> String {
    let status = observed.status;
    match status {
        200..=299 => format!("{status}, accepted"),
        _ => format!("{status}: {}", observed.message),
    }
}

const PREFIX: &str = "postern-live-probe-";

//! What is ours at Cloudflare: the record that decides what may be changed.
//!
//! A name proves nothing, an id in the record does. Each object is recorded twice: that it is
//! about to be made, and the id it got; what was made by a call whose answer never came is
//! recognised by the first.

use serde::{Deserialize, Serialize};

use crate::access::unix_seconds;

/// The kinds of objects that we make.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// An uploaded CA; its key is the SHA-256 of the issuing certificate.
    Certificate,
    /// An application; its key is the name in the policy file.
    App,
    /// A policy that the policy file asks for; its key is the application's id and its name.
    Policy,
    /// A policy that `token create` added; its key is the application's id and its name.
    TokenPolicy,
    /// A rule group; its key is its name.
    Group,
    /// A service token; its key is its name here.
    ServiceToken,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Certificate,
        Self::App,
        Self::Policy,
        Self::TokenPolicy,
        Self::Group,
        Self::ServiceToken,
    ];

    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::App => "app",
            Self::Policy => "policy",
            Self::TokenPolicy => "token_policy",
            Self::Group => "group",
            Self::ServiceToken => "service_token",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One object of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owned {
    /// What it is.
    pub kind: ObjectKind,
    /// What we call it; unique in its kind.
    pub key: String,
    /// Its id there; `None` while it is not known whether the call that was to make it did.
    pub id: Option<String>,
    /// Its name there.
    pub name: String,
    /// The id of the application it belongs to.
    pub parent: Option<String>,
    /// When it was about to be made, Unix seconds.
    pub intended_at: u64,
}

/// The record as it was read.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Vec<Owned>);

impl Ledger {
    /// Takes what was recorded.
    pub fn new(objects: Vec<Owned>) -> Self {
        Self(objects)
    }

    /// Everything of ours.
    pub fn iter(&self) -> impl Iterator<Item = &Owned> {
        self.0.iter()
    }

    /// Everything of one kind.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Owned> {
        self.0.iter().filter(move |owned| owned.kind == kind)
    }

    /// The object of this key.
    pub fn find(&self, kind: ObjectKind, key: &str) -> Option<&Owned> {
        self.of_kind(kind).find(|owned| owned.key == key)
    }

    /// The object with this id.
    pub fn by_id(&self, kind: ObjectKind, id: &str) -> Option<&Owned> {
        self.of_kind(kind)
            .find(|owned| owned.id.as_deref() == Some(id))
    }

    /// Whether the object with this id is ours.
    pub fn owns(&self, kind: ObjectKind, id: &str) -> bool {
        self.by_id(kind, id).is_some()
    }

    /// Whether a policy is ours, from whichever side it was made.
    pub fn owns_policy(&self, id: &str) -> bool {
        self.owns(ObjectKind::Policy, id) || self.owns(ObjectKind::TokenPolicy, id)
    }

    /// Puts an object into this copy of the record, in place of one with its key.
    pub(crate) fn put(&mut self, object: Owned) {
        self.take(object.kind, &object.key);
        self.0.push(object);
    }

    /// Takes an object out of this copy of the record.
    pub(crate) fn take(&mut self, kind: ObjectKind, key: &str) {
        self.0
            .retain(|owned| owned.kind != kind || owned.key != key);
    }
}

/// Where the record is kept; each call is durable when it returns.
pub trait Recorder {
    /// Records an object: about to be made without an id, made with one.
    ///
    /// # Errors
    /// Where it cannot be made durable; then nothing may be sent.
    fn record(&mut self, object: &Owned) -> Result<(), String>;

    /// Forgets an object that is gone.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    fn forget(&mut self, kind: ObjectKind, key: &str) -> Result<(), String>;
}

/// Whether an object can be what was intended at that time: one that is older is somebody else's.
/// Clocks differ a little.
pub fn is_made_since(created_at: Option<&str>, intended_at: u64) -> bool {
    let made = created_at.and_then(unix_seconds);
    made.is_some_and(|made| made.saturating_add(SKEW) >= intended_at)
}

/// Seconds that Cloudflare's clock and ours may differ.
const SKEW: u64 = 300;

//! Whether an object is there, and whether it is ours.

use crate::access::{AccessGroup, AccessPolicy, App, MtlsCertificate};
use crate::ledger::{Ledger, ObjectKind, Owned, is_made_since};

/// What was found of an object that is wanted.
pub(super) enum Found<T> {
    /// It is there and ours.
    Ours(T),
    /// It is there, and we made it by a call whose answer never came.
    Recovered(T),
    /// There is one of that name, and it is not ours.
    Foreign(T),
    /// It is not there.
    Absent,
}

impl<T> Found<T> {
    /// The same with something else of the object.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Ours(object) => Found::Ours(change(object)),
            Self::Recovered(object) => Found::Recovered(change(object)),
            Self::Foreign(object) => Found::Foreign(change(object)),
            Self::Absent => Found::Absent,
        }
    }
}

/// What every document tells.
pub(super) trait Listed {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
    fn created_at(&self) -> Option<&str>;
}

macro_rules! listed {
    ($($name:ident),*) => {$(
        impl Listed for $name {
            fn id(&self) -> &str {
                Self::id(self)
            }

            fn name(&self) -> &str {
                Self::name(self)
            }

            fn created_at(&self) -> Option<&str> {
                Self::created_at(self)
            }
        }
    )*};
}

listed!(AccessGroup, AccessPolicy, App, MtlsCertificate);

/// Looks an object up: by the recorded id; or, where only the intention is recorded, by its name
/// among what was made since.
pub(super) fn find<'r, T: Listed>(
    ledger: &Ledger,
    (kind, key): (ObjectKind, &str),
    name: &str,
    objects: impl Iterator<Item = &'r T> + Clone,
) -> Found<&'r T> {
    let recorded = ledger.find(kind, key);
    if let Some(id) = recorded.and_then(|owned| owned.id.as_deref())
        && let Some(object) = objects.clone().find(|object| object.id() == id)
    {
        return Found::Ours(object);
    }
    let is_taken = |object: &&T| {
        ledger
            .iter()
            .any(|owned| owned.id.as_deref() == Some(object.id()))
    };
    let mut namesakes = objects.filter(|object| object.name() == name && !is_taken(object));
    match (namesakes.next(), recorded) {
        (None, _) => Found::Absent,
        (Some(object), Some(owned)) if owned.id.is_none() && was_made_since(object, owned) => {
            Found::Recovered(object)
        }
        (Some(object), _) => Found::Foreign(object),
    }
}

fn was_made_since(object: &impl Listed, owned: &Owned) -> bool {
    is_made_since(object.created_at(), owned.intended_at)
}

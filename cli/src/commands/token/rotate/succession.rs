//! Which token took which one's place, and the policies of the file that do not know it yet.

use std::collections::BTreeMap;

use postern_ca::Store;
use postern_cloudflare::rotation::RotationStage;
use postern_policy::TokenName;

use super::journal;
use crate::context::Context;
use crate::error::CommandError;

/// The token in use that takes each one's place, by all rotations in parallel that were not given up.
pub(crate) fn successors(store: &Store) -> Result<BTreeMap<TokenName, TokenName>, CommandError> {
    let mut begun = BTreeMap::new();
    for record in store.rotations()? {
        let rotation = journal::read(&record)?;
        let aborted = rotation.stage() == RotationStage::Aborted;
        // One that was made again since then is another.
        let is_another = store
            .token(record.token())?
            .is_some_and(|token| token.created_at > record.started_at());
        if let Some(successor) = rotation.successor.filter(|_| !aborted && !is_another) {
            let name = TokenName::parse(&successor.name).map_err(CommandError::usage)?;
            begun.insert(record.token().clone(), name);
        }
    }
    let mut successors = BTreeMap::new();
    for (token, mut last) in &begun {
        // The number grows with each: there is no way round.
        while let Some(next) = begun.get(last) {
            last = next;
        }
        if store.token(last)?.is_some() {
            successors.insert(token.clone(), last.clone());
        }
    }
    Ok(successors)
}

/// The policies of the file that name the token and not its successor; nothing where no file can be
/// read.
pub(super) fn left_behind(
    context: &Context,
    token: &TokenName,
    successor: &TokenName,
) -> Option<Vec<String>> {
    let config = context.optional_config().ok().flatten()?;
    let mut places = Vec::new();
    for application in config.applications.iter() {
        let policies = application.policies().iter();
        let behind = policies
            .filter(|policy| policy.names_token(token) && !policy.names_token(successor))
            .map(|policy| format!("{} / {}", application.name(), policy.name()));
        places.extend(behind);
    }
    Some(places)
}

/// What to do about them.
pub(super) fn advice(token: &TokenName, successor: &TokenName, places: &[String]) -> String {
    format!(
        "write {successor} where {token} stands in {}: gateways refuse it until then",
        places.join(", ")
    )
}

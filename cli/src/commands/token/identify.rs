//! `postern token identify`

use std::io::{Read, stdin};

use clap::Args;
use postern_ca::{TokenRecord, is_well_formed_secret};
use postern_pki::journal::Hash;
use zeroize::Zeroizing;

use super::list::print_tokens;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;

/// Say which token a found id or secret belongs to
///
/// Examples:
///   postern token identify < found.txt
///
/// Reads from standard input, so that the secret is not in any argument list; a whole file with
/// either of them in it will do.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IdentifyArgs {}

/// More than any file that somebody would paste.
const MAX_INPUT: u64 = 1024 * 1024;

pub(crate) fn run(context: &Context, _: &IdentifyArgs) -> Outcome {
    let mut text = Zeroizing::new(String::new());
    stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|error| {
            CommandError::usage(format!("cannot read standard input as text: {error}"))
        })?;
    let authority = context.authority()?;
    let tokens = authority.store().tokens()?;
    let found: Vec<TokenRecord> = tokens
        .into_iter()
        .filter(|token| words(&text).any(|word| is_of(token, word)))
        .collect();
    if found.is_empty() {
        let ours = words(&text).any(is_well_formed_secret);
        let message = if ours {
            "that is a secret made by Postern, and no token of this home has it (any more)"
        } else {
            "no token of this home has that id or secret"
        };
        return Err(CommandError::new(Kind::NotFound, message));
    }
    print_tokens(context.format, &found, time::now())?;
    for token in &found {
        tell(&format!(
            "To refuse it at once: postern token disable {}",
            token.name
        ));
    }
    DONE
}

/// Ids and secrets consist of letters, digits, `_` and `.`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && !"_.-".contains(character))
        .filter(|word| !word.is_empty())
}

fn is_of(token: &TokenRecord, word: &str) -> bool {
    token.client_id == word || token.secrets.contains(&Hash::of(word.as_bytes()))
}

//! What changes of a token in its life, and what followers are told of it.

use postern_ca::{CaError, StoreError, TokenChangeKind, TokenLife, TokenRecord};
use postern_pki::journal::{Event, Hash, TokenEntry};

use crate::support::{Site, now, token};

fn change(site: &Site, token: &TokenRecord, change: fn(&mut TokenLife)) -> TokenRecord {
    let authority = site.authority();
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked.change_token(&token.name, change, now()).unwrap()
}

fn new_secret() -> Hash {
    Hash::of(b"new")
}

fn told(site: &Site) -> Vec<TokenEntry> {
    let (_, entries) = site.read(None).unwrap();
    let mut told = Vec::new();
    for entry in entries {
        if let Event::TokenChanged(token) = entry.event {
            told.push(token);
        }
    }
    told
}

fn site_with_token() -> (Site, TokenRecord) {
    let (site, token) = (Site::new(), token("ci-deploy-prod"));
    let authority = site.authority();
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked.add_token(token.clone(), now()).unwrap();
    (site, token)
}

#[test]
fn two_secrets_are_good_in_the_overlap_and_one_after_it() {
    let (site, made) = site_with_token();
    let old = made.secrets[0];
    let both = change(&site, &made, |life| life.secrets.push(new_secret()));
    assert_eq!(both.secrets, [old, new_secret()]);
    let one = change(&site, &made, |life| {
        life.secrets.retain(|one| *one == new_secret());
    });
    assert_eq!(one.secrets, [new_secret()]);
    assert_eq!(told(&site), [both.to_entry(), one.to_entry()]);
    assert_eq!(site.authority().store().tokens().unwrap(), [one]);
}

#[test]
fn a_later_end_keeps_the_secrets_and_is_told() {
    let (site, made) = site_with_token();
    let renewed = change(&site, &made, |life| life.expires_at = TokenRecord::NEVER);
    let expected = TokenRecord {
        expires_at: TokenRecord::NEVER,
        ..made
    };
    assert_eq!(renewed, expected);
    assert_eq!(told(&site), [expected.to_entry()]);
}

#[test]
fn a_change_that_changes_nothing_is_not_told() {
    let (site, made) = site_with_token();
    assert_eq!(change(&site, &made, |_| ()), made);
    assert_eq!(told(&site), []);
    assert_eq!(site.authority().store().token_changes(&made).unwrap(), []);
}

#[test]
fn a_token_is_never_left_without_a_secret() {
    let (site, made) = site_with_token();
    let authority = site.authority();
    let unlocked = authority.unlock(None, now()).unwrap();
    let refused = unlocked.change_token(&made.name, |life| life.secrets.clear(), now());
    let why = matches!(&refused, Err(CaError::Store(StoreError::Refused(why)))
        if why.contains("without a secret"));
    assert!(why, "{refused:?}");
    assert_eq!(authority.store().tokens().unwrap(), [made]);
    assert_eq!(told(&site), []);
}

#[test]
fn the_age_of_a_secret_is_that_of_the_newest_and_no_other_token_has_it() {
    let (site, made) = site_with_token();
    let later = made.created_at + 1000;
    let authority = site.authority();
    let change = |at: u64, change: fn(&mut TokenLife)| {
        let unlocked = authority.unlock(None, now()).unwrap();
        unlocked.change_token(&made.name, change, at).unwrap()
    };
    let store = authority.store();
    assert_eq!(store.newest_secret_at(&made).unwrap(), made.created_at);
    change(later, |life| life.secrets.push(new_secret()));
    change(later + 1, |life| {
        life.secrets.retain(|one| *one == new_secret());
    });
    change(later + 2, |life| life.expires_at += 1);
    assert_eq!(store.newest_secret_at(&made).unwrap(), later);
    let changes = store.token_changes(&made).unwrap();
    let changes: Vec<_> = changes.iter().map(|one| (one.what, one.at)).collect();
    assert_eq!(
        changes,
        [
            (TokenChangeKind::SecretAdded, later),
            (TokenChangeKind::SecretRemoved, later + 1),
            (TokenChangeKind::Expiry, later + 2),
        ]
    );
    // One of the same name made afterwards is another token.
    authority.delete_token(&made.name, now()).unwrap();
    let again = TokenRecord {
        created_at: later + 3,
        ..token("ci-deploy-prod")
    };
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked.add_token(again.clone(), now()).unwrap();
    assert_eq!(store.newest_secret_at(&again).unwrap(), later + 3);
}

#[test]
fn a_client_id_belongs_to_one_token() {
    let (site, made) = site_with_token();
    let authority = site.authority();
    let twin = TokenRecord {
        client_id: made.client_id.clone(),
        ..token("ci-other-prod")
    };
    let refused = authority
        .unlock(None, now())
        .unwrap()
        .add_token(twin, now());
    let conflict = matches!(&refused, Err(CaError::Store(StoreError::Conflict(what)))
        if what.contains(&made.client_id));
    assert!(conflict, "{refused:?}");
}

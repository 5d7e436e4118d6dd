//! What a home publishes, read as a follower reads it.

use std::fs;

use postern_ca::{Actor, CertificateAuthority, Home, Profiles, key};
use postern_pki::journal::{
    AuthorityError, Entry, Event, Head, JournalError, Line, TokenEntry, signed_message,
};
use postern_pki::{RevocationReason, certificates_from_pem};
use postern_policy::{SerialNumber, TokenName};
use rcgen::SigningKey as _;

use crate::support::{Site, now, open, request, token};

fn issue(authority: &CertificateAuthority, name: &str) -> SerialNumber {
    let request = request(name, "service");
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked
        .issue(&request, now())
        .unwrap()
        .certificate()
        .serial()
}

fn revoke(authority: &CertificateAuthority, serial: SerialNumber) {
    authority
        .revoke(
            vec![serial],
            RevocationReason::KeyCompromise,
            None,
            None,
            now(),
        )
        .unwrap();
}

/// A line over `event` after the journal's head, signed with the key in `home`'s file `key`.
fn forge(site: &Site, key_file: &str, certificate_file: &str, event: &Event) -> Line {
    let (reader, entries) = site.read(None).unwrap();
    let time = entries.last().unwrap().time.clone();
    let key = key::load(&site.home().join(key_file), None).unwrap();
    let certificates = fs::read(site.home().join(certificate_file)).unwrap();
    let signer = certificates_from_pem(&certificates)
        .unwrap()
        .pop()
        .unwrap()
        .fingerprint();
    let body = Entry::body(Some(reader.head()), &time, event).unwrap();
    Line {
        signer,
        signature: key.sign(&signed_message(&body)).unwrap(),
        body,
    }
}

fn new_token(name: &str) -> TokenEntry {
    token(name).to_entry()
}

#[test]
fn a_follower_reads_what_was_revoked() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    revoke(&authority, serial);
    let (_, entries) = site.read(None).unwrap();
    let revoked = entries
        .iter()
        .any(|entry| matches!(&entry.event, Event::Revoked(event) if event.serial == serial));
    assert!(revoked, "{entries:?}");
}

#[test]
fn a_reader_gets_only_what_is_new() {
    let site = Site::new();
    let authority = site.authority();
    let (mut reader, _) = site.read(None).unwrap();
    assert!(!reader.has_news());
    let serial = issue(&authority, "device-1");
    revoke(&authority, serial);
    assert!(reader.has_news());
    let entries = reader.read_new(&site.source()).unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry.event.kind())
            .collect::<Vec<_>>(),
        ["revoked"]
    );
}

#[test]
fn a_half_written_line_is_left_for_later() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    revoke(&authority, serial);
    site.rewrite(|text| text[..text.len() - 20].to_owned());
    let (_, entries) = site.read(None).unwrap();
    assert!(!entries.iter().any(|entry| entry.event.kind() == "revoked"));
    // The next command that opens the home completes it.
    site.authority();
    let (_, entries) = site.read(None).unwrap();
    assert!(entries.iter().any(|entry| entry.event.kind() == "revoked"));
}

#[test]
fn a_publisher_cannot_admit_anybody() {
    let site = Site::new();
    let event = Event::TokenAdded(new_token("evil"));
    let line = forge(&site, "publisher.key", "public/publishers.pem", &event);
    let refused = site.source().verify(&line);
    assert!(
        matches!(refused, Err(AuthorityError::PublisherAdmits { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_issuer_of_servers_cannot_be_taken_for_somebody_else() {
    let site = Site::new();
    let event = Event::TokenAdded(new_token("evil"));
    let mut line = forge(&site, "server-intermediate.key", "intermediate.crt", &event);
    let refused = site.source().verify(&line);
    assert!(
        matches!(refused, Err(AuthorityError::BadSignature)),
        "{refused:?}"
    );
    line.signer = [7; 32].into();
    let refused = site.source().verify(&line);
    assert!(
        matches!(refused, Err(AuthorityError::UnknownSigner(_))),
        "{refused:?}"
    );
}

#[test]
fn an_altered_line_is_refused() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    revoke(&authority, serial);
    site.rewrite(|text| text.replace("device-1", "device-2"));
    let refused = site.read(None).map(|_| ());
    let source = match refused {
        Err(JournalError::Authority { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(source, AuthorityError::BadSignature));
}

#[test]
fn a_line_that_was_taken_out_is_missed() {
    let site = Site::new();
    let authority = site.authority();
    for name in ["device-1", "device-2"] {
        let serial = issue(&authority, name);
        revoke(&authority, serial);
    }
    site.rewrite(|text| {
        text.lines()
            .filter(|line| !line.contains("device-1"))
            .map(|line| format!("{line}\n"))
            .collect()
    });
    let refused = site.read(None).map(|_| ());
    assert!(
        matches!(refused, Err(JournalError::Broken { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_old_copy_is_refused() {
    let site = Site::new();
    let authority = site.authority();
    let path = site.segments().pop().unwrap();
    let old = fs::read(&path).unwrap();
    let serial = issue(&authority, "device-1");
    revoke(&authority, serial);
    let seen = site.read(None).unwrap().0.head();
    fs::write(&path, old).unwrap();
    let refused = site.read(Some(seen)).map(|_| ());
    assert!(
        matches!(refused, Err(JournalError::WentBack { .. })),
        "{refused:?}"
    );
}

#[test]
fn another_history_of_the_same_length_is_refused() {
    let site = Site::new();
    let authority = site.authority();
    let serials = [issue(&authority, "device-1"), issue(&authority, "device-2")];
    drop(authority);
    let copy = site.folder.path().join("copy");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&site.home(), &copy])
        .status();
    assert!(copied.unwrap().success());
    revoke(&site.authority(), serials[0]);
    let seen = site.read(None).unwrap().0.head();
    revoke(&open(&copy), serials[1]);
    fs::remove_dir_all(site.home()).unwrap();
    fs::rename(&copy, site.home()).unwrap();
    let refused = site.read(Some(seen)).map(|_| ());
    assert!(
        matches!(refused, Err(JournalError::Rewritten { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_long_segment_is_sealed_and_its_successor_holds_the_whole_state() {
    let site = Site::new();
    let authority = site.authority();
    let (mut reader, _) = site.read(None).unwrap();
    let name = TokenName::parse("ci-deploy").unwrap();
    authority
        .unlock(None, now())
        .unwrap()
        .add_token(token("ci-deploy"), now())
        .unwrap();
    let serials: Vec<_> = (0..3)
        .map(|n| issue(&authority, &format!("device-{n}")))
        .collect();
    for serial in serials {
        revoke(&authority, serial);
    }
    for _ in 0..1024 {
        authority.disable_token(&name, now()).unwrap();
    }
    authority
        .unlock(None, now())
        .unwrap()
        .publish_crls(now())
        .unwrap();
    assert_eq!(site.segments().len(), 2);

    // Whoever was following goes on into it; whoever starts now needs only it.
    let followed = reader.read_new(&site.source()).unwrap();
    let (fresh, entries) = site.read(None).unwrap();
    assert_eq!(followed.last().unwrap().head(), fresh.head());
    let Event::Checkpoint(checkpoint) = &entries.first().unwrap().event else {
        panic!("{entries:?}")
    };
    assert_eq!(
        checkpoint
            .tokens
            .iter()
            .map(|token| token.enabled)
            .collect::<Vec<_>>(),
        [false]
    );
    // Whoever was away reads on from where it was.
    let known = Head {
        seq: followed[0].seq,
        hash: followed[0].hash,
    };
    let (caught_up, _) = site.read(Some(known)).unwrap();
    assert_eq!(caught_up.head(), fresh.head());
}

#[test]
fn reopening_after_known_segments_gives_every_event_since_the_newest_checkpoint() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    let known = site.read(None).unwrap().0.head();
    revoke(&authority, serial);
    let (_, entries) = site.read(Some(known)).unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.event.kind()).collect();
    assert_eq!(kinds, ["checkpoint", "revoked"]);
}

#[test]
fn what_others_put_beside_the_segments_is_left_alone_and_changes_nothing() {
    let site = Site::new();
    let authority = site.authority();
    let serials = [issue(&authority, "device-1"), issue(&authority, "device-2")];
    let stray = [
        site.journal().join("backup.journal"),
        site.journal().join("1.journal"),
    ];
    for path in &stray {
        fs::copy(site.segments().first().unwrap(), path).unwrap();
    }
    for serial in serials {
        revoke(&authority, serial);
    }
    for path in &stray {
        assert!(path.exists());
    }
    let (reader, _) = site.read(None).unwrap();
    assert_eq!(reader.head().seq, 3);
}

#[test]
fn what_others_append_to_the_journal_is_taken_out_and_does_not_stop_a_revocation() {
    let site = Site::new();
    let authority = site.authority();
    let serials = [issue(&authority, "device-1"), issue(&authority, "device-2")];
    site.rewrite(|text| format!("{text}nonsense\n"));
    revoke(&authority, serials[0]);
    assert_eq!(site.read(None).unwrap().0.head().seq, 2);
    // Well-formed, and signed by nobody of ours.
    let event = Event::TokenAdded(new_token("evil"));
    let mut line = forge(&site, "publisher.key", "public/publishers.pem", &event);
    line.signer = [7; 32].into();
    site.rewrite(|text| format!("{text}{}", line.to_text()));
    revoke(&authority, serials[1]);
    assert_eq!(site.read(None).unwrap().0.head().seq, 3);
}

#[test]
fn a_segment_that_is_not_ours_is_set_aside() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    let stray = site.journal().join("00000000000000000077.journal");
    fs::write(&stray, "nonsense\n").unwrap();
    revoke(&authority, serial);
    assert!(!stray.exists());
    assert!(stray.with_extension("not-ours").exists());
    assert_eq!(site.read(None).unwrap().0.head().seq, 2);
}

#[test]
fn a_database_older_than_what_was_published_is_refused() {
    let site = Site::new();
    let serial = issue(&site.authority(), "device-1");
    let database = site.home().join("postern.db");
    let old = fs::read(&database).unwrap();
    revoke(&site.authority(), serial);
    for file in ["postern.db-wal", "postern.db-shm"] {
        drop(fs::remove_file(site.home().join(file)));
    }
    fs::write(&database, old).unwrap();
    let opened = CertificateAuthority::open(
        Home::at(site.home()),
        Profiles::built_in(),
        Actor::current(),
    );
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("older than what was published"), "{error}");
}

#[test]
fn a_reader_that_failed_reads_the_same_lines_again_when_the_cause_is_gone() {
    let site = Site::new();
    let authority = site.authority();
    let (mut reader, _) = site.read(None).unwrap();
    let serial = issue(&authority, "device-1");
    revoke(&authority, serial);
    let path = site.segments().pop().unwrap();
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("device-1", "device-2")).unwrap();
    let before = reader.head();
    assert!(reader.read_new(&site.source()).is_err());
    assert_eq!(reader.head(), before);
    assert!(reader.has_news());
    fs::write(&path, good).unwrap();
    assert_eq!(reader.read_new(&site.source()).unwrap().len(), 1);
}

#[test]
fn a_successor_that_comes_later_or_is_still_empty_is_waited_for() {
    let site = Site::new();
    let authority = site.authority();
    let name = TokenName::parse("ci-deploy").unwrap();
    authority
        .unlock(None, now())
        .unwrap()
        .add_token(token("ci-deploy"), now())
        .unwrap();
    for _ in 0..1024 {
        authority.disable_token(&name, now()).unwrap();
    }
    let (mut reader, _) = site.read(None).unwrap();
    authority
        .unlock(None, now())
        .unwrap()
        .publish_crls(now())
        .unwrap();
    let successor = site.segments().pop().unwrap();
    let content = fs::read(&successor).unwrap();

    fs::remove_file(&successor).unwrap();
    reader.read_new(&site.source()).unwrap();
    assert!(!reader.has_news());
    fs::write(&successor, b"").unwrap();
    assert!(reader.has_news());
    assert!(reader.read_new(&site.source()).unwrap().is_empty());
    let fresh = site.read(None).unwrap().0.head();
    fs::write(&successor, content).unwrap();
    assert!(reader.has_news());
    let entries = reader.read_new(&site.source()).unwrap();
    assert!(matches!(entries[0].event, Event::Checkpoint(_)));
    assert_eq!(entries[0].previous, fresh.hash);
}

#[test]
fn a_clock_that_was_wrong_once_does_not_poison_the_journal() {
    const DAY: u64 = 86_400;
    let site = Site::new();
    let authority = site.authority();
    let serials: Vec<_> = (0..3)
        .map(|n| issue(&authority, &format!("device-{n}")))
        .collect();
    let at = |serial, time| {
        authority
            .revoke(vec![serial], RevocationReason::Superseded, None, None, time)
            .unwrap();
    };
    at(serials[0], now() - 3000 * DAY);
    // Ahead by so much that the publisher is renewed, with a start that is still to come.
    authority
        .unlock(None, now() + 50 * DAY)
        .unwrap()
        .publish_crls(now() + 50 * DAY)
        .unwrap();
    at(serials[1], now());
    authority
        .unlock(None, now())
        .unwrap()
        .publish_crls(now())
        .unwrap();
    at(serials[2], now());
    let (_, entries) = site.read(None).unwrap();
    let revoked = entries
        .iter()
        .filter(|entry| entry.event.kind() == "revoked");
    assert_eq!(revoked.count(), 3);
}

#[test]
fn an_expired_publisher_still_takes_away() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    let later = now() + 100 * 86_400;
    authority
        .revoke(
            vec![serial],
            RevocationReason::KeyCompromise,
            None,
            None,
            later,
        )
        .unwrap();
    assert_eq!(site.read(None).unwrap().1.len(), 2);
}

#[test]
fn a_revoked_publisher_is_not_believed_again_and_is_replaced() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "device-1");
    let publisher = authority
        .store()
        .publishers()
        .unwrap()
        .pop()
        .unwrap()
        .serial();
    revoke(&authority, publisher);
    let event = Event::TokenRemoved(postern_pki::journal::TokenEvent {
        name: TokenName::parse("ci-deploy").unwrap(),
    });
    let line = forge(&site, "publisher.key", "public/publishers.pem", &event);
    let (mut reader, _) = site.read(None).unwrap();

    let refused = authority.revoke(
        vec![serial],
        RevocationReason::Superseded,
        None,
        None,
        now(),
    );
    assert!(refused.unwrap_err().to_string().contains("ca crl publish"));
    let good = fs::read_to_string(site.segments().pop().unwrap()).unwrap();
    site.rewrite(|text| format!("{text}{}", line.to_text()));
    assert!(reader.read_new(&site.source()).is_err());
    site.rewrite(|_| good);

    authority
        .unlock(None, now())
        .unwrap()
        .publish_crls(now())
        .unwrap();
    revoke(&authority, serial);
    let entries = reader.read_new(&site.source()).unwrap();
    assert_eq!(entries.last().unwrap().event.kind(), "revoked");
}

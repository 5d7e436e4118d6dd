//! A device is revoked with all that is its own, and gets nothing more.

use postern_ca::{
    CaError, CertificateAuthority, CertificateState, DeviceEntry, DeviceImport, DeviceSelection,
    DeviceState, Home, IssuableName, IssuanceError, IssuanceRequest, IssuedCertificate, Labels,
    OnRevoked, RequestError, RevokedDevice, StoreError, TokenRecord,
};
use postern_pki::RevocationReason;
use postern_pki::journal::{Entry, Event};

use crate::support::{Site, new_key, now, request, token};

const DEVICE: &str = "press-7.factory.corp";

fn issue(
    authority: &CertificateAuthority,
    request: &IssuanceRequest,
) -> Result<IssuedCertificate, CaError> {
    authority.unlock(None, now()).unwrap().issue(request, now())
}

fn revoke(authority: &CertificateAuthority, names: &[&str]) -> Result<Vec<RevokedDevice>, CaError> {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let note = Some(String::from("stolen"));
    authority.revoke_devices(names, RevocationReason::KeyCompromise, note, None, now())
}

fn token_of(device: &str, name: &str) -> TokenRecord {
    TokenRecord {
        labels: format!(r#"{{"device":"{device}"}}"#),
        ..token(name)
    }
}

fn add(authority: &CertificateAuthority, token: TokenRecord) -> Result<(), CaError> {
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked.add_token(token, now())
}

fn entry(authority: &CertificateAuthority, name: &str, owner: &str, labels: &str) -> DeviceEntry {
    let name = IssuableName::parse(name).unwrap();
    let labels = Labels::parse(labels).unwrap();
    let profile = Some(String::from("device"));
    authority
        .device_entry(&name, Some(owner.to_owned()), Some(labels), profile)
        .unwrap()
}

fn is_revoked<T>(result: Result<T, CaError>) -> bool {
    match result.map(drop) {
        Err(
            CaError::Issuance(IssuanceError::Store(StoreError::DeviceRevoked { .. }))
            | CaError::Store(StoreError::DeviceRevoked { .. }),
        ) => true,
        other => panic!("{other:?}"),
    }
}

fn state(authority: &CertificateAuthority, name: &str) -> DeviceState {
    let selection = DeviceSelection {
        name: Some(name.to_owned()),
        ..DeviceSelection::default()
    };
    let found = authority.store().devices(&selection).unwrap();
    found[0].state_at(now())
}

#[test]
fn a_device_is_revoked_with_every_certificate_and_token_and_others_are_not() {
    let site = Site::new();
    let authority = site.authority();
    let first = issue(&authority, &request(DEVICE, "device")).unwrap();
    let unlocked = authority.unlock(None, now()).unwrap();
    let serial = first.certificate().serial();
    drop(unlocked.renew(serial, new_key(), now()).unwrap());
    let other = issue(&authority, &request("press-8", "device")).unwrap();
    add(&authority, token_of(DEVICE, "press-7-prod")).unwrap();
    add(&authority, token_of("press-8", "press-8-prod")).unwrap();
    add(&authority, token("ci-deploy-prod")).unwrap();
    let (reader, _) = site.read(None).unwrap();
    let before = reader.head();

    let revoked = revoke(&authority, &[DEVICE]).unwrap();
    assert_eq!(revoked[0].certificates.len(), 2);
    let certificates = authority.store().certificates(&Default::default()).unwrap();
    for record in certificates.iter().filter(|one| one.common_name == DEVICE) {
        assert_eq!(record.state, CertificateState::Revoked);
        let mark = record.revocation.as_ref().unwrap();
        assert_eq!(mark.note.as_deref(), Some("stolen"));
    }
    let kept = authority.store().certificate(&other.certificate().serial());
    assert_eq!(kept.unwrap().state, CertificateState::Valid);
    let tokens = authority.store().tokens().unwrap().into_iter();
    let enabled = tokens.filter(|token| token.enabled);
    let enabled: Vec<_> = enabled.map(|token| token.name.to_string()).collect();
    assert_eq!(enabled, ["ci-deploy-prod", "press-8-prod"]);
    // Followers are told of all of it.
    let (_, told) = site.read(Some(before)).unwrap();
    let events = |wanted: fn(&Event) -> bool| {
        let matches = |entry: &&Entry| wanted(&entry.event);
        told.iter().filter(matches).count()
    };
    assert_eq!(events(|event| matches!(event, Event::Revoked(_))), 2);
    assert_eq!(events(|event| matches!(event, Event::TokenDisabled(_))), 1);
    // Again: nothing is left to revoke, and the first revocation stands.
    let again = revoke(&authority, &[DEVICE]).unwrap();
    assert!(again[0].certificates.is_empty() && again[0].tokens.is_empty());
    assert_eq!(again[0].device, revoked[0].device);
}

#[test]
fn a_revoked_device_gets_no_certificate_no_successor_and_no_token() {
    let site = Site::new();
    let authority = site.authority();
    drop(issue(&authority, &request(DEVICE, "device")).unwrap());
    add(&authority, token_of(DEVICE, "press-7-prod")).unwrap();
    drop(revoke(&authority, &[DEVICE]).unwrap());
    let before = authority.store().certificates(&Default::default()).unwrap();
    assert!(is_revoked(issue(&authority, &request(DEVICE, "device"))));
    assert!(is_revoked(authority.renewable(DEVICE, now())));
    let unlocked = authority.unlock(None, now()).unwrap();
    let renewed = unlocked.renew(before[before.len() - 1].serial, new_key(), now());
    assert!(is_revoked(renewed));
    let token = token_of(DEVICE, "press-7-test");
    assert!(is_revoked(add(&authority, token)));
    let name = &authority.store().tokens().unwrap()[0].name;
    let unlocked = authority.unlock(None, now()).unwrap();
    assert!(is_revoked(unlocked.enable_token(name, now())));
    let after = authority.store().certificates(&Default::default()).unwrap();
    assert_eq!(after, before, "nothing was recorded");
    assert_eq!(state(&authority, DEVICE), DeviceState::Revoked);
}

#[test]
fn several_devices_are_revoked_all_or_none() {
    let site = Site::new();
    let authority = site.authority();
    drop(issue(&authority, &request(DEVICE, "device")).unwrap());
    match revoke(&authority, &[DEVICE, "press-9"]) {
        Err(CaError::Store(StoreError::NotFound(what))) => {
            assert_eq!(what, "there is no device \"press-9\"");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(state(&authority, DEVICE), DeviceState::Active);
}

#[test]
fn a_list_taken_over_again_changes_nothing_and_its_devices_hand_on_what_it_says() {
    let site = Site::new();
    let authority = site.authority();
    let list = [
        entry(&authority, DEVICE, "plant-2", "site=plant-2;rack=7"),
        entry(&authority, "press-8", "plant-2", ""),
    ];
    let take = || authority.import_devices(list.to_vec(), OnRevoked::RefuseAll, now());
    assert_eq!(take().unwrap().created, 2);
    assert_eq!(take().unwrap().unchanged, 2);
    assert_eq!(state(&authority, DEVICE), DeviceState::Pending);
    assert_eq!(authority.profile_of(DEVICE).unwrap(), "device");
    assert_eq!(authority.profile_of("press-9").unwrap(), "service");
    let owned_by = |owner: Option<&str>| IssuanceRequest {
        owner: owner.map(str::to_owned),
        ..request(DEVICE, "device")
    };
    let inherited = issue(&authority, &owned_by(None)).unwrap();
    let own = issue(&authority, &owned_by(Some("lab"))).unwrap();
    let record = |issued: &IssuedCertificate| {
        let serial = issued.certificate().serial();
        authority.store().certificate(&serial).unwrap()
    };
    let (inherited, own) = (record(&inherited), record(&own));
    assert_eq!(inherited.owner.as_deref(), Some("plant-2"));
    assert_eq!(own.owner.as_deref(), Some("lab"));
    let labels = r#"{"rack":"7","site":"plant-2"}"#;
    assert_eq!(
        (inherited.labels.as_str(), own.labels.as_str()),
        (labels, labels)
    );
}

#[test]
fn a_revoked_device_in_a_list_refuses_it_whole_or_is_left_out() {
    let site = Site::new();
    let authority = site.authority();
    drop(issue(&authority, &request(DEVICE, "device")).unwrap());
    drop(revoke(&authority, &[DEVICE]).unwrap());
    let before = authority.store().device(DEVICE).unwrap();
    let list = [
        entry(&authority, DEVICE, "lab", ""),
        entry(&authority, "press-8", "lab", ""),
    ];
    let take = |on_revoked| {
        let done = authority.import_devices(list.to_vec(), on_revoked, now());
        let DeviceImport {
            created, revoked, ..
        } = done.unwrap();
        assert_eq!(revoked[0].name, DEVICE);
        created
    };
    assert_eq!(take(OnRevoked::RefuseAll), 0);
    assert_eq!(authority.store().device("press-8").unwrap(), None);
    assert_eq!(take(OnRevoked::Skip), 1);
    assert_eq!(authority.store().device(DEVICE).unwrap(), before);
}

#[test]
fn a_profile_that_is_no_devices_is_refused() {
    let site = Site::new();
    let authority = site.authority();
    let name = IssuableName::parse(DEVICE).unwrap();
    let entry = |profile: &str| authority.device_entry(&name, None, None, Some(profile.to_owned()));
    assert!(matches!(
        entry("server"),
        Err(RequestError::NotForDevices(_))
    ));
    assert!(matches!(
        entry("none"),
        Err(RequestError::UnknownProfile { .. })
    ));
}

#[test]
fn pages_of_devices_hold_each_one_once_with_its_own_certificates() {
    let site = Site::new();
    let authority = site.authority();
    for number in 0..5 {
        let name = format!("press-{number}");
        drop(issue(&authority, &request(&name, "device")).unwrap());
    }
    let mut selection = DeviceSelection {
        limit: Some(2),
        ..DeviceSelection::default()
    };
    let mut names = Vec::new();
    loop {
        let page = authority.store().devices(&selection).unwrap();
        let Some(last) = page.last() else { break };
        selection.after = Some(last.record.id);
        for device in page {
            assert_eq!(device.certificates[0].common_name, device.record.name);
            assert_eq!(device.certificates.len(), 1);
            names.push(device.record.name);
        }
    }
    assert_eq!(
        names,
        ["press-0", "press-1", "press-2", "press-3", "press-4"]
    );
}

#[test]
fn a_revocation_that_somebody_takes_out_of_the_row_is_found() {
    let site = Site::new();
    let authority = site.authority();
    drop(issue(&authority, &request(DEVICE, "device")).unwrap());
    drop(revoke(&authority, &[DEVICE]).unwrap());
    let database = Home::at(site.home()).database();
    rusqlite::Connection::open(database)
        .unwrap()
        .execute_batch(
            "UPDATE devices SET revoked_at = NULL, revocation_reason = NULL, revoked_by = NULL, \
             note = NULL",
        )
        .unwrap();
    match issue(&authority, &request(DEVICE, "device")).map(drop) {
        Err(CaError::Issuance(IssuanceError::Store(StoreError::AlteredRow { table, .. }))) => {
            assert_eq!(table, "devices");
        }
        other => panic!("{other:?}"),
    }
}

//! Many processes on one home at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use postern_tests::Postern;

use crate::support::{
    CLIENT_CRL, assert_journal_is_intact, certificates, crl, distinct_serials, entries, of_name,
    text,
};

const PROCESSES: usize = 20;

#[test]
fn twenty_processes_issue_and_revoke_at_once_and_nothing_is_lost() {
    let postern = Postern::with_ca();
    std::thread::scope(|scope| {
        for number in 0..PROCESSES {
            let postern = &postern;
            scope.spawn(move || {
                for round in ["a", "b"] {
                    let name = format!("client-{round}-{number}");
                    postern
                        .run(&["cert", "issue", &name, "--out", "out"])
                        .expect_code(0);
                }
                let name = format!("client-a-{number}");
                let args = ["cert", "revoke", &name, "--reason", "superseded"];
                postern.run(&args).expect_code(0);
            });
        }
    });
    let rows = certificates(&postern);
    assert_eq!(rows.len(), 1 + 2 * PROCESSES, "the publisher and two each");
    distinct_serials(&rows);
    let mut revoked = Vec::new();
    for number in 0..PROCESSES {
        let [first, second] = ["a", "b"].map(|round| {
            let name = format!("client-{round}-{number}");
            let found = of_name(&rows, &name);
            assert_eq!(found.len(), 1, "{name}");
            assert!(postern.path(&format!("out/{name}.key")).exists());
            found[0].clone()
        });
        assert_eq!(
            (text(&first, "state"), text(&second, "state")),
            ("revoked", "valid")
        );
        revoked.push(text(&first, "serial").to_owned());
    }
    revoked.sort();
    // Each revocation published the next CRL.
    let (number, mut listed) = crl(&postern, CLIENT_CRL);
    listed.sort();
    assert_eq!(number, 1 + u64::try_from(PROCESSES).expect("small"));
    assert_eq!(listed, revoked);
    let told = entries(&postern);
    let told = told.iter().filter(|entry| entry["kind"] == "revoked");
    let mut told: Vec<_> = told
        .map(|entry| text(&entry["data"], "serial").to_owned())
        .collect();
    told.sort();
    assert_eq!(told, revoked, "each one once in the journal");
    assert_journal_is_intact(&postern);
}

#[test]
fn one_name_issued_by_many_at_once_is_delivered_once_and_every_certificate_is_on_record() {
    let postern = Postern::with_ca();
    let delivered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(
                || match postern.run(&["cert", "issue", "same", "--out", "."]).code {
                    Some(0) => drop(delivered.fetch_add(1, Ordering::Relaxed)),
                    code => assert_eq!(code, Some(5)),
                },
            );
        }
    });
    assert_eq!(delivered.into_inner(), 1);
    let certified = ["x509", "-in", "same.crt", "-noout", "-pubkey"];
    let certified = postern.tool("openssl", &certified).expect_code(0).stdout;
    let key = postern
        .tool("openssl", &["pkey", "-in", "same.key", "-pubout"])
        .expect_code(0);
    assert_eq!(certified, key.stdout, "key and certificate belong together");
    distinct_serials(&certificates(&postern));
}

#[test]
fn one_token_created_by_many_at_once_exists_once_and_its_file_is_the_good_one() {
    let postern = Postern::with_ca();
    let delivered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (postern, delivered) = (&postern, &delivered);
            scope.spawn(move || {
                let out = format!("{number}.token");
                let args = ["token", "create", "ci-deploy-prod", "--out", &out];
                match postern.run(&args).code {
                    Some(0) => drop(delivered.fetch_add(1, Ordering::Relaxed)),
                    code => {
                        assert_eq!(code, Some(5));
                        assert!(
                            !postern.path(&out).exists(),
                            "no secret that is good nowhere"
                        );
                    }
                }
            });
        }
    });
    assert_eq!(delivered.into_inner(), 1);
    let listing = postern
        .run(&["token", "list", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listing["items"].as_array().map(Vec::len), Some(1));
}

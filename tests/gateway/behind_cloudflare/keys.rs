//! The team's keys over HTTP: fetched, rotated, down; never a flood of questions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use postern_fixtures::TeamKey;
use postern_tests::{DEVICE, DEVICES, TestGateway};
use serde_json::json;

use super::{ASSERTION, Behind, LOOPBACK, ask};

/// What `/cdn-cgi/access/certs` answers, and how often it was asked.
#[derive(Clone)]
struct Certs {
    address: SocketAddr,
    body: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Certs {
    fn serve(body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let certs = Self {
            address: listener.local_addr().unwrap(),
            body: Arc::new(Mutex::new(body)),
            asked: Arc::default(),
        };
        let served = certs.clone();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let lines = BufReader::new(socket.try_clone().unwrap()).lines();
                let _head: Vec<_> = lines
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                served.asked.fetch_add(1, Ordering::SeqCst);
                let body = served.body.lock().unwrap().clone();
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                // Whoever asked may have left.
                socket.write_all((head + &body).as_bytes()).ok();
            }
        });
        certs
    }

    fn setting(&self) -> String {
        format!("jwks = \"http://{}/cdn-cgi/access/certs\"", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_noticed_at_its_first_use_and_made_up_keys_are_no_flood() {
    let certs = Certs::serve(String::new());
    let behind = Behind::new(LOOPBACK, &certs.setting());
    *certs.body.lock().unwrap() = TeamKey::jwks(&[&behind.key]);
    let gateway = TestGateway::run(&behind.site);
    let claims = behind.claims(DEVICES, &json!({ "common_name": DEVICE }));
    let with = async |key: &TeamKey| {
        let assertion = key.sign(&claims);
        ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await
    };
    assert_eq!(with(&behind.key).await.0, 200);
    let before = certs.asked();

    let next = TeamKey::new("key-2");
    *certs.body.lock().unwrap() = TeamKey::jwks(&[&next, &behind.key]);
    assert_eq!(with(&next).await.0, 200);
    assert_eq!(with(&behind.key).await.0, 200);
    let made_up = TeamKey::new("made-up");
    for _ in 0..50 {
        assert_eq!(with(&made_up).await, (401, "jwt_invalid".to_owned()));
    }
    assert_eq!(certs.asked(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nobody_is_believed_and_it_is_said() {
    let certs = Certs::serve("<html>down</html>".to_owned());
    let behind = Behind::new(LOOPBACK, &certs.setting());
    let gateway = TestGateway::run(&behind.site);
    let assertion = behind.assertion_of(DEVICE);
    let refused = ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await;
    assert_eq!(refused, (503, "jwks_unavailable".to_owned()));
    let alarm = gateway.event(|event| event["event"] == "source_alarm");
    let place = format!("http://{}/cdn-cgi/access/certs", certs.address);
    assert_eq!(alarm["source"], place);
    assert!(alarm["reason"].as_str().unwrap().contains("not a JWK set"));
    assert_eq!(behind.site.upstream.count(), 0);
}

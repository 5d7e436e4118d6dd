use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use postern_fixtures::TeamKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// What the fake says to one question.
enum Say {
    Keys(String),
    Status(&'static str),
    Endless,
    Silence,
}

/// A place that gives these answers in turn, the last one for ever, and counts the questions.
async fn place(answers: Vec<Say>) -> (Arc<KeyStore>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut answers = VecDeque::from(answers);
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut question = [0; 4096];
            assert!(socket.read(&mut question).await.unwrap() > 0);
            let last = answers.len() == 1;
            match answers.front().unwrap() {
                Say::Keys(body) => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    socket.write_all(head.as_bytes()).await.unwrap();
                    socket.write_all(body.as_bytes()).await.unwrap();
                }
                Say::Status(head) => socket.write_all(head.as_bytes()).await.unwrap(),
                Say::Endless => {
                    let head = b"HTTP/1.1 200 OK\r\n\r\n";
                    socket.write_all(head).await.unwrap();
                    while socket.write_all(&[b' '; 4096]).await.is_ok() {}
                }
                Say::Silence => drop(tokio::spawn(async move {
                    socket.read_to_end(&mut Vec::new()).await.ok();
                })),
            }
            if !last {
                answers.pop_front();
            }
        }
    });
    let url = format!("http://{address}/cdn-cgi/access/certs");
    let source = KeySource::Url(url.parse().unwrap());
    (Arc::new(KeyStore::new(source)), asked)
}

fn keys(kid: &str) -> Say {
    Say::Keys(TeamKey::jwks(&[&TeamKey::new(kid)]))
}

async fn found(store: &Arc<KeyStore>, kid: &str) -> Result<(), FindKeyError> {
    store.find(kid, UnixTime::now()).await.map(drop)
}

/// Makes the next refresh due.
async fn refresh(store: &KeyStore) {
    store.turn.lock().await.refresh_at = None;
    store.refresh_if_due().await;
}

#[tokio::test]
async fn keys_are_read_once_and_then_held() {
    let (store, asked) = place(vec![keys("one")]).await;
    for _ in 0..3 {
        store.refresh_if_due().await;
        assert_eq!(found(&store, "one").await, Ok(()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rotated_key_is_asked_for_at_its_first_use() {
    let (store, asked) = place(vec![keys("old"), keys("new")]).await;
    store.refresh_if_due().await;
    assert_eq!(found(&store, "new").await, Ok(()));
    assert_eq!(found(&store, "old").await, Err(FindKeyError::Unknown));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_ids_is_one_question() {
    let (store, asked) = place(vec![keys("one")]).await;
    store.refresh_if_due().await;
    let many: Vec<_> = (0..200)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { found(&store, &format!("made-up-{number}")).await })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap(), Err(FindKeyError::Unknown));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(found(&store, "one").await, Ok(()));
}

#[tokio::test]
async fn an_answer_that_is_none_keeps_the_last_good_set_and_raises_an_alarm() {
    let html = "<html>down for maintenance</html>".to_owned();
    let (store, _) = place(vec![
        keys("one"),
        Say::Status("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"),
        Say::Keys(html),
        Say::Endless,
        Say::Status(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        ),
        Say::Status("garbage"),
        keys("one"),
    ])
    .await;
    store.refresh_if_due().await;
    for expected in [
        "500",
        "not a JWK set",
        "larger than",
        "302",
        "cannot be asked",
    ] {
        refresh(&store).await;
        let alarm = store.alarm().unwrap();
        assert!(alarm.contains(expected), "{alarm}");
        assert_eq!(found(&store, "one").await, Ok(()), "{expected}");
    }
    refresh(&store).await;
    assert_eq!(store.alarm(), None);
}

#[tokio::test]
async fn stale_keys_are_believed_for_a_day() {
    let (store, _) = place(vec![Say::Status(
        "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
    )])
    .await;
    let set = KeySet::parse(TeamKey::jwks(&[&TeamKey::new("one")]).as_bytes()).unwrap();
    let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
    store.hold(set, at(1_000_000));
    store.refresh_if_due().await;
    let day = STALE_AFTER.as_secs();
    assert!(store.find("one", at(1_000_000 + day)).await.is_ok());
    let stale = store.find("one", at(1_000_001 + day)).await;
    assert!(matches!(stale, Err(FindKeyError::Unavailable(_))));
}

#[tokio::test]
async fn a_file_is_read_like_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, TeamKey::jwks(&[&TeamKey::new("one")])).unwrap();
    let store = Arc::new(KeyStore::new(KeySource::File(path.clone())));
    assert_eq!(found(&store, "one").await, Ok(()));
    std::fs::write(&path, " ".repeat(300 * 1024)).unwrap();
    refresh(&store).await;
    assert!(store.alarm().unwrap().contains("larger than"));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_does_not_answer_is_given_up() {
    let (store, _) = place(vec![Say::Silence]).await;
    let refused = found(&store, "one").await;
    assert!(
        matches!(refused, Err(FindKeyError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(store.alarm().unwrap().contains("cannot be asked"));
}

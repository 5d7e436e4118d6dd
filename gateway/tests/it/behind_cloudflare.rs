//! Names that were revoked long ago: no checkpoint repeats them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use postern_fixtures::TeamKey;
use serde_json::json;

use crate::support::{DEVICES, Protocol, World};

const NAME: &str = "device-1.factory.corp";

/// Puts Cloudflare in front of every application.
fn put_in_front(folder: &Path, key: &TeamKey) {
    std::fs::write(folder.join("jwks.json"), TeamKey::jwks(&[key])).unwrap();
    let path = folder.join("postern.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let table = "[gateway.behind_cloudflare]\npeer = [\"127.0.0.1\"]\n\
                 team_domain = \"example.cloudflareaccess.com\"\nidentity = \"refuse\"\n\
                 jwks = \"jwks.json\"\n";
    let aud = format!("[application.cloudflare]\naud = \"{}\"\n", tag());
    let mut parts = text.split("[[application]]");
    let mut text = format!("{}{table}", parts.next().unwrap());
    for part in parts {
        text += &format!("[[application]]{part}{aud}");
    }
    std::fs::write(path, text).unwrap();
}

fn tag() -> String {
    "0123456789abcdef".repeat(4)
}

fn assertion(key: &TeamKey, name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    key.sign(&json!({
        "iss": "https://example.cloudflareaccess.com", "aud": [tag()],
        "exp": now.as_secs() + 600, "sub": "", "common_name": name,
    }))
}

async fn ask(world: &World, assertion: &str) -> (StatusCode, String) {
    let client = world.connect(DEVICES, None, Protocol::Http2).await;
    let headers = [
        ("cf-access-jwt-assertion", assertion),
        ("cf-connecting-ip", "203.0.113.7"),
    ];
    let answer = client.unwrap().get(DEVICES, "/", &headers).await.unwrap();
    let reason = answer.1["reason"].as_str().unwrap_or("-").to_owned();
    (answer.0, reason)
}

/// A gateway that knows nothing reads the newest segment first.
async fn start_anew(world: &mut World) {
    world.stop().await;
    std::fs::remove_dir_all(world.folder.path().join("state")).unwrap();
    world.start_again();
}

#[tokio::test]
async fn a_name_stays_refused_after_a_new_segment_and_a_restart() {
    let key = TeamKey::new("key-1");
    let mut world = World::start_after(|folder| put_in_front(folder, &key)).await;
    let revoked = world.pki.client(NAME);
    world.publisher.revoke(&revoked, NAME);
    world.event(|event| event["event"] == "revocation").await;
    let refused = (StatusCode::UNAUTHORIZED, "revoked".to_owned());
    assert_eq!(ask(&world, &assertion(&key, NAME)).await, refused);
    world.publisher.begin_segment();
    world.publisher.begin_segment();
    start_anew(&mut world).await;
    assert_eq!(ask(&world, &assertion(&key, NAME)).await, refused);
    let admitted = ask(&world, &assertion(&key, "device-3.factory.corp")).await;
    assert_eq!(admitted.0, StatusCode::OK);
}

#[tokio::test]
async fn where_old_segments_are_gone_a_name_alone_is_not_believed() {
    let key = TeamKey::new("key-1");
    let mut world = World::start_after(|folder| put_in_front(folder, &key)).await;
    world.publisher.begin_segment();
    let journal = world.folder.path().join("public/journal");
    let first = journal.join(postern_pki::journal::segment_file_name(1));
    std::fs::remove_file(first).unwrap();
    start_anew(&mut world).await;
    let refused = ask(&world, &assertion(&key, "device-3.factory.corp")).await;
    let unknown = (StatusCode::UNAUTHORIZED, "revocation_unknown".to_owned());
    assert_eq!(refused, unknown);
}

//! Who did it, for the record.

use std::env;
use std::fmt;
use std::fs;

/// The acting person: Unix user, the one behind `sudo`, and the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Reads who runs this process: the real user, and behind `sudo` the one who called it.
    pub fn current() -> Self {
        let uid = rustix::process::getuid();
        let user = user_name(uid.as_raw()).unwrap_or_else(|| format!("uid {}", uid.as_raw()));
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy().into_owned();
        // Anybody can set SUDO_USER; only root got it from sudo.
        let behind = env::var("SUDO_USER")
            .ok()
            .filter(|behind| uid.is_root() && *behind != user);
        let text = match behind {
            Some(behind) => format!("{user}@{host} (sudo by {behind})"),
            None => format!("{user}@{host}"),
        };
        // It lands in tables and logs.
        Self(
            text.chars()
                .filter(|character| !character.is_control())
                .take(256)
                .collect(),
        )
    }

    /// As it stands in the record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn user_name(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

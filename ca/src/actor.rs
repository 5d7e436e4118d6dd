//! Who did it, for the record.

use std::env;
use std::fmt;

/// The acting person: Unix user, the one behind `sudo`, and the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Reads who runs this process.
    pub fn current() -> Self {
        let user = env::var("USER")
            .unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw()));
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy().into_owned();
        let text = match env::var("SUDO_USER") {
            Ok(behind) if behind != user => format!("{user}@{host} (sudo by {behind})"),
            _ => format!("{user}@{host}"),
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

//! An emulated account, and a client of it.

use std::time::Duration;

use postern_cloudflare::{ApiToken, Client, ClientOptions, Pace, Scope};
use postern_fixtures::access::{Emulator, Options};

pub(crate) struct Emulated {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
}

impl Emulated {
    pub(crate) fn start(options: Options) -> Self {
        let emulator = Emulator::start(options).expect("loopback has ports");
        let client = Client::with_pace(
            ClientOptions {
                base: emulator.api(),
                token: ApiToken::from(emulator.api_token()),
                timeout: Duration::from_secs(20),
            },
            Pace {
                retry: Duration::from_millis(2),
                settle: Duration::from_millis(50),
                ..Pace::default()
            },
        );
        Self {
            emulator,
            client: client.expect("the address is loopback"),
        }
    }

    pub(crate) fn account(&self) -> Scope {
        Scope::Account(self.emulator.account_id())
    }
}

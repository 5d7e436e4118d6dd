//! `openssl s_client`, and the sessions it keeps in files.

use std::fs;
use std::process::Command;

use postern_tests::{Identity, Output, Site, TestGateway};

/// The versions, as openssl is told.
pub(crate) const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// `openssl s_client`, one request on one connection.
pub(crate) struct OpenSsl<'a> {
    site: &'a Site,
    version: &'a str,
}

/// What openssl said.
#[derive(Debug)]
pub(crate) struct Said(pub(crate) Output);

impl<'a> OpenSsl<'a> {
    pub(crate) fn new(site: &'a Site, version: &'a str) -> Self {
        Self { site, version }
    }

    /// Connects without a session, and leaves the one it got in a file of this name.
    pub(crate) fn first(
        &self,
        gateway: &TestGateway,
        host: &str,
        client: Option<&Identity>,
        to: &str,
    ) -> Said {
        self.connect(gateway, host, client, &["-sess_out", to])
    }

    /// Connects with the session in the file.
    pub(crate) fn again(
        &self,
        gateway: &TestGateway,
        host: &str,
        client: Option<&Identity>,
        from: &str,
    ) -> Said {
        let next = format!("{from}.next");
        self.connect(
            gateway,
            host,
            client,
            &["-sess_in", from, "-sess_out", &next],
        )
    }

    fn connect(
        &self,
        gateway: &TestGateway,
        host: &str,
        client: Option<&Identity>,
        more: &[&str],
    ) -> Said {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        fs::write(self.site.path("request"), request).unwrap();
        let mut command = Command::new("openssl");
        command
            .current_dir(self.site.postern.folder())
            .args(["s_client", "-ign_eof", "-CAfile", "root/root.crt"])
            .args([
                "-connect",
                &gateway.address.to_string(),
                "-servername",
                host,
            ])
            .args([self.version, "-alpn", "http/1.1"])
            .args(more)
            .stdin(fs::File::open(self.site.path("request")).unwrap());
        if let Some(client) = client {
            let certificate = client.certificate.to_str().unwrap();
            let key = client.key.to_str().unwrap();
            command.args([
                "-cert",
                certificate,
                "-cert_chain",
                certificate,
                "-key",
                key,
            ]);
        }
        Said(Output::of(&mut command))
    }
}

impl Said {
    pub(crate) fn was_resumed(&self) -> bool {
        let said = |word| self.0.stdout.contains(&format!("\n{word}, TLSv1."));
        assert!(said("Reused") != said("New"), "{self:?}");
        said("Reused")
    }

    pub(crate) fn was_served(&self) -> bool {
        self.0.stdout.contains("HTTP/1.1 200")
    }

    /// The request id of the answer.
    pub(crate) fn request_id(&self) -> String {
        let mut lines = self.0.stdout.lines();
        let id = lines.find_map(|line| line.strip_prefix("x-request-id: "));
        id.unwrap().to_owned()
    }

    /// A full handshake, and served.
    pub(crate) fn expect_full(&self) {
        assert!(!self.was_resumed() && self.was_served(), "{self:?}");
    }

    /// Resumed, and served.
    pub(crate) fn expect_resumed(&self) {
        assert!(self.was_resumed() && self.was_served(), "{self:?}");
    }

    /// A full handshake that ended in this alert.
    pub(crate) fn expect_alert(&self, alert: &str) {
        assert!(!self.was_resumed() && !self.was_served(), "{self:?}");
        assert!(self.0.stderr.contains(alert), "{self:?}");
    }
}

/// Where a session is kept.
pub(crate) fn file(version: &str) -> String {
    format!("session{version}.pem")
}

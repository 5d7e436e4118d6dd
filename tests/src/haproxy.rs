//! HAProxy in front of a gateway, as whoever runs the tests, in the site's folder.

use std::fs::{self, File};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{PATIENCE, Site, free_port};

/// A running HAProxy; killed when dropped.
pub struct Haproxy {
    child: Child,
    port: u16,
}

impl Haproxy {
    /// Starts it with this configuration behind its `defaults`; `{port}` stands for its port.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(site: &Site, config: &str) -> Self {
        let port = free_port();
        let config = format!("{DEFAULTS}{config}").replace("{port}", &port.to_string());
        fs::write(site.path("haproxy.cfg"), config).expect("a configuration for HAProxy");
        let log = File::create(site.path("haproxy.log")).expect("a file for the log");
        let child = Command::new("haproxy")
            .args(["-db", "-f", "haproxy.cfg"])
            .current_dir(site.postern.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("HAProxy is started");
        let haproxy = Self { child, port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(site.path("haproxy.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "HAProxy does not start: {log}");
            sleep(Duration::from_millis(20));
        }
        haproxy
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const DEFAULTS: &str = r"
defaults
    timeout client  60s
    timeout server  60s
    timeout connect 5s
";

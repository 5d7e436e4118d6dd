//! `postern gateway run` as a child process.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Output, Site};

/// Longer than anything takes on a busy machine; no test waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Far longer than the gateway gathers lines for.
const WRITTEN: Duration = Duration::from_millis(50);

/// A running gateway; killed when dropped.
pub struct TestGateway {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    events: PathBuf,
    stderr: PathBuf,
}

impl TestGateway {
    /// Runs the site's configuration.
    pub fn run(site: &Site) -> Self {
        Self::spawn(site, site.postern.command(&["gateway", "run"]))
    }

    /// Runs it with at most this many open files.
    pub fn run_with_descriptors(site: &Site, limit: u32) -> Self {
        let plain = site.postern.command(&["gateway", "run"]);
        let mut limited = Command::new("sh");
        limited
            .arg("-c")
            .arg(format!("ulimit -n {limit}; exec \"$0\" gateway run"))
            .arg(plain.get_program())
            .current_dir(site.postern.folder())
            .stdin(Stdio::null());
        Self::spawn(site, limited)
    }

    /// Starts a command that becomes the gateway, and waits until it says where it listens.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn spawn(site: &Site, mut command: Command) -> Self {
        let events = site.path("events.jsonl");
        let before = lines(&events).len();
        let stderr = site.path("gateway.stderr");
        let log = File::create(&stderr).expect("a file for the log");
        let child = command
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the gateway is started");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Self {
            child,
            address,
            events,
            stderr,
        };
        let deadline = Instant::now() + PATIENCE;
        let started = loop {
            let started = gateway.events().into_iter().skip(before);
            if let Some(event) = started
                .into_iter()
                .find(|event| event["event"] == "started")
            {
                break event;
            }
            let ended = gateway.child.try_wait().expect("the child is ours");
            assert!(ended.is_none(), "the gateway ended: {}", gateway.log());
            assert!(
                Instant::now() < deadline,
                "the gateway does not start: {}",
                gateway.log()
            );
            sleep(Duration::from_millis(10));
        };
        let listen = started["listen"].as_str().expect("the address is text");
        // A Unix socket has none.
        if !listen.starts_with("unix:") {
            gateway.address = listen.parse().expect("an address");
        }
        gateway
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every event so far.
    ///
    /// # Panics
    /// Where a line is not JSON.
    pub fn events(&self) -> Vec<Value> {
        // Lines are written together, some milliseconds after the answers that they are about.
        sleep(WRITTEN);
        let lines = lines(&self.events);
        let parsed = lines.iter().map(|line| serde_json::from_str(line));
        parsed
            .map(|event| event.expect("every event line is JSON"))
            .collect()
    }

    /// The event lines as they stand in the file.
    pub fn event_lines(&self) -> Vec<String> {
        lines(&self.events)
    }

    /// The first event that fits, as soon as it is there.
    ///
    /// # Panics
    /// Where it does not come.
    pub fn event(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.events();
            if let Some(event) = events.iter().find(|event| fits(event)) {
                return event.clone();
            }
            assert!(Instant::now() < deadline, "no such event among {events:#?}");
        }
    }

    /// The event of one request.
    pub fn event_of(&self, request_id: &str) -> Value {
        self.event(|event| event["request_id"] == request_id)
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The process id.
    ///
    /// # Panics
    /// Never: a started child has one.
    pub fn pid(&self) -> Pid {
        let id = i32::try_from(self.child.id()).expect("a process id");
        Pid::from_raw(id).expect("a process id is not zero")
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// Where the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the gateway runs");
    }

    /// Waits until it ends by itself; its exit code.
    ///
    /// # Panics
    /// Where it does not.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "the gateway does not end: {}",
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends it the polite way.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait(), Some(0), "{}", self.log());
    }

    /// `curl` with the CA's root, every host of the site leading to this gateway.
    pub fn curl(&self, site: &Site, args: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--max-time",
            "40",
            "--cacert",
            "root/root.crt",
        ]);
        let port = self.port();
        for host in [
            crate::DEVICES,
            crate::LOGS,
            crate::MIXED,
            crate::BOTH,
            crate::PLAIN,
        ] {
            command
                .arg("--resolve")
                .arg(format!("{host}:{port}:127.0.0.1"));
        }
        Output::of(command.args(args).current_dir(site.postern.folder()))
    }

    /// A URL of one of the site's hosts.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port())
    }

    /// A plain connection.
    ///
    /// # Panics
    /// Where nothing listens.
    pub fn dial(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the gateway listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        socket
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The whole lines of a file.
fn lines(path: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

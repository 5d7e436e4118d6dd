//! The servers that are compared: the same policy, one worker, on a CPU of their own.

mod haproxy;
mod nginx;
mod postern;

use std::fmt;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::client::{Group, Http, Tickets, visit};
use crate::error::{BenchError, Doing as _};
use crate::processes::ProcessTree;
use crate::site::Site;
use crate::upstream::SMALL;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postern,
    Nginx,
    Haproxy,
}

/// A running server; stopped when dropped.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// From its start to the first answer.
    pub(crate) started_in: Duration,
    child: Child,
    folder: PathBuf,
}

/// What a server's configuration is made of.
struct Plan<'a> {
    site: &'a Site,
    folder: &'a Path,
    listen: SocketAddr,
    crl: &'a Path,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postern => "postern",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        })
    }
}

impl Kind {
    /// Its version in its own words; none where it is not installed.
    pub(crate) fn version(self, site: &Site) -> Option<String> {
        let (program, flag) = match self {
            Self::Postern => (site.postern.as_os_str(), "--version"),
            Self::Nginx => ("nginx".as_ref(), "-v"),
            Self::Haproxy => ("haproxy".as_ref(), "-v"),
        };
        let output = Command::new(program).arg(flag).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        said.lines().next().map(str::to_owned)
    }

    fn command(self, plan: &Plan<'_>) -> Result<Command, BenchError> {
        match self {
            Self::Postern => postern::command(plan),
            Self::Nginx => nginx::command(plan),
            Self::Haproxy => haproxy::command(plan),
        }
    }
}

impl Target {
    /// Starts a server with this CRL, in a new folder, and waits until it serves a good client.
    pub(crate) async fn start(kind: Kind, site: &Site, crl: &Path) -> Result<Self, BenchError> {
        let list = crl.file_stem().unwrap_or_default().to_string_lossy();
        let listen = free_address()?;
        let folder = site.path(&format!("{kind}-{list}-{}", listen.port()));
        fs::create_dir(&folder).doing("make a folder")?;
        let plan = Plan {
            site,
            folder: &folder,
            listen,
            crl,
        };
        let command = kind.command(&plan)?;
        let started = Instant::now();
        let child = pinned(&command)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("stdout")).doing("write a file")?)
            .stderr(File::create(folder.join("stderr")).doing("write a file")?)
            .spawn()
            .doing("start a server")?;
        let mut target = Self {
            kind,
            address: listen,
            started_in: Duration::ZERO,
            child,
            folder,
        };
        target.wait_until_serving(site, started).await?;
        Ok(target)
    }

    /// Its processes.
    pub(crate) fn processes(&self) -> ProcessTree {
        ProcessTree::of(self.child.id())
    }

    async fn wait_until_serving(
        &mut self,
        site: &Site,
        started: Instant,
    ) -> Result<(), BenchError> {
        let good = Some(&site.people.good);
        let config = site
            .tls
            .config(good, Http::One, Group::X25519, Tickets::Ignored)?;
        loop {
            let last = match visit(self.address, config.clone(), SMALL).await {
                Ok(_) => break,
                Err(error) => error.to_string(),
            };
            let ended = self.child.try_wait().doing("look after a server")?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                return Err(BenchError::NotServing {
                    kind: self.kind,
                    last,
                    log: self.log(),
                });
            }
            sleep(Duration::from_millis(1)).await;
        }
        self.started_in = started.elapsed();
        Ok(())
    }

    fn log(&self) -> String {
        let all = ["stderr", "error.log"]
            .map(|name| fs::read_to_string(self.folder.join(name)).unwrap_or_default())
            .concat();
        let lines: Vec<_> = all.lines().collect();
        let last = lines.len().saturating_sub(5);
        lines.get(last..).unwrap_or_default().join(" | ")
    }
}

impl Drop for Target {
    /// Politely, so that a master takes its worker along; it may have ended already.
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process(id, Signal::TERM).ok();
        }
        let asked = Instant::now();
        while asked.elapsed() < STOP && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The same command on the servers' CPU. `taskset` becomes the program, so the process id stays.
fn pinned(command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["--cpu-list", &SERVER_CPU.to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    pinned
}

fn free_address() -> Result<SocketAddr, BenchError> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .doing("find a free port")
}

/// The servers'.
pub(crate) const SERVER_CPU: usize = 0;
/// What a client's common name must be. The same for every server.
const COMMON_NAME_PATTERN: &str = r"^device-[a-z0-9-]+\.factory\.corp$";
/// A list of a million entries takes a peer a while.
const PATIENCE: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(5);

//! One CA, one upstream and the files that every target is given.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use postern_fixtures::TestPki;
use tempfile::TempDir;

use crate::authority::{Authority, Identity};
use crate::client::{BENCH_HOST, ClientTls};
use crate::error::{BenchError, Doing as _};
use crate::upstream::Upstream;

/// What all targets share.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) postern: PathBuf,
    pub(crate) upstream: Upstream,
    pub(crate) clients: Authority,
    pub(crate) tls: ClientTls,
    pub(crate) people: People,
}

/// Those whom the policy is proven with.
pub(crate) struct People {
    pub(crate) good: Identity,
    pub(crate) wrong_name: Identity,
    pub(crate) revoked: Identity,
    pub(crate) untrusted: Identity,
}

impl Site {
    /// Makes a CA with the given binary, a server certificate, and starts the upstream.
    pub(crate) fn new(postern: &Path) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().doing("make a folder")?;
        let postern = fs::canonicalize(postern).doing("find the postern binary; see --postern")?;
        run(Command::new(&postern)
            .args([
                "ca",
                "init",
                "--name",
                "Bench",
                "--root-dir",
                "root",
                "--no-passphrase",
            ])
            .current_dir(folder.path()))?;
        let home = folder.path().join("postern-home");
        let authority = |name: &str| {
            let file = |ending| home.join(format!("{name}.{ending}"));
            Authority::read(&file("crt"), &file("key"))
        };
        let (clients, servers) = (
            authority("intermediate")?,
            authority("server-intermediate")?,
        );
        let root_folder = folder.path().join("root");
        let root = Authority::read(&root_folder.join("root.crt"), &root_folder.join("root.key"))?;
        let site = Self {
            tls: ClientTls::new(root.certificate())?,
            people: People::new(&clients)?,
            upstream: Upstream::start()?,
            postern,
            folder,
            clients,
        };
        site.write_server(&servers.server(BENCH_HOST)?)?;
        Ok(site)
    }

    /// Runs `postern` in the folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.postern);
        command
            .args(["--home", "postern-home"])
            .args(args)
            .current_dir(self.folder.path());
        command
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a CRL of the clients' issuer with so many strangers and the one who is revoked;
    /// beside it the file that the peers want: with the root's list, as PEM.
    pub(crate) fn write_crl(&self, name: &str, strangers: u64) -> Result<PathBuf, BenchError> {
        let path = self.path(name);
        self.replace_crl(&path, FIRST_NUMBER, strangers, &[&self.people.revoked])?;
        let root = fs::read_to_string(self.path("postern-home/public/crl/root.crl.pem"))
            .doing("read the root's CRL")?;
        let own = fs::read(&path).doing("read a CRL")?;
        let pem = postern_fixtures::pem("X509 CRL", &own);
        fs::write(path.with_extension("peers.pem"), pem + &root).doing("write a CRL")?;
        Ok(path)
    }

    /// Puts another CRL in the place of one, whole.
    pub(crate) fn replace_crl(
        &self,
        path: &Path,
        number: u64,
        strangers: u64,
        revoked: &[&Identity],
    ) -> Result<(), BenchError> {
        let list = self.clients.crl(number, strangers, revoked)?;
        let beside = path.with_extension("new");
        fs::write(&beside, list).doing("write a CRL")?;
        fs::rename(&beside, path).doing("write a CRL")
    }

    fn write_server(&self, server: &Identity) -> Result<(), BenchError> {
        let chain: String = server
            .chain
            .iter()
            .map(|der| postern_fixtures::pem("CERTIFICATE", der))
            .collect();
        let key = postern_fixtures::pem("PRIVATE KEY", server.key.secret_der());
        self.write_private("server.crt", &chain)?;
        self.write_private("server.key", &key)?;
        self.write_private("server.pem", &(chain + &key))?;
        let trust = ["root/root.crt", "postern-home/intermediate.crt"]
            .map(|name| fs::read_to_string(self.path(name)).doing("read a CA certificate"));
        let trust: String = trust.into_iter().collect::<Result<_, _>>()?;
        self.write_private("trust.pem", &trust)
    }

    fn write_private(&self, name: &str, text: &str) -> Result<(), BenchError> {
        let mut file = File::create(self.path(name)).doing("write a file")?;
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(text.as_bytes()))
            .doing("write a file")
    }
}

impl People {
    fn new(clients: &Authority) -> Result<Self, BenchError> {
        let untrusted = TestPki::new().client("device-0.factory.corp");
        Ok(Self {
            good: clients.client("device-0.factory.corp")?,
            wrong_name: clients.client("xdevice-0.factory.corp.example")?,
            revoked: clients.client("device-1.factory.corp")?,
            untrusted: Identity {
                chain: untrusted.chain(),
                key: untrusted.key_der(),
            },
        })
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<String, BenchError> {
    let output = command.output().doing("run a command")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(BenchError::Command {
        command: format!("{command:?}"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Above those of `ca init`.
pub(crate) const FIRST_NUMBER: u64 = 1_000;

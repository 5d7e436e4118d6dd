//! A PKI made by `--init-pki`, an upstream, and a proxy in front of it.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postern_tests::{Output, PATIENCE, Postern, Upstream, free_port};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A second host, which asks no client for a certificate.
pub(crate) const OTHER: &str = "other.example.com";

/// Where everything of a test is.
pub(crate) struct Lab {
    pub(crate) postern: Postern,
    upstream: Upstream,
    port: u16,
}

/// A running proxy; ended when dropped.
pub(crate) struct Proxy {
    child: Child,
    url: String,
    reload: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let postern = Postern::new();
        let init = [
            "gateway",
            "verify",
            "--init-pki",
            "pki",
            "--server-name",
            OTHER,
        ];
        drop(postern.run(&init).expect_code(0));
        Self {
            postern,
            upstream: Upstream::start(),
            port: free_port(),
        }
    }

    /// Runs the suite; more flags may follow.
    pub(crate) fn verify(&self, proxy: &Proxy, more: &[&str]) -> Output {
        let mut args = vec!["gateway", "verify", &proxy.url, "--reload", &proxy.reload];
        args.extend(["--pki", "pki", "--crl-out", "pki/crl.pem"]);
        args.extend(["--stream-path", "/endless", "--upload-path", "/upload"]);
        args.extend(["--websocket-path", "/websocket", "--echo-path", "/echo"]);
        args.extend([
            "--other-host",
            OTHER,
            "--json",
            "report.json",
            "--markdown",
            "report.md",
        ]);
        args.extend(more);
        let output = self.postern.run(&args);
        self.keep(proxy);
        output
    }

    /// Leaves the report where `docs/verify.md` is written from, if somebody asks for it.
    fn keep(&self, proxy: &Proxy) {
        let report = self.postern.path("report.json");
        if let Some(folder) = std::env::var_os("POSTERN_VERIFY_REPORTS").filter(|_| report.exists())
        {
            let program = proxy.child.id();
            let name = fs::read_to_string(format!("/proc/{program}/comm")).unwrap();
            let kept = Path::new(&folder).join(name.trim()).with_extension("json");
            fs::copy(report, kept).unwrap();
        }
    }

    /// The verdicts of the last run, by check.
    pub(crate) fn verdicts(&self) -> Vec<(String, String)> {
        let report = fs::read_to_string(self.postern.path("report.json")).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        let items = report["items"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        items
            .map(|it| (text(&it["check"]), text(&it["verdict"])))
            .collect()
    }

    /// The gateway, which looks at the CRL file by itself.
    pub(crate) fn gateway(&self) -> Proxy {
        self.write("postern.toml", GATEWAY);
        let command = self.postern.command(&["gateway", "run"]);
        self.start(command, "true".to_owned())
    }

    /// nginx as its documentation has it, with these lines in its server.
    pub(crate) fn nginx(&self, lines: &str) -> Proxy {
        let config = NGINX.replace("{lines}", lines);
        self.write("nginx.conf", &config);
        fs::write(self.postern.path("ticket.key"), [7; 80]).unwrap();
        let folder = self.postern.folder().display();
        let start = format!("nginx -p {folder} -c nginx.conf -e error.log");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec {start}"));
        self.start(command, format!("{start} -s reload"))
    }

    /// HAProxy with this on its `bind` line, its CRL changed as its management guide has it.
    pub(crate) fn haproxy(&self, client_auth: &str) -> Proxy {
        let config = HAPROXY.replace("{client_auth}", client_auth);
        self.write("haproxy.cfg", &config);
        self.write(
            "crt-list",
            "pki/server.crt localhost\npki/server.crt [verify none] other.example.com\n",
        );
        self.write("commit.py", COMMIT);
        let mut command = Command::new("haproxy");
        command
            .args(["-db", "-f", "haproxy.cfg"])
            .current_dir(self.postern.folder());
        self.start(command, "python3 commit.py".to_owned())
    }

    fn write(&self, name: &str, text: &str) {
        let text = text
            .replace("{port}", &self.port.to_string())
            .replace("{upstream}", &self.upstream.authority())
            .replace("{folder}", &self.postern.folder().display().to_string())
            .replace("{other}", OTHER);
        fs::write(self.postern.path(name), text).unwrap();
    }

    fn start(&self, mut command: Command, reload: String) -> Proxy {
        let log = fs::File::create(self.postern.path("proxy.log")).unwrap();
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let proxy = Proxy {
            child: quiet.spawn().unwrap(),
            url: format!("https://localhost:{}/", self.port),
            reload,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.postern.path("proxy.log")).unwrap();
            assert!(Instant::now() < deadline, "it does not start: {log}");
            sleep(Duration::from_millis(20));
        }
        proxy
    }
}

impl Proxy {
    /// The same, with a command that makes it read nothing.
    pub(crate) fn never_reloaded(mut self) -> Self {
        "true".clone_into(&mut self.reload);
        self
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx's workers are its own to end, so it is asked.
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.unwrap(), Signal::TERM).ok();
        self.child.wait().ok();
    }
}

const GATEWAY: &str = r#"
[gateway]
listen      = "127.0.0.1:{port}"
certificate = "pki/server.crt"
key         = "pki/server.key"
state       = "gateway-state"
events      = "events.jsonl"
trust       = ["pki/root.crt"]
follow      = ["pki/home/public"]
crl         = ["pki/crl.pem"]
when_stale  = "refuse"
drain       = "1s"

[[application]]
name     = "verified"
hosts    = ["localhost"]
upstream = "http://{upstream}"
[[application.policy]]
name     = "suite"
decision = "non_identity"
include  = [{ common_name = "postern-verify" }]

[[application]]
name     = "other"
hosts    = ["{other}"]
upstream = "http://{upstream}"
[[application.policy]]
name     = "local"
decision = "non_identity"
include  = [{ ip = "127.0.0.0/8" }]
"#;

/// Tickets are good at every worker and after a reload, as they are in a fleet.
const NGINX: &str = r"
daemon off;
pid nginx.pid;
worker_processes 2;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    ssl_certificate        pki/server.crt;
    ssl_certificate_key    pki/server.key;
    ssl_protocols          TLSv1.2 TLSv1.3;
    ssl_session_cache      shared:SSL:1m;
    ssl_session_ticket_key ticket.key;
    proxy_http_version      1.1;
    proxy_buffering         off;
    proxy_request_buffering off;
    server {
        listen 127.0.0.1:{port} ssl http2;
        server_name localhost;
        ssl_client_certificate pki/root.crt;
        ssl_verify_depth       2;
        {lines}
        location / {
            proxy_pass http://{upstream};
            proxy_set_header Upgrade           $http_upgrade;
            proxy_set_header Connection        $connection_upgrade;
            proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
        }
    }
    server {
        listen 127.0.0.1:{port} ssl http2;
        server_name {other};
        location / { return 200 other; }
    }
}
";

const HAPROXY: &str = r"
global
    ssl-load-extra-del-ext
    stats socket {folder}/haproxy.sock mode 600 level admin
defaults
    mode http
    timeout client  60s
    timeout server  60s
    timeout connect 5s
    timeout tunnel  1h
frontend front
    bind 127.0.0.1:{port} ssl crt-list crt-list ca-file pki/root.crt crl-file pki/crl.pem {client_auth} alpn h2,http/1.1
    http-request set-header X-SSL-Client-S-DN %[ssl_c_s_dn]
    default_backend back
backend back
    server only {upstream}
";

/// `set ssl crl-file`, then `commit ssl crl-file`.
const COMMIT: &str = r#"
import socket, sys

def run(command):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect("haproxy.sock")
        admin.sendall(command.encode())
        admin.shutdown(socket.SHUT_WR)
        return "".join(iter(lambda: admin.recv(65536).decode(), ""))

name = "pki/crl.pem"
pem = "\n".join(line for line in open(name).read().split("\n") if line)
said = run(f"set ssl crl-file {name} <<\n{pem}\n\n") + run(f"commit ssl crl-file {name}\n")
sys.exit(None if "Success!" in said else said)
"#;

//! nginx as the upstream, as whoever runs the tests, in the site's folder.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{PATIENCE, Protocol, Site};

/// A running nginx; killed when dropped. It answers with the headers it saw.
pub struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    /// Starts it; it keeps what it was asked in `nginx/access.log`.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(site: &Site) -> Self {
        Self::with(site, &CONFIG.replace("{server}", PLAIN))
    }

    /// Starts one that speaks TLS as `backend.internal`, issued by the site's CA, and needs a
    /// certificate of that CA. It answers with what it knows of whoever asks.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_tls(site: &Site, protocol: Protocol) -> Self {
        let issue = "cert issue backend.internal --profile server --san backend.internal";
        let args: Vec<_> = issue.split(' ').chain(["--out", "backend"]).collect();
        drop(site.postern.run(&args).expect_code(0));
        let http2 = match protocol {
            Protocol::Http1 => "",
            Protocol::Http2 => "http2",
        };
        Self::with(
            site,
            &CONFIG.replace("{server}", &TLS.replace("{http2}", http2)),
        )
    }

    /// Starts it with another configuration, in which `{port}` stands for its port.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn with(site: &Site, config: &str) -> Self {
        let folder = site.path("nginx");
        fs::create_dir_all(folder.join("www")).expect("a folder for nginx");
        fs::write(folder.join("www/static.txt"), "served by nginx\n").expect("a page");
        let port = free_port();
        let config = config.replace("{port}", &port.to_string());
        fs::write(folder.join("nginx.conf"), config).expect("a configuration for nginx");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is started");
        let nginx = Self { child, port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "nginx does not start: {log}");
            sleep(Duration::from_millis(20));
        }
        nginx
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port of loopback that nobody uses at this moment.
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

// One process, so that killing it kills all of it. `underscores_in_headers` shows what a careless
// upstream would see.
const CONFIG: &str = r"
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 256; }
http {
    log_format seen escape=json '$request|$http_client_cert|$http_x_request_id|$http_cf_access_client_id';
    access_log access.log seen;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    underscores_in_headers on;
    {server}
}
";

const PLAIN: &str = r"server {
        listen 127.0.0.1:{port};
        root www;
        location /seen {
            default_type text/plain;
            return 200 'client-cert=$http_client_cert
x-request-id=$http_x_request_id
x-forwarded-for=$http_x_forwarded_for
x-forwarded-proto=$http_x_forwarded_proto
x-forwarded-host=$http_x_forwarded_host
host=$http_host
cf-access-client-id=$http_cf_access_client_id
';
        }
    }
";

const TLS: &str = r"server {
        listen 127.0.0.1:{port} ssl {http2};
        ssl_certificate ../backend/backend.internal.crt;
        ssl_certificate_key ../backend/backend.internal.key;
        ssl_client_certificate ../root/root.crt;
        ssl_verify_client on;
        ssl_verify_depth 3;
        location / {
            default_type text/plain;
            return 200 'client=$ssl_client_s_dn
sni=$ssl_server_name
protocol=$server_protocol
host=$http_host
';
        }
    }
";

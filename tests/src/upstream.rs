//! An upstream that writes down what it received, octet for octet. It knows no identity: what a
//! header is called and how often it came is for the test to judge, so nothing is normalised.

use std::io::{self, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::http1::{self, Sha256};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// The request line.
    pub line: String,
    /// The header lines as they were written, split at the first colon.
    pub headers: Vec<(String, String)>,
    /// The same of the trailers.
    pub trailers: Vec<(String, String)>,
    /// How long its body was.
    pub body_octets: u64,
    /// The digest of the body, once all of it is there.
    pub sha256: Option<String>,
    /// Whether the connection ended before the body did.
    pub broken_off: bool,
}

impl Received {
    /// Every value of a header, its name compared without case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fits = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        fits.map(|(_, value)| value.as_str()).collect()
    }

    /// Head and trailers as one text, to search for what must not be there.
    pub fn text(&self) -> String {
        let fields = self.headers.iter().chain(&self.trailers);
        let lines = fields.map(|(name, value)| format!("{name}: {value}\n"));
        format!("{}\n{}", self.line, lines.collect::<String>())
    }
}

#[derive(Default)]
struct Book {
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    streams_cut: AtomicUsize,
}

/// The running upstream.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    book: Arc<Book>,
}

impl Upstream {
    /// Starts it on a free port of loopback; it runs until the process ends.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let book = Arc::new(Book::default());
        let shared = Arc::clone(&book);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let book = Arc::clone(&shared);
                let number = book.connections.fetch_add(1, Ordering::SeqCst) + 1;
                // A connection ends where its client wants; there is nothing to report.
                thread::spawn(move || serve(&socket, number, &book).ok());
            }
        });
        Self { address, book }
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Received> {
        self.book.received().clone()
    }

    /// How many requests arrived.
    pub fn count(&self) -> usize {
        self.book.received().len()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.book.connections.load(Ordering::SeqCst)
    }

    /// How many endless answers ended because nobody read them any more.
    pub fn streams_cut(&self) -> usize {
        self.book.streams_cut.load(Ordering::SeqCst)
    }

    /// The one request for this path; none or more than one is a mistake of the test.
    ///
    /// # Panics
    /// Where that is so.
    pub fn only(&self, path: &str) -> Received {
        let all = self.received();
        let fits = |one: &&Received| one.line.split(' ').nth(1) == Some(path);
        let mut found = all.iter().filter(fits);
        let first = found
            .next()
            .unwrap_or_else(|| panic!("no request for {path} in {all:#?}"));
        assert!(found.next().is_none(), "more than one request for {path}");
        first.clone()
    }
}

impl Book {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(socket: &TcpStream, connection: usize, book: &Book) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 * 1024, socket);
    let mut writer = BufWriter::with_capacity(64 * 1024, socket);
    while let Some(head) = http1::read_head(&mut reader)? {
        let index = {
            let mut received = book.received();
            received.push(Received {
                connection,
                line: head.line.clone(),
                headers: head.fields.clone(),
                trailers: Vec::new(),
                body_octets: 0,
                sha256: None,
                broken_off: false,
            });
            received.len() - 1
        };
        let path = head.line.split(' ').nth(1).unwrap_or_default().to_owned();
        if path.starts_with("/early") {
            // Answers without having read the body.
            return answer(&mut writer, &head, &path, "", book);
        }
        let mut digest = Sha256::new();
        let body = http1::read_body(&mut reader, &head, &mut digest);
        let digest = digest.finish();
        {
            let mut received = book.received();
            let Some(mine) = received.get_mut(index) else {
                return Ok(());
            };
            match body {
                Ok((octets, trailers)) => {
                    mine.body_octets = octets;
                    mine.trailers = trailers;
                    mine.sha256 = Some(digest.clone());
                }
                Err(error) => {
                    mine.broken_off = true;
                    return Err(error);
                }
            }
        }
        answer(&mut writer, &head, &path, &digest, book)?;
        writer.flush()?;
    }
    Ok(())
}

/// What it answers is chosen by the path.
fn answer(
    out: &mut impl Write,
    head: &http1::Head,
    path: &str,
    digest: &str,
    book: &Book,
) -> io::Result<()> {
    let line = head.line.as_str();
    let mut parts = path.split(['/', '?']).skip(1);
    let (kind, number) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let number: u64 = number.parse().unwrap_or(0);
    match kind {
        "status" => write!(out, "HTTP/1.1 {number} Whatever\r\n{}\r\n", no_body(number)),
        "slow" => {
            thread::sleep(Duration::from_millis(number));
            text(out, line, "late but here")
        }
        "octets" => {
            write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {number}\r\n\r\n")?;
            if line.starts_with("HEAD ") {
                Ok(())
            } else {
                http1::write_pattern(out, number)
            }
        }
        "endless" => endless(out).inspect_err(|_| {
            book.streams_cut.fetch_add(1, Ordering::SeqCst);
        }),
        "echo" => {
            let lines = head.fields.iter();
            let lines = lines.map(|(name, value)| format!("\n{name}: {value}"));
            text(out, line, &lines.collect::<String>())
        }
        "websocket" => web_socket(out),
        "spoof" => out.write_all(SPOOF),
        "close" => Err(io::Error::other("closed as asked")),
        "garbage" => out
            .write_all(b"this is not HTTP\r\n\r\n")
            .and_then(|()| out.flush()),
        "split" => out
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            .and_then(|()| out.flush())
            .and_then(|()| Err(io::Error::other("ended early as asked"))),
        _ => text(
            out,
            line,
            &json!({ "sha256": digest, "line": line }).to_string(),
        ),
    }
}

fn text(out: &mut impl Write, line: &str, text: &str) -> io::Result<()> {
    let body = if line.starts_with("HEAD ") { "" } else { text };
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        text.len()
    )
}

fn no_body(status: u64) -> &'static str {
    match status {
        204 | 304 => "",
        _ => "Content-Length: 0\r\n",
    }
}

/// A chunk now and then, until the reader is gone.
fn endless(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        out.write_all(b"5\r\ntick\n\r\n")?;
        out.flush()?;
        thread::sleep(Duration::from_millis(20));
    }
}

/// A frame now and then, until the reader is gone. It knows the key of RFC 6455 section 1.3 only.
fn web_socket(out: &mut impl Write) -> io::Result<()> {
    out.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )?;
    loop {
        out.write_all(b"\x81\x04tick")?;
        out.flush()?;
        thread::sleep(Duration::from_millis(20));
    }
}

/// An upstream that speaks with the gateway's voice.
const SPOOF: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: forged\r\n\
    Client-Cert: :AA==:\r\nCF_ACCESS_CLIENT_ID: forged\r\nX-Kept: yes\r\nTrailer: X-Request-Id\r\n\r\n\
    2\r\nok\r\n0\r\nX-Request-Id: forged\r\nClient-Cert: forged\r\n\r\n";

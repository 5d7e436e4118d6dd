//! A server on loopback that answers what a script says, one connection for each call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postern_cloudflare::{ApiToken, Client, ClientOptions, Pace};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with one call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers.
    Answer {
        status: u16,
        headers: String,
        body: String,
    },
    /// Reads the call and closes the connection.
    Cut,
    /// Reads the call and says nothing.
    Hang,
}

/// A call as it arrived: its first line, and the rest.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

pub(crate) struct Scripted {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

/// The API token of every test.
pub(crate) const TOKEN: &str = "canary-api-token";

/// A success with this result.
pub(crate) fn ok(result: &str) -> Reply {
    answer(
        200,
        "",
        &format!(r#"{{"success":true,"errors":[],"result":{result}}}"#),
    )
}

/// A refusal with this error.
pub(crate) fn refused(status: u16, code: u64, message: &str) -> Reply {
    let error = format!(r#"{{"code":{code},"message":"{message}"}}"#);
    let body = format!(r#"{{"success":false,"errors":[{error}],"result":null}}"#);
    answer(status, "", &body)
}

/// An answer with header lines of its own.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    Reply::Answer {
        status,
        headers: headers.to_owned(),
        body: body.to_owned(),
    }
}

impl Scripted {
    /// Starts a server that gives these replies in their order, then cuts.
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a port");
        let address = listener.local_addr().expect("it is bound");
        let base = format!("http://{address}/client/v4");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, script, seen.clone()));
        Self { base, seen, task }
    }

    /// A client of this server that does not wait long.
    pub(crate) fn client(&self) -> Client {
        self.client_with(Pace {
            retry: Duration::from_millis(2),
            settle: Duration::from_millis(2),
            ..Pace::default()
        })
    }

    pub(crate) fn client_with(&self, pace: Pace) -> Client {
        let options = options(&self.base, Duration::from_secs(20));
        Client::with_pace(options, pace).expect("the address is loopback")
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics with it").clone()
    }

    /// The first lines of the calls, without the version and the common part of the path.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.seen().into_iter().map(|seen| seen.line);
        lines
            .map(|line| line.replace("/client/v4", "").replace(" HTTP/1.1", ""))
            .collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn options(base: &str, timeout: Duration) -> ClientOptions {
    ClientOptions {
        base: base.to_owned(),
        token: ApiToken::from(TOKEN.to_owned()),
        timeout,
    }
}

async fn serve(listener: TcpListener, script: Vec<Reply>, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut script = script.into_iter();
    let mut held = Vec::new();
    loop {
        let (connection, _) = listener.accept().await.expect("the listener lives");
        let mut connection = BufReader::new(connection);
        let Some(call) = read(&mut connection).await else {
            continue;
        };
        seen.lock().expect("no test panics with it").push(call);
        match script.next().unwrap_or(Reply::Cut) {
            Reply::Answer {
                status,
                headers,
                body,
            } => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\
                     {headers}\r\n{body}"
                );
                // A client that went away is a test's own affair.
                connection.write_all(answer.as_bytes()).await.ok();
            }
            Reply::Cut => {}
            Reply::Hang => held.push(connection),
        }
    }
}

async fn read(connection: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    connection.read_line(&mut line).await.ok()?;
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        if connection.read_line(&mut headers).await.ok()? == 0 {
            return None;
        }
    }
    let length = headers.lines().find_map(|header| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body).await.ok()?;
    Some(Seen {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).expect("JSON"),
    })
}

//! V24: requests that two readers could understand differently.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::verify::answer::Answer;
use crate::verify::suite::Suite;
use crate::verify::tls::{Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

/// Some header lines and the body that comes with them.
struct Ambiguity {
    name: &'static str,
    lines: &'static str,
    body: &'static str,
    safe: Safe,
}

/// What may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Safe {
    /// A refusal, and nothing after it.
    Refusal,
    /// RFC 9112 section 6.1: a refusal, or one answer and the end of the connection.
    OneAnswer,
}

pub(super) async fn framing(suite: &Suite) -> Result<Finding, NotRun> {
    let mut unsafe_ones = Vec::new();
    for ambiguity in &AMBIGUITIES {
        let statuses = exchange(suite, ambiguity).await?;
        let refused = statuses.first().is_none_or(|status| *status >= 400);
        let safe = statuses.len() < 2 && (refused || ambiguity.safe == Safe::OneAnswer);
        if !safe {
            unsafe_ones.push(format!("{} ({statuses:?})", ambiguity.name));
        }
    }
    Ok(if unsafe_ones.is_empty() {
        Finding::pass(format!(
            "{} ambiguous requests, none answered twice",
            AMBIGUITIES.len()
        ))
    } else {
        Finding::fail(format!("taken: {}", unsafe_ones.join(", ")))
    })
}

/// The statuses of all answers to it and to the request that is hidden behind it.
async fn exchange(suite: &Suite, ambiguity: &Ambiguity) -> Result<Vec<u16>, NotRun> {
    let client = suite.pki.client();
    let config = suite
        .dialer
        .config(Some(&client), Version::Any, Protocol::Http1);
    let stream = suite.dialer.tls(&Arc::new(config)).await;
    let mut stream = stream.map_err(|failure| NotRun::because(Answer::from(failure)))?;
    let target = &suite.dialer.target;
    let (path, host) = (&target.path, &target.authority);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{}\r\n{}GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        ambiguity.lines, ambiguity.body
    );
    // It may be closed while this is still being sent.
    stream.write_all(request.as_bytes()).await.ok();
    stream.flush().await.ok();
    let (mut answer, mut block) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(count @ 1..)) = timeout(SILENCE, stream.read(&mut block)).await {
        answer.extend_from_slice(&block[..count]);
    }
    let text = String::from_utf8_lossy(&answer);
    let statuses = text.split("HTTP/1.1 ").skip(1);
    Ok(statuses
        .filter_map(|rest| rest.get(..3)?.parse().ok())
        .collect())
}

const SILENCE: Duration = Duration::from_millis(700);

const AMBIGUITIES: [Ambiguity; 7] = [
    Ambiguity {
        name: "Content-Length and Transfer-Encoding",
        lines: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        body: "0\r\n\r\n",
        safe: Safe::OneAnswer,
    },
    Ambiguity {
        name: "two Content-Lengths",
        lines: "Content-Length: 0\r\nContent-Length: 4\r\n",
        body: "",
        safe: Safe::Refusal,
    },
    Ambiguity {
        name: "a list of Content-Lengths",
        lines: "Content-Length: 0, 4\r\n",
        body: "",
        safe: Safe::Refusal,
    },
    Ambiguity {
        name: "a signed Content-Length",
        lines: "Content-Length: +4\r\n",
        body: "body",
        safe: Safe::Refusal,
    },
    Ambiguity {
        name: "an unknown Transfer-Encoding",
        lines: "Transfer-Encoding: xchunked\r\n",
        body: "0\r\n\r\n",
        safe: Safe::Refusal,
    },
    Ambiguity {
        name: "a vertical tab before chunked",
        lines: "Transfer-Encoding: \u{b}chunked\r\n",
        body: "0\r\n\r\n",
        safe: Safe::Refusal,
    },
    Ambiguity {
        name: "a space before the colon",
        lines: "Transfer-Encoding : chunked\r\n",
        body: "0\r\n\r\n",
        safe: Safe::Refusal,
    },
];

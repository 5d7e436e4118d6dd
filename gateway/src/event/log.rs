//! The one thread that writes events.
//!
//! The queue is bounded and a full one makes senders wait: nothing is dropped. What was queued is
//! flushed as soon as the queue is empty, so a line is on disk or in the pipe before anyone asks.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::Serialize;

use super::json;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTarget {
    /// Standard output, one line each.
    Stdout,
    /// A file, appended to (0640), opened again on SIGHUP.
    File(PathBuf),
}

/// Why the event file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the event file {}: {source}; check `[gateway] events`", path.display())]
#[non_exhaustive]
pub struct OpenEventsError {
    path: PathBuf,
    source: io::Error,
}

/// A handle to the writer; cheap to clone.
#[derive(Clone)]
pub(crate) struct EventLog {
    sender: SyncSender<Command>,
}

enum Command {
    Line(Vec<u8>),
    Reopen,
    Close,
}

impl EventLog {
    /// Queues one line; waits while the queue is full.
    pub(super) fn write(&self, value: &impl Serialize) {
        self.send(Command::Line(json::line(value)));
    }

    /// Opens the file again under its name: the old one was rotated away.
    pub(crate) fn reopen(&self) {
        self.send(Command::Reopen);
    }

    fn send(&self, command: Command) {
        if self.sender.send(command).is_err() {
            tracing::warn!("an event came after the event log was closed");
        }
    }
}

/// The running writer thread; [`close`](Self::close) writes what is queued and ends it.
pub(crate) struct EventLogThread {
    log: EventLog,
    thread: JoinHandle<()>,
}

impl EventLogThread {
    /// Opens the target and starts the thread.
    pub(crate) fn start(target: &EventTarget) -> Result<Self, OpenEventsError> {
        let output = open(target)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let target = target.clone();
        let thread = std::thread::Builder::new()
            .name("postern-events".to_owned())
            .spawn(move || run(&receiver, output, &target))
            .expect("the system can start one more thread");
        Ok(Self {
            log: EventLog { sender },
            thread,
        })
    }

    /// The handle that writes to it.
    pub(crate) fn log(&self) -> &EventLog {
        &self.log
    }

    /// Writes everything queued so far and ends the thread.
    pub(crate) fn close(self) {
        self.log.send(Command::Close);
        if self.thread.join().is_err() {
            tracing::error!("the event log's thread panicked");
        }
    }
}

type Output = BufWriter<Box<dyn Write + Send>>;

fn run(receiver: &Receiver<Command>, mut output: Output, target: &EventTarget) {
    while let Ok(first) = receiver.recv() {
        for command in std::iter::once(first).chain(receiver.try_iter()) {
            match command {
                Command::Line(line) => report(output.write_all(&line)),
                Command::Reopen => {
                    report(output.flush());
                    match open(target) {
                        Ok(reopened) => output = reopened,
                        Err(error) => tracing::error!("{error}; still writing to the old file"),
                    }
                }
                Command::Close => return report(output.flush()),
            }
        }
        report(output.flush());
    }
}

fn open(target: &EventTarget) -> Result<Output, OpenEventsError> {
    let output: Box<dyn Write + Send> = match target {
        EventTarget::Stdout => Box::new(io::stdout()),
        EventTarget::File(path) => Box::new(append(path).map_err(|source| OpenEventsError {
            path: path.clone(),
            source,
        })?),
    };
    Ok(BufWriter::with_capacity(BUFFER, output))
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::error!("an event line could not be written: {error}");
    }
}

const QUEUE: usize = 8192;
const BUFFER: usize = 64 * 1024;

//! The one thread that writes events, and the room in front of it.
//!
//! Whoever reads the lines may stall, and then nothing of ours may: a revocation cuts and a drain
//! drains all the same. So queueing a line never waits. What waits is a request or a refused
//! handshake that *begins*: while [`ROOM`] lines are queued it gets no [`Room`], and without one
//! there is no record and no service. The queue holds at most `ROOM` lines and one for each request
//! that was running when it filled up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use prometheus::IntCounter;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::json;
use super::notice::{Notice, notice_line};
use crate::metrics::Metrics;

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
    sender: Sender<Command>,
    room: Arc<Semaphore>,
    /// Every line that was not written.
    lost: IntCounter,
    pub(super) metrics: Arc<Metrics>,
}

/// The queue had room when this was given out: one record may be opened.
pub(crate) struct Room(EventLog);

/// Nobody takes the lines, and the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stalled;

enum Command {
    Line(Line),
    Reopen,
    Close,
}

/// A queued line; its permit goes back when it is written or given up.
struct Line {
    text: Vec<u8>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl EventLog {
    /// Waits for room, but not for long. What goes unrecorded is counted.
    pub(crate) async fn room(&self) -> Result<Room, Stalled> {
        self.room_within(WAIT_FOR_ROOM).await
    }

    async fn room_within(&self, patience: Duration) -> Result<Room, Stalled> {
        // Given back at once: a request may run for hours, and whoever opens many would otherwise
        // take the room of all others.
        match timeout(patience, self.room.acquire()).await {
            Ok(permit) => {
                drop(permit);
                Ok(Room(self.clone()))
            }
            Err(_elapsed) => {
                self.lost.inc();
                Err(Stalled)
            }
        }
    }

    /// Queues one line and never waits.
    pub(super) fn write(&self, text: Vec<u8>) {
        // Without a permit where the queue is full: a running request may always end.
        let permit = Arc::clone(&self.room).try_acquire_owned().ok();
        self.send(Command::Line(Line {
            text,
            _permit: permit,
        }));
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

impl Room {
    /// What its record is counted in.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Queues the record's line.
    pub(super) fn write(self, value: &impl Serialize) {
        self.0.write(json::line(value));
    }
}

/// The running writer thread; [`close`](Self::close) writes what is queued and ends it.
pub(crate) struct EventLogThread {
    log: EventLog,
    closed: oneshot::Receiver<()>,
}

impl EventLogThread {
    /// Opens the target and starts the thread.
    pub(crate) fn start(
        target: &EventTarget,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenEventsError> {
        let output = open(target)?;
        let (sender, receiver) = channel();
        let (on_exit, closed) = oneshot::channel::<()>();
        let log = EventLog {
            sender,
            room: Arc::new(Semaphore::new(ROOM)),
            lost: metrics.events_lost().clone(),
            metrics,
        };
        let mut writer = Writer::new(output, target.clone(), log.lost.clone());
        std::thread::Builder::new()
            .name("postern-events".to_owned())
            .spawn(move || {
                let _on_exit = on_exit;
                writer.run(&receiver);
            })
            .expect("the system can start one more thread");
        Ok(Self { log, closed })
    }

    /// The handle that writes to it.
    pub(crate) fn log(&self) -> &EventLog {
        &self.log
    }

    /// Writes everything queued so far and ends the thread. A stalled reader is not waited for.
    pub(crate) async fn close(self) {
        self.log.send(Command::Close);
        if timeout(WAIT_FOR_CLOSE, self.closed).await.is_err() {
            let queued = ROOM - self.log.room.available_permits();
            tracing::error!("nobody reads the events; {queued} or more lines are given up");
        }
    }
}

/// The thread's own things: whole lines go out in batches, and what does not is counted.
struct Writer {
    output: File,
    target: EventTarget,
    /// What was begun and not finished when writing failed: the rest of one line.
    torn: Vec<u8>,
    batch: Vec<Line>,
    /// What was not written, and how much of it was told in a line.
    lost: IntCounter,
    told: u64,
    failing: bool,
}

impl Writer {
    fn new(output: File, target: EventTarget, lost: IntCounter) -> Self {
        Self {
            output,
            target,
            torn: Vec::new(),
            batch: Vec::new(),
            lost,
            told: 0,
            failing: false,
        }
    }

    fn run(&mut self, receiver: &Receiver<Command>) {
        loop {
            let first = match receiver.recv_timeout(RETRY) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.write_batch(),
            };
            for command in first.into_iter().chain(receiver.try_iter()) {
                match command {
                    Command::Line(line) => self.take(line),
                    Command::Reopen => self.reopen(),
                    Command::Close => return self.close(),
                }
            }
            // Without a line too: a loss is told as soon as it can be.
            self.write_batch();
        }
    }

    fn take(&mut self, line: Line) {
        self.batch.push(line);
        if self.batch.len() >= BATCH {
            self.write_batch();
        }
    }

    fn close(&mut self) {
        self.write_batch();
        let lost = self.untold();
        if lost > 0 {
            tracing::error!("{lost} event lines were not written");
        }
    }

    fn untold(&self) -> u64 {
        self.lost.get() - self.told
    }

    fn reopen(&mut self) {
        self.write_batch();
        match open(&self.target) {
            Ok(reopened) => {
                self.output = reopened;
                if !self.torn.is_empty() {
                    // Its beginning is in the old file, which nobody writes to any more.
                    self.torn.clear();
                    self.lost.inc();
                }
            }
            Err(error) => tracing::error!("{error}; still writing to the old file"),
        }
    }

    /// Writes what was taken, with the loss before it if there was one.
    fn write_batch(&mut self) {
        let lost = self.untold();
        let mut text = std::mem::take(&mut self.torn);
        let torn = text.len();
        if lost > 0 {
            text.extend(notice_line(&Notice::EventsLost { lines: lost }));
        }
        let told = text.len();
        text.extend(self.batch.iter().flat_map(|line| &line.text));
        if text.is_empty() {
            return;
        }
        let (written, result) = write_on(&mut self.output, &text);
        if written > torn {
            self.told += lost;
        }
        match result {
            Ok(()) => self.failing = false,
            Err(error) => {
                let kept = self.keep_torn(&text, written, torn, told);
                let unwritten = lines(&text[written.max(told)..]) - u64::from(kept);
                self.lost.inc_by(unwritten);
                self.report(&error);
            }
        }
        self.batch.clear();
    }

    /// Keeps the rest of a line that was begun, so that no reader meets half a line. Whether that
    /// was a line of the batch.
    fn keep_torn(&mut self, text: &[u8], written: usize, torn: usize, told: usize) -> bool {
        let begun = written < torn || (written > 0 && text[written - 1] != b'\n');
        if begun {
            let rest = text[written..].split_inclusive(|octet| *octet == b'\n');
            self.torn = rest.into_iter().next().unwrap_or_default().to_vec();
        }
        begun && written > told
    }

    fn report(&mut self, error: &io::Error) {
        if !self.failing {
            tracing::error!("events cannot be written and are lost: {error}");
        }
        self.failing = true;
    }
}

/// Writes as much as it can; how much that was.
fn write_on(output: &mut File, text: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < text.len() {
        match output.write(&text[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever started us may have left standard output in this mode.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(WHILE_BLOCKED);
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

fn lines(text: &[u8]) -> u64 {
    let count = text.iter().filter(|octet| **octet == b'\n').count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn open(target: &EventTarget) -> Result<File, OpenEventsError> {
    match target {
        // Not through `io::Stdout`: it keeps a part of what it could not write.
        EventTarget::Stdout => io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map(File::from)
            .map_err(|source| OpenEventsError {
                path: PathBuf::from("/dev/stdout"),
                source,
            }),
        EventTarget::File(path) => append(path).map_err(|source| OpenEventsError {
            path: path.clone(),
            source,
        }),
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// Lines that may wait for their reader.
const ROOM: usize = 8192;
/// Lines that are written at a time.
const BATCH: usize = 128;
const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);
const WAIT_FOR_CLOSE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(1);
const WHILE_BLOCKED: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn line(text: &str) -> Vec<u8> {
        json::line(&text)
    }

    /// A pipe that is open for reading and not read.
    fn unread_pipe(folder: &std::path::Path) -> (PathBuf, File) {
        let path = folder.join("events");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let reader = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        (path, reader)
    }

    #[tokio::test]
    async fn a_stalled_reader_stops_what_begins_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut reader) = unread_pipe(folder.path());
        let thread = EventLogThread::start(&EventTarget::File(path), Arc::default()).unwrap();
        let log = thread.log().clone();
        assert!(log.room_within(Duration::from_millis(50)).await.is_ok());
        let text = line(&"x".repeat(100));
        let mut queued = 0;
        let refused = loop {
            for _ in 0..2 * ROOM {
                log.write(text.clone());
            }
            queued += 2 * ROOM;
            // On a busy machine the thread may only now fill the pipe, which makes room once.
            if let Err(refused) = log.room_within(Duration::from_millis(50)).await {
                break refused;
            }
        };
        assert_eq!(refused, Stalled);

        // The reader comes back: every line is there, and what went unrecorded is told.
        let reading = tokio::task::spawn_blocking(move || {
            let (mut all, mut buffer, mut count) = (Vec::new(), vec![0; 1 << 16], 0);
            while count < queued + 1 {
                let read = reader.read(&mut buffer).unwrap();
                count += buffer[..read].iter().filter(|o| **o == b'\n').count();
                all.extend_from_slice(&buffer[..read]);
            }
            String::from_utf8(all).unwrap()
        });
        assert!(log.room().await.is_ok());
        let told = reading.await.unwrap();
        let told = told.lines().find(|line| line.contains("events_lost"));
        assert!(told.unwrap().contains("\"lines\":1"));
        thread.close().await;
    }

    #[tokio::test]
    async fn closing_does_not_wait_for_a_stalled_reader() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _reader) = unread_pipe(folder.path());
        let thread = EventLogThread::start(&EventTarget::File(path), Arc::default()).unwrap();
        for _ in 0..200 {
            thread.log().write(line(&"x".repeat(1000)));
        }
        let closing = timeout(WAIT_FOR_CLOSE * 4, thread.close());
        assert!(closing.await.is_ok());
    }

    #[test]
    fn what_a_full_disk_takes_away_is_counted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let path = folder.path().join("events");
        let lost = IntCounter::new("lost", "lost").unwrap();
        let target = EventTarget::File(path.clone());
        let mut writer = Writer::new(full, target, lost.clone());
        let queued = |text: &str| Line {
            text: line(text),
            _permit: None,
        };
        writer.take(queued("one"));
        writer.take(queued("two"));
        writer.write_batch();
        writer.take(queued("three"));
        writer.write_batch();
        assert_eq!(writer.untold(), 3);
        writer.reopen();
        writer.take(queued("four"));
        writer.write_batch();
        assert_eq!((writer.untold(), lost.get()), (0, 3));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("events_lost") && lines[0].contains("\"lines\":3"));
        assert_eq!(lines[1], "\"four\"");
    }

    #[test]
    fn a_line_that_was_begun_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let target = EventTarget::File(path.clone());
        let lost = IntCounter::new("lost", "lost").unwrap();
        let mut writer = Writer::new(append(&path).unwrap(), target, lost.clone());
        assert!(writer.keep_torn(b"abc\nde\nf\n", 5, 0, 0));
        assert_eq!(writer.torn, b"e\n");
        writer.write_batch();
        assert_eq!(std::fs::read(path).unwrap(), b"e\n");
        assert!(!writer.keep_torn(b"abc\nde\n", 4, 0, 0));
    }
}

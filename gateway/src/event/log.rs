//! The one thread that writes events, and the room in front of it.
//!
//! Whoever reads the lines may stall, and then nothing of ours may: a revocation cuts and a drain
//! drains all the same. So queueing a line never waits. What waits is a request or a refused
//! handshake that *begins*: while [`ROOM`](queue::ROOM) lines are queued it gets no [`Room`], and
//! without one there is no record and no service. The queue holds at most `ROOM` lines and one for each request
//! that was running when it filled up.

mod queue;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::queue::Queue;
use self::writer::{Writer, open};
use super::json;
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
pub(crate) struct EventLog(Arc<Handle>);

/// When the last one goes, the thread ends.
struct Handle {
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
}

/// The queue had room when this was given out: one record may be opened.
pub(crate) struct Room(EventLog);

/// Nobody takes the lines, and the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stalled;

impl EventLog {
    /// Waits for room, but not for long. What goes unrecorded is counted.
    pub(crate) async fn room(&self) -> Result<Room, Stalled> {
        self.room_within(WAIT_FOR_ROOM).await
    }

    async fn room_within(&self, patience: Duration) -> Result<Room, Stalled> {
        // None is taken: a request may run for hours, and whoever opens many would otherwise take
        // the room of all others.
        let queue = &self.0.queue;
        if queue.has_room() || timeout(patience, queue.room()).await.is_ok() {
            return Ok(Room(self.clone()));
        }
        self.metrics().events_lost().inc();
        Err(Stalled)
    }

    /// Queues one line and never waits, where the queue is full too: a running request may always
    /// end.
    pub(super) fn write(&self, line: &[u8]) {
        self.0.queue.push_line(line);
    }

    /// Opens the file again under its name: the old one was rotated away.
    pub(crate) fn reopen(&self) {
        self.0.queue.reopen();
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Room {
    /// What its record is counted in.
    pub(super) fn metrics(&self) -> &Metrics {
        self.0.metrics()
    }

    /// Queues the record's line.
    pub(super) fn write(self, value: &impl Serialize) {
        self.0.write(&json::line(value));
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
        let (on_exit, closed) = oneshot::channel::<()>();
        let queue = Arc::<Queue>::default();
        let mut writer = Writer::new(output, target.clone(), metrics.events_lost().clone());
        let log = EventLog(Arc::new(Handle {
            queue: Arc::clone(&queue),
            metrics,
        }));
        std::thread::Builder::new()
            .name("postern-events".to_owned())
            .spawn(move || {
                let _on_exit = on_exit;
                writer.run(&queue);
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
        let queue = &self.log.0.queue;
        queue.close();
        if timeout(WAIT_FOR_CLOSE, self.closed).await.is_err() {
            let queued = queue.lines();
            tracing::error!("nobody reads the events; {queued} lines are given up");
        }
    }
}

const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);
const WAIT_FOR_CLOSE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Read as _;

    use super::queue::ROOM;
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
                log.write(&text);
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
            thread.log().write(&line(&"x".repeat(1000)));
        }
        let closing = timeout(WAIT_FOR_CLOSE * 4, thread.close());
        assert!(closing.await.is_ok());
    }
}

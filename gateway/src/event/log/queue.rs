//! Lines on their way to the thread that writes them.
//!
//! Waking a thread costs more than making a line. So the thread is woken by the first line of a
//! batch and by the one that fills it, and gathers for a moment in between.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// What waits, in the order it came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// The thread waits for commands here.
    came: Condvar,
    /// Lines that are neither written nor given up, those in the thread's hands too.
    lines: AtomicUsize,
    /// Whoever waits for room does so here.
    freed: Notify,
}

#[derive(Default)]
struct Waiting {
    commands: Vec<Command>,
    is_closed: bool,
}

/// What the thread is to do.
pub(super) enum Command {
    Write(Batch),
    Reopen,
    Close,
}

/// Lines that are written at a time.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) text: Vec<u8>,
    lines: usize,
}

/// How soon the thread is to look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Nothing,
    InAMoment,
    Now,
}

impl Queue {
    /// Queues one line, after which there may be no room for more.
    pub(super) fn push_line(&self, line: &[u8]) {
        self.add(|commands| {
            self.lines.fetch_add(1, Ordering::AcqRel);
            match commands.last_mut() {
                Some(Command::Write(batch)) if batch.lines < BATCH => batch.push(line),
                Some(Command::Write(_) | Command::Reopen | Command::Close) | None => {
                    let mut batch = Batch::default();
                    batch.push(line);
                    commands.push(Command::Write(batch));
                }
            }
        });
    }

    /// Has the file opened again, after the lines so far.
    pub(super) fn reopen(&self) {
        self.add(|commands| commands.push(Command::Reopen));
    }

    /// Ends the thread, after the lines so far. Nothing is queued any more.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        if !std::mem::replace(&mut waiting.is_closed, true) {
            waiting.commands.push(Command::Close);
            drop(waiting);
            self.came.notify_one();
        }
    }

    fn add(&self, add: impl FnOnce(&mut Vec<Command>)) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            drop(waiting);
            tracing::warn!("an event came after the event log was closed");
            return;
        }
        let before = waiting.urgency();
        add(&mut waiting.commands);
        let after = waiting.urgency();
        drop(waiting);
        if after > before {
            self.came.notify_one();
        }
    }

    /// Whether something may begin that ends in a line.
    pub(super) fn has_room(&self) -> bool {
        self.lines() < ROOM
    }

    /// Lines that wait.
    pub(super) fn lines(&self) -> usize {
        self.lines.load(Ordering::Acquire)
    }

    /// Returns once there is room.
    pub(super) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before it looks: what is freed between the two is not missed.
            freed.as_mut().enable();
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }

    /// For the thread: waits for what comes. Nothing, when nothing did for `patience`.
    pub(super) fn take(&self, patience: Duration) -> Vec<Command> {
        let waiting = self.wait(self.lock(), patience, Urgency::InAMoment);
        if waiting.commands.is_empty() {
            return Vec::new();
        }
        let mut waiting = self.wait(waiting, GATHER, Urgency::Now);
        std::mem::take(&mut waiting.commands)
    }

    fn wait<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        patience: Duration,
        until: Urgency,
    ) -> MutexGuard<'a, Waiting> {
        let waited = self
            .came
            .wait_timeout_while(waiting, patience, |waiting| waiting.urgency() < until);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// For the thread: the batch was written, or given up.
    pub(super) fn done(&self, batch: &Batch) {
        self.lines.fetch_sub(batch.lines, Ordering::AcqRel);
        if self.has_room() {
            self.freed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn urgency(&self) -> Urgency {
        match self.commands.as_slice() {
            [] => Urgency::Nothing,
            [Command::Write(batch)] if batch.lines < BATCH => Urgency::InAMoment,
            [..] => Urgency::Now,
        }
    }
}

impl Batch {
    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.lines += 1;
    }
}

/// Lines that may wait for their reader.
pub(super) const ROOM: usize = 8192;
/// Lines that are written at a time.
const BATCH: usize = 128;
/// How long a line waits for others to be written with.
const GATHER: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn written(commands: &[Command]) -> Vec<usize> {
        commands
            .iter()
            .map(|command| match command {
                Command::Write(batch) => batch.lines,
                Command::Reopen | Command::Close => 0,
            })
            .collect()
    }

    #[test]
    fn everything_comes_out_in_the_order_it_went_in() {
        let queue = Queue::default();
        for _ in 0..=BATCH {
            queue.push_line(b"a\n");
        }
        queue.reopen();
        queue.push_line(b"b\n");
        queue.close();
        queue.push_line(b"too late\n");
        let commands = queue.take(Duration::ZERO);
        assert_eq!(written(&commands), [BATCH, 1, 0, 1, 0]);
        assert_eq!(queue.lines(), BATCH + 2);
        assert!(queue.take(Duration::ZERO).is_empty());
    }

    #[tokio::test]
    async fn lines_in_the_threads_hands_still_take_room() {
        let queue = Queue::default();
        for _ in 0..ROOM {
            queue.push_line(b"a\n");
        }
        let commands = queue.take(Duration::ZERO);
        assert!(!queue.has_room());
        let Some(Command::Write(first)) = commands.first() else {
            panic!("lines come first");
        };
        tokio::join!(queue.room(), async { queue.done(first) });
        assert!(queue.has_room());
    }
}

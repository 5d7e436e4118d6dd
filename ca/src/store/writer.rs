//! The one writing thread: whatever waits goes into one transaction.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::StoreError;

/// How many writes may wait, and so how many one transaction may hold.
const QUEUE: usize = 1024;

/// Told after the commit whether it stands.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Given the connection inside the transaction; nothing where none could be begun.
type Job = Box<dyn FnOnce(Option<&Connection>) -> Answer + Send>;

pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (jobs, waiting) = sync_channel(QUEUE);
        let thread = std::thread::spawn(move || serve(&connection, &waiting));
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    pub(super) fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move |connection| {
            let result = connection.map(|connection| in_savepoint(connection, work));
            Box::new(move |committed: Result<(), StoreError>| {
                let result = result.unwrap_or(Err(StoreError::Stopped));
                // The asker may be gone; the write stands all the same.
                drop(answer.send(committed.and(result)));
            })
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Stopped)?;
        jobs.send(job).map_err(|_| StoreError::Stopped)?;
        answered.recv().map_err(|_| StoreError::Stopped)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(connection: &Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let (answers, committed) = match connection.execute_batch("BEGIN IMMEDIATE") {
            Ok(()) => commit(connection, first, waiting),
            Err(error) => (vec![first(None)], Err(Arc::new(error))),
        };
        for answer in answers {
            answer(committed.clone().map_err(StoreError::Engine));
        }
    }
}

fn commit(
    connection: &Connection,
    first: Job,
    waiting: &Receiver<Job>,
) -> (Vec<Answer>, Result<(), Arc<rusqlite::Error>>) {
    let mut answers = vec![first(Some(connection))];
    // An I/O error can end the transaction under us; then nothing more may be put into it.
    while answers.len() < QUEUE && !connection.is_autocommit() {
        let Ok(job) = waiting.try_recv() else { break };
        answers.push(job(Some(connection)));
    }
    let committed = connection.execute_batch("COMMIT").map_err(Arc::new);
    if committed.is_err() && !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    (answers, committed)
}

/// One asker's failure must not take the others of the same transaction with it.
fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT job")?;
    let result = work(connection);
    let end = if result.is_ok() {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    connection.execute_batch(end)?;
    result
}

//! What the thread does with lines: whole ones go out, and what does not is counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus::IntCounter;

use super::super::notice::{Notice, notice_line};
use super::queue::{Command, Queue};
use super::{EventTarget, OpenEventsError};

/// The thread's own things.
pub(super) struct Writer {
    output: File,
    target: EventTarget,
    /// What was begun and not finished when writing failed: the rest of one line.
    torn: Vec<u8>,
    /// What was not written, and how much of it was told in a line.
    lost: IntCounter,
    told: u64,
    failing: bool,
}

impl Writer {
    pub(super) fn new(output: File, target: EventTarget, lost: IntCounter) -> Self {
        Self {
            output,
            target,
            torn: Vec::new(),
            lost,
            told: 0,
            failing: false,
        }
    }

    /// Does what is asked of it until it is to close.
    pub(super) fn run(&mut self, queue: &Queue) {
        loop {
            let commands = queue.take(RETRY);
            if commands.is_empty() {
                // A loss is told as soon as it can be, without a line too.
                self.write(b"");
            }
            for command in commands {
                match command {
                    Command::Write(batch) => {
                        self.write(&batch.text);
                        queue.done(&batch);
                    }
                    Command::Reopen => self.reopen(),
                    Command::Close => return self.close(),
                }
            }
        }
    }

    fn close(&mut self) {
        self.write(b"");
        let lost = self.untold();
        if lost > 0 {
            tracing::error!("{lost} event lines were not written");
        }
    }

    fn untold(&self) -> u64 {
        self.lost.get() - self.told
    }

    fn reopen(&mut self) {
        self.write(b"");
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

    /// Writes these lines, with the loss before them if there was one.
    fn write(&mut self, lines: &[u8]) {
        let lost = self.untold();
        let mut text = std::mem::take(&mut self.torn);
        let torn = text.len();
        if lost > 0 {
            text.extend(notice_line(&Notice::EventsLost { lines: lost }));
        }
        let told = text.len();
        text.extend_from_slice(lines);
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
                let unwritten = count_lines(&text[written.max(told)..]) - u64::from(kept);
                self.lost.inc_by(unwritten);
                self.report(&error);
            }
        }
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

fn count_lines(text: &[u8]) -> u64 {
    let count = text.iter().filter(|octet| **octet == b'\n').count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(super) fn open(target: &EventTarget) -> Result<File, OpenEventsError> {
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

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

const RETRY: Duration = Duration::from_secs(1);
const WHILE_BLOCKED: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_disk_takes_away_is_counted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let path = folder.path().join("events");
        let lost = IntCounter::new("lost", "lost").unwrap();
        let target = EventTarget::File(path.clone());
        let mut writer = Writer::new(full, target, lost.clone());
        writer.write(b"\"one\"\n\"two\"\n");
        writer.write(b"\"three\"\n");
        assert_eq!(writer.untold(), 3);
        writer.reopen();
        writer.write(b"\"four\"\n");
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
        writer.write(b"");
        assert_eq!(std::fs::read(path).unwrap(), b"e\n");
        assert!(!writer.keep_torn(b"abc\nde\n", 4, 0, 0));
    }
}

//! One line for each step of a longer command, without a secret in it.

use serde_json::json;

use crate::error::CommandError;
use crate::output::{Format, print, printable, tell};

/// Tells the steps: as lines for people on standard error, with `-o jsonl` as objects on
/// standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps(pub(crate) Format);

impl Steps {
    /// Tells that a step is done.
    pub(crate) fn done(self, step: &str, detail: &str) -> Result<(), CommandError> {
        self.line(step, "done", detail)
    }

    /// Tells that a step was done by an earlier run, or needs nothing.
    pub(crate) fn unchanged(self, step: &str, detail: &str) -> Result<(), CommandError> {
        self.line(step, "unchanged", detail)
    }

    /// Tells what somebody should look at.
    pub(crate) fn warn(self, step: &str, detail: &str) -> Result<(), CommandError> {
        self.line(step, "warning", detail)
    }

    fn line(self, step: &str, outcome: &str, detail: &str) -> Result<(), CommandError> {
        match self.0 {
            Format::Jsonl => {
                let line = json!({
                    "schema": "postern.step/1",
                    "step": step,
                    "outcome": outcome,
                    "detail": detail,
                });
                print(&format!("{line}\n"))
            }
            Format::Table | Format::Json => {
                let mark = if outcome == "done" { "" } else { outcome };
                tell(&format!("{step:12}{mark:10}{}", printable(detail)));
                Ok(())
            }
        }
    }
}

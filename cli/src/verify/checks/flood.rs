//! Many connections that say nothing.

use crate::verify::answer::Answer;
use crate::verify::suite::Suite;
use crate::verify::verdict::{Finding, NotRun};

/// With `--floods`: as long as they are open, a good client is still let in.
pub(super) async fn silence(suite: &Suite) -> Result<Finding, NotRun> {
    if !suite.options.floods {
        return Err(NotRun::because("no --floods"));
    }
    let mut open = Vec::with_capacity(SILENT);
    for _ in 0..SILENT {
        // The target may refuse to take more; that is its answer.
        open.extend(suite.dialer.tcp().await);
    }
    let answer = suite.ask(&suite.pki.client()).await;
    let what = format!("{} silent connections; a good client: {answer}", open.len());
    Ok(match answer {
        Answer::Admitted(_) => Finding::pass(what),
        Answer::Refused(_) | Answer::Unclear(_) => Finding::fail(what),
    })
}

const SILENT: usize = 500;

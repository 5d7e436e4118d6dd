//! A command that gets the secret on its standard input: a secret manager's own tool.
//!
//! Neither its arguments nor its environment carry the secret, and what it writes is shown only
//! where it cannot hold the secret: such tools like to echo what they were given.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postern_policy::TokenName;

use super::conceal::conceal;
use crate::error::{CommandError, Kind};
use crate::output::{printable, tell};

/// Whether the shell knows the command's first word. The command itself is not run: nobody can
/// tell what it would do with nothing.
pub(super) fn test(command: &str) -> Result<(), CommandError> {
    let assigns = |word: &&str| word.contains('=');
    let word = command.split_whitespace().find(|word| !assigns(word));
    let word = word.ok_or_else(|| CommandError::usage("--pipe names no command"))?;
    let known = shell()
        .args(["-c", "command -v -- \"$1\" >/dev/null 2>&1", "sh", word])
        .status();
    match known {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(CommandError::new(
            Kind::NotFound,
            format!("the command `{}` of --pipe is not found", printable(word)),
        )
        .hint("nothing was minted; write a path, or a command that `sh` finds")),
        Err(error) => Err(CommandError::new(
            Kind::Failure,
            format!("cannot start a shell: {error}"),
        )),
    }
}

/// A command, and how long it may take.
pub(super) struct HandOver<'a> {
    pub(super) command: &'a str,
    pub(super) limit: Duration,
}

impl HandOver<'_> {
    /// Runs the command with the secret on its standard input, and waits for it. It finds the
    /// token's name in `POSTERN_TOKEN`.
    pub(super) fn deliver(
        &self,
        name: &TokenName,
        text: &str,
        secret: &str,
    ) -> Result<(), CommandError> {
        let mut child = shell()
            .args(["-c", self.command])
            .env("POSTERN_TOKEN", name.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("cannot start a shell: {error}")))?;
        let said = listen(&mut child);
        let written = child
            .stdin
            .take()
            .map(|mut stdin| stdin.write_all(text.as_bytes()));
        let status = self.wait(&mut child).map_err(failed)?;
        if !status.success() {
            // Whoever still holds standard error open is not waited for.
            let said = said
                .recv_timeout(Duration::from_secs(1))
                .unwrap_or_default();
            let said = conceal(&String::from_utf8_lossy(&said), secret);
            return Err(failed(format!("the command ended with {status}\n{said}")));
        }
        match written {
            // A command that is content without all of its input did not store it.
            Some(Err(error)) => Err(failed(format!(
                "the command did not read its input: {error}"
            ))),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// A command that takes its time, a prompt that nobody sees perhaps, is told of.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let began = Instant::now();
        let mut is_told = false;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if began.elapsed() < self.limit => {}
                Ok(None) => {
                    drop(child.kill());
                    drop(child.wait());
                    return Err(format!(
                        "the command did not end within {} s, which is --pipe-timeout",
                        self.limit.as_secs()
                    ));
                }
                Err(error) => return Err(format!("the command cannot be waited for: {error}")),
            }
            if !is_told && began.elapsed() >= SILENCE {
                is_told = true;
                tell(&format!(
                    "The command of --pipe has the secret and is still running; it may take {} s.",
                    self.limit.as_secs()
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn failed(why: String) -> CommandError {
    CommandError::new(Kind::Failure, format!("--pipe: {why}"))
}

/// The shell, without the API token that we may hold.
fn shell() -> Command {
    let mut shell = Command::new("sh");
    for variable in OUR_SECRETS {
        shell.env_remove(variable);
    }
    shell
}

/// Reads the first of what the child says, so that it never blocks on a full pipe.
fn listen(child: &mut Child) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    if let Some(mut stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut said = Vec::new();
            drop(stderr.by_ref().take(MAX_SAID).read_to_end(&mut said));
            drop(std::io::copy(&mut stderr, &mut std::io::sink()));
            // Nobody listens any more where the command succeeded.
            drop(sender.send(said));
        });
    }
    receiver
}

const OUR_SECRETS: [&str; 1] = ["CLOUDFLARE_API_TOKEN"];
const MAX_SAID: u64 = 16 * 1024;
/// A secret manager answers sooner.
const SILENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_the_shell_or_refused_before_anything_is_minted() {
        for good in ["cat", "cat > /dev/null", "LANG=C cat", "/bin/sh -c true"] {
            assert!(test(good).is_ok(), "{good}");
        }
        for bad in [
            "no-such-command-of-anybody put",
            "/bin/nothing-here",
            "",
            "A=1",
        ] {
            assert!(test(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_command_that_fails_is_a_failure_and_its_words_do_not_hold_the_secret() {
        let secret = "cfast_0123456789abcdefghij";
        let noisy = "cat >&2; echo 'HTTP 403' >&2; exit 3";
        let name = TokenName::parse("ci-deploy-prod").unwrap();
        let of = |command| HandOver {
            command,
            limit: Duration::from_secs(60),
        };
        let text = format!("a.access:{secret}\n");
        let told = of(noisy).deliver(&name, &text, secret).unwrap_err();
        assert!(told.message().contains("HTTP 403"), "{}", told.message());
        assert!(!told.message().contains("0123456789"), "{}", told.message());
        let named = "cat >/dev/null; test \"$POSTERN_TOKEN\" = ci-deploy-prod";
        assert!(of(named).deliver(&name, "x", "x").is_ok());
    }

    #[test]
    fn a_command_that_hangs_is_ended_when_its_time_is_over() {
        let name = TokenName::parse("ci-deploy-prod").unwrap();
        let hanging = HandOver {
            command: "exec sleep 600",
            limit: Duration::from_millis(100),
        };
        let told = hanging.deliver(&name, "x", "x").unwrap_err();
        assert!(
            told.message().contains("--pipe-timeout"),
            "{}",
            told.message()
        );
    }
}

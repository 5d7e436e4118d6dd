//! At each call something goes wrong: the second run converges, nothing that is not ours changed,
//! nothing partial was called done, and no secret stands where it should not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;
use std::time::Instant;

use postern_fixtures::access::{At, Effect, Fault};
use postern_tests::canary::{Watched, contains, files_with, watch};
use postern_tests::{Output, PATIENCE};
use serde_json::Value;

use crate::support::{NAME, Stage};

/// A command, and when its work is done.
struct Work {
    prepare: fn(&Stage),
    args: &'static [&'static str],
    /// The destination is the only file that may hold the last secret.
    destination: &'static str,
    /// What holds when nothing is left to do.
    is_done: fn(&Stage),
}

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// The call, and every one after it in this run.
    Api(Effect),
    /// No answer comes, and somebody kills the command.
    Killed(At),
}

const EVERYTHING: [Wrong; 10] = [
    Wrong::Api(Effect::Cut { at: At::Before }),
    Wrong::Api(Effect::Cut { at: At::After }),
    Wrong::Api(Effect::ServerError {
        status: 500,
        at: At::Before,
    }),
    Wrong::Api(Effect::ServerError {
        status: 500,
        at: At::After,
    }),
    Wrong::Api(Effect::TooManyCalls { retry_after: 1 }),
    Wrong::Api(Effect::Forbidden),
    Wrong::Api(Effect::Timeout { at: At::Before }),
    Wrong::Api(Effect::Timeout { at: At::After }),
    Wrong::Killed(At::Before),
    Wrong::Killed(At::After),
];

fn create() -> Work {
    Work {
        prepare: |_| (),
        args: &[
            "token",
            "create",
            NAME,
            "--at",
            "cloudflare",
            "--app",
            "api.example.com",
            "--out",
            "token",
        ],
        destination: "token",
        is_done: |stage| {
            assert_eq!(stage.tokens().len(), 1, "one token");
            assert_eq!(
                stage.policies().len(),
                2,
                "one policy beside that for people"
            );
            assert!(stage.opens("token"));
        },
    }
}

fn compromised() -> Work {
    Work {
        prepare: |stage| drop(stage.create(&["--out", "token"]).expect_code(0)),
        args: &[
            "token",
            "rotate",
            NAME,
            "--out",
            "token",
            "--reason",
            "compromised",
            "--disable-first",
        ],
        destination: "token",
        is_done: |stage| {
            assert_eq!(stage.tokens().len(), 1);
            assert_eq!(stage.tokens()[0]["enabled"], true);
            assert_eq!(stage.policies().len(), 2);
            assert!(stage.opens("token"));
            assert_eq!(stage.record(NAME)["secrets"].as_array().unwrap().len(), 1);
            assert_eq!(stage.record(NAME)["state"], "enabled");
        },
    }
}

fn forced() -> Work {
    Work {
        args: &[
            "token", "rotate", NAME, "--out", "token", "--force", "--reason", "a test",
        ],
        ..compromised()
    }
}

fn parallel() -> Work {
    Work {
        args: &[
            "token",
            "rotate",
            NAME,
            "--out",
            "token",
            "--parallel",
            "--force",
            "--reason",
            "a test",
        ],
        is_done: |stage| {
            let names: Vec<Value> = stage.tokens().iter().map(|it| it["name"].clone()).collect();
            assert_eq!(names, ["ci-deploy-prod-v2"]);
            assert_eq!(stage.policies().len(), 2);
            assert!(stage.opens("token"));
            assert_eq!(stage.record(NAME), Value::Null);
        },
        ..compromised()
    }
}

fn delete() -> Work {
    Work {
        args: &["token", "delete", NAME],
        is_done: |stage| {
            assert_eq!(stage.tokens().len(), 0);
            assert_eq!(stage.policies().len(), 1);
            assert_eq!(stage.record(NAME), Value::Null);
        },
        ..compromised()
    }
}

/// How many calls the command makes where nothing goes wrong.
fn calls(work: &Work) -> usize {
    let stage = Stage::new();
    (work.prepare)(&stage);
    let before = stage.emulator.requests().len();
    stage.run(work.args).expect_code(0);
    (work.is_done)(&stage);
    stage.emulator.requests().len() - before
}

/// Tries everything at every call.
#[allow(
    clippy::print_stdout,
    reason = "how many faults were tried is for the person who reads the test's output"
)]
fn converges(work: &Work) {
    let calls = calls(work);
    assert!(calls > 0);
    let cases: Vec<(u64, Wrong)> = (1..=calls)
        .flat_map(|call| EVERYTHING.map(|wrong| (u64::try_from(call).unwrap(), wrong)))
        .collect();
    let (next, struck) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Most of the time is spent waiting for answers that do not come.
    scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((call, wrong)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if one(work, *call, *wrong) != Some(0) {
                        struck.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let struck = struck.into_inner();
    println!(
        "{} faults at {calls} calls, {struck} stopped the first run: {:?}",
        cases.len(),
        work.args
    );
    assert!(struck > cases.len() / 2, "the faults do not strike");
}

/// One fault, and a second run; the exit code of the first.
fn one(work: &Work, call: u64, wrong: Wrong) -> Option<i32> {
    let stage = Stage::new();
    (work.prepare)(&stage);
    let people = people(&stage);
    let case = format!("{wrong:?} at call {call} of {:?}", work.args);
    let mut runs = vec![first(&stage, work, call, wrong)];
    stage.emulator.clear_faults();
    let code = runs[0].output.code;
    if code != Some(0) {
        runs.push(watch(&mut stage.command(work.args)));
    }
    let told = told(&case, &runs);
    assert_eq!(runs.last().unwrap().output.code, Some(0), "{told}");
    // Whichever run says that it is done: it is.
    let done = catch_unwind(AssertUnwindSafe(|| (work.is_done)(&stage)));
    assert!(done.is_ok(), "{told}");
    assert_eq!(self::people(&stage), people, "{told}");
    for secret in stage.secrets() {
        for Watched { output, seen } in &runs {
            assert!(
                !contains(seen, &secret),
                "in an argument list or environment: {case}"
            );
            assert!(
                !contains(output.stdout.as_bytes(), &secret),
                "printed: {case}"
            );
            assert!(
                !contains(output.stderr.as_bytes(), &secret),
                "printed: {case}"
            );
        }
        for path in files_with(stage.postern.folder(), &secret) {
            assert!(
                path.ends_with(work.destination),
                "{}: {case}",
                path.display()
            );
        }
    }
    code
}

/// The case and what its runs said, without what only a debugger reads.
fn told(case: &str, runs: &[Watched]) -> String {
    let mut told = case.to_owned();
    for Watched { output, .. } in runs {
        let lines = output.stderr.lines();
        let lines = lines.filter(|line| !line.contains("TRACE") && !line.contains("DEBUG"));
        let said = lines.collect::<Vec<_>>().join("\n");
        told += &format!("\n== {:?}\n{}{said}", output.code, output.stdout);
    }
    told
}

fn first(stage: &Stage, work: &Work, call: u64, wrong: Wrong) -> Watched {
    let (effect, times) = match wrong {
        Wrong::Api(effect @ Effect::Timeout { .. }) => (effect, 1),
        Wrong::Api(effect) => (effect, 100),
        Wrong::Killed(at) => (Effect::Timeout { at }, 1),
    };
    let before = stage.emulator.requests().len();
    stage.emulator.inject(Fault {
        times,
        ..Fault::at_call(call, effect)
    });
    match wrong {
        Wrong::Api(_) => watch(&mut stage.command(work.args)),
        Wrong::Killed(_) => Watched {
            output: killed(stage, work, before, call),
            seen: Vec::new(),
        },
    }
}

/// Kills the command while it waits for the answer of the call.
fn killed(stage: &Stage, work: &Work, before: usize, call: u64) -> Output {
    let mut command = stage.command(work.args);
    let piped = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let asked = before + usize::try_from(call).unwrap();
    while stage.emulator.requests().len() < asked && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it never made call {call}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What is not ours.
fn people(stage: &Stage) -> Value {
    let policies = stage.policies();
    let people = policies.iter().find(|it| it["id"] == stage.people.as_str());
    people.cloned().unwrap_or_default()
}

#[test]
fn creating_converges_whatever_goes_wrong_at_whichever_call() {
    converges(&create());
}

#[test]
fn rotating_a_compromised_secret_converges_whatever_goes_wrong_at_whichever_call() {
    converges(&compromised());
}

#[test]
fn a_forced_rotation_converges_whatever_goes_wrong_at_whichever_call() {
    converges(&forced());
}

#[test]
fn a_parallel_rotation_converges_whatever_goes_wrong_at_whichever_call() {
    converges(&parallel());
}

#[test]
fn deleting_converges_whatever_goes_wrong_at_whichever_call() {
    converges(&delete());
}

const WORKERS: usize = 12;

//! The first five minutes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use postern_tests::{Output, Postern, free_port, skip_without};
use serde_json::Value;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn args(more: &[&str]) -> Vec<String> {
    let ports = [free_port().to_string(), free_port().to_string()];
    let all = [
        "quickstart",
        "--port",
        &ports[0],
        "--upstream-port",
        &ports[1],
    ];
    all.iter()
        .chain(more)
        .map(|arg| (*arg).to_owned())
        .collect()
}

fn run(postern: &Postern, args: &[String]) -> Output {
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    postern.run(&args)
}

#[test]
fn quickstart_once_prints_four_ok_lines_and_exits_with_0_twice() {
    let postern = Postern::new();
    let args = args(&["--once"]);
    for round in 0..2 {
        let output = run(&postern, &args).expect_code(0);
        let lines: Vec<_> = output.stdout.lines().collect();
        assert_eq!(lines.len(), 4, "{round}: {}", output.stdout);
        let events = std::fs::read_to_string(postern.path("postern-dev/events.jsonl")).unwrap();
        for (line, what) in
            lines
                .iter()
                .zip(["certificate: 200", "token: 200", "neither: 401", "refused"])
        {
            assert!(line.starts_with("ok  ") && line.contains(what), "{line}");
            let words: Vec<_> = line.split(' ').collect();
            let id = words[words.iter().position(|word| *word == "request").unwrap() + 1];
            assert_eq!(id.len(), 32, "{line}");
            let logged = events.lines().filter(|event| event.contains(id)).count();
            assert_eq!(logged, 1, "{line}");
        }
    }
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let postern = Postern::new();
    let args = args(&["--once"]);
    for at in [2, 4] {
        let taken = std::net::TcpListener::bind(format!("127.0.0.1:{}", args[at])).unwrap();
        let refused = run(&postern, &args).expect_code(5);
        assert!(refused.stderr.contains(&args[at]), "{}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{}", refused.stdout);
        drop(taken);
    }
    drop(run(&postern, &args).expect_code(0));
}

#[test]
fn the_printed_lines_work_as_they_are_printed() {
    if skip_without("curl") {
        return;
    }
    let postern = Postern::new();
    let args = args(&[]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let child = postern
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut commands = Vec::new();
    for line in lines.by_ref().map(Result::unwrap) {
        if line.starts_with("curl ") || line.contains(" cert revoke ") || line.contains(" explain ")
        {
            commands.push(line.clone());
        }
        if line.starts_with("Events go to") {
            break;
        }
    }
    assert_eq!(commands.len(), 5, "{commands:#?}");
    let shell = |line: &str| postern.tool("sh", &["-c", line]);
    let hello = "reached the upstream";
    let good = shell(&commands[0]).expect_code(0);
    assert!(
        good.stdout.contains(hello) && good.stdout.contains("client-cert: :"),
        "{}",
        good.stdout
    );
    let by_token = shell(&commands[1]).expect_code(0);
    assert!(by_token.stdout.contains(hello), "{}", by_token.stdout);
    assert!(
        !by_token.stdout.to_lowercase().contains("cf-access"),
        "{}",
        by_token.stdout
    );
    let refused: Value = serde_json::from_str(&shell(&commands[2]).expect_code(0).stdout).unwrap();
    assert_eq!(refused["reason"], "no_credentials");
    let id = refused["request_id"].as_str().unwrap();
    drop(shell(&commands[4].replace("REQUEST_ID", id)).expect_code(4));
    drop(shell(&commands[3]).expect_code(0));
    // Without a restart, within a second of its return.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let revoked = shell(&commands[0]);
    assert_ne!(revoked.code, Some(0), "{}", revoked.stdout);
    assert!(revoked.stderr.contains("revoked"), "{}", revoked.stderr);
    // The token still works.
    assert!(shell(&commands[1]).expect_code(0).stdout.contains(hello));
}

#[test]
fn quickstart_does_not_touch_a_folder_that_is_not_its_own() {
    let postern = Postern::new();
    std::fs::create_dir(postern.path("postern-dev")).unwrap();
    std::fs::write(postern.path("postern-dev/mine"), "mine").unwrap();
    let refused = run(&postern, &args(&["--once"])).expect_code(5);
    assert!(refused.stderr.contains("postern-dev"), "{}", refused.stderr);
    let left: Vec<_> = std::fs::read_dir(postern.path("postern-dev"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1);
}

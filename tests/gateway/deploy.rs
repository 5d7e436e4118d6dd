//! The units in `deploy/`, and a restart that turns nobody away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postern_tests::{
    Client, DEVICE, DEVICES, Output, Protocol, Site, TestGateway, free_port, skip_without,
};
use rustix::process::{Pid, Signal, kill_process};

/// Runs the gateway as systemd does: with a listening socket at descriptor 3 that outlives it.
const KEEP_SOCKET: &str = r#"
import os, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
os.dup2(listener.fileno(), 3)
for _ in range(2):
    run = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" gateway run'
    subprocess.run(["sh", "-c", run, sys.argv[2]], pass_fds=[3])
"#;

/// The units, copied to where `program` is what they start.
fn units(folder: &Path, program: &Path) -> Vec<PathBuf> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let mut units = Vec::new();
    for file in fs::read_dir(deploy).unwrap() {
        let file = file.unwrap().path();
        let kind = file.extension().and_then(|kind| kind.to_str());
        if matches!(kind, Some("service" | "socket" | "timer")) {
            let text = fs::read_to_string(&file).unwrap();
            let text = text.replace("/usr/bin/postern", program.to_str().unwrap());
            let unit = folder.join(file.file_name().unwrap());
            fs::write(&unit, text).unwrap();
            units.push(unit);
        }
    }
    assert!(units.len() >= 2, "{units:?}");
    units
}

#[test]
fn the_units_are_what_systemd_takes_and_expose_little() {
    if skip_without("systemd-analyze") {
        return;
    }
    let site = Site::new();
    let program = site.postern.command(&[]).get_program().to_owned();
    let units = units(site.postern.folder(), Path::new(&program));
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&units);
    let verified = Output::of(&mut verify).expect_code(0);
    assert_eq!(verified.stderr, "");
    let services = units
        .iter()
        .filter(|unit| unit.ends_with("postern-gateway.service"));
    for service in services {
        let mut security = Command::new("systemd-analyze");
        // Exit code 1 where the exposure is higher, in tenths.
        security.args(["security", "--offline=true", "--threshold=20"]);
        drop(Output::of(security.arg(service)).expect_code(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_behind_a_socket_of_systemd_refuses_no_connection() {
    if skip_without("python3") {
        return;
    }
    let site = Site::new();
    let device = site.client(DEVICE);
    let port = free_port();
    site.edit_config("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let mut supervisor = Command::new("python3");
    let program = site.postern.command(&[]).get_program().to_owned();
    supervisor
        .args(["-c", KEEP_SOCKET, &port.to_string()])
        .arg(program)
        .current_dir(site.postern.folder())
        .stdin(Stdio::null());
    let mut gateway = TestGateway::spawn(&site, supervisor);
    let served = Arc::new(AtomicBool::new(false));
    let clients = async {
        let mut answers = 0;
        while !served.load(Ordering::Relaxed) {
            let client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http1);
            let mut client = client.await.expect("a connection is accepted");
            let answer = client.get("/slow/50").await.expect("it is answered");
            assert_eq!(answer.status, 200);
            answers += 1;
        }
        answers
    };
    let restart = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        terminate(&site);
        while started(&gateway) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        served.store(true, Ordering::Relaxed);
    };
    let (answers, ()) = tokio::join!(clients, restart);
    assert!(answers > 5, "{answers}");
    terminate(&site);
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
}

#[test]
fn a_socket_of_another_address_is_refused() {
    if skip_without("systemd-socket-activate") {
        return;
    }
    let site = Site::new();
    let port = free_port();
    let script = format!(
        "systemd-socket-activate -l 127.0.0.1:{port} {} gateway run & \
         sleep 1; curl -s --max-time 5 http://127.0.0.1:{port}/; wait",
        Path::new(site.postern.command(&[]).get_program()).display()
    );
    let told = site.shell(&script).stderr;
    assert!(told.contains("must name the same"), "{told}");
}

/// Sends SIGTERM to the gateway itself, whose parent restarts it.
fn terminate(site: &Site) {
    let pid = fs::read_to_string(site.path("gateway-state/gateway.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

fn started(gateway: &TestGateway) -> usize {
    let events = gateway.events();
    events
        .iter()
        .filter(|event| event["event"] == "started")
        .count()
}

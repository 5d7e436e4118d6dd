//! `snippet`: what it prints runs as it is printed, and holds no secret.

use std::process::Command;

use postern_tests::{DEVICE, DEVICES, MIXED, Output, Site, TestGateway, skip_without};

use crate::support::NAME;

/// A site whose application is reached as localhost, so that no name server is needed.
fn site(host: &str) -> (Site, TestGateway, String) {
    let site = Site::new();
    site.edit_config(&format!("hosts = [\"{host}\"]"), "hosts = [\"localhost\"]");
    let gateway = TestGateway::run(&site);
    let url = format!("https://localhost:{}/", gateway.port());
    (site, gateway, url)
}

/// Prints the snippet into a file of the folder.
fn snippet(site: &Site, name: &str, program: &str, url: &str, file: &str) -> String {
    let args = ["snippet", name, "--for", program, "--url", url];
    let text = site.postern.run(&args).expect_code(0).stdout;
    assert!(text.contains(url), "{program}: {text}");
    std::fs::write(site.path(file), &text).unwrap();
    text
}

/// Runs a program in the folder, trusting the site's CA and knowing the token.
fn run(site: &Site, folder: &str, args: &[&str], token: Option<&(String, String)>) -> Output {
    let root = site.path("root/root.crt");
    let mut command = Command::new(args[0]);
    command
        .args(&args[1..])
        .current_dir(site.path(folder))
        .env("CURL_CA_BUNDLE", &root)
        .env("SSL_CERT_FILE", &root)
        .env("NODE_EXTRA_CA_CERTS", &root);
    if let Some((id, secret)) = token {
        command
            .env("CF_ACCESS_CLIENT_ID", id)
            .env("CF_ACCESS_CLIENT_SECRET", secret);
    }
    Output::of(&mut command)
}

/// Waits until the gateway knows the token.
fn eventually(mut run: impl FnMut() -> Output) -> Output {
    let deadline = std::time::Instant::now() + postern_tests::PATIENCE;
    loop {
        let output = run();
        if output.code == Some(0) {
            return output;
        }
        assert!(std::time::Instant::now() < deadline, "{output:?}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn curl_python_and_node_present_a_token_as_the_snippets_say() {
    let (site, gateway, url) = site(MIXED);
    let token = site.token(NAME);
    let headers = format!(
        "CF-Access-Client-Id: {}\nCF-Access-Client-Secret: {}\n",
        token.0, token.1
    );
    std::fs::write(site.path("token.headers"), headers).unwrap();
    if !skip_without("curl") {
        snippet(&site, NAME, "curl", &url, "call.sh");
        let run = || run(&site, ".", &["sh", "call.sh"], None);
        let output = eventually(run);
        assert!(output.stdout.contains("GET / HTTP/1.1"), "{output:?}");
    }
    for (program, file, interpreter) in [
        ("python", "call.py", "python3"),
        ("node", "call.js", "node"),
    ] {
        if skip_without(interpreter) {
            continue;
        }
        snippet(&site, NAME, program, &url, file);
        let output = eventually(|| run(&site, ".", &[interpreter, file], Some(&token)));
        assert_eq!(output.stdout.trim(), "200", "{program}: {output:?}");
    }
    gateway.event(|event| event["method"] == "service_token" && event["status"] == 200);
}

#[test]
fn curl_python_and_node_present_a_certificate_as_the_snippets_say() {
    let (site, gateway, url) = site(DEVICES);
    site.client(DEVICE);
    for (program, file, interpreter) in [
        ("curl", "call.sh", "sh"),
        ("python", "call.py", "python3"),
        ("node", "call.js", "node"),
    ] {
        if skip_without(interpreter) || skip_without("curl") {
            continue;
        }
        snippet(&site, DEVICE, program, &url, &format!("clients/{file}"));
        let output = eventually(|| run(&site, "clients", &[interpreter, file], None));
        let answer = output.stdout.trim();
        assert!(
            answer == "200" || program == "curl",
            "{program}: {output:?}"
        );
    }
    gateway.event(|event| event["common_name"] == DEVICE && event["status"] == 200);
    let refused = ["snippet", DEVICE, "--for", "cron", "--url", &url];
    site.postern.run(&refused).expect_code(2);
}

#[test]
fn the_go_programs_compile() {
    if skip_without("go") {
        return;
    }
    let site = Site::new();
    drop(site.token(NAME));
    site.client(DEVICE);
    for (name, folder) in [(NAME, "a"), (DEVICE, "b")] {
        std::fs::create_dir(site.path(folder)).unwrap();
        let file = format!("{folder}/main.go");
        snippet(&site, name, "go", "https://localhost:8443/", &file);
        let cache = site.path("go-cache");
        let mut build = Command::new("go");
        build
            .args(["build", "-o", "client", "main.go"])
            .current_dir(site.path(folder))
            .env("GOCACHE", &cache)
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "-mod=mod")
            .env("HOME", site.path("."));
        Output::of(&mut build).expect_code(0);
    }
}

#[test]
fn every_snippet_refers_to_the_secret_and_none_holds_it() {
    let site = Site::new();
    let (id, secret) = site.token(NAME);
    for program in [
        "curl",
        "github-actions",
        "python",
        "go",
        "node",
        "compose",
        "kubernetes",
        "cron",
        "nginx",
        "terraform",
    ] {
        // The URL comes from the application whose policy names the token.
        let args = ["snippet", NAME, "--for", program];
        let text = site.postern.run(&args).expect_code(0).stdout;
        assert!(
            text.contains("https://mixed.example.com/"),
            "{program}: {text}"
        );
        assert!(!text.contains(&id) && !text.contains(&secret), "{program}");
        assert!(
            !text.contains("{url}") && !text.contains("{secret}"),
            "{program}: {text}"
        );
    }
    site.postern
        .run(&["snippet", "nobody", "--for", "curl"])
        .expect_code(3);
    let injected = ["snippet", NAME, "--for", "curl", "--url", "https://x/$(id)"];
    site.postern.run(&injected).expect_code(2);
}

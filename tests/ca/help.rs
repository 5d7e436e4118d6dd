//! The whole help as a reviewed snapshot, and what is promised of every command.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use postern_tests::Postern;

/// Every command with its long help, in the order of the help itself.
fn commands(postern: &Postern, path: &[String], found: &mut Vec<(String, String)>) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let help = postern.run(&args).expect_code(0);
    assert_eq!(help.stderr, "");
    let subcommands: Vec<String> = subcommands(&help.stdout);
    let name = [&[String::from("postern")], path].concat().join(" ");
    found.push((name, help.stdout));
    for subcommand in subcommands {
        commands(postern, &[path, &[subcommand]].concat(), found);
    }
}

fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn all(postern: &Postern) -> Vec<(String, String)> {
    let mut found = Vec::new();
    commands(postern, &[], &mut found);
    found
}

fn snapshot() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli-reference.md")
}

#[test]
fn the_whole_help_is_the_reviewed_snapshot() {
    let mut text = String::from(
        "# Command line\n\nGenerated from `--help` by `tests/ca/help.rs`; \
         `POSTERN_UPDATE_SNAPSHOTS=1 cargo test -p postern-tests --test ca help` writes it anew.\n",
    );
    for (name, help) in all(&Postern::new()) {
        let help: String = help
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        write!(text, "\n## {name}\n\n```text\n{help}```\n").expect("text");
    }
    if std::env::var_os("POSTERN_UPDATE_SNAPSHOTS").is_some() {
        fs::write(snapshot(), &text).expect("the snapshot");
    }
    let reviewed = fs::read_to_string(snapshot()).unwrap_or_default();
    let differs = text
        .lines()
        .zip(reviewed.lines())
        .find(|(is, was)| is != was);
    assert!(
        text == reviewed,
        "docs/cli-reference.md is not the help (first difference: {differs:?}); look at it and \
         run again with POSTERN_UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn the_help_does_not_depend_on_the_environment_or_the_machine() {
    let postern = Postern::new();
    let mut command = postern.command(&["cert", "issue", "--help"]);
    command
        .env("POSTERN_HOME", "/srv/canary")
        .env("POSTERN_PASSPHRASE_FILE", "/srv/canary");
    let help = postern_tests::Output::of(&mut command)
        .expect_code(0)
        .stdout;
    assert_eq!(
        help,
        postern
            .run(&["cert", "issue", "--help"])
            .expect_code(0)
            .stdout
    );
}

#[test]
fn every_command_shows_an_example_and_names_nothing_of_this_machine() {
    for (name, help) in all(&Postern::new()) {
        let has_commands = help.contains("\nCommands:\n");
        assert!(
            has_commands || help.contains("\nExamples:\n  postern"),
            "{name}: {help}"
        );
        let home = env!("CARGO_MANIFEST_DIR");
        assert!(!help.contains(home) && !help.contains("/tmp/"), "{name}");
    }
}

#[test]
fn no_command_takes_a_secrets_value() {
    for (name, help) in all(&Postern::new()) {
        let options = help
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('-'));
        for option in options {
            let long = option
                .split_whitespace()
                .find(|word| word.starts_with("--"));
            let long = long.unwrap_or_default().to_ascii_lowercase();
            let secret = ["pass", "secret", "pin", "credential", "key", "token"];
            let about_secret = secret.iter().any(|word| long.contains(word));
            // The names of tokens are no secrets.
            let harmless = option.contains("<FILE>")
                || !option.contains('<')
                || long == "--token"
                || option.contains("<NAME>");
            assert!(!about_secret || harmless, "{name}: {option}");
        }
    }
}

#[test]
fn wrong_usage_is_exit_2_and_nothing_on_stdout() {
    let postern = Postern::new();
    for args in [
        &[][..],
        &["nonsense"],
        &["cert"],
        &["cert", "issue"],
        &["cert", "issue", "a"],
        &["cert", "list", "--passphrase", "x"],
        &["cert", "list", "-o", "xml"],
        &["cert", "list", "--within", "soon"],
        &["token", "create", "two\nlines", "--out", "x"],
        &["completions", "tcsh"],
    ] {
        let output = postern.run(args).expect_code(2);
        assert_eq!(output.stdout, "", "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn completions_are_shell_and_man_pages_are_there_for_every_command() {
    let postern = Postern::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = postern.run(&["completions", shell]).expect_code(0).stdout;
        assert!(
            script.contains("postern") && script.contains("revoke"),
            "{shell}"
        );
        if shell == "bash" {
            fs::write(postern.path("completions.bash"), script).expect("a file");
            postern
                .tool("bash", &["-n", "completions.bash"])
                .expect_code(0);
        }
    }
    fs::create_dir(postern.path("man1")).expect("a folder");
    postern.run(&["man", "--out", "man1"]).expect_code(0);
    for (name, _) in all(&postern) {
        let page = format!("man1/{}.1", name.replace(' ', "-"));
        let page = fs::read_to_string(postern.path(&page)).expect(&page);
        assert!(page.contains(".TH "), "{name}");
    }
    postern.run(&["man", "--out", "nowhere"]).expect_code(1);
}

//! Tests that the command line contains every hostile policy file: it ends in time with the exit code
//! that it documents, and prints no escapes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;
#[path = "../policy/tests/corpus/mod.rs"]
mod corpus;
#[path = "../policy/tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use common::standard_policies;
use corpus::{Accepts, Ends, Hostile};
use reeve_core::id::Digest;
use reeve_core::point::Point;
use reeve_core::text::is_unsafe;
use serde_json::json;
use tempfile::TempDir;

/// The longest that a command may take.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Commands at a time.
const COMMANDS: usize = 4;

/// What a command left.
struct Left {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `reeve` to its end. Its output goes to files in this directory, since a full pipe would stop it.
fn reeve(directory: &Path, args: &[&str]) -> Left {
    let file = |name: &str| directory.join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command
        .args(args)
        .env("REEVE_POLICIES_DIR", standard_policies());
    command.stdout(File::create(file("out")).unwrap());
    command.stderr(File::create(file("err")).unwrap());
    let code = code_in_time(command.spawn().unwrap(), args);
    let read = |name| fs::read_to_string(file(name)).expect("UTF-8");
    let left = Left {
        code,
        out: read("out"),
        err: read("err"),
    };
    for text in [&left.out, &left.err] {
        let only_shows = !text.contains(|c| c != '\n' && is_unsafe(c));
        assert!(only_shows, "{args:?}: {text:?}");
        assert!(!text.contains("panicked"), "{args:?}: {text}");
    }
    left
}

/// The exit code; `None`: a signal ended it.
fn code_in_time(mut child: Child, args: &[&str]) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > TIME_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{args:?} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs this for each file, a few at a time, in a directory of its own where the file is placed.
fn each(files: &[Hostile], run: impl Fn(&Hostile, &Path, &str) + Sync) {
    let run = &run;
    thread::scope(|scope| {
        for share in files.chunks(files.len().div_ceil(COMMANDS)) {
            scope.spawn(move || {
                for one in share {
                    let directory = tempfile::tempdir().unwrap();
                    let path = directory.path().join(format!("{}.wasm", one.name));
                    one.place(&path);
                    run(one, directory.path(), path.to_str().unwrap());
                }
            });
        }
    });
}

#[test]
fn inspect_shows_what_loads_and_refuses_the_rest() {
    each(&corpus::all(), |one, directory, path| {
        let left = reeve(directory, &["policy", "inspect", path]);
        let loads = one.ends.loads() || one.binding != Accepts::Anything;
        let expected = if loads { 0 } else { 1 };
        assert_eq!(left.code, Some(expected), "{}: {}", one.name, left.err);
        // An escaped text begins no line of its own.
        for heading in ["digest ", "2026 "] {
            let found = left.out.lines().filter(|line| line.starts_with(heading));
            let expected = usize::from(loads && heading == "digest ");
            assert_eq!(found.count(), expected, "{}", left.out);
        }
    });
}

#[test]
fn run_and_test_end_with_1_where_a_policy_fails() {
    let mut files = corpus::all();
    // What cannot be loaded ends as with `inspect`.
    files.retain(|one| one.ends.loads());
    each(&files, |one, directory, path| {
        let write = |name: &str, content: serde_json::Value| {
            let file = directory.join(name);
            fs::write(&file, content.to_string()).unwrap();
            file.display().to_string()
        };
        // At `resolve`, some fail with all instances only, which `inspect` does not ask either.
        let input = write("input.json", json!({ "worker": { "name": "chat" } }));
        let point = one.point().as_str();
        let left = reeve(
            directory,
            &["policy", "run", path, "--point", point, "--input", &input],
        );
        let code = left.code.unwrap();
        let fails = one.ends != Ends::Harmless;
        assert_eq!(
            code,
            i32::from(fails),
            "{}: {}{}",
            one.name,
            left.out,
            left.err
        );

        let fine = json!({ "name": "it answers", "input": { "worker": { "name": "chat" } }, "expect": { "reason": "again" } });
        let cases = write("cases.json", json!({ "point": point, "cases": [fine] }));
        let left = reeve(
            directory,
            &["policy", "test", path, &cases, "--worlds", "0"],
        );
        assert_eq!(
            left.code,
            Some(code),
            "{}: {}{}",
            one.name,
            left.out,
            left.err
        );
    });
}

/// The worlds read and load files on their own way.
#[test]
fn worlds_end_in_time() {
    let names = [
        "no-file",
        "fifo",
        "directory",
        "link-to-device",
        "sparse-file",
        "shell-script",
        "start-loops",
        "texts-inside",
        "late-loop",
        "text-escapes",
        "refusal-escapes",
    ];
    let mut files = corpus::all();
    files.retain(|one| names.contains(&one.name));
    assert_eq!(files.len(), names.len());
    each(&files, |one, directory, path| {
        let left = reeve(directory, &["policy", "test", path, "--worlds", "1"]);
        let code = left.code.unwrap_or(-1);
        let expected = if one.ends == Ends::Harmless {
            0..=1
        } else {
            1..=1
        };
        assert!(
            expected.contains(&code),
            "{}: {code} {}{}",
            one.name,
            left.out,
            left.err
        );
    });
}

#[test]
fn build_refuses_what_is_no_module() {
    let mut files = corpus::kinds().remove(0).files;
    // A directory is built by cargo.
    files.retain(|one| one.name != "directory");
    each(&files, |one, directory, path| {
        let output = directory.join("built.wasm");
        let output = output.to_str().unwrap();
        // The real module among them makes a component that offers nothing.
        let left = reeve(directory, &["policy", "build", path, "-o", output]);
        assert_eq!(left.code, Some(1), "{}: {}", one.name, left.err);
        assert!(!Path::new(output).exists(), "{}", one.name);
    });
}

#[test]
fn worlds_are_held_to_the_limits_of_a_compiler() {
    let function = format!("(func {}{})", "(loop ".repeat(255), ")".repeat(255));
    let bomb = support::Fixture {
        prelude: format!("(core module {})", function.repeat(4_000)),
        ..support::Fixture::sound()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bomb.wasm");
    fs::write(&path, bomb.bytes()).unwrap();
    let path = path.to_str().unwrap();
    let left = reeve(directory.path(), &["policy", "test", path, "--worlds", "1"]);
    assert_eq!(left.code, Some(1), "{}", left.err);
    // Of CPU time, or on a busy machine of time by the clock.
    let told = "compiling it needs more than";
    assert!(left.err.contains(told), "{}", left.err);
}

#[test]
fn names_with_escapes_are_shown_escaped() {
    let directory = tempfile::tempdir().unwrap();
    for content in [None, Some("no wasm".to_owned().into_bytes())] {
        let path = directory.path().join(format!("{}.wasm", corpus::ESCAPES));
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let path = path.to_str().unwrap();
        for arguments in [
            vec!["policy", "inspect", path],
            vec!["policy", "test", path, "--worlds", "1"],
            vec!["policy", "build", path, "-o", path],
        ] {
            let left = reeve(directory.path(), &arguments);
            assert_ne!(left.code, Some(0), "{arguments:?}");
            let begins = |line: &str| line.starts_with("2026");
            assert!(!left.err.lines().any(begins), "{}", left.err);
            assert!(left.err.contains("INFO all is well"), "{}", left.err);
        }
    }
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    const NOT_ROOT: u32 = 65_534;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("closed.wasm");
    fs::copy(standard_policies().join("reap.wasm"), &path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    command.args(["policy", "inspect", path.to_str().unwrap()]);
    if directory.path().metadata().unwrap().uid() == 0 {
        // Root may read all files.
        command.uid(NOT_ROOT).gid(NOT_ROOT).current_dir("/");
    }
    let output = match command.output() {
        Ok(output) => output,
        // The program itself is where only root may read it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return,
        Err(error) => panic!("{error}"),
    };
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot read the policy"), "{told}");
    assert!(told.contains("Permission denied"), "{told}");
}

#[test]
fn check_names_each_file_that_is_refused() {
    let mut files = corpus::all();
    // Keys are for all files of a configuration.
    files.retain(|one| one.binding != Accepts::Signed);
    let (directory, config) = configured(&files);
    let left = reeve(
        directory.path(),
        &["check", "--config", config.to_str().unwrap()],
    );
    assert_eq!(left.code, Some(1), "{}", left.err);
    for one in &files {
        let is_named = left
            .out
            .lines()
            .any(|line| line.contains(&format!(" {}.wasm: ", one.name)));
        assert_eq!(is_named, !one.ends.in_force(), "{}: {}", one.name, left.out);
    }
}

/// A configuration with a pool for each file, and the directory that it stands in.
fn configured(files: &[Hostile]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let policies = directory.path().join("policies");
    fs::create_dir(&policies).unwrap();
    for point in Point::ALL {
        let name = format!("{point}.wasm");
        symlink(standard_policies().join(&name), policies.join(name)).unwrap();
    }
    let mut text =
        "[host]\nfleet = \"test\"\nstate_dir = \"state\"\n[policies]\ndir = \"policies\"\n"
            .to_owned();
    for one in files {
        let (name, point) = (one.name, one.point());
        one.place(&policies.join(format!("{name}.wasm")));
        write!(
            text,
            "[pool.{name}]\nregion = \"us-east-1\"\nport = 8080\n\
             [pool.{name}.policy.{point}]\nfile = \"{name}.wasm\"\n"
        )
        .unwrap();
        if one.binding == Accepts::Pinned {
            writeln!(text, "digest = \"{}\"", Digest::of(b"other content")).unwrap();
        }
    }
    writeln!(
        text,
        "[worker.chat]\npool = \"fifo\"\npointer = \"/chat/id\""
    )
    .unwrap();
    let config = directory.path().join("reeve.toml");
    fs::write(&config, text).unwrap();
    (directory, config)
}

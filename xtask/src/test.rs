//! `cargo xtask test`: builds everything that the tests need, runs every test, and sums up in the
//! last line.

mod tally;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use self::tally::Tally;
use crate::workspace::Workspace;
use crate::{emulator, iproute, policies, print, process, schemathesis};

/// Runs the tests. The last line is always `N passed, N failed`. A problem that keeps tests from
/// running, or leaves some out, counts as a failure and is printed before that line.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let mut tally = Tally::default();
    let mut problems = match prepare_and_run(workspace, args, &mut tally) {
        Ok(problems) => problems,
        Err(error) => vec![format!("{error:#}")],
    };
    // After a failed build, "no test ran" would say nothing new.
    if problems.is_empty() {
        problems = tally.problems(!args.is_empty());
    }
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    let failed = tally.failed + problems.len() as u64;
    print::line(format_args!("{} passed, {failed} failed", tally.passed))?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the problems other than failed tests.
fn prepare_and_run(
    workspace: &Workspace,
    args: &[String],
    tally: &mut Tally,
) -> Result<Vec<String>> {
    policies::build(workspace)?;
    let moto = emulator::prepare(workspace)?;
    let schemathesis = schemathesis::prepare(workspace)?;
    let ip = iproute::prepare(workspace)?;
    let reeve = build_reeve(workspace)?;

    let mut tests = workspace.cargo("test");
    tests
        .args(["--workspace", "--no-fail-fast"])
        .args(args)
        .env("REEVE_POLICIES_DIR", workspace.policies())
        .env("REEVE_MOTO_SERVER", moto)
        .env("REEVE_SCHEMATHESIS", schemathesis)
        .env("REEVE_IP", ip)
        .env("REEVE_BIN", reeve);
    let ended_well = stream(&mut tests, &mut std::io::stdout(), tally)?;
    if !ended_well && tally.failed == 0 {
        return Ok(vec![
            "`cargo test` failed, but no test did: something does not compile, or a test binary \
             ended before its result (see above)"
                .to_owned(),
        ]);
    }
    Ok(Vec::new())
}

/// Builds the tests and the `reeve` that some of them start, and returns the path of `reeve`. It
/// builds both in one call, because cargo unites the features of one build; two builds would
/// compile the AWS SDK twice.
fn build_reeve(workspace: &Workspace) -> Result<PathBuf> {
    let mut build = workspace.cargo("build");
    build
        .args(["--workspace", "--tests", "--bin", "reeve"])
        .args(["--message-format", "json-render-diagnostics"]);
    let messages = process::capture_output(&mut build).context("cannot build the tests")?;
    messages
        .lines()
        .find_map(built_reeve)
        .context("cargo has built the package `reeve`, but named no executable `reeve`")
}

/// The part of cargo's JSON messages that is read here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<BuiltTarget>,
    profile: Option<BuiltProfile>,
}

#[derive(Deserialize)]
struct BuiltTarget {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct BuiltProfile {
    test: bool,
}

/// The path of the program in a message. The program's unit tests are an executable of the same
/// name, and are left out.
fn built_reeve(line: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let target = message.target?;
    let program = target.name == "reeve" && target.kind == ["bin"] && !message.profile?.test;
    program.then_some(message.executable)?
}

/// Passes a command's output on to `sink` line by line, and counts results. Returns whether the
/// command succeeded.
fn stream(command: &mut Command, sink: &mut impl Write, tally: &mut Tally) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::line(command)))?;
    let Some(pipe) = child.stdout.take() else {
        bail!("`{}` has no output to read", process::line(command));
    };
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        sink.write_all(&line)?;
        sink.flush()?;
        tally.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, kind: &str, test: bool) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},
                "profile":{{"test":{test}}},"executable":"/built/{name}"}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn the_built_reeve_is_neither_its_unit_tests_nor_its_library() {
        assert_eq!(
            built_reeve(&message("reeve", "bin", false)),
            Some("/built/reeve".into())
        );
        assert_eq!(built_reeve(&message("reeve", "bin", true)), None);
        assert_eq!(built_reeve(&message("reeve", "lib", false)), None);
        assert_eq!(built_reeve(&message("bench", "bin", false)), None);
        assert_eq!(
            built_reeve(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(built_reeve("warning: not JSON"), None);
    }

    #[test]
    fn output_is_counted_and_passed_on_and_the_end_reported() {
        let script = "echo 'test a ... ok'; echo 'test result: ok. 2 passed; 0 failed'; exit 3";
        let mut tally = Tally::default();
        let mut sink = Vec::new();
        let mut command = Command::new("sh");
        let ended_well = stream(command.args(["-c", script]), &mut sink, &mut tally).unwrap();
        assert!(!ended_well);
        assert_eq!(tally.passed, 2);
        assert_eq!(
            sink,
            b"test a ... ok\ntest result: ok. 2 passed; 0 failed\n"
        );
    }
}

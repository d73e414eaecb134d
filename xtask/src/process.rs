//! Running other programs, with errors that name them.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The time between two checks of a running program: short compared with any bound, long compared
/// with a check.
const POLL: Duration = Duration::from_millis(100);

/// The time between two signs of life during a silent build: short enough that no person gives up.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Runs a program whose output the person sees.
///
/// # Errors
/// When the program cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a program and returns its standard output.
///
/// # Errors
/// When the program cannot be started, fails (its standard error is in the message), or writes
/// something that is not UTF-8.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    capture_with(command, Stdio::piped())
}

/// As [`capture`], but the person sees the standard error at once.
///
/// # Errors
/// As [`capture`].
pub(crate) fn capture_output(command: &mut Command) -> Result<String> {
    capture_with(command, Stdio::inherit())
}

fn capture_with(command: &mut Command, stderr: Stdio) -> Result<String> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn();
    let output = child
        .and_then(Child::wait_with_output)
        .with_context(|| cannot_start(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        let colon = if said.is_empty() { "" } else { ": " };
        bail!(
            "`{}` ended with {}{colon}{said}",
            line(command),
            output.status
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something that is not UTF-8", line(command)))
}

/// Runs a program that prints nothing for minutes, and prints a sign of life in its place.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_with_heartbeat(command: &mut Command) -> Result<()> {
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    let mut next = HEARTBEAT;
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("`{}` ended with {status}", line(command));
            }
            return Ok(());
        }
        if start.elapsed() >= next {
            eprintln!("  … still at it ({} s)", start.elapsed().as_secs());
            next += HEARTBEAT;
        }
        thread::sleep(POLL);
    }
}

/// Runs a program that may hang, for at most `bound`.
///
/// # Errors
/// When the program cannot be started, fails (its standard error is in the message), or is killed
/// because the bound has passed.
pub(crate) fn run_bounded(command: &mut Command, bound: Duration) -> Result<()> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let said = collect(&mut child);
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            let said = said.join().unwrap_or_default();
            bail!("`{}` ended with {status}: {}", line(command), said.trim());
        }
        if start.elapsed() >= bound {
            // The program may have ended by itself a moment ago; then `kill` fails without harm.
            let _ = child.kill();
            child.wait()?;
            bail!(
                "`{}` did not end within {} s",
                line(command),
                bound.as_secs()
            );
        }
        thread::sleep(POLL);
    }
}

/// Reads the standard error in a thread of its own, so that a program that prints much does not
/// block.
fn collect(child: &mut Child) -> thread::JoinHandle<String> {
    let pipe = child.stderr.take();
    thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut pipe) = pipe {
            // If the pipe breaks, the text up to there is shown.
            let _ = pipe.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// Replaces this process by the program, which gets its signals, exit code and terminal.
///
/// # Errors
/// When the program cannot be started. Otherwise this function does not return.
pub(crate) fn become_program(command: &mut Command) -> Result<ExitCode> {
    Err(command.exec()).with_context(|| cannot_start(command))
}

/// Whether a program of that name can be started.
pub(crate) fn exists(program: &str) -> bool {
    let probe = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    !matches!(probe, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// The command line, as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", line(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_names_the_command_and_has_its_output() {
        let error = capture(&mut shell("echo no such thing >&2; exit 3"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("sh -c"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no such thing"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_when_its_bound_has_passed() {
        let error = run_bounded(&mut shell("exec sleep 60"), Duration::ZERO).unwrap_err();
        assert!(
            error.to_string().contains("did not end within 0 s"),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_says_much_before_it_fails_does_not_block() {
        let script =
            "i=0; while [ $i -lt 20000 ]; do echo 0123456789 >&2; i=$((i+1)); done; exit 1";
        let error = run_bounded(&mut shell(script), Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().len() > 200_000);
    }

    #[test]
    fn a_program_that_is_not_installed_does_not_exist() {
        assert!(exists("sh"));
        assert!(!exists("reeve-no-such-program"));
    }
}

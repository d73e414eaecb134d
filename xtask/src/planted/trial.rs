//! Builds the swarm in the copy, and runs it until a check fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::copy::Copy;
use crate::process;
use crate::workspace::{Workspace, cargo_command};

/// The root manifest's profile for these builds: quick to build again after a small change.
const PROFILE: &str = "planted";
/// A build after a small change takes seconds; a build of this length will not end.
const BUILD_MAX: Duration = Duration::from_secs(1_800);
/// Three thousand worlds take minutes. Only this bound finds a bug that lets a host loop for ever.
const RUN_MAX: Duration = Duration::from_secs(1_800);

/// The paths and options of the trials.
pub(super) struct Lab {
    manifest: PathBuf,
    /// The target directory, which is kept between bugs and between runs.
    target: PathBuf,
    policies: PathBuf,
    figures: PathBuf,
    seeds: u64,
    threads: Option<usize>,
}

/// The outcome of a trial.
pub(super) enum Trial {
    /// A check of the swarm failed.
    Caught(Violation),
    /// All checks held in this many worlds.
    Missed { worlds: u64, took: Duration },
}

/// The first check that failed.
pub(super) struct Violation {
    pub(super) seed: u64,
    pub(super) guarantee: String,
    text: String,
    pub(super) worlds: u64,
    took: Duration,
}

/// The part of the swarm's `--json` file that a trial reads.
#[derive(Deserialize)]
struct Figures {
    seeds: u64,
    broken: Vec<Broken>,
}

#[derive(Deserialize)]
struct Broken {
    seed: u64,
    guarantee: String,
    text: String,
}

impl Lab {
    pub(super) fn new(
        workspace: &Workspace,
        copy: &Copy,
        folder: &Path,
        seeds: u64,
        threads: Option<usize>,
    ) -> Self {
        Self {
            manifest: copy.root.join("Cargo.toml"),
            target: folder.join("built"),
            policies: workspace.policies(),
            figures: folder.join("figures.json"),
            seeds,
            threads,
        }
    }

    /// Tries the copy without a bug. The build may take minutes.
    ///
    /// # Errors
    /// When it does not compile, or the swarm does not end with a result.
    pub(super) fn first(&self) -> Result<Trial> {
        process::run_with_heartbeat(&mut self.build())?;
        self.swarm()
    }

    /// Tries the copy with a bug in it.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub(super) fn again(&self) -> Result<Trial> {
        process::run_bounded(self.build().arg("--quiet"), BUILD_MAX)?;
        self.swarm()
    }

    fn build(&self) -> Command {
        let mut build = cargo_command();
        build
            .args(["build", "--profile", PROFILE, "--manifest-path"])
            .arg(&self.manifest)
            .args(["--package", "reeve-tests", "--features", "swarm"])
            .args(["--bin", "swarm"])
            .env("CARGO_TARGET_DIR", &self.target)
            // CI switches incremental builds off; here they make each next build take seconds.
            .env("CARGO_INCREMENTAL", "1");
        build
    }

    fn swarm(&self) -> Result<Trial> {
        let began = Instant::now();
        if self.figures.exists() {
            fs::remove_file(&self.figures)
                .with_context(|| format!("cannot remove {}", self.figures.display()))?;
        }
        let mut swarm = Command::new(self.target.join(PROFILE).join("swarm"));
        swarm
            .args(["--first", "--seeds", &self.seeds.to_string(), "--json"])
            .arg(&self.figures)
            .env("REEVE_POLICIES_DIR", &self.policies);
        if let Some(threads) = self.threads {
            swarm.args(["--threads", &threads.to_string()]);
        }
        // A violation ends the swarm with a failure too; without figures there is no result.
        let ended = process::run_bounded(&mut swarm, RUN_MAX);
        let Ok(figures) = fs::read_to_string(&self.figures) else {
            ended?;
            bail!(
                "the swarm has written no figures to {}",
                self.figures.display()
            );
        };
        let figures: Figures = serde_json::from_str(&figures)
            .with_context(|| format!("cannot read {}", self.figures.display()))?;
        let (worlds, took) = (figures.seeds, began.elapsed());
        Ok(match figures.broken.into_iter().next() {
            None => Trial::Missed { worlds, took },
            Some(broken) => Trial::Caught(Violation {
                seed: broken.seed,
                guarantee: broken.guarantee,
                text: broken.text,
                worlds,
                took,
            }),
        })
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(it) => write!(
                f,
                "caught by {:<8} at seed {:<5} ({} worlds, {} s)",
                it.guarantee,
                it.seed,
                it.worlds,
                it.took.as_secs()
            ),
            Self::Missed { worlds, took } => {
                write!(f, "MISSED in {worlds} worlds ({} s)", took.as_secs())
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} did not hold: {}",
            self.seed, self.guarantee, self.text
        )
    }
}

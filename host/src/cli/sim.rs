//! `reeve sim`: plays an incident script, or a library of them, with the policies that the user
//! picks.

mod library;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use reeve_core::point::Point;
use reeve_core::time::Millis;
use reeve_sim::script::{Script, ScriptError, Variant, length_of_time};

use super::{FAILED, policies_dir};
use crate::demo::{Cast, Shown, outcome, played};
use crate::print;

#[derive(Debug, Subcommand)]
pub(super) enum SimCommand {
    /// Play an incident script, print what happens, and check what the script expects. Of a folder, play every script
    /// and print a row for each.
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The script, or a folder with scripts; tests/incidents/README.md describes the format.
    script: PathBuf,
    /// A policy to test at one point, in place of the script's own; repeatable.
    #[arg(long = "policy", value_name = "POINT=FILE", value_parser = policy)]
    policies: Vec<(Point, PathBuf)>,
    /// Play the policies that the script names as `legacy` on a host without guarantees.
    #[arg(long, conflicts_with = "legacy")]
    as_it_was: bool,
    /// Play the policies that the script names as `legacy` under reeve.
    #[arg(long)]
    legacy: bool,
    /// Seed of the simulated cloud's random choices [default: the script's seed].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How long the script runs, such as 90s or 2h [default: the script's length].
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    length: Option<Millis>,
    /// Directory with the standard and the legacy policies [default: $REEVE_POLICIES_DIR, else
    /// target/policies].
    #[arg(long, value_name = "DIR")]
    policies_dir: Option<PathBuf>,
}

impl RunArgs {
    /// Sets what the command line says in place of the script.
    fn adapt(&self, script: &mut Script) {
        script.seed = self.seed.unwrap_or(script.seed);
        script.length = self.length.unwrap_or(script.length);
    }
}

/// Why a script cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptFileError {
    /// The file cannot be read.
    #[error("cannot read the script {}", path.display())]
    Read {
        /// The script's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file is no valid script. The format lets editors and terminals link to the place.
    #[error("{}:{}:{}", path.display(), source.line, source.column)]
    Script {
        /// The script's path.
        path: PathBuf,
        /// The mistake in the script.
        #[source]
        source: ScriptError,
    },
}

pub(super) fn run(command: SimCommand) -> anyhow::Result<ExitCode> {
    let SimCommand::Run(args) = command;
    let variant = match (args.as_it_was, args.legacy) {
        (true, _) => Variant::AsItWas,
        (_, true) => Variant::LegacyUnderReeve,
        _ => Variant::Standard,
    };
    let mut cast = Cast::compiled_in_children(&policies_dir(args.policies_dir.clone()))?;
    if args.script.is_dir() {
        return library::play(&args, variant, &mut cast);
    }
    let mut script = read(&args.script)?;
    if !has_variant(&script, variant) {
        bail!(
            "{} names no `legacy` policy in its section `setting`; accepted with --legacy is a script that does",
            args.script.display()
        );
    }
    args.adapt(&mut script);
    let part = cast.part(&script, variant, &args.policies)?;
    let (timeline, run) = played(&script, variant, part, Shown::Digests);

    let mut text = format!("{timeline}\n  {}\n", outcome(&run));
    let unmet = script.check(variant, &run);
    for unmet in &unmet {
        let path = args.script.display();
        text += &format!("{path}:{}: {unmet}\n", unmet.line);
    }
    let name = variant.name();
    text += &match (script.expectations(variant), unmet.len()) {
        (0, _) => format!("  the script expects nothing of `{name}`\n"),
        (all, 0) => format!("  as expected of `{name}`: {all} of {all}\n"),
        (all, unmet) => format!("  not as expected of `{name}`: {unmet} of {all}\n"),
    };
    print::text(&text)?;
    Ok(if unmet.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// Whether the script can be played so: it names the policies of its `legacy` variant itself.
fn has_variant(script: &Script, variant: Variant) -> bool {
    variant != Variant::LegacyUnderReeve || !script.legacy.is_empty()
}

fn read(path: &Path) -> Result<Script, ScriptFileError> {
    let text = fs::read_to_string(path).map_err(|source| ScriptFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    Script::parse(&text).map_err(|source| ScriptFileError::Script {
        path: path.to_owned(),
        source,
    })
}

fn policy(text: &str) -> Result<(Point, PathBuf), String> {
    let points = || Point::ALL.map(Point::as_str).join(", ");
    let accepted = || format!("accepted is POINT=FILE, where POINT is one of {}", points());
    let (point, file) = text.split_once('=').ok_or_else(accepted)?;
    let point = Point::from_name(point).ok_or_else(accepted)?;
    if file.is_empty() {
        return Err(accepted());
    }
    Ok((point, PathBuf::from(file)))
}

fn length(text: &str) -> Result<Millis, String> {
    let length = length_of_time(text).filter(|length| *length > Millis::ZERO);
    length.ok_or_else(|| "accepted is a length of time such as 90s, 1m30s or 2h".to_owned())
}

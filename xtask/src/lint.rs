//! `cargo xtask lint`: checks of format, dependencies, manifests, imports, facts, outside packages,
//! pages, words and clippy.

mod deny;
mod dependencies;
mod facts;
mod graph;
mod imports;
mod links;
mod manifests;
mod modules;
mod refusal;
mod tree;
mod words;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use self::graph::Graph;
use self::refusal::Refusal;
use self::tree::Tree;
use crate::toolchain::TARGET;
use crate::workspace::{self, Workspace};
use crate::{print, process};

/// Runs every check, also after one has failed, and fails when any has.
///
/// # Errors
/// When `cargo fmt` or `cargo clippy` is not installed, cargo-deny cannot be, or cargo's metadata
/// or a manifest cannot be read.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    require_tools()?;
    let mut failed = Vec::new();
    let mut check = |name: &'static str, passed: bool| {
        if !passed {
            failed.push(name);
        }
        let found = if passed { "ok" } else { "FAILED" };
        print::line(format_args!("lint: {name}: {found}"))
    };
    check(
        "format",
        succeeds(workspace.cargo("fmt").args(["--all", "--check"])),
    )?;
    check("dependencies", dependencies(workspace)?)?;
    check(
        "licences, bans, sources",
        succeeds(&mut deny::command(workspace)?),
    )?;
    let files = workspace::tracked(workspace.root())?;
    check(
        "imports",
        passes(&modules::check(workspace.root(), &files)?),
    )?;
    let tree = Tree::read(workspace.root(), &files)?;
    check("facts", passes(&facts::check(&tree)))?;
    check("pages", passes(&links::check(&tree)))?;
    check("words", passes(&words::check(&tree)))?;
    check("clippy", succeeds(&mut clippy(workspace)))?;
    check(
        "clippy of the demo's build",
        succeeds(&mut clippy_of_demo(workspace)),
    )?;
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: lint found something in: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Runs a program that prints its own findings; returns whether it succeeded.
fn succeeds(command: &mut Command) -> bool {
    let ended = process::run_with_heartbeat(command);
    if let Err(error) = &ended {
        eprintln!("error: {error:#}");
    }
    ended.is_ok()
}

/// Fails if the toolchain has no `fmt` or `clippy`. Cargo's own message does not say how to install
/// them.
fn require_tools() -> Result<()> {
    for tool in ["fmt", "clippy"] {
        process::capture(workspace::cargo_command().args([tool, "--version"])).with_context(
            || format!("cargo has no `{tool}`: run `rustup component add rustfmt clippy`"),
        )?;
    }
    Ok(())
}

/// Clippy with all features, so that it checks the bench too.
fn clippy(workspace: &Workspace) -> Command {
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--quiet", "--workspace", "--all-targets", "--all-features"]);
    clippy.args(["--", "-D", "warnings"]);
    clippy
}

/// Clippy of the demo's build. Code that is dead without the AWS feature shows only in this build,
/// which a newcomer runs first.
fn clippy_of_demo(workspace: &Workspace) -> Command {
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--quiet", "--package", "reeve", "--no-default-features"]);
    clippy.args(["--", "-D", "warnings"]);
    clippy
}

/// Prints the refusals about dependencies and manifests; returns whether there was none.
fn dependencies(workspace: &Workspace) -> Result<bool> {
    let graph = read_graph(workspace)?;
    let mut refusals: Vec<Refusal> = dependencies::check(&graph);
    for member in graph.members() {
        let text = std::fs::read_to_string(&member.manifest_path)
            .with_context(|| format!("cannot read {}", member.manifest_path.display()))?;
        refusals.extend(manifests::check(&member.name, &text)?);
    }
    Ok(passes(&refusals))
}

/// Prints the refusals; returns whether there were none.
fn passes(refusals: &[Refusal]) -> bool {
    for refusal in refusals {
        eprintln!("{refusal}");
    }
    refusals.is_empty()
}

/// Reads the graph for this machine and for the policies' target. Crates for other systems are
/// never compiled, so the lint need not download them.
fn read_graph(workspace: &Workspace) -> Result<Graph> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let said = process::capture(rustc.arg("-vV"))?;
    let host = said
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("`rustc -vV` names no host")?;
    let mut metadata = workspace.cargo("metadata");
    metadata.args(["--format-version", "1", "--filter-platform", host]);
    metadata.args(["--filter-platform", TARGET]);
    Graph::parse(&process::capture(&mut metadata)?)
}

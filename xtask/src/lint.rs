//! What is checked without running anything: format, walls, manifests, imports, outside packages, pages,
//! clippy.

mod deny;
mod graph;
mod imports;
mod links;
mod manifests;
mod modules;
mod refusal;
mod walls;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use self::graph::Graph;
use self::refusal::Refusal;
use crate::toolchain::TARGET;
use crate::workspace::{self, Workspace};
use crate::{print, process};

/// Runs every check, also after one has failed, and fails when any has.
///
/// # Errors
/// When `cargo fmt` or `cargo clippy` is not installed, cargo-deny cannot be, or cargo's metadata or a
/// manifest cannot be read.
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
    check("pages", passes(&links::check(workspace)?))?;
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

/// The program says itself what it finds.
fn succeeds(command: &mut Command) -> bool {
    let ended = process::run_with_heartbeat(command);
    if let Err(error) = &ended {
        eprintln!("error: {error:#}");
    }
    ended.is_ok()
}

/// Toolchains can be installed without the two, and cargo's own message does not say how to get
/// them.
fn require_tools() -> Result<()> {
    for tool in ["fmt", "clippy"] {
        process::capture(workspace::cargo_command().args([tool, "--version"])).with_context(
            || format!("cargo has no `{tool}`: run `rustup component add rustfmt clippy`"),
        )?;
    }
    Ok(())
}

/// All features, so that the bench is checked too.
fn clippy(workspace: &Workspace) -> Command {
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--quiet", "--workspace", "--all-targets", "--all-features"]);
    clippy.args(["--", "-D", "warnings"]);
    clippy
}

/// What is dead without the AWS feature shows only without it, and a newcomer would meet the
/// warning first.
fn clippy_of_demo(workspace: &Workspace) -> Command {
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--quiet", "--package", "reeve", "--no-default-features"]);
    clippy.args(["--", "-D", "warnings"]);
    clippy
}

/// Prints what the walls and the manifests refuse; returns whether there was nothing.
fn dependencies(workspace: &Workspace) -> Result<bool> {
    let graph = read_graph(workspace)?;
    let mut refusals: Vec<Refusal> = walls::check(&graph);
    for member in graph.members() {
        let text = std::fs::read_to_string(&member.manifest_path)
            .with_context(|| format!("cannot read {}", member.manifest_path.display()))?;
        refusals.extend(manifests::check(&member.name, &text)?);
    }
    Ok(passes(&refusals))
}

/// Prints what is refused; returns whether that is nothing.
fn passes(refusals: &[Refusal]) -> bool {
    for refusal in refusals {
        eprintln!("{refusal}");
    }
    refusals.is_empty()
}

/// The graph as it is built for this machine and for the policies' target. Crates for other systems
/// are never compiled here.
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

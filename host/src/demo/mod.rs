//! `reeve demo`: plays the incidents on the embedded world in three variants, then serves a host to
//! try by hand.

mod cast;
mod print;
mod serve;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
pub use cast::{Cast, Part, Playbill};
pub use print::{Shown, outcome, seconds};
use reeve_sim::incidents;
use reeve_sim::run::Run;
use reeve_sim::script::{Script, Variant};

/// The options of `reeve demo`.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Exit after the table instead of serving.
    pub once: bool,
    /// Print the timeline of each run.
    pub verbose: bool,
    /// The directory of the policy components.
    pub policies_dir: PathBuf,
    /// The address to serve on after the table.
    pub listen: SocketAddr,
}

/// Plays the incidents and prints what happened. Then serves the embedded world until it is
/// interrupted, unless `once` is set. This program must answer
/// [`compile::child`](reeve_policy::compile::child).
///
/// # Errors
/// A component is missing or unusable, standard output is closed, or the host cannot listen on any
/// address.
pub async fn run(options: DemoOptions) -> anyhow::Result<()> {
    let mut cast = Cast::compiled_in_children(&options.policies_dir)?;
    let mut text = Vec::new();
    play_all(&mut cast, options.verbose, &mut text)?;
    crate::print::text(&String::from_utf8_lossy(&text))?;
    if options.once {
        return Ok(());
    }
    serve::run(&options).await
}

/// Plays every incident in every variant. Prints what went wrong in each and what the guard refused,
/// or, if `verbose` is set, the timeline of each run. Prints the table at the end.
///
/// # Errors
/// A component is missing or unusable, or the output cannot be written.
pub fn play_all(cast: &mut Cast, verbose: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let scripts = incidents::all().context("an incident that comes with reeve is no script")?;
    let shown = match verbose {
        true => "Each line of a policy ends with the digest of the component that decided.",
        false => "`--verbose` prints every decision with its reason.",
    };
    writeln!(
        out,
        "The incidents this project exists for, replayed on a simulated cloud in virtual time, each three ways.\n\
         Sandboxed WebAssembly components made all decisions.\n{shown}\n"
    )?;
    let mut rows = Vec::new();
    for script in &scripts {
        writeln!(out, "{}: {}", script.name, script.title)?;
        let mut runs: Vec<(Variant, Run)> = Vec::new();
        for variant in Variant::ALL {
            let part = cast.part(script, variant, &[])?;
            let (timeline, run) = played(script, variant, part, Shown::Digests);
            if verbose {
                writeln!(out, "\n{timeline}")?;
            }
            runs.push((variant, run));
        }
        if !verbose {
            writeln!(out, "{}", print::in_short(&runs))?;
        }
        rows.push((script.name.as_str(), runs));
    }
    writeln!(out, "{}", print::table(&rows))?;
    Ok(())
}

/// Plays one variant of a script and prints what happened.
pub fn played(script: &Script, variant: Variant, part: Part, shown: Shown) -> (String, Run) {
    let playbill = part.playbill();
    let run = script.play(variant, Arc::new(part));
    let timeline = print::timeline(script, variant, &playbill, &run, shown);
    (timeline, run)
}

//! `reeve policy`: the tools of a policy author. They need no host.

mod build;
mod conduct;
mod inspect;
mod run;
mod test;
mod worlds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use reeve_core::point::Point;
use reeve_policy::{Class, Limits, LoadedPolicy};

use crate::policies;
use crate::ticker::Ticker;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Make a component from a policy's crate or from a core Wasm module.
    Build {
        /// The crate's directory, or a core module (.wasm) from any language's compiler.
        #[arg(value_name = "CRATE_DIR|CORE.wasm")]
        source: PathBuf,
        /// The component file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Put case files to a component, and run it in random worlds with faults.
    Test(test::TestArgs),
    /// Show what a component is and what it offers.
    Inspect {
        /// The component.
        component: PathBuf,
    },
    /// Ask a component one question.
    Run {
        /// The component.
        component: PathBuf,
        /// The decision point to ask.
        #[arg(long, value_parser = point)]
        point: Point,
        /// The input as JSON with the names of the WIT, or as it stands in the journal. `-` reads
        /// standard input.
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// Settings as a JSON object, in place of those in the input.
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
    },
}

pub(super) fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Build { source, output } => build::run(&source, &output),
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Inspect { component } => inspect::run(&component),
        PolicyCommand::Run {
            component,
            point,
            input,
            settings,
        } => run::run(&component, point, &input, settings),
    }
}

/// The limits of the largest class.
const LARGEST: Limits = Limits::of(Class::Large);

/// A component that is ready for questions, outside of a host.
struct Workbench {
    policy: LoadedPolicy,
    /// The smallest class that accepts it.
    class: Class,
    bytes: usize,
    _ticker: Ticker,
}

impl Workbench {
    fn open(component: &Path) -> anyhow::Result<Self> {
        let bytes = reeve_policy::read(component, LARGEST.component_bytes_max)?;
        Self::load(&reeve_policy::shown(component), &bytes)
    }

    fn load(name: &str, bytes: &[u8]) -> anyhow::Result<Self> {
        let engine = policies::engine(LARGEST, None)?;
        let ticker = Ticker::start(engine.clone())?;
        let load = |class| LoadedPolicy::load(&engine.for_class(class), name, bytes);
        let (policy, class) = match load(Class::Small) {
            Err(error) if error.kind.is_of_size() => (load(Class::Large)?, Class::Large),
            small => (small?, Class::Small),
        };
        Ok(Self {
            policy,
            class,
            bytes: bytes.len(),
            _ticker: ticker,
        })
    }

    fn points(&self) -> String {
        let points: Vec<_> = self.policy.points().map(Point::as_str).collect();
        points.join(", ")
    }
}

fn point(name: &str) -> Result<Point, String> {
    Point::from_name(name).ok_or_else(|| {
        let points = Point::ALL.map(Point::as_str).join(", ");
        format!("accepted are {points}")
    })
}

//! The command line. Results go to standard output, errors and logs to standard error.
//!
//! Exit codes: 0 all is well; 1 something failed, or a check found something; 2 the command line,
//! the configuration or an incident script is wrong; 141 the reader of standard output is gone
//! (`| head`).

mod ask;
mod check;
mod journal;
mod notify;
mod operate;
mod policy;
mod sim;
mod tls;
mod token;
mod workers;

pub(crate) use self::journal::line as journal_line;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use reeve_policy::compile;

use crate::api::openapi;
use crate::config::{self, Config, ConfigError};
use crate::demo::{self, DemoOptions};
use crate::print::{self, PrintError};
use crate::{logs, serve};

/// Something failed, or a check found a problem.
const FAILED: u8 = 1;
/// The configuration or a script is wrong.
const MISCONFIGURED: u8 = 2;
/// The environment variable that names the policy directory when the command line does not.
const POLICIES_VARIABLE: &str = "REEVE_POLICIES_DIR";

/// Keeps workers on AWS running. Sandboxed policies decide; the host acts on their verdicts or
/// refuses.
#[derive(Debug, Parser)]
#[command(name = "reeve", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the workers of a configuration, until SIGTERM.
    Serve(ConfigArgs),
    /// Check a configuration and the policies it names, without calling AWS.
    Check(ConfigArgs),
    /// Print a configuration with every key, its meaning and its default.
    Sample,
    /// Print the HTTP interface as an OpenAPI document.
    Openapi,
    /// Show the workers of a running host, a line each.
    Workers(workers::WorkersArgs),
    /// Show or change one worker of a running host.
    #[command(subcommand)]
    Worker(workers::WorkerCommand),
    /// Show what was decided, why, and what followed.
    Journal(journal::JournalArgs),
    /// Make and revoke the tokens that callers on other machines show.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make certificates for the interfaces for other machines.
    #[command(subcommand)]
    Tls(tls::TlsCommand),
    /// Test the webhooks that get notices.
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Play the incidents on an embedded world, then serve it. Needs no AWS account.
    Demo(DemoArgs),
    /// Build, test, inspect and run policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Play incidents on a simulated cloud, in virtual time.
    #[command(subcommand)]
    Sim(sim::SimCommand),
    /// Compile one policy for a host; hosts run it.
    #[command(name = compile::child::COMMAND, hide = true)]
    PolicyCompile,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Exit after the table instead of serving the embedded world.
    #[arg(long)]
    once: bool,
    /// Print every decision with its reason: a timeline of each run.
    #[arg(long)]
    verbose: bool,
    /// Directory with the policies [default: $REEVE_POLICIES_DIR, else target/policies].
    #[arg(long, value_name = "DIR")]
    policies_dir: Option<PathBuf>,
    /// Where the embedded world is served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7433")]
    listen: SocketAddr,
}

/// How long a host that has ended waits for what still computes, such as a decision.
const LEFT_OVER_MAX: Duration = Duration::from_secs(1);

/// Runs the command that the command line names.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if is_reader_gone(&error) => ExitCode::from(print::READER_GONE),
        Err(error) => {
            print::error(format_args!("error: {error:#}"));
            let misconfigured = error.is::<ConfigError>() || error.is::<sim::ScriptFileError>();
            ExitCode::from(if misconfigured { MISCONFIGURED } else { FAILED })
        }
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PrintError::ReaderGone))
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            let config = Config::read(&args.config)?;
            logs::start();
            serve::open_more_files();
            let runtime = runtime()?;
            let served = runtime.block_on(serve::run(config));
            // A compiler may take half a minute longer, and ends with this process.
            runtime.shutdown_timeout(LEFT_OVER_MAX);
            served?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => check::run(&args.config),
        Command::Sample => {
            print::text(&config::sample())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Openapi => {
            print::text(&openapi::document())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Workers(args) => runtime()?.block_on(workers::list(&args)),
        Command::Worker(command) => runtime()?.block_on(workers::run(&command)),
        Command::Journal(args) => journal::run(&args),
        Command::Token(command) => token::run(&command),
        Command::Tls(command) => tls::run(&command),
        Command::Notify(command) => runtime()?.block_on(notify::run(&command)),
        Command::Demo(args) => {
            runtime()?.block_on(demo::run(args.into()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Policy(command) => policy::run(command),
        Command::Sim(command) => sim::run(command),
        Command::PolicyCompile => Ok(compile::child::main()),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    Ok(runtime?)
}

/// The policy directory: from the command line, else the environment, else the build's default.
fn policies_dir(given: Option<PathBuf>) -> PathBuf {
    let in_environment = || std::env::var_os(POLICIES_VARIABLE).map(PathBuf::from);
    let named = given.or_else(in_environment);
    named.unwrap_or_else(|| PathBuf::from("target/policies"))
}

impl From<DemoArgs> for DemoOptions {
    fn from(args: DemoArgs) -> Self {
        Self {
            once: args.once,
            verbose: args.verbose,
            policies_dir: policies_dir(args.policies_dir),
            listen: args.listen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_lengths_of_time_that_the_help_shows_are_accepted() {
        for since in ["30m", "72h"] {
            let line = [
                "reeve",
                "journal",
                "--config",
                "reeve.toml",
                "--since",
                since,
            ];
            assert!(Cli::try_parse_from(line).is_ok(), "{since}");
        }
    }
}

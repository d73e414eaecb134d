//! `reeve notify`: checks that webhooks work.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{ConfigArgs, FAILED};
use crate::clock::Clock;
use crate::config::Config;
use crate::host::machine;
use crate::notify::{Outcome, Teller, Webhooks};
use crate::print;

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send a message to each webhook of a configuration, or to one, and print the result.
    Test(TestArgs),
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The webhook's name in the configuration [default: all webhooks].
    name: Option<String>,
}

pub(super) async fn run(command: &NotifyCommand) -> anyhow::Result<ExitCode> {
    let NotifyCommand::Test(args) = command;
    let config = Config::read(&args.config.config)?;
    let mut webhooks = config.notify;
    let names: Vec<_> = webhooks
        .iter()
        .map(|webhook| webhook.name.clone())
        .collect();
    if names.is_empty() {
        bail!(
            "there is no webhook in {}; add a [notify.NAME]",
            config.path.display()
        );
    }
    if let Some(name) = &args.name {
        webhooks.retain(|webhook| &webhook.name == name);
        if webhooks.is_empty() {
            bail!(
                "there is no webhook {name:?}; accepted: {}",
                names.join(", ")
            );
        }
    }
    let teller = Teller {
        fleet: config.fleet.name,
        host: machine(),
    };
    let outcomes = Webhooks::open(&webhooks)?
        .try_out(&teller, Clock::start())
        .await;
    let mut all_took_it = true;
    for (name, outcome) in outcomes {
        all_took_it &= matches!(outcome, Outcome::Accepted(_));
        print::line(format_args!("{name}: {outcome}"))?;
    }
    Ok(if all_took_it {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

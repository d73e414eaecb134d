//! `reeve token`: the tokens that callers on other machines show.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use crate::access::Identity;
use crate::access::tokens::{self, Token};
use crate::config::{Config, Network, name};
use crate::{print, serve};

/// A token that was forgotten ends by itself.
const ENDS_AFTER: SignedDuration = SignedDuration::from_hours(90 * 24);

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it. It is shown this once.
    Create(CreateArgs),
    /// Show the tokens, without their secrets.
    List(FileArgs),
    /// Have a token count no more. Running hosts see it within two seconds.
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The host's configuration file, whose [api] says where the tokens are.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The name, which rules in [access] speak of: `tokens = ["NAME"]`.
    name: String,
    /// When it ends, such as 12h or 720h. After 90 days by default.
    #[arg(long, value_name = "TIME", conflicts_with = "never_ends")]
    ends_after: Option<SignedDuration>,
    /// Have it count until it is revoked.
    #[arg(long)]
    never_ends: bool,
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The name of the token.
    name: String,
    #[command(flatten)]
    file: FileArgs,
}

/// Runs the command.
pub(super) fn run(command: &TokenCommand) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::List(args) => list(args),
        TokenCommand::Revoke(args) => revoke(args),
    }
}

impl FileArgs {
    fn read(&self) -> anyhow::Result<(Config, Network)> {
        let config = Config::read(&self.config)?;
        let network = config.network.clone().with_context(|| {
            format!(
                "{} has no [api], the interface at which tokens count; add it with `listen` first",
                self.config.display()
            )
        })?;
        Ok((config, network))
    }
}

/// Prints the token alone to standard output, so that a shell can store it.
fn create(args: &CreateArgs) -> anyhow::Result<ExitCode> {
    name(&args.name).map_err(anyhow::Error::msg)?;
    let (config, network) = args.file.read()?;
    let now = Timestamp::now();
    let ends_after = args.ends_after.unwrap_or(ENDS_AFTER);
    if ends_after <= SignedDuration::ZERO {
        bail!("the token would have ended already; accepted: a length of time such as 720h");
    }
    let expires_at = match args.never_ends {
        true => None,
        false => Some(
            now.checked_add(ends_after)
                .context("the token would end too late")?,
        ),
    };
    serve::make_state_dir(&config.state_dir)?;
    let (token, text) = Token::make(&args.name, now, expires_at)?;
    let is_new = tokens::change(&network.tokens, |tokens| {
        let is_new = tokens.iter().all(|it| it.name != token.name);
        if is_new {
            tokens.push(token);
        }
        is_new
    })?;
    if !is_new {
        bail!(
            "there is a token {0}; revoke it first with `reeve token revoke {0}`, or take another name",
            args.name
        );
    }
    print::line(text.text())?;
    let identity = Identity::Token(args.name.as_str().into());
    if !config.access.has_rule_for(&identity) {
        print::error(format_args!(
            "the token may do nothing yet: no rule in [access] has tokens = [\"{}\"]",
            args.name
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &FileArgs) -> anyhow::Result<ExitCode> {
    let (_, network) = args.read()?;
    let tokens = tokens::read(&network.tokens)?;
    let now = Timestamp::now();
    let width = tokens.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for token in tokens {
        let made = token.created_at.strftime("%Y-%m-%d");
        let ends = match token.expires_at {
            None => "never ends".to_owned(),
            Some(at) if at <= now => format!("ended {}", at.strftime("%Y-%m-%d %H:%M UTC")),
            Some(at) => format!("ends {}", at.strftime("%Y-%m-%d %H:%M UTC")),
        };
        print::line(format_args!("{:width$}  made {made}  {ends}", token.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let (_, network) = args.file.read()?;
    let was_there = tokens::change(&network.tokens, |tokens| {
        let before = tokens.len();
        tokens.retain(|it| it.name != args.name);
        tokens.len() < before
    })?;
    if !was_there {
        bail!(
            "there is no token {:?}; `reeve token list` shows those that are",
            args.name
        );
    }
    print::line(format_args!(
        "{}: revoked; running hosts refuse it within two seconds",
        args.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

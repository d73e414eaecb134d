//! `reeve check`: checks a configuration and its policies without a cloud.

use std::path::Path;
use std::process::ExitCode;

use reeve_policy::{PolicyStatus, ReloadError};

use super::{FAILED, MISCONFIGURED};
use crate::access::tokens;
use crate::boxes::BoxesOptions;
use crate::config::{BoundPolicy, Config, ConfigError, Finding};
use crate::policies::Policies;
use crate::print;
use crate::tls::Tls;

/// Prints one line per finding, or a summary if there is none.
pub(super) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error @ ConfigError::Refused { .. }) => {
            print::text(&format!("{error}\n"))?;
            return Ok(ExitCode::from(MISCONFIGURED));
        }
        Err(error) => return Err(error.into()),
    };
    let policies = Policies::configured(&config, None)?;
    let report = policies.registry.reload();
    for (file, error) in report.refused() {
        let place = bound_by(&config, file, error).map(|bound| bound.place);
        let finding = Finding {
            place,
            text: format!("{file}: {}", error.text()),
        };
        print::line(finding.line(path))?;
    }
    let doors = doors(&config);
    for error in &doors {
        print::line(format_args!("{}: {error:#}", path.display()))?;
    }
    if !report.is_good() || !doors.is_empty() {
        return Ok(ExitCode::from(FAILED));
    }
    for status in policies.registry.status() {
        print::line(line(&status))?;
    }
    for arn in config.access.session_arns() {
        print::line(format_args!(
            "{}: note: a rule is for {arn}; a program that may assume the role chooses the session's name, so see \
             that the role's trust admits an AWS service alone",
            path.display()
        ))?;
    }
    let roles = config.boxes.iter().flat_map(|boxes| &boxes.roles);
    for (pool, role) in roles {
        print::line(format_args!(
            "{}: note: boxes of pool {pool} prove themselves by {}; a program that may assume the role can pose as any \
             of them, so see that the role's trust admits ec2.amazonaws.com or ecs-tasks.amazonaws.com alone",
            path.display(),
            role.arn
        ))?;
    }
    print::line(format_args!(
        "{}: good (pools: {}, workers: {})",
        path.display(),
        config.fleet.pools.len(),
        config.fleet.workers.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the files of the doors for other machines: TLS, tokens, secrets.
fn doors(config: &Config) -> Vec<anyhow::Error> {
    let network = config.network.as_ref();
    let boxes = config.boxes.as_ref();
    let of_network = network.and_then(|network| network.tls.as_ref());
    let of_boxes = boxes.and_then(|boxes| boxes.tls.as_ref());
    let tls = of_network.or(of_boxes).cloned();
    let tokens = network.map(|network| tokens::read(&network.tokens));
    [
        tls.and_then(|tls| Tls::open(tls).err().map(anyhow::Error::new)),
        tokens.and_then(|read| read.err().map(anyhow::Error::new)),
        boxes.and_then(|boxes| BoxesOptions::read(boxes).err().map(anyhow::Error::new)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The policy binding an error is about: the one it names, else the first that uses the file.
fn bound_by<'a>(config: &'a Config, file: &str, error: &ReloadError) -> Option<&'a BoundPolicy> {
    let mut bound = config.policies.iter();
    match error {
        ReloadError::Settings { pool, point, .. } | ReloadError::NotOffered { pool, point, .. } => {
            bound.find(|bound| &bound.pool == pool && bound.point == *point)
        }
        _ => bound.find(|bound| bound.file == file),
    }
}

/// `resolve.wasm 1a2b3c4d5e6f resolve 0.1.0: gpu/resolve`
fn line(status: &PolicyStatus) -> String {
    let digest = status
        .digest
        .map_or_else(|| "none".to_owned(), |digest| digest.short());
    let name = status.name.as_deref().unwrap_or("(no `about`)");
    let version = status.version.as_deref().unwrap_or("");
    let bound = status.bound.iter();
    let bound: Vec<_> = bound
        .map(|bound| format!("{}/{}", bound.pool, bound.point))
        .collect();
    format!(
        "{} {digest} {name} {version}: {}",
        status.file,
        bound.join(" ")
    )
}

//! `[notify.NAME]`: which webhooks get which notices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reeve_core::id::WorkerId;
use reeve_core::notice::{Level, Step};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as UnknownStep;
use toml::Spanned;

use super::{Checker, value};
use crate::config::file::{File, Notify};
use crate::notify::Webhook;
use crate::notify::address::Address;
use crate::notify::filter::Filter;
use crate::notify::format::Format;
use crate::notify::template::Template;
use crate::notify::webhook::{AddressSource, PER_MINUTE_MAX};

/// At least 1, or no notice is sent. Above ten a second, a webhook would serve as a log.
const PER_MINUTE: (u64, u64) = (1, 600);

/// All webhooks. A webhook with a wrong address is left out; the finding is recorded.
pub(super) fn all(checker: &mut Checker<'_>, base: &Path, file: &File) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    for (key, notify) in &file.notify {
        let name = checker.check(key, |name| value::name(name));
        let address = address(checker, base, key, notify);
        let format = format(checker, &notify.format);
        let filter = Filter {
            level: level(checker, notify.level.as_ref()),
            steps: steps(checker, &notify.steps),
            workers: workers(checker, notify, file),
        };
        let template = template(checker, notify.template.as_ref());
        let per_minute_max = notify
            .per_minute_max
            .as_ref()
            .map_or(PER_MINUTE_MAX, |max| {
                let max = checker.check(max, |max| value::within(*max, PER_MINUTE));
                usize::try_from(max).unwrap_or(usize::MAX)
            });
        let Some(address) = address else { continue };
        webhooks.push(Webhook {
            name,
            address,
            format,
            filter,
            template,
            per_minute_max,
        });
    }
    webhooks
}

fn address(
    checker: &mut Checker<'_>,
    base: &Path,
    key: &Spanned<String>,
    notify: &Notify,
) -> Option<AddressSource> {
    match (&notify.url, &notify.url_file) {
        (Some(url), None) => match Address::parse(&url.get_ref().0) {
            Ok(address) => Some(AddressSource::Written(address)),
            Err(why) => {
                // An address is a secret, so it is not quoted.
                checker.refuse(url.span(), format!("`url` cannot be used: {why}"));
                None
            }
        },
        (None, Some(file)) => Some(AddressSource::File(base.join(file.get_ref()))),
        (url, _) => {
            let found = if url.is_some() {
                "has `url` and `url_file`"
            } else {
                "has no address"
            };
            let found = format!(
                "[notify.{}] {found}; accepted: either `url`, or `url_file` with the name of a file that holds it",
                key.get_ref()
            );
            checker.refuse(key.span(), found);
            None
        }
    }
}

fn format(checker: &mut Checker<'_>, written: &Spanned<String>) -> Format {
    let known = Format::ALL
        .into_iter()
        .find(|format| format.as_str() == written.get_ref());
    known.unwrap_or_else(|| {
        let accepted = Format::ALL
            .map(|format| format!("{:?}", format.as_str()))
            .join(", ");
        let found = format!(
            "found the format {:?}; accepted: {accepted}",
            written.get_ref()
        );
        checker.refuse(written.span(), found);
        Format::Json
    })
}

fn level(checker: &mut Checker<'_>, written: Option<&Spanned<String>>) -> Level {
    let Some(written) = written else {
        return Filter::default().level;
    };
    match written.get_ref().as_str() {
        "info" => Level::Info,
        "warning" => Level::Warning,
        "error" => Level::Error,
        other => {
            let found =
                format!("found the level {other:?}; accepted: \"info\", \"warning\", \"error\"");
            checker.refuse(written.span(), found);
            Level::Warning
        }
    }
}

fn steps(checker: &mut Checker<'_>, written: &[Spanned<String>]) -> Vec<Step> {
    let mut steps = Vec::new();
    for name in written {
        match Step::deserialize(name.get_ref().as_str().into_deserializer()) {
            Ok(step) => steps.push(step),
            Err(error) => checker.refuse(name.span(), unknown_step(name.get_ref(), &error)),
        }
    }
    steps
}

/// serde's error lists all names, so the code needs no second list.
fn unknown_step(name: &str, error: &UnknownStep) -> String {
    let error = error.to_string();
    let accepted = error
        .split_once("expected one of ")
        .map_or("", |(_, names)| names);
    format!("unknown step {name:?}; accepted: {accepted}")
}

/// The named workers and the workers of the named pools. `None`: all workers.
fn workers(checker: &mut Checker<'_>, notify: &Notify, file: &File) -> Option<BTreeSet<WorkerId>> {
    if notify.workers.is_none() && notify.pools.is_none() {
        return None;
    }
    let mut wanted = BTreeSet::new();
    for name in notify.workers.iter().flatten() {
        checker.check(name, |name| known(name, "worker", &file.worker));
        wanted.insert(WorkerId::new(name.get_ref().clone()));
    }
    for pool in notify.pools.iter().flatten() {
        checker.check(pool, |pool| known(pool, "pool", &file.pool));
        let of_pool = file
            .worker
            .iter()
            .filter(|(_, worker)| worker.pool.get_ref() == pool.get_ref());
        wanted.extend(of_pool.map(|(name, _)| WorkerId::new(name.get_ref().clone())));
    }
    Some(wanted)
}

fn known<T>(name: &str, what: &str, all: &BTreeMap<Spanned<String>, T>) -> Result<(), String> {
    if all.keys().any(|key| key.get_ref() == name) {
        return Ok(());
    }
    let names: Vec<_> = all
        .keys()
        .map(|key| format!("{:?}", key.get_ref()))
        .collect();
    Err(format!(
        "there is no {what} {name:?}; accepted: {}",
        names.join(", ")
    ))
}

fn template(checker: &mut Checker<'_>, written: Option<&Spanned<String>>) -> Template {
    let Some(written) = written else {
        return Template::default();
    };
    Template::parse(written.get_ref()).unwrap_or_else(|finding| {
        checker.refuse(written.span(), finding);
        Template::default()
    })
}

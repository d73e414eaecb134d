//! `[access.NAME]`: who may do what.

use reeve_core::id::PoolName;

use super::given;
use super::worker::known;
use std::num::NonZeroU32;

use crate::access::{Access, Rule, Who};
use crate::config::file::{AccessRule, Whole};
use crate::config::finding::Findings;
use crate::config::kind;
use crate::config::section::At;

/// All rules.
pub(super) fn all(findings: &mut Findings<'_>, file: &Whole) -> Access {
    let mut rules = Vec::new();
    for (name, section) in &file.access {
        findings.check(name, |name| kind::name(name));
        let who = who(section);
        if who.is_empty() {
            let found = format!(
                "[access.{}] names no caller; accepted: `loopback = true`, `uids`, `gids`, `tokens`, `certificates` or `arns`",
                name.value
            );
            findings.refuse(name.span.clone(), found);
        }
        for names in section.workers.iter().flat_map(|list| &list.value) {
            if let Some(worker) = names.value.name() {
                let named = At {
                    value: worker.to_owned(),
                    span: names.span.clone(),
                };
                findings.check(&named, |name| known(name, "worker", &file.worker));
            }
        }
        for pool in section.pools.iter().flat_map(|list| &list.value) {
            findings.check(pool, |name| known(name, "pool", &file.pool));
        }
        rules.push(Rule {
            who,
            roles: section.roles.value.iter().map(|role| role.value).collect(),
            pools: section.pools.as_ref().map(|list| {
                let names = list.value.iter().map(|name| PoolName::new(&name.value));
                names.collect()
            }),
            workers: section.workers.as_ref().map(|list| {
                let names = list.value.iter().map(|names| names.value.clone());
                names.collect()
            }),
            per_second: given(section.requests_per_second.as_ref()).and_then(NonZeroU32::new),
        });
    }
    Access::new(rules)
}

fn who(section: &AccessRule) -> Vec<Who> {
    let ids = |list: &Option<At<Vec<At<u32>>>>| -> Vec<u32> {
        let ids = list.iter().flat_map(|list| &list.value);
        ids.map(|id| id.value).collect()
    };
    let loopback = section.loopback.then_some(Who::Loopback);
    let users = ids(&section.uids).into_iter().map(Who::Uid);
    let groups = ids(&section.gids).into_iter().map(Who::Gid);
    let tokens = section.tokens.iter().flat_map(|list| &list.value);
    let tokens = tokens.map(|name| Who::Token(name.value.clone()));
    let certificates = section.certificates.iter().flat_map(|list| &list.value);
    let certificates = certificates.map(|names| Who::Certificate(names.value.clone()));
    let local = loopback.into_iter().chain(users).chain(groups);
    let arns = section.arns.iter().flat_map(|list| &list.value);
    let arns = arns.map(|arns| Who::Iam(arns.value.clone()));
    local
        .chain(tokens)
        .chain(certificates)
        .chain(arns)
        .collect()
}

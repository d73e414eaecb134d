//! The settings of a script that have the names of the configuration's keys
//! (docs/configuration.md): of the pool and its limits, of its health checks, and of its policies.
//! A length of time stands without the `ms` of its key.

use std::collections::BTreeSet;

use reeve_core::compute::LaunchSource;
use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec};
use reeve_core::point::Point;
use reeve_core::spec::{Budget, PoolSpec, RestartBy};
use reeve_core::time::{Millis, UtcOffset};
use serde::de::DeserializeOwned;

use super::Script;
use super::words::{Line, ScriptError};

/// Reads what follows a key into the pool.
type Read = fn(&mut Line, &mut PoolSpec) -> Result<(), ScriptError>;

/// The keys of `[pool.NAME]` and `[pool.NAME.limits]`.
const POOL: [(&str, Read); 29] = [
    ("port", |line, pool| line.port(&mut pool.port)),
    ("launch_template", |line, pool| {
        if line.takes("none") {
            pool.launch.clear();
            return Ok(());
        }
        let template = template(line, pool)?;
        pool.launch.splice(..pool.launch.len().min(1), [template]);
        Ok(())
    }),
    ("launch_alternatives", |line, pool| {
        loop {
            let template = template(line, pool)?;
            pool.launch.push(template);
            if !line.has_clause() {
                return Ok(());
            }
        }
    }),
    ("policy_tags", |line, pool| {
        names(line, &mut pool.policy_tags)
    }),
    ("restart", |line, pool| {
        pool.restart_by = line.variant()?;
        let allowed = RestartBy::allowed(&pool.compute);
        if allowed.contains(&pool.restart_by) {
            return Ok(());
        }
        Err(line.wrong(
            format!("`{}`", pool.restart_by),
            "`replace` of a Fargate task",
        ))
    }),
    ("stop_refused", |line, pool| {
        line.choice(&mut pool.stop_refused)
    }),
    ("reap", |line, pool| line.flag(&mut pool.reap)),
    ("use", |line, pool| {
        // Hand-outs and reports always count.
        line.expect("heartbeats")?;
        pool.heartbeats_are_use = true;
        Ok(())
    }),
    ("orphans", |line, pool| line.choice(&mut pool.orphans)),
    ("terminate_adopted", |line, pool| {
        line.flag(&mut pool.terminate_adopted)
    }),
    ("follow_pointer", |line, pool| {
        line.flag(&mut pool.follow_pointer)
    }),
    ("scan_interval", |line, pool| {
        line.length_into(&mut pool.limits.scan_interval)
    }),
    ("pass_max", |line, pool| {
        line.length_into(&mut pool.limits.pass_max)
    }),
    ("idle_min", |line, pool| {
        line.length_into(&mut pool.limits.idle_min)
    }),
    ("not_visible_grace", |line, pool| {
        line.length_into(&mut pool.limits.not_visible_grace)
    }),
    ("launch_timeout", |line, pool| {
        line.length_into(&mut pool.limits.launch_timeout)
    }),
    ("address_timeout", |line, pool| {
        line.length_into(&mut pool.limits.address_timeout)
    }),
    ("stopping_timeout", |line, pool| {
        line.length_into(&mut pool.limits.stopping_timeout)
    }),
    ("start_failures_max", |line, pool| {
        line.count(&mut pool.limits.start_failures_max)
    }),
    ("start_give_up", |line, pool| {
        line.length_into(&mut pool.limits.start_give_up)
    }),
    ("orphan_grace", |line, pool| {
        line.length_into(&mut pool.limits.orphan_grace)
    }),
    ("drain", |line, pool| {
        pool.limits.drain = line.length()?;
        Ok(())
    }),
    ("reap_percent_max", |line, pool| {
        line.count(&mut pool.limits.reap_pace.percent)
    }),
    ("reap_window", |line, pool| {
        line.length_into(&mut pool.limits.reap_pace.window)
    }),
    ("restart_window", |line, pool| {
        line.length_into(&mut pool.limits.restart_window)
    }),
    ("unresponsive_after", |line, pool| {
        line.length_into(&mut pool.limits.unresponsive_after)
    }),
    ("worker_budget", |line, pool| {
        budget(line, &mut pool.limits.worker_budget)
    }),
    ("pool_budget", |line, pool| {
        budget(line, &mut pool.limits.pool_budget)
    }),
    ("utc_offset_min", |line, pool| {
        const WHAT: &str = "minutes east of UTC, from -720 to 840";
        let minutes = line.name(WHAT)?;
        let offset = minutes
            .parse()
            .ok()
            .filter(|minutes| (-720..=840).contains(minutes));
        let offset = offset.ok_or_else(|| line.wrong(format!("`{minutes}`"), WHAT))?;
        pool.utc_offset = UtcOffset::fixed(offset);
        Ok(())
    }),
];

/// The keys of `[pool.NAME.health]`. The section stands by itself: each key leaves the others at
/// their defaults.
const HEALTH: [(&str, Read); 12] = [
    ("http", |line, pool| {
        let path = line.name("a path such as /health")?.to_owned();
        let statuses = Vec::new();
        probe(pool).kind = ProbeKind::Http { path, statuses };
        Ok(())
    }),
    ("tcp", |line, pool| {
        line.expect("true")?;
        probe(pool).kind = ProbeKind::Tcp;
        Ok(())
    }),
    ("statuses", |line, pool| {
        let ProbeKind::Http { statuses, .. } = &mut probe(pool).kind else {
            return Err(line.expected("`health http PATH` before it"));
        };
        loop {
            let status = line.number_up_to(599)?;
            statuses.push(u16::try_from(status).unwrap_or(u16::MAX));
            if !line.has_clause() {
                return Ok(());
            }
        }
    }),
    ("port", |line, pool| {
        line.port(probe(pool).port.get_or_insert_default())
    }),
    ("every", |line, pool| {
        line.length_into(&mut health(pool).every)
    }),
    ("timeout", |line, pool| {
        line.length_into(&mut probe(pool).timeout)
    }),
    ("unhealthy_after", |line, pool| {
        line.count(&mut health(pool).unhealthy_after)
    }),
    ("healthy_after", |line, pool| {
        line.count(&mut health(pool).healthy_after)
    }),
    ("boot_grace", |line, pool| {
        health(pool).boot_grace = line.length()?;
        Ok(())
    }),
    ("status_checks", |line, pool| {
        line.flag(&mut health(pool).status_checks)
    }),
    ("restart", |line, pool| {
        line.choice(&mut health(pool).restart)
    }),
    ("storm_percent", |line, pool| {
        line.count(&mut health(pool).storm_percent)
    }),
];

/// The sections of keys, by the word that begins their lines.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    Pool,
    Health,
}

/// Reads `launch_timeout 10m` after `pool`, or `every 30s` after `health`.
pub(super) fn key(
    line: &mut Line,
    keys: Keys,
    pool: &mut PoolSpec,
    seen: &mut BTreeSet<String>,
) -> Result<(), ScriptError> {
    let (section, keys) = match keys {
        Keys::Pool => ("pool", &POOL[..]),
        Keys::Health => ("health", &HEALTH[..]),
    };
    let named: Vec<_> = keys
        .iter()
        .map(|(name, read)| (*name, (*name, *read)))
        .collect();
    let (name, read) = line.one_of(&named)?;
    line.once(seen, format!("{section} {name}"))?;
    read(line, pool)
}

/// Reads `resolve boot_wait_ms 2000` after `policy`: a setting of the standard policy of a point.
/// The policy's own schema says which settings there are.
pub(super) fn policy(
    line: &mut Line,
    script: &mut Script,
    seen: &mut BTreeSet<String>,
) -> Result<(), ScriptError> {
    let points = Point::ALL.map(|point| (point.as_str(), point));
    let point = line.one_of(&points)?;
    let name = line.name("the name of a setting")?.to_owned();
    line.once(seen, format!("policy {point} {name}"))?;
    let value = line.json()?;
    script
        .settings
        .entry(point)
        .or_default()
        .insert(name, value);
    Ok(())
}

fn template(line: &mut Line, pool: &PoolSpec) -> Result<LaunchSource, ScriptError> {
    if !pool.compute.is_ec2() {
        return Err(line.expected("no launch template: the pool's instances are Fargate tasks"));
    }
    let template = line.name("the name of a launch template")?;
    Ok(LaunchSource::LaunchTemplate(template.to_owned()))
}

fn names(line: &mut Line, names: &mut Vec<String>) -> Result<(), ScriptError> {
    loop {
        names.push(line.name("the key of a tag")?.to_owned());
        if !line.has_clause() {
            return Ok(());
        }
    }
}

/// Reads `launches 3, window 30m`. What is left out stays as it is.
fn budget(line: &mut Line, budget: &mut Budget) -> Result<(), ScriptError> {
    #[derive(Clone, Copy)]
    enum Part {
        Launches,
        Starts,
        Stops,
        Window,
    }
    let parts = [
        ("launches", Part::Launches),
        ("starts", Part::Starts),
        ("stops", Part::Stops),
        ("window", Part::Window),
    ];
    loop {
        match line.one_of(&parts)? {
            Part::Launches => line.count(&mut budget.launches)?,
            Part::Starts => line.count(&mut budget.starts)?,
            Part::Stops => line.count(&mut budget.stops)?,
            Part::Window => line.length_into(&mut budget.window)?,
        }
        if !line.has_clause() {
            return Ok(());
        }
    }
}

fn health(pool: &mut PoolSpec) -> &mut HealthSpec {
    pool.health.get_or_insert_default()
}

/// The probe of the pool. Without `http` and `tcp` it is a connection.
fn probe(pool: &mut PoolSpec) -> &mut ProbeSpec {
    health(pool).probe.get_or_insert(ProbeSpec {
        kind: ProbeKind::Tcp,
        port: None,
        timeout: Millis::from_secs(2),
    })
}

impl Line<'_> {
    /// Fails if the setting of this name was read before.
    pub(super) fn once(
        &self,
        seen: &mut BTreeSet<String>,
        name: String,
    ) -> Result<(), ScriptError> {
        match seen.contains(&name) {
            true => Err(self.wrong(format!("`{name}` a second time"), "each setting once")),
            false => {
                seen.insert(name);
                Ok(())
            }
        }
    }

    /// Takes a length of time above zero.
    pub(super) fn length_above_zero(&mut self) -> Result<Millis, ScriptError> {
        let length = self.length()?;
        if length == Millis::ZERO {
            return Err(self.wrong("`0s`", "a length of time above 0s"));
        }
        Ok(length)
    }

    fn length_into(&mut self, into: &mut Millis) -> Result<(), ScriptError> {
        *into = self.length_above_zero()?;
        Ok(())
    }

    fn count(&mut self, into: &mut u32) -> Result<(), ScriptError> {
        let count = self.number_up_to(u64::from(u32::MAX))?;
        *into = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(())
    }

    fn port(&mut self, into: &mut u16) -> Result<(), ScriptError> {
        let port = self.number_up_to(u16::MAX.into())?;
        *into = u16::try_from(port).unwrap_or(u16::MAX);
        Ok(())
    }

    fn choice<T: DeserializeOwned>(&mut self, into: &mut T) -> Result<(), ScriptError> {
        *into = self.variant()?;
        Ok(())
    }

    fn flag(&mut self, into: &mut bool) -> Result<(), ScriptError> {
        *into = self.one_of(&[("true", true), ("false", false)])?;
        Ok(())
    }
}

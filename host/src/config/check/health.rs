//! `[pool.NAME.health]`: which signals are read, and what an unhealthy worker leads to.

use reeve_core::health::{HealthSpec, ProbeKind, ProbeSpec, RestartRule};
use reeve_core::time::Millis;
use toml::Spanned;

use super::{Checker, value};
use crate::config::file::{Pool, PoolHealth};

/// Below a second, probes would load the worker. Above an hour, a dead worker would stay unnoticed.
const EVERY_MS: (u64, u64) = (1_000, 3_600_000);
/// Below 50 ms, a busy moment looks like a failure. A worker that needs a minute has failed.
const TIMEOUT_MS: (u64, u64) = (50, 60_000);
/// One failure may be a lost packet, but an operator may choose 1. A hundred failures take at least
/// a quarter of an hour.
const IN_A_ROW: (u64, u64) = (1, 100);
const BOOT_GRACE_MS: (u64, u64) = (0, 3_600_000);
/// Final statuses only: 1xx does not end an exchange.
const STATUS: (u64, u64) = (200, 599);

const TIMEOUT: Millis = Millis::from_secs(2);
const PATH_BYTES_MAX: usize = 1_024;

/// The health checks of a pool.
pub(super) fn of_pool(checker: &mut Checker<'_>, pool: &Pool) -> Option<HealthSpec> {
    let section = pool.health.as_ref()?;
    let spec = section.get_ref();
    let default = HealthSpec::default();
    let every = checker.millis(spec.every_ms.as_ref(), EVERY_MS, default.every);
    let probe = probe(checker, spec, every);
    let mut in_a_row = |value: &Option<Spanned<u64>>, default: u32| {
        let value = value.as_ref();
        let number = value.map(|value| checker.check(value, |it| value::within(*it, IN_A_ROW)));
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(default)
    };
    let unhealthy_after = in_a_row(&spec.unhealthy_after, default.unhealthy_after);
    let healthy_after = in_a_row(&spec.healthy_after, default.healthy_after);
    if probe.is_none() && !spec.status_checks && pool.boxes.is_none() {
        let found = "there is no signal to read; accepted: `http = \"/path\"`, `tcp = true`, `status_checks = true`, or \
                     boxes that register, whose heartbeats are a signal";
        checker.refuse(section.span(), found);
    }
    if spec.status_checks && pool.fargate.is_some() {
        let found = "`status_checks` are EC2's, and the instances of this pool are Fargate tasks; accepted: `http` or `tcp`";
        checker.refuse(section.span(), found);
    }
    Some(HealthSpec {
        probe,
        every,
        unhealthy_after,
        healthy_after,
        boot_grace: checker.millis(
            spec.boot_grace_ms.as_ref(),
            BOOT_GRACE_MS,
            default.boot_grace,
        ),
        status_checks: spec.status_checks,
        restart: restart(checker, spec.restart.as_ref()),
    })
}

fn probe(checker: &mut Checker<'_>, spec: &PoolHealth, every: Millis) -> Option<ProbeSpec> {
    let statuses = statuses(checker, spec);
    let timeout = timeout(checker, spec.timeout_ms.as_ref(), every);
    let port = spec
        .port
        .as_ref()
        .map(|port| checker.check(port, |port| value::within((*port).into(), (1, 65_535))));
    let tcp = spec.tcp.as_ref().filter(|tcp| *tcp.get_ref());
    if let (Some(_), Some(tcp)) = (&spec.http, tcp) {
        let found = "`http` and `tcp` are both set; accepted: one of them; `http` connects as well";
        checker.refuse(tcp.span(), found);
    }
    let kind = match (&spec.http, tcp) {
        (Some(http), _) => ProbeKind::Http {
            path: checker.check(http, |text| path(text)),
            statuses,
        },
        (None, Some(_)) => ProbeKind::Tcp,
        (None, None) => {
            for span in [
                spec.port.as_ref().map(Spanned::span),
                spec.timeout_ms.as_ref().map(Spanned::span),
            ]
            .into_iter()
            .flatten()
            {
                checker.refuse(
                    span,
                    "there is no probe to use it; accepted: with `http` or `tcp`",
                );
            }
            return None;
        }
    };
    Some(ProbeSpec {
        kind,
        port,
        timeout,
    })
}

/// A probe must end before the next one begins, which may be a tenth of `every_ms` early.
fn timeout(checker: &mut Checker<'_>, value: Option<&Spanned<u64>>, every: Millis) -> Millis {
    let least_pause = every.get() / 10 * 9;
    let Some(value) = value else {
        return TIMEOUT.min(Millis::new(least_pause / 2));
    };
    let timeout = checker.millis(Some(value), TIMEOUT_MS, TIMEOUT);
    if timeout.get() >= least_pause {
        let found = format!(
            "found {}; accepted: less than {least_pause}, the shortest pause between two probes at this `every_ms`",
            timeout.get()
        );
        checker.refuse(value.span(), found);
    }
    timeout
}

fn statuses(checker: &mut Checker<'_>, spec: &PoolHealth) -> Vec<u16> {
    let Some(listed) = &spec.statuses else {
        return Vec::new();
    };
    if spec.http.is_none() {
        checker.refuse(
            listed.span(),
            "only HTTP has statuses; accepted: with `http`",
        );
    }
    if listed.get_ref().is_empty() {
        let found = "the list is empty, so no response would count as healthy; accepted: some, such as [200, 401], or no \
                     `statuses`, which means 200 to 299";
        checker.refuse(listed.span(), found);
    }
    let listed = listed.get_ref().iter();
    listed
        .map(|status| checker.check(status, |it| value::within((*it).into(), STATUS)))
        .collect()
}

/// An absolute path as a request line can carry it.
fn path(text: &str) -> Result<(), String> {
    let fits = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if text.starts_with('/') && !text.starts_with("//") && text.len() <= PATH_BYTES_MAX && fits {
        return Ok(());
    }
    Err(format!(
        "found the path {text:?}; accepted: one that begins with a single `/`, such as /health, of at most {PATH_BYTES_MAX} \
         visible ASCII characters without `#`"
    ))
}

fn restart(checker: &mut Checker<'_>, value: Option<&Spanned<String>>) -> RestartRule {
    let Some(value) = value else {
        return RestartRule::default();
    };
    match value.get_ref().as_str() {
        "never" => RestartRule::Never,
        "all" => RestartRule::All,
        "any" => RestartRule::Any,
        other => {
            let found = format!(
                "found {other:?}; accepted: \"never\", \"all\" (every signal that is available must be bad), \"any\" (one \
                 is enough)"
            );
            checker.refuse(value.span(), found);
            RestartRule::default()
        }
    }
}

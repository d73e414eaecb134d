//! A worker's health: several signals, each with its age, and the conclusions from them.
//!
//! - [`HealthSpec`]: what is probed, how often, and what follows.
//! - [`Signal`]: the readings of one signal. An "unavailable" reading could not be made. It proves
//!   nothing, so it never counts for or against the worker.
//! - [`bad_signal`] and [`is_well`]: the rules over all signals.
//! - [`Target`] and [`Probed`]: a probe and its result. The code that probes judges nothing.
//!
//! [`Hold`](crate::facts::Hold) lists when the host concludes nothing. `flow/health` has the order
//! of the steps.

mod checks;
mod signal;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::model::id::{HostId, WorkerId};
use crate::model::time::Millis;

pub use checks::{Check, Scheduled, StatusChecks};
pub use signal::{
    Observation, Sign, Signal, SignalKind, Signals, Standing, bad_signal, failing_since, is_well,
};

/// The health checks of a pool's workers. Heartbeats are a signal wherever boxes register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// The probe of the instance; `None` if the host probes nothing.
    pub probe: Option<ProbeSpec>,
    /// The interval between two probes of a worker, give or take a tenth. 15 s: with three failures
    /// in a row, a worker that hangs is noticed within 45 s, at four requests a minute.
    pub every: Millis,
    /// Failures in a row that make a signal bad. 3: one request may be lost, and one may meet a
    /// busy moment.
    pub unhealthy_after: u32,
    /// Successes in a row that make a signal good again. 2: otherwise a worker that hangs now and
    /// then would be reported as recovered at every success, and begin its row again. The first
    /// success of a life counts at once.
    pub healthy_after: u32,
    /// How long failures prove nothing after the host has seen the address, until the first
    /// success. 5 minutes: software that loads a model takes minutes, and a restart in that time
    /// would only repeat the boot.
    pub boot_grace: Millis,
    /// Whether the host reads EC2's status checks, once per scan for all workers of the pool.
    pub status_checks: bool,
    /// When an unhealthy worker is restarted.
    pub restart: RestartRule,
    /// If more percent than this of the pool's watched workers begin to fail at about the same time,
    /// and at least three, none of these is restarted for its health. 40: below the 55 % at which
    /// Kubernetes takes a zone for disrupted, because pools are smaller than zones; 100: never held.
    pub storm_percent: u32,
}

impl Default for HealthSpec {
    /// No probe, no status checks and no restart; the numbers are the defaults.
    fn default() -> Self {
        Self {
            probe: None,
            every: Millis::from_secs(15),
            unhealthy_after: 3,
            healthy_after: 2,
            boot_grace: Millis::from_secs(300),
            status_checks: false,
            restart: RestartRule::Never,
            storm_percent: 40,
        }
    }
}

impl HealthSpec {
    /// The number of bad readings in a row that make a signal bad, and of good ones that make it
    /// good again. A heartbeat is late only after three intervals, so one reading is enough.
    pub fn thresholds(&self, kind: SignalKind) -> (u32, u32) {
        match kind {
            SignalKind::Heartbeat => (1, 1),
            SignalKind::Http | SignalKind::Tcp | SignalKind::StatusChecks => {
                (self.unhealthy_after, self.healthy_after)
            }
        }
    }
}

/// When a worker is unhealthy, and whether it is restarted then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartRule {
    /// One bad signal makes the worker unhealthy; it is never restarted for that.
    #[default]
    Never,
    /// The worker is unhealthy and is restarted if every available signal is bad.
    All,
    /// One bad signal makes the worker unhealthy, and it is restarted.
    Any,
}

/// The probe of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSpec {
    /// The kind of probe.
    pub kind: ProbeKind,
    /// The port; `None` for the pool's.
    pub port: Option<u16>,
    /// How long an answer may take; less than the shortest pause between two probes. 2 s.
    pub timeout: Millis,
}

/// The kinds of probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// `GET` of this path over plain HTTP. Redirects are not followed, and no body is read.
    Http {
        /// The path, with its slash.
        path: String,
        /// Statuses that are good; empty: 200 to 299.
        statuses: Vec<u16>,
    },
    /// A TCP connection.
    Tcp,
}

impl ProbeKind {
    /// The signal that the probe feeds.
    pub fn signal(&self) -> SignalKind {
        match self {
            Self::Http { .. } => SignalKind::Http,
            Self::Tcp => SignalKind::Tcp,
        }
    }

    /// The reading that a probe makes. A failure of the instance is bad; a failure of the host to
    /// probe is not.
    pub fn observation(&self, probed: &Probed) -> Observation {
        match (self, probed) {
            (_, Probed::NotTried(why)) => Observation::unavailable(why.clone()),
            (_, Probed::Failed(why)) => Observation::bad(why.clone()),
            (Self::Tcp, _) => Observation::good("it accepts connections"),
            (Self::Http { statuses, .. }, Probed::Answered(status)) => {
                let is_good = match statuses.as_slice() {
                    [] => (200..300).contains(status),
                    statuses => statuses.contains(status),
                };
                let text = format!("it answered HTTP {status}");
                match is_good {
                    true => Observation::good(text),
                    false => Observation::bad(text),
                }
            }
            (Self::Http { .. }, Probed::Connected) => {
                Observation::unavailable("the probe ended before it asked")
            }
        }
    }
}

/// One probe to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address to connect to.
    pub address: SocketAddr,
    /// The request to send over the connection.
    pub ask: Ask,
    /// The time from the first packet to the head of the answer.
    pub timeout: Millis,
}

/// The request of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// No request: the connection is the answer.
    Tcp,
    /// `GET` this path.
    Http(String),
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The connection was accepted.
    Connected,
    /// The answer began with this status.
    Answered(u16),
    /// The probe failed: refused, reset, silent or garbled, in words.
    Failed(String),
    /// The host could not probe, which proves nothing about the instance; the reason, in words.
    NotTried(String),
}

/// The pause before a worker's probe, counted from the host's start or from the probe before.
/// `round` 0 is the first probe.
///
/// The first pause is anywhere within `every`; later ones are `every`, give or take a tenth. So a
/// thousand workers are not probed in the same second, and probes never fall into step with each
/// other or with what boxes do every minute. The core draws no random number: the pause is a hash
/// of host, worker and round, and so repeats in a replay. The host's name is part of the hash
/// because several hosts may probe one worker.
pub fn pause(us: &HostId, worker: &WorkerId, round: u64, every: Millis) -> Millis {
    let drawn = hash(&[
        us.as_str().as_bytes(),
        worker.as_str().as_bytes(),
        &round.to_be_bytes(),
    ]);
    match round {
        0 => Millis::new(drawn % every.get().max(1)),
        _ => {
            let tenth = every.get() / 10;
            Millis::new(every.get() - tenth + drawn % (2 * tenth + 1))
        }
    }
}

/// FNV-1a, then the last steps of SplitMix64, so that the low digits depend on all input. The hash
/// protects no secret.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // The zero keeps "ab" + "c" apart from "a" + "bc".
        for byte in part.iter().chain(&[0]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Millis = Millis::from_secs(15);

    fn at(worker: u32, round: u64) -> u64 {
        let id = WorkerId::new(format!("worker-{worker}"));
        pause(&HostId::from("host"), &id, round, EVERY).get()
    }

    #[test]
    fn a_thousand_workers_are_not_asked_in_the_same_second() {
        for round in [0, 1, 7] {
            let mut by_second = std::collections::BTreeMap::<u64, u32>::new();
            for worker in 0..1_000 {
                let due: u64 = (0..=round).map(|round| at(worker, round)).sum();
                *by_second.entry(due / 1_000 % 15).or_default() += 1;
            }
            let most = by_second.values().max().copied().unwrap();
            // 67 of a thousand are due in each of 15 seconds, give or take four deviations.
            assert!(by_second.len() == 15 && most < 100, "{by_second:?}");
        }
    }

    #[test]
    fn the_pauses_of_one_worker_differ_and_stay_within_a_tenth() {
        let pauses: Vec<u64> = (1..200).map(|round| at(1, round)).collect();
        assert!(
            pauses.iter().all(|ms| (13_500..=16_500).contains(ms)),
            "{pauses:?}"
        );
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(least < &13_700 && most > &16_300, "{least} {most}");
        assert_ne!(
            pause(&HostId::from("one"), &"w".into(), 0, EVERY),
            pause(&HostId::from("other"), &"w".into(), 0, EVERY)
        );
    }

    #[test]
    fn a_probe_is_bad_only_if_the_instance_fails_it() {
        let http = |statuses: &[u16]| ProbeKind::Http {
            path: "/".to_owned(),
            statuses: statuses.to_vec(),
        };
        let refused = Probed::Failed("refused".to_owned());
        let not_tried = Probed::NotTried("no file descriptor".to_owned());
        let cases = [
            (http(&[]), Probed::Answered(200), Sign::Good),
            (http(&[]), Probed::Answered(299), Sign::Good),
            (http(&[]), Probed::Answered(199), Sign::Bad),
            (http(&[]), Probed::Answered(302), Sign::Bad),
            (http(&[]), Probed::Answered(500), Sign::Bad),
            (http(&[401]), Probed::Answered(401), Sign::Good),
            (http(&[401]), Probed::Answered(200), Sign::Bad),
            (http(&[]), refused.clone(), Sign::Bad),
            (http(&[]), not_tried.clone(), Sign::Unavailable),
            (ProbeKind::Tcp, Probed::Connected, Sign::Good),
            (ProbeKind::Tcp, refused, Sign::Bad),
            (ProbeKind::Tcp, not_tried, Sign::Unavailable),
        ];
        for (kind, probed, expected) in cases {
            let found = kind.observation(&probed).sign;
            assert_eq!(found, expected, "{kind:?} {probed:?}");
        }
    }
}

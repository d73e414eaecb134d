//! Whether a worker is well: several signals, each kept apart with its age, and what may be concluded from them.
//!
//! - [`HealthSpec`]: what is looked at, how often, and what follows.
//! - [`Signal`]: what one of them has said. "Unavailable" is a word of its own: it could not be read, which proves
//!   nothing, so it never counts for or against the worker.
//! - [`bad_signal`] and [`is_well`]: the rule over them.
//! - [`Target`] and [`Probed`]: a probe, and what came of it. Whoever carries it out judges nothing.
//!
//! When nothing may be concluded at all is in `worker/health.rs`, in which order things happen in
//! `flow/health.rs`.

mod checks;
mod signal;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::model::id::{HostId, WorkerId};
use crate::model::time::Millis;

pub use checks::{Check, StatusChecks};
pub use signal::{Observation, Sign, Signal, SignalKind, Signals, Standing, bad_signal, is_well};

/// How the health of a pool's workers is looked after. Heartbeats are a signal wherever boxes register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// What the host asks the instance itself; `None`: nothing.
    pub probe: Option<ProbeSpec>,
    /// Between two probes of a worker, give or take a tenth. 15 s: with three failures in a row a worker that hangs is
    /// known within 45 s, at four requests a minute.
    pub every: Millis,
    /// Failures in a row that make a signal bad. 3: one may be lost on the way and one meet a busy moment.
    pub unhealthy_after: u32,
    /// Successes in a row that make it good again. 2: a worker that hangs now and then would be told as recovered at
    /// every answer it gives, and begin its row anew. The first success of a life counts at once.
    pub healthy_after: u32,
    /// How long after the host has seen the address failures prove nothing, until the first success. 5 minutes:
    /// software that loads a model takes minutes, and nobody waits for a restart that is repeated in between.
    pub boot_grace: Millis,
    /// Whether EC2's status checks are read, once a scan for all workers of the pool.
    pub status_checks: bool,
    /// What follows.
    pub restart: RestartRule,
}

impl Default for HealthSpec {
    /// Nothing is asked and nothing follows; the numbers are the defaults.
    fn default() -> Self {
        Self {
            probe: None,
            every: Millis::from_secs(15),
            unhealthy_after: 3,
            healthy_after: 2,
            boot_grace: Millis::from_secs(300),
            status_checks: false,
            restart: RestartRule::Never,
        }
    }
}

impl HealthSpec {
    /// How many bad readings in a row make a signal bad, and how many good ones make it good again. A heartbeat is
    /// late only after three of them, so one reading is enough.
    pub fn thresholds(&self, kind: SignalKind) -> (u32, u32) {
        match kind {
            SignalKind::Heartbeat => (1, 1),
            SignalKind::Http | SignalKind::Tcp | SignalKind::StatusChecks => {
                (self.unhealthy_after, self.healthy_after)
            }
        }
    }
}

/// When a worker is unhealthy, and whether a restart is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartRule {
    /// One bad signal is enough to tell people; nothing is asked for.
    #[default]
    Never,
    /// Every signal that is available is bad.
    All,
    /// One bad signal is enough.
    Any,
}

/// What the host asks the instance itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSpec {
    /// How.
    pub kind: ProbeKind,
    /// At which port; `None`: the pool's.
    pub port: Option<u16>,
    /// How long an answer may take; less than the shortest pause between two probes. 2 s.
    pub timeout: Millis,
}

/// The kinds of probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// `GET` this path over plain HTTP; redirects are not followed and no body is read.
    Http {
        /// The path, with its slash.
        path: String,
        /// Statuses that are good; empty: 200 to 299.
        statuses: Vec<u16>,
    },
    /// A connection is accepted.
    Tcp,
}

impl ProbeKind {
    /// The signal it gives.
    pub fn signal(&self) -> SignalKind {
        match self {
            Self::Http { .. } => SignalKind::Http,
            Self::Tcp => SignalKind::Tcp,
        }
    }

    /// What a probe has found. Whatever the instance does wrong is bad; what kept the host from asking is not.
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
    /// Where.
    pub address: SocketAddr,
    /// What is asked once there is a connection.
    pub ask: Ask,
    /// From the first packet to the answer's head.
    pub timeout: Millis,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing: the connection is the answer.
    Tcp,
    /// `GET` this path.
    Http(String),
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The connection was accepted.
    Connected,
    /// The answer began with this status.
    Answered(u16),
    /// Refused, reset, silent or garbled: how, in words.
    Failed(String),
    /// It could not be tried on this host, which says nothing of the instance: why, in words.
    NotTried(String),
}

/// How long after the start, or after the one before, a worker's probe is due. `round` 0 is the first.
///
/// The first comes anywhere within `every`, the others `every` give or take a tenth, so that a thousand workers are not
/// asked in the same second and never drift into step, with each other or with what their boxes do by the minute. The
/// core draws nothing: it comes from a hash of who asks whom and how often so far, and so repeats in a replay. The
/// host's name is in it, because several hosts may ask the same worker.
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

/// FNV-1a, and SplitMix64's last steps so that its low digits depend on all that went in. No secret rests on it.
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
    fn two_hundreds_are_good_unless_statuses_are_named_and_what_was_not_tried_is_no_failure() {
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

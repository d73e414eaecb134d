//! Random stories: the people and systems of the incidents act at random times. No incident is built
//! in, so that a search for incidents finds only what the policies do.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::boxes::ProofKind;
use reeve_core::cloud::POINTER_NONE;
use reeve_core::instance::Owner;
use reeve_core::restart::Initiator;
use reeve_core::spec::{BoxSpec, RestartBy};
use reeve_core::time::Millis;

use super::{Beginning, Placed, Script, System};
use crate::boxes::Software;
use crate::stage::{Act, BoxAct, EndedBy, Which};
use crate::world::Boot;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;

/// The random stream of a story. The world has the same seed and draws from the streams 1 to 4.
const STREAM: u64 = 200;

/// The idle limit of stories about idle instances (docs/incidents.md#frozen-activity).
const IDLE_LIMIT: Millis = Millis::from_secs(30 * 60);

impl Script {
    /// Writes the story of a seed, without expectations.
    pub fn random(seed: u64) -> Self {
        Writer::new(seed).write()
    }
}

/// Writes one story.
struct Writer {
    seed: u64,
    rng: ChaCha8Rng,
    length_ms: u64,
    story: Vec<(Millis, Act)>,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        let length_ms = MINUTE_MS * (20 + rng.next_u64() % 41);
        Self {
            seed,
            rng,
            length_ms,
            story: Vec::new(),
        }
    }

    fn write(mut self) -> Script {
        let beginning = self.beginning();
        let mut system = System::usual();
        if self.happens(50) {
            system.pool.restart_by = RestartBy::Replace;
        }
        if self.happens(60) {
            system.boxes = Some(Software::Standard);
            system.pool.boxes = Some(BoxSpec::new(ProofKind::InstanceDocument));
            self.at_times(2, |_| Act::Box(BoxAct::LoseToken));
        }
        self.users();
        self.watchdog();
        self.other_launchers();
        self.other_enders();
        self.provisioners();
        // A restart may end a worker in use, so a story has either restarts or an idle limit.
        if self.happens(50) {
            self.restarters();
        } else {
            system.idle_limit = Some(IDLE_LIMIT);
            system.pool.limits.idle_min = IDLE_LIMIT;
        }
        self.story.sort_by_key(|(at, _)| *at);
        Script {
            name: format!("seed-{}", self.seed),
            title: "a random story".to_owned(),
            seed: self.seed,
            length: Millis::new(self.length_ms),
            legacy: Vec::new(),
            settings: Default::default(),
            system,
            beginning,
            story: self.story,
            expected: Vec::new(),
        }
    }

    /// Draws at most one instance, and a pointer that may name it.
    fn beginning(&mut self) -> Beginning {
        let mut beginning = Beginning::default();
        if self.happens(70) {
            let runs = self.happens(50);
            beginning.instances.push(Placed {
                id: "i-aaaa".to_owned(),
                runs,
                owner: Owner::Unclaimed,
            });
        }
        if self.happens(80) {
            let says = if self.happens(80) {
                "i-aaaa"
            } else {
                POINTER_NONE
            };
            beginning.pointer = Some(says.to_owned());
        }
        beginning
    }

    /// Adds requests of chat and ingest. A caller without an address asks again up to 20 times, or
    /// never.
    fn users(&mut self) {
        for caller in ["chat", "ingest"] {
            let pause_ms = self.between(30 * SECOND_MS, 20 * MINUTE_MS);
            let mut at_ms = self.between(0, pause_ms);
            while at_ms < self.length_ms {
                let comes_back = if self.happens(60) { 20 } else { 0 };
                let caller = caller.to_owned();
                self.add(
                    at_ms,
                    Act::Ask {
                        caller,
                        host: None,
                        comes_back,
                    },
                );
                at_ms += self.between(SECOND_MS, 2 * pause_ms);
            }
        }
    }

    /// Adds a watchdog that reads the demand once a minute.
    fn watchdog(&mut self) {
        if self.happens(70) {
            self.every(MINUTE_MS, |_| Act::ReadDemand);
        }
    }

    /// Adds a colleague that launches instances, and an encoder that launches one whenever none is up.
    fn other_launchers(&mut self) {
        self.at_times(2, |writer| Act::Launch {
            who: "colleague".to_owned(),
            id: "i-bbbb*".to_owned(),
            boot: writer.boot(),
            fleet: None,
            if_none_is_up: false,
        });
        if self.happens(30) {
            let period_ms = self.between(MINUTE_MS, 5 * MINUTE_MS);
            self.every(period_ms, |writer| Act::Launch {
                who: "encoder".to_owned(),
                id: "i-cccc*".to_owned(),
                boot: writer.boot(),
                fleet: None,
                if_none_is_up: true,
            });
        }
    }

    /// Adds a person that stops instances without the host, reclaims by the cloud, and a person that
    /// clears the pointer.
    fn other_enders(&mut self) {
        for by in [EndedBy::Stop, EndedBy::Reclaim] {
            self.at_times(2, |_| Act::End {
                who: "person".to_owned(),
                which: Which::Newest,
                by,
            });
        }
        self.at_times(1, |_| Act::WritePointer {
            who: "person".to_owned(),
            value: POINTER_NONE.to_owned(),
        });
    }

    /// Adds restarts after a changed secret, and a status poll that asks for a restart when the worker
    /// is not up.
    fn restarters(&mut self) {
        self.at_times(2, |_| Act::Restart {
            who: "secrets".to_owned(),
            cause: "secret-changed".to_owned(),
            initiator: Initiator::Program,
        });
        if self.happens(60) {
            let period_ms = self.between(3 * SECOND_MS, 2 * MINUTE_MS);
            self.every(period_ms, |_| Act::Probe {
                who: "poll".to_owned(),
            });
        }
    }

    /// Adds an admin that provisions the worker, and two systems that do the same within seconds.
    fn provisioners(&mut self) {
        for _ in 0..self.between(0, 2) {
            let mut at_ms = self.random_time();
            for who in ["admin", "recovery", "stall-watchdog"] {
                let who = who.to_owned();
                self.add(at_ms, Act::Provision { who });
                at_ms += self.between(0, 20 * SECOND_MS);
            }
        }
    }

    /// Draws a boot, with an address up to a minute after `running`.
    fn boot(&mut self) -> Boot {
        Boot {
            pending: Millis::new(self.between(0, 20 * SECOND_MS)),
            address_after: Millis::new(self.between(0, 60 * SECOND_MS)),
        }
    }

    /// Adds an act at up to `most` random times, possibly at none.
    fn at_times(&mut self, most: u64, act: impl Fn(&mut Self) -> Act) {
        for _ in 0..self.between(0, most) {
            let at_ms = self.random_time();
            let act = act(self);
            self.add(at_ms, act);
        }
    }

    /// Adds an act in each period, from a random time within the first one.
    fn every(&mut self, period_ms: u64, act: impl Fn(&mut Self) -> Act) {
        let mut at_ms = self.between(0, period_ms);
        while at_ms < self.length_ms {
            let act = act(self);
            self.add(at_ms, act);
            at_ms += period_ms;
        }
    }

    fn add(&mut self, at_ms: u64, act: Act) {
        if at_ms <= self.length_ms {
            self.story.push((Millis::new(at_ms), act));
        }
    }

    /// Draws a time of the story.
    fn random_time(&mut self) -> u64 {
        self.between(0, self.length_ms)
    }

    /// Draws `true` with this chance.
    fn happens(&mut self, percent: u64) -> bool {
        self.between(0, 99) < percent
    }

    /// Draws a number of the range, both ends included.
    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.rng.next_u64() % (to - from + 1)
    }
}

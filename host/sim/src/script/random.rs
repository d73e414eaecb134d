//! Stories that no person has written: the people and programs of the incidents, at random times.
//! Nothing in here knows what an incident looks like.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reeve_core::boxes::ProofKind;
use reeve_core::cloud::POINTER_NONE;
use reeve_core::restart::Initiator;
use reeve_core::spec::{BoxSpec, RestartBy};
use reeve_core::time::Millis;

use super::{Beginning, Script, System};
use crate::boxes::Software;
use crate::stage::{Act, EndedBy, Which};
use crate::world::Boot;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;

/// Worlds draw from the streams with small numbers, and have the same seed.
const STREAM: u64 = 200;

/// What was written up of all timeouts (docs/incidents.md#frozen-activity).
const IDLE_LIMIT: Millis = Millis::from_secs(30 * 60);

impl Script {
    /// The story of a seed. It expects nothing.
    pub fn random(seed: u64) -> Self {
        Writer::new(seed).write()
    }
}

/// Writes one story.
struct Writer {
    seed: u64,
    chance: ChaCha8Rng,
    length_ms: u64,
    story: Vec<(Millis, Act)>,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(STREAM);
        let length_ms = MINUTE_MS * (20 + chance.next_u64() % 41);
        Self {
            seed,
            chance,
            length_ms,
            story: Vec::new(),
        }
    }

    fn write(mut self) -> Script {
        let beginning = self.beginning();
        let mut system = System::usual();
        if self.is_so(50) {
            system.pool.restart_by = RestartBy::Replace;
        }
        if self.is_so(60) {
            system.boxes = Some(Software::Standard);
            system.pool.boxes = Some(BoxSpec::new(ProofKind::InstanceDocument));
            self.at_times(2, |_| Act::WipeToken);
        }
        self.users();
        self.watchdog();
        self.other_launchers();
        self.those_who_end();
        self.provisioners();
        // Who asks for a restart does not mind that the worker is in use.
        if self.is_so(50) {
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
            system,
            beginning,
            story: self.story,
            expected: Vec::new(),
        }
    }

    /// An instance or none, and a pointer that names it or not.
    fn beginning(&mut self) -> Beginning {
        let mut beginning = Beginning::default();
        if self.is_so(70) {
            let runs = self.is_so(50);
            beginning.instances.push(("i-aaaa".to_owned(), runs));
        }
        if self.is_so(80) {
            let says = if self.is_so(80) {
                "i-aaaa"
            } else {
                POINTER_NONE
            };
            beginning.pointer = Some(says.to_owned());
        }
        beginning
    }

    /// Chat and ingest ask now and then; some come back as they are told.
    fn users(&mut self) {
        for caller in ["chat", "ingest"] {
            let pause_ms = self.between(30 * SECOND_MS, 20 * MINUTE_MS);
            let mut at_ms = self.between(0, pause_ms);
            while at_ms < self.length_ms {
                let comes_back = if self.is_so(60) { 20 } else { 0 };
                let caller = caller.to_owned();
                self.tell(at_ms, Act::Ask { caller, comes_back });
                at_ms += self.between(SECOND_MS, 2 * pause_ms);
            }
        }
    }

    /// A watchdog reads once a minute what the cloud knows of demand.
    fn watchdog(&mut self) {
        if self.is_so(70) {
            self.every(MINUTE_MS, |_| Act::ReadDemand);
        }
    }

    /// A person launches on a path of their own; another one does whenever none is up.
    fn other_launchers(&mut self) {
        self.at_times(2, |it| Act::Launch {
            who: "colleague".to_owned(),
            id: "i-bbbb*".to_owned(),
            boot: it.boot(),
            if_none_is_up: false,
        });
        if self.is_so(30) {
            let period_ms = self.between(MINUTE_MS, 5 * MINUTE_MS);
            self.every(period_ms, |it| Act::Launch {
                who: "encoder".to_owned(),
                id: "i-cccc*".to_owned(),
                boot: it.boot(),
                if_none_is_up: true,
            });
        }
    }

    /// An instance is stopped past everybody, or reclaimed; the pointer still names it, or is
    /// cleared.
    fn those_who_end(&mut self) {
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

    /// Secrets change; status polls take a worker that is not there for dead.
    fn restarters(&mut self) {
        self.at_times(2, |_| Act::Restart {
            who: "secrets".to_owned(),
            cause: "secret-changed".to_owned(),
            initiator: Initiator::Program,
        });
        if self.is_so(60) {
            let period_ms = self.between(3 * SECOND_MS, 2 * MINUTE_MS);
            self.every(period_ms, |_| Act::Probe {
                who: "poll".to_owned(),
            });
        }
    }

    /// A caller wants the worker there, and so do one or two others.
    fn provisioners(&mut self) {
        for _ in 0..self.between(0, 2) {
            let mut at_ms = self.some_time();
            for who in ["admin", "recovery", "stall-watchdog"] {
                let who = who.to_owned();
                self.tell(at_ms, Act::Recreate { who });
                at_ms += self.between(0, 20 * SECOND_MS);
            }
        }
    }

    /// Addresses come up to a minute after `running`.
    fn boot(&mut self) -> Boot {
        Boot {
            pending: Millis::new(self.between(0, 20 * SECOND_MS)),
            address_after: Millis::new(self.between(0, 60 * SECOND_MS)),
        }
    }

    /// At up to so many times, often at none.
    fn at_times(&mut self, most: u64, act: impl Fn(&mut Self) -> Act) {
        for _ in 0..self.between(0, most) {
            let at_ms = self.some_time();
            let act = act(self);
            self.tell(at_ms, act);
        }
    }

    fn every(&mut self, period_ms: u64, act: impl Fn(&mut Self) -> Act) {
        let mut at_ms = self.between(0, period_ms);
        while at_ms < self.length_ms {
            let act = act(self);
            self.tell(at_ms, act);
            at_ms += period_ms;
        }
    }

    fn tell(&mut self, at_ms: u64, act: Act) {
        if at_ms <= self.length_ms {
            self.story.push((Millis::new(at_ms), act));
        }
    }

    fn some_time(&mut self) -> u64 {
        self.between(0, self.length_ms)
    }

    fn is_so(&mut self, of_a_hundred: u64) -> bool {
        self.between(0, 99) < of_a_hundred
    }

    /// A number of the range, both ends included.
    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.chance.next_u64() % (to - from + 1)
    }
}

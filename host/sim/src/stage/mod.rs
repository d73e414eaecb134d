//! A run: a script of what happens outside, a host under test, and the world between them. The
//! judge stands here, outside the code that is judged, and looks at the world alone.

mod act;
mod boxes;
mod judge;
mod outside;

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::demand::DemandReading;
use reeve_core::id::{InstanceId, PointerName, RequestId, WorkerId};
use reeve_core::operator::Command;
use reeve_core::request::Request;
use reeve_core::response::{Resolution, Response};
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::time::{Instant, Millis};

use crate::boxes::Software;
use crate::host::Host;
use crate::run::{Run, Served};
use crate::timeline::Entry;
use crate::world::{Trouble, What};
pub(crate) use act::{Act, EndedBy, Vexation, Which};
use boxes::Boxes;

/// What a run needs in addition to the host and its world.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// When it begins.
    pub begins: Instant,
    /// How long it is told.
    pub length: Millis,
    /// What happens outside, with the time from the beginning.
    pub script: Vec<(Millis, Act)>,
    /// The worker it is about.
    pub worker: WorkerId,
    /// The tag on its instances.
    pub tag: (String, String),
    /// Its pointer.
    pub pointer: PointerName,
    /// The software on its instances; `None`: it registers nowhere, and requests are not followed
    /// up.
    pub software: Option<Software>,
    /// How long an instance must have been unused to be stopped; `None`: the story is not about
    /// that.
    pub idle_limit: Option<Millis>,
}

/// Plays the script against the host.
pub(crate) fn play(setting: Setting, host: &mut dyn Host) -> Run {
    let mut stage = Stage::new(setting, host);
    while let Some(now) = stage.next() {
        stage.now = now;
        stage.host.advance(now);
        stage.look();
        stage.host.run_due();
        stage.hear();
        stage.run_boxes();
        while let Some(next) = stage.due() {
            match next {
                Next::Act(act) => stage.act(act),
                Next::Return(asking) => stage.ask(asking),
            }
            stage.hear();
        }
    }
    stage.finish()
}

struct Stage<'h> {
    host: &'h mut dyn Host,
    now: Instant,
    ends: Instant,
    worker: WorkerId,
    tag: (String, String),
    pointer: PointerName,
    script: BTreeMap<(Instant, u64), Next>,
    sequence: u64,
    asking: BTreeMap<RequestId, Asking>,
    requests: RequestId,
    /// How many instances others have launched under each numbered id.
    launched_elsewhere: BTreeMap<String, u32>,
    trouble: Trouble,
    /// The trouble that has begun, with the instance it is about.
    vexed: Vec<(Vexation, InstanceId)>,
    boxes: Boxes,
    /// Instances that have had an address since they came up last.
    addressed: BTreeSet<InstanceId>,
    idle_limit: Option<Millis>,
    run: Run,
}

/// What comes next from outside.
enum Next {
    /// A line of the script.
    Act(Act),
    /// A caller comes back.
    Return(Asking),
}

/// A caller with a question open, or about to come back.
#[derive(Clone)]
struct Asking {
    caller: String,
    since: Instant,
    wants: Wants,
}

/// What a caller wants of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// The address; it still comes back so often.
    Address { comes_back: u32 },
    /// That the worker is provisioned: it waits for no address.
    Worker,
    /// A sign of life.
    Proof,
}

impl<'h> Stage<'h> {
    fn new(setting: Setting, host: &'h mut dyn Host) -> Self {
        let begins = setting.begins;
        let mut script = BTreeMap::new();
        let mut sequence = 0;
        for (after, act) in setting.script {
            sequence += 1;
            script.insert((begins + after, sequence), Next::Act(act));
        }
        Self {
            now: begins,
            ends: begins + setting.length,
            script,
            sequence,
            host,
            worker: setting.worker,
            tag: setting.tag,
            pointer: setting.pointer,
            asking: BTreeMap::new(),
            requests: RequestId::default(),
            launched_elsewhere: BTreeMap::new(),
            trouble: Trouble::default(),
            vexed: Vec::new(),
            boxes: Boxes::new(setting.software),
            addressed: BTreeSet::new(),
            idle_limit: setting.idle_limit,
            run: Run {
                begins,
                entries: Vec::new(),
                harms: Vec::new(),
                deeds: Vec::new(),
                vetoes: 0,
                served: Vec::new(),
                gave_up: 0,
            },
        }
    }

    fn next(&self) -> Option<Instant> {
        let script = self.script.keys().next().map(|(at, _)| *at);
        [script, self.host.next_at(), self.boxes.next_due()]
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at <= self.ends)
            .map(|at| at.max(self.now))
    }

    fn due(&mut self) -> Option<Next> {
        let first = self.script.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    fn act(&mut self, act: Act) {
        let mut ask = |caller: String, wants| {
            let since = self.now;
            let asking = Asking {
                caller,
                since,
                wants,
            };
            self.ask(asking);
        };
        match act {
            Act::Ask { caller, comes_back } => ask(caller, Wants::Address { comes_back }),
            Act::Probe { who } => ask(who, Wants::Proof),
            Act::Recreate { who } => ask(who, Wants::Worker),
            Act::Restart {
                who,
                cause,
                initiator,
            } => self.restart(&who, cause, initiator),
            Act::ReadDemand => {
                let demand = self.demand();
                self.host.read_demand(&self.worker, demand);
            }
            unheard_of => self.outside(unheard_of),
        }
    }

    fn restart(&mut self, who: &str, cause: String, initiator: Initiator) {
        let event = format!("asks for a restart: {cause}");
        self.run.entries.push(Entry::event(self.now, who, event));
        let request = RestartRequest {
            cause,
            initiator,
            text: None,
        };
        // No caller waits for the response: the timeline has the outcome from the notices.
        let command = Request::Command(Command::Restart(request));
        self.host.ask(&self.worker, RequestId::default(), command);
        self.hear();
    }

    fn ask(&mut self, asking: Asking) {
        self.requests = self.requests.next();
        let event = match asking.wants {
            Wants::Worker => "wants the worker provisioned",
            Wants::Proof => "probes the worker",
            Wants::Address { .. } if asking.since == self.now => "asks: where is the worker?",
            Wants::Address { .. } => "comes back and asks again",
        };
        self.run
            .entries
            .push(Entry::event(self.now, &asking.caller, event));
        self.asking.insert(self.requests, asking);
        let resolve = Request::Resolve { wait: None };
        self.host.ask(&self.worker, self.requests, resolve);
    }

    /// Requests over the last ten minutes, or since the newest instance that is up was launched.
    fn demand(&self) -> DemandReading {
        const WINDOW_MAX: Millis = Millis::from_secs(600);
        let newest = self.up().map(|instance| instance.launched_at).max();
        let window = newest
            .map_or(Millis::ZERO, |at| self.now.since(at))
            .min(WINDOW_MAX);
        let counts = self
            .up()
            .map(|instance| instance.invocations_within(self.now, window));
        DemandReading::Requests {
            count: counts.sum(),
            window,
            until: self.now,
        }
    }

    fn up(&self) -> impl Iterator<Item = &crate::world::SimInstance> {
        self.host
            .world()
            .instances()
            .filter(|instance| instance.state.is_live())
    }

    /// Takes in what the host did and answered.
    fn hear(&mut self) {
        self.run.vetoes = self.host.vetoes();
        self.run.entries.extend(self.host.take_entries());
        self.judge();
        let mut receipts = Vec::new();
        for (request, response) in self.host.take_responses() {
            match response {
                Response::Resolve(resolution) => {
                    if let Some(asking) = self.asking.remove(&request) {
                        self.answered(&asking, &resolution);
                    }
                }
                Response::Statement(receipt) => receipts.push((request, receipt)),
                Response::Command(_) => {}
            }
        }
        self.hear_receipts(receipts);
    }

    fn answered(&mut self, asking: &Asking, answer: &Resolution) {
        let entry = |event: String, reason: String| Entry {
            reason,
            ..Entry::event(self.now, &asking.caller, event)
        };
        match answer {
            Resolution::Served(_) if !matches!(asking.wants, Wants::Address { .. }) => {}
            Resolution::Served(route) => {
                let told = entry(
                    format!("is served: {} ({})", route.url, route.instance),
                    String::new(),
                );
                self.run.entries.push(told);
                self.run.served.push(Served {
                    caller: asking.caller.clone(),
                    at: self.now,
                    took: self.now.since(asking.since),
                });
                self.host.world_mut().invoke(&route.instance);
                self.deliver(&route.instance);
            }
            Resolution::NotYet(not_yet) => {
                let event = format!(
                    "is told: {}, come back in {}",
                    not_yet.code, not_yet.retry_after
                );
                self.run.entries.push(entry(event, not_yet.detail.clone()));
                let comes_back = match asking.wants {
                    Wants::Address { comes_back } => comes_back,
                    Wants::Proof => {
                        let cause = "probe-failed".to_owned();
                        return self.restart(&asking.caller, cause, Initiator::Program);
                    }
                    Wants::Worker => return,
                };
                if comes_back == 0 {
                    self.run.gave_up += 1;
                    return;
                }
                let again = Asking {
                    wants: Wants::Address {
                        comes_back: comes_back - 1,
                    },
                    ..asking.clone()
                };
                self.sequence += 1;
                let at = self.now + not_yet.retry_after;
                self.script.insert((at, self.sequence), Next::Return(again));
            }
        }
    }

    /// What the world did by itself since the last look.
    fn look(&mut self) {
        for happening in self.host.world_mut().take_happened() {
            self.notice_boot(&happening);
            let event = match happening.what {
                What::State(state) => format!("{} is {}", happening.id, state.as_str()),
                What::Addressed => {
                    self.addressed.insert(happening.id.clone());
                    format!("{} has its address", happening.id)
                }
                _ => continue,
            };
            self.run
                .entries
                .push(Entry::event(happening.at, "cloud", event));
        }
    }

    fn finish(mut self) -> Run {
        let open = self.asking.values();
        self.run.gave_up += open
            .filter(|asking| matches!(asking.wants, Wants::Address { .. }))
            .count();
        self.judge_deliveries();
        self.run
    }
}

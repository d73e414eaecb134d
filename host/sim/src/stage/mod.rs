//! The stage plays a script against a host under test. Both act on the same simulated world. The
//! judge stays outside the host and reads only the world's events.
//!
//! - `act`: the acts that a script can contain.
//! - `outside`: acts on the cloud that the host gets no request for.
//! - `boxes`: the software on the instances.
//! - `health`: what ails an instance.
//! - `hosts`: crashes of hosts, and which host a request goes to.
//! - `judge`: the harms in the host's mutations.
//! - `wait`: the callers that could have been served, and were not.

mod act;
mod boxes;
mod health;
mod hosts;
mod judge;
mod outside;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::boxes::ProofKind;
use reeve_core::compute::Compute;
use reeve_core::demand::DemandReading;
use reeve_core::id::{InstanceId, PointerName, RequestId, Sender, WorkerId};
use reeve_core::operator::Command;
use reeve_core::request::Request;
use reeve_core::response::{Resolution, Response};
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::time::{Instant, Millis};

use crate::boxes::Software;
use crate::host::Host;
use crate::run::{Run, Served};
use crate::timeline::Entry;
use crate::world::{EventKind, Trouble};
pub(crate) use act::{Act, BoxAct, CallTrouble, EndedBy, Which};
use boxes::Boxes;
pub(crate) use health::Ailment;
pub(crate) use hosts::Happens;
use hosts::Hosts;
use wait::{WaitId, Waits};

/// The arguments of a run, except the host and its world.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The time at which the story begins.
    pub begins: Instant,
    /// The time from the beginning to the end of the story. Later acts are not played.
    pub length: Millis,
    /// The acts outside the host, each with its time from the beginning.
    pub script: Vec<(Millis, Act)>,
    /// The worker that the callers ask for.
    pub worker: WorkerId,
    /// The kind of compute of the worker's instances.
    pub compute: Compute,
    /// Key and value of the tag that other systems put on the worker's instances.
    pub tag: (String, String),
    /// The name of the worker's pointer, for acts that write it.
    pub pointer: PointerName,
    /// The software of the boxes, and how it proves its instance; `None`: the instances have no boxes,
    /// and callers deliver nothing.
    pub software: Option<(Software, ProofKind)>,
    /// Ending an instance within this time of a request to it is a harm; `None`: it is no harm.
    pub idle_limit: Option<Millis>,
    /// A caller is down after it has waited for longer than this while it could be served.
    pub down_after: Millis,
}

/// Plays the script against the host. At each instant the order is: world, host, boxes, script.
pub(crate) fn play(setting: Setting, host: &mut dyn Host) -> Run {
    let mut stage = Stage::new(setting, host);
    stage.note_availability();
    while let Some(now) = stage.next() {
        stage.record_down(now);
        stage.now = now;
        stage.host.advance(now);
        stage.record_world_events();
        stage.host.run_due();
        stage.take_outputs();
        stage.run_boxes();
        while let Some(next) = stage.due() {
            match next {
                Next::Act(act) => stage.perform(act),
                Next::AskAgain(pending) => stage.ask(pending),
            }
            stage.take_outputs();
        }
        stage.note_availability();
    }
    stage.finish()
}

struct Stage<'h> {
    host: &'h mut dyn Host,
    hosts: Hosts,
    now: Instant,
    ends: Instant,
    worker: WorkerId,
    compute: Compute,
    tag: (String, String),
    pointer: PointerName,
    script: BTreeMap<(Instant, u64), Next>,
    sequence: u64,
    pending: BTreeMap<RequestId, Pending>,
    requests: RequestId,
    /// Callers that said that an instance does not answer, and have no response.
    doubting: BTreeMap<RequestId, String>,
    /// When a caller last said so of an instance.
    doubted: BTreeMap<InstanceId, Instant>,
    /// How many instances the script launched so far under each id with a `*`.
    launched_elsewhere: BTreeMap<String, u32>,
    trouble: Trouble,
    /// The trouble with single instances that has begun and not ended, with the instance.
    ongoing: Vec<(CallTrouble, InstanceId)>,
    /// The ailments that have begun and not ended, each with its instance.
    ailing: Vec<((Which, Ailment), InstanceId)>,
    boxes: Boxes,
    /// Instances that have had an address since their last launch or start.
    addressed: BTreeSet<InstanceId>,
    idle_limit: Option<Millis>,
    waits: Waits,
    /// When a person last asked for a restart; `None` if an instance was ended since.
    restart_by_hand: Option<Instant>,
    run: Run,
}

/// An event outside the host that is due at a set time.
enum Next {
    /// An act of the script.
    Act(Act),
    /// A caller that got no address asks again.
    AskAgain(Pending),
}

/// A caller whose request is pending, or that will ask again.
#[derive(Clone)]
struct Pending {
    caller: String,
    /// The host that the caller asks; `None`: the one whose turn it is.
    host: Option<usize>,
    /// The time of the caller's first request.
    since: Instant,
    wants: Wants,
}

/// The purpose of a caller's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// To use the worker. The caller asks again at most `comes_back` times.
    Address { comes_back: u32, wait: WaitId },
    /// To have the worker provisioned. The caller ignores the response.
    Provision,
    /// To learn whether the worker is up. If it is not, the caller asks for a restart.
    Probe,
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
            hosts: Hosts::new(host.count()),
            host,
            worker: setting.worker,
            compute: setting.compute,
            tag: setting.tag,
            pointer: setting.pointer,
            pending: BTreeMap::new(),
            requests: RequestId::default(),
            doubting: BTreeMap::new(),
            doubted: BTreeMap::new(),
            launched_elsewhere: BTreeMap::new(),
            trouble: Trouble::default(),
            ongoing: Vec::new(),
            ailing: Vec::new(),
            boxes: Boxes::new(setting.software),
            addressed: BTreeSet::new(),
            idle_limit: setting.idle_limit,
            waits: Waits::new(setting.down_after),
            restart_by_hand: None,
            run: Run {
                begins,
                entries: Vec::new(),
                harms: Vec::new(),
                down: Vec::new(),
                mutations: Vec::new(),
                notices: Vec::new(),
                vetoes: 0,
                served: Vec::new(),
                gave_up: 0,
            },
        }
    }

    /// The time of the next event; `None`: no event is left before the end of the story.
    fn next(&self) -> Option<Instant> {
        let script = self.script.keys().next().map(|(at, _)| *at);
        [script, self.host.next_at(), self.boxes.next_due()]
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at <= self.ends)
            .map(|at| at.max(self.now))
    }

    /// Takes the next act or caller that is due.
    fn due(&mut self) -> Option<Next> {
        let first = self.script.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    fn perform(&mut self, act: Act) {
        match act {
            Act::Ask {
                caller,
                host,
                comes_back,
            } => {
                let wait = self.waits.begin(&caller, self.now);
                self.ask_first(caller, host, Wants::Address { comes_back, wait });
            }
            Act::Probe { who } => self.ask_first(who, None, Wants::Probe),
            Act::Provision { who } => self.ask_first(who, None, Wants::Provision),
            Act::Restart {
                who,
                cause,
                initiator,
            } => self.restart(&who, cause, initiator),
            Act::Adopt { who, which } => self.adopt(&who, &which),
            Act::Doubt { who, which } => self.doubt(&who, &which),
            Act::Host(number, happens) => self.happen_to_host(number, happens),
            Act::ReadDemand => {
                let demand = self.demand();
                for number in self.hosts.all_up() {
                    self.host.read_demand(number, &self.worker, demand);
                }
            }
            other => self.act_outside(other),
        }
    }

    fn restart(&mut self, who: &str, cause: String, initiator: Initiator) {
        let event = format!("asks for a restart: {cause}");
        self.run.entries.push(Entry::event(self.now, who, event));
        let request = RestartRequest {
            kind: None,
            cause,
            initiator,
            text: None,
            of: None,
            from: None,
            unknown: Default::default(),
        };
        if initiator == Initiator::Person {
            self.restart_by_hand = Some(self.now);
        }
        // No caller waits for the response: the timeline has the outcome from the notices.
        self.command(who, Command::Restart(request));
    }

    fn adopt(&mut self, who: &str, which: &Which) {
        let Some(instance) = self.which(who, which, "to move the worker to") else {
            return;
        };
        let event = format!("moves the worker to {instance}");
        self.run.entries.push(Entry::event(self.now, who, event));
        let by = Some(who.to_owned());
        self.command(who, Command::Adopt { instance, by });
    }

    fn command(&mut self, who: &str, command: Command) {
        let from = Sender::from(who);
        if !self.submit(RequestId::default(), Request::Command { command, from }) {
            self.note(who, "reaches no host");
        }
        self.take_outputs();
    }

    fn doubt(&mut self, who: &str, which: &Which) {
        let Some(instance) = self.which(who, which, "to complain of") else {
            return;
        };
        let event = format!("says that {instance} does not answer");
        self.run.entries.push(Entry::event(self.now, who, event));
        self.doubted.insert(instance.clone(), self.now);
        self.requests = self.requests.next();
        let what = Request::Unreachable { instance };
        match self.submit(self.requests, what) {
            true => drop(self.doubting.insert(self.requests, who.to_owned())),
            false => self.note(who, "reaches no host"),
        }
    }

    fn ask_first(&mut self, caller: String, host: Option<usize>, wants: Wants) {
        let since = self.now;
        self.ask(Pending {
            caller,
            host,
            since,
            wants,
        });
    }

    fn ask(&mut self, pending: Pending) {
        self.requests = self.requests.next();
        let event = match pending.wants {
            Wants::Provision => "wants the worker provisioned",
            Wants::Probe => "probes the worker",
            Wants::Address { .. } if pending.since == self.now => "asks: where is the worker?",
            Wants::Address { .. } => "comes back and asks again",
        };
        self.run
            .entries
            .push(Entry::event(self.now, &pending.caller, event));
        let resolve = Request::Resolve { wait: None };
        match self.submit_to(pending.host, self.requests, resolve) {
            true => drop(self.pending.insert(self.requests, pending)),
            false => self.find_no_host(&pending),
        }
    }

    /// Reads the demand metric: requests within the last ten minutes, or since the launch of the
    /// newest instance if that was later.
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

    /// The worker's pending and running instances.
    fn up(&self) -> impl Iterator<Item = &crate::world::SimInstance> {
        self.host
            .world()
            .instances()
            .filter(|instance| instance.state.is_live())
    }

    /// Takes what the host put out: lines of the timeline, changes of the world, and responses.
    fn take_outputs(&mut self) {
        self.run.vetoes = self.host.vetoes();
        self.run.entries.extend(self.host.take_entries());
        let notices = self.host.take_notices().into_iter();
        let noticed = notices.map(|notice| (self.now, notice.step));
        self.run.notices.extend(noticed);
        self.judge();
        let mut receipts = Vec::new();
        for (request, response) in self.host.take_responses() {
            self.hosts.on_response(request);
            match response {
                Response::Resolve(resolution) => {
                    if let Some(pending) = self.pending.remove(&request) {
                        self.on_resolution(&pending, &resolution);
                    }
                }
                Response::Statement(receipt) => receipts.push((request, receipt)),
                Response::Command(_) => {}
                Response::Unreachable(looked) => {
                    let who = self.doubting.remove(&request).unwrap_or_default();
                    let event = format!("is told: {}", looked.outcome.as_str());
                    self.run.entries.push(Entry {
                        reason: looked.detail,
                        ..Entry::event(self.now, &who, event)
                    });
                }
            }
        }
        self.pass_receipts(receipts);
    }

    fn on_resolution(&mut self, pending: &Pending, resolution: &Resolution) {
        let entry = |event: String, reason: String| Entry {
            reason,
            ..Entry::event(self.now, &pending.caller, event)
        };
        match resolution {
            Resolution::Served(route) => {
                let Wants::Address { wait, .. } = pending.wants else {
                    return;
                };
                self.waits.serve(wait);
                let served = entry(
                    format!("is served: {} ({})", route.url, route.instance),
                    String::new(),
                );
                self.run.entries.push(served);
                self.run.served.push(Served {
                    caller: pending.caller.clone(),
                    at: self.now,
                    took: self.now.since(pending.since),
                });
                self.judge_hand_out(route);
                self.host.world_mut().invoke(&route.instance);
                self.deliver(&route.instance);
            }
            Resolution::NotYet(not_yet) => {
                let event = format!(
                    "is told: {}, come back in {}",
                    not_yet.code, not_yet.retry_after
                );
                self.run.entries.push(entry(event, not_yet.detail.clone()));
                match pending.wants {
                    Wants::Address { .. } => self.come_back(pending, not_yet.retry_after),
                    Wants::Probe => {
                        let cause = "probe-failed".to_owned();
                        self.restart(&pending.caller, cause, Initiator::Program);
                    }
                    Wants::Provision => {}
                }
            }
        }
    }

    /// Lets a caller that got no address ask again after this time, or give up.
    fn come_back(&mut self, pending: &Pending, after: Millis) {
        let wants = match pending.wants {
            Wants::Address {
                comes_back: 0,
                wait,
            } => {
                self.run.gave_up += 1;
                self.waits.give_up(wait, self.now);
                return;
            }
            Wants::Address { comes_back, wait } => Wants::Address {
                comes_back: comes_back - 1,
                wait,
            },
            Wants::Provision | Wants::Probe => return,
        };
        let again = Pending {
            wants,
            ..pending.clone()
        };
        self.sequence += 1;
        self.script
            .insert((self.now + after, self.sequence), Next::AskAgain(again));
    }

    /// Records the events of the world that no mutation caused at once, such as the end of a boot.
    fn record_world_events(&mut self) {
        for event in self.host.world_mut().take_events() {
            self.add_or_remove_box(&event);
            let text = match event.kind {
                EventKind::State(state) => format!("{} is {}", event.id, state.as_str()),
                EventKind::Addressed => {
                    self.addressed.insert(event.id.clone());
                    format!("{} has its address", event.id)
                }
                EventKind::Rebooted => format!("{} is back from its reboot", event.id),
                _ => continue,
            };
            self.run.entries.push(Entry::event(event.at, "cloud", text));
        }
    }

    fn finish(mut self) -> Run {
        self.record_down(self.ends);
        self.run.gave_up += self.waits.count();
        self.judge_deliveries();
        self.run
    }
}

//! A random world with everybody in it, and the one loop that lets time pass.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::guard::Rule;
use reeve_core::id::{InstanceId, PointerName, PoolName, RequestId, WorkerId};
use reeve_core::ports::Policies;
use reeve_core::spec::FleetSpec;
use reeve_core::time::{Instant, Millis};

use super::afflicted::Afflicted;
use super::boxes::Boxes;
use super::chance::{Chance, Stream};
use super::check::Checks;
use super::clouds::{Clouds, begins_life};
use super::digest::Tap;
use super::due::Due;
use super::fault::Fault;
use super::options::Options;
use super::people::People;
use super::shelf::Shelf;
use super::trace::Trace;
use super::{Casts, Report};
use crate::engine::{Clock, Drive as _, Queue, SimHost};
use crate::world::World;

/// When every run begins; any time does.
pub(super) const BEGINS: Instant = Instant::from_ms(1_760_428_800_000);
/// A run is at least this long.
const LENGTH_MIN: Millis = Millis::from_secs(3_600);
/// How often it is looked whether all is well again.
const LOOKS: Millis = Millis::from_secs(15);
/// Steps at one instant beyond which nothing but a loop is left.
const AT_ONCE_MAX: u32 = 100_000;

/// Everything and everybody.
pub(super) struct Estate<'a> {
    pub(super) now: Instant,
    pub(super) spec: FleetSpec,
    pub(super) options: &'a Options,
    pub(super) policies: &'a dyn Policies,
    pub(super) casts: &'a Casts,
    /// Which cast plays in each pool now.
    pub(super) playing: BTreeMap<PoolName, String>,
    pub(super) queue: Queue<Due>,
    pub(super) chance: Chance,
    pub(super) clouds: Clouds,
    pub(super) shelf: Shelf,
    pub(super) afflicted: Afflicted,
    pub(super) hosts: Vec<SimHost>,
    pub(super) boxes: Boxes,
    pub(super) people: People,
    pub(super) checks: Checks,
    pub(super) trace: Trace,
    /// What takes in all that leaves the cores; `None`: no digest is wanted.
    pub(super) tap: Option<&'a mut Tap>,
    pub(super) decisions: u64,
    pub(super) vetoes: BTreeMap<Rule, u64>,
    steps: u64,
    calm_since: Option<Instant>,
    is_over: bool,
}

impl<'a> Estate<'a> {
    pub(super) fn new(
        options: &'a Options,
        policies: &'a dyn Policies,
        casts: &'a Casts,
        is_traced: bool,
    ) -> Self {
        let spec = options.fleet();
        let mut chance = Chance::new(options);
        let hosts = (0..options.hosts).map(|number| {
            let clock = if chance.fire(Fault::WrongClock) {
                let off_ms = chance.between(Stream::Detail, 0, 8_000) as i64 - 4_000;
                let gains = chance.between(Stream::Detail, 0, 1_000) as i64 - 500;
                Clock::wrong(BEGINS, off_ms, gains)
            } else {
                Clock::right(BEGINS)
            };
            SimHost::new(number, clock, spec.clone())
        });
        let hosts = hosts.collect();
        let playing = options.pools.iter().enumerate();
        let playing = playing
            .map(|(place, pool)| (super::options::pool_name(place), pool.cast.clone()))
            .collect();
        Self {
            now: BEGINS,
            people: People::new(&spec, options.seed),
            checks: Checks::new(&spec, options, casts),
            spec,
            options,
            policies,
            casts,
            playing,
            queue: Queue::default(),
            clouds: Clouds::new(World::new(options.seed, BEGINS)),
            shelf: Shelf::new(options.shared_store),
            afflicted: Afflicted::default(),
            hosts,
            boxes: Boxes::default(),
            trace: Trace::new(is_traced),
            tap: None,
            decisions: 0,
            vetoes: BTreeMap::new(),
            steps: 0,
            calm_since: None,
            is_over: false,
            chance,
        }
    }

    /// Lets time pass until all is well again after the trouble, or a guarantee is broken.
    pub(super) fn run(mut self) -> Report {
        self.begin();
        let mut at_once = 0;
        while !self.is_over && self.checks.violation.is_none() {
            let Some(at) = self.next_at() else { break };
            at_once = if at > self.now { 0 } else { at_once + 1 };
            if at_once >= AT_ONCE_MAX {
                self.checks.stands_still(self.now, at_once);
                break;
            }
            self.advance(at);
            if let Some(due) = self.queue.take(at) {
                self.steps += 1;
                self.happen(due);
            }
        }
        Report {
            simulated: self.now.since(BEGINS),
            workers: self.options.workers.len(),
            fired: self.chance.fired(),
            steps: self.steps,
            decisions: self.decisions,
            vetoes: self.vetoes,
            served_after: self.checks.served_after(),
            violation: self.checks.violation,
            trace: self.trace.into_lines(),
            digested: None,
        }
    }

    fn begin(&mut self) {
        self.place_long_dead_pointers();
        for number in 0..self.hosts.len() {
            self.host_begins(number);
        }
        for user in 0..self.people.users() {
            let at = self.now + self.chance.millis(Stream::Users, 0, 60_000);
            self.queue.put(at, Due::User(user));
        }
        for fault in Fault::ALL {
            self.again(fault);
        }
        self.queue.put(self.now + self.options.troubled, Due::Calms);
    }

    /// Puts the next occurrence of a fault into the queue that comes by time.
    pub(super) fn again(&mut self, fault: Fault) {
        if let Some(gap) = self.chance.gap(fault) {
            self.queue.put(self.now + gap, Due::Comes(fault));
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let next = [self.queue.next_at(), self.clouds.world.next_change()];
        let at = next.into_iter().flatten().min()?.max(self.now);
        let end = self.options.cut.map(|cut| BEGINS + cut);
        end.is_none_or(|end| at <= end).then_some(at)
    }

    fn advance(&mut self, at: Instant) {
        self.now = at;
        self.clouds.world.advance(at);
        self.look();
    }

    /// Takes in what became of the instances.
    pub(super) fn look(&mut self) {
        let events = self.clouds.world.take_events();
        if events.is_empty() {
            return;
        }
        self.clouds.note(&events);
        for event in &events {
            self.trace.tell(event.at, "cloud", || {
                format!("{} {:?}", event.id, event.kind)
            });
            if begins_life(&event.kind) && self.chance.happens(Fault::DiesBooting) {
                let after = self.chance.millis(Stream::Detail, 1_000, 15_000);
                let due = Due::Reclaims(event.id.clone());
                self.queue.put(self.now + after, due);
            }
            self.checks.happened(event, &self.clouds.world);
            self.box_follows(event);
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrives(what) => self.arrive(what),
            Due::BoxSpeaks(id) => self.box_speaks(&id),
            Due::BoxHears(request, reply) => self.box_hears(request, *reply),
            Due::BoxWaited(request) => self.box_waited(request),
            Due::User(user) => self.user_acts(user),
            Due::CallerReturns(user) => self.ask(user),
            Due::Delivers { user, instance } => self.deliver(user, instance),
            Due::CallerLeaves(request) => self.caller_leaves(request),
            Due::Resumes(worker) => self.resume(worker),
            Due::Comes(fault) => {
                self.again(fault);
                if self.chance.fire(fault) {
                    self.trouble_comes(fault);
                }
            }
            Due::HostBegins(number) => self.host_begins(number),
            Due::Reclaims(id) => {
                self.clouds.world.reclaim(&id);
                self.look();
            }
            Due::ControllerStops { worker, left } => self.controller_stops(worker, left),
            Due::Unprotected(id, end) => self.clouds.world.protect(&id, end, false),
            Due::Ails(id, fault) => self.clouds.world.set_software_fault(&id, fault),
            Due::RebootsEnd => self.clouds.world.end_reboots(|_| true),
            Due::Calms => self.calm(),
            Due::Looks => self.look_whether_all_is_well(),
        }
    }

    /// The trouble is over: from now on everything has to come right by itself.
    fn calm(&mut self) {
        self.trace
            .tell(self.now, "world", || "the trouble is over".to_owned());
        self.chance.is_calm = true;
        self.calm_since = Some(self.now);
        self.clouds.take_down(self.now);
        self.clouds.drain_buckets(self.now);
        self.shelf.take_down(self.now);
        for number in 0..self.hosts.len() {
            if !self.hosts[number].is_up() {
                self.host_begins(number);
            }
        }
        for (place, pool) in self.options.pools.iter().enumerate() {
            let name = super::options::pool_name(place);
            self.playing.insert(name, pool.cast.clone());
        }
        self.boxes_recover();
        self.all_are_cured();
        self.resume_all();
        self.checks.calm(self.now);
        self.check_recovery();
        self.queue.put(self.now + LOOKS, Due::Looks);
    }

    fn check_recovery(&mut self) {
        let pointers_are_down = self.clouds.pointers_are_down(self.now);
        self.checks.look(
            self.now,
            &self.clouds.world,
            &self.shelf,
            &self.spec,
            pointers_are_down,
        );
    }

    fn look_whether_all_is_well(&mut self) {
        self.check_recovery();
        let long_enough = self.now.since(BEGINS) >= LENGTH_MIN;
        if self.checks.all_is_well() && long_enough {
            self.is_over = true;
            return;
        }
        self.queue.put(self.now + LOOKS, Due::Looks);
    }

    /// A host that is up, if there is one; `mine` most of the time.
    pub(super) fn door(&mut self, mine: usize) -> Option<usize> {
        let up: Vec<_> = (0..self.hosts.len())
            .filter(|number| self.hosts[*number].is_up())
            .collect();
        if up.is_empty() {
            return None;
        }
        if up.contains(&mine) && self.chance.percent(Stream::Door, 80) {
            return Some(mine);
        }
        Some(up[self.chance.pick(Stream::Door, up.len())])
    }

    /// The next request's number.
    pub(super) fn request(&mut self) -> RequestId {
        self.people.requests = self.people.requests.next();
        self.people.requests
    }

    /// The pointer of a worker.
    pub(super) fn pointer_of(&self, worker: &WorkerId) -> Option<PointerName> {
        let spec = self.spec.workers.get(worker)?;
        Some(spec.pointer.clone())
    }

    /// The live instances that carry a worker's tag.
    pub(super) fn live_of(&self, worker: &WorkerId) -> BTreeSet<InstanceId> {
        let Some(spec) = self.spec.workers.get(worker) else {
            return BTreeSet::new();
        };
        let instances = self.clouds.world.instances();
        instances
            .filter(|instance| instance.state.is_live())
            .filter(|instance| instance.tags.get(super::options::TAG_KEY) == Some(&spec.tag_value))
            .map(|instance| instance.id.clone())
            .collect()
    }
}

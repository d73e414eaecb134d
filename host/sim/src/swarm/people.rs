//! The users of the workers. A user asks for the address of its worker, delivers to it, and comes
//! back when told. A user may also fall silent for a while, or leave before the response.

use std::collections::BTreeMap;

use reeve_core::boxes::{Report, Reporter, Statement};
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::id::{InstanceId, RequestId, WorkerId};
use reeve_core::instance::InstanceState;
use reeve_core::response::Resolution;
use reeve_core::spec::{FleetSpec, Wish};
use reeve_core::time::{Instant, Millis};

use super::chance::Stream;
use super::due::Due;
use super::estate::Estate;
use super::fault::Fault;
use crate::engine::{Drive as _, Life, ToHost, statement};

/// All users, and their pending requests.
pub(super) struct People {
    users: Vec<User>,
    pub(super) requests: RequestId,
    /// The pending requests of callers.
    pub(super) asking: BTreeMap<RequestId, Asking>,
}

/// An application that uses one worker.
struct User {
    worker: WorkerId,
    /// The host that the user asks most of the time.
    mine: usize,
    /// Until when the user is silent.
    away_until: Instant,
    /// The instance that the user got last, while deliveries to it work.
    instance: Option<InstanceId>,
    is_waiting: bool,
    /// Whether the user reports its deliveries. If not, the store learns only the addresses handed
    /// out to it.
    reports: bool,
}

/// A resolve without a response.
pub(super) struct Asking {
    pub(super) user: Option<usize>,
    pub(super) worker: WorkerId,
    pub(super) to: Life,
}

impl People {
    pub(super) fn new(spec: &FleetSpec, seed: u64) -> Self {
        let users = spec.workers.keys().enumerate().map(|(place, worker)| User {
            worker: worker.clone(),
            mine: place,
            away_until: Instant::default(),
            instance: None,
            is_waiting: false,
            reports: !(seed + place as u64).is_multiple_of(3),
        });
        Self {
            users: users.collect(),
            requests: RequestId::default(),
            asking: BTreeMap::new(),
        }
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }
}

impl Estate<'_> {
    /// Lets a user ask, deliver or fall silent.
    pub(super) fn user_acts(&mut self, user: usize) {
        if self.chance.is_calm {
            // After the trouble, every user asks for its worker again and again, except for a
            // worker that is to run without a caller (V6).
            let worker = &self.people.users[user].worker;
            let spec = self.spec.workers.get(worker);
            if spec.is_some_and(|spec| spec.wish == Wish::Running) {
                return;
            }
            self.ask(user);
            let again = self.chance.millis(Stream::Users, 5_000, 15_000);
            return self.queue.put(self.now + again, Due::User(user));
        }
        if self.now >= self.people.users[user].away_until {
            match self.people.users[user].instance.clone() {
                // A user often uses its address again before it asks anew.
                Some(instance) if self.chance.percent(Stream::Users, 40) => {
                    self.deliver(user, instance);
                }
                _ => self.ask(user),
            }
            if self.chance.percent(Stream::Users, 6) {
                let away = self.chance.millis(Stream::Users, 120_000, 1_500_000);
                self.people.users[user].away_until = self.now + away;
            }
        }
        let next = self.chance.millis(Stream::Users, 3_000, 45_000);
        self.queue.put(self.now + next, Due::User(user));
    }

    /// Lets a user ask for the address of its worker.
    pub(super) fn ask(&mut self, user: usize) {
        if self.people.users[user].is_waiting {
            return;
        }
        self.people.users[user].is_waiting = true;
        let worker = self.people.users[user].worker.clone();
        let mine = self.people.users[user].mine % self.hosts.len();
        if self.send_ask(Some(user), worker, mine).is_none() {
            self.people.users[user].is_waiting = false;
        }
    }

    /// Sends a resolve to a host; `None`: no host is up.
    fn send_ask(
        &mut self,
        user: Option<usize>,
        worker: WorkerId,
        mine: usize,
    ) -> Option<RequestId> {
        let number = self.door(mine)?;
        let request = self.request();
        // Most callers leave the length of the wait to the host.
        let is_patient = !self.chance.percent(Stream::Users, 70);
        let wait = is_patient.then(|| self.chance.millis(Stream::Users, 1_000, 20_000));
        let to = self.hosts[number].life();
        self.checks.ask_sent(self.now, request, &worker, wait);
        let asking = Asking {
            user,
            worker: worker.clone(),
            to,
        };
        self.people.asking.insert(request, asking);
        if self.chance.happens(Fault::CallerGone) {
            let after = self.chance.millis(Stream::Users, 10, 3_000);
            self.queue.put(self.now + after, Due::CallerLeaves(request));
        }
        let ask = ToHost::Ask {
            worker,
            request,
            wait,
        };
        self.send(number, ask);
        Some(request)
    }

    /// Lets many callers ask at once, at every host.
    pub(super) fn burst(&mut self) {
        let user = self.chance.pick(Stream::Users, self.people.users());
        let worker = self.people.users[user].worker.clone();
        for _ in 0..self.chance.between(Stream::Users, 3, 20) {
            let mine = self.chance.pick(Stream::Users, self.hosts.len());
            self.send_ask(None, worker.clone(), mine);
        }
    }

    /// Takes the response to a caller.
    pub(super) fn answered(&mut self, request: RequestId, answer: &Resolution) {
        let Some(asking) = self.people.asking.remove(&request) else {
            return self.checks.on_stray_response(self.now, request);
        };
        self.trace.tell(self.now, "user", || match answer {
            Resolution::Served(route) => {
                format!("{} is served {}", asking.worker, route.instance)
            }
            Resolution::NotYet(not_yet) => format!(
                "{} is told {}, come back in {}",
                asking.worker, not_yet.code, not_yet.retry_after
            ),
        });
        let local = self.hosts[asking.to.host].clock.read(self.now);
        self.checks.answered(
            (self.now, local),
            request,
            &asking,
            answer,
            &self.clouds.world,
        );
        let Some(user) = asking.user else { return };
        self.people.users[user].is_waiting = false;
        match answer {
            Resolution::Served(route) => {
                self.people.users[user].instance = Some(route.instance.clone());
                let after = self.chance.millis(Stream::Users, 5, 50);
                let due = Due::Delivers {
                    user,
                    instance: route.instance.clone(),
                };
                self.queue.put(self.now + after, due);
            }
            Resolution::NotYet(not_yet) => {
                self.people.users[user].instance = None;
                if self.chance.percent(Stream::Users, 80) {
                    let at = self.now + not_yet.retry_after;
                    self.queue.put(at, Due::CallerReturns(user));
                }
            }
        }
    }

    /// Lets a user deliver a message to the instance. The user reports a delivery, and asks anew
    /// after a failed one.
    pub(super) fn deliver(&mut self, user: usize, id: InstanceId) {
        let worker = self.people.users[user].worker.clone();
        let instance = self.clouds.world.instance(&id);
        let reached = instance.is_some_and(|instance| {
            instance.state == InstanceState::Running && instance.private_ip().is_some()
        });
        if !reached {
            self.people.users[user].instance = None;
            return;
        }
        self.clouds.world.invoke(&id);
        self.box_takes(&id);
        self.checks.reached(self.now, &worker);
        if !self.people.users[user].reports {
            return;
        }
        self.report(user, &worker, &id, Report::Delivered(1));
        if self.chance.percent(Stream::Users, 4) {
            let length = self.chance.millis(Stream::Users, 60_000, 900_000);
            self.report(user, &worker, &id, Report::Busy(length));
        }
    }

    /// Lets the worker's user deliver to the instance at once.
    pub(super) fn use_at_once(&mut self, worker: &WorkerId, instance: InstanceId) {
        let user = self
            .people
            .users
            .iter()
            .position(|user| &user.worker == worker);
        if let Some(user) = user {
            self.queue.put(self.now, Due::Delivers { user, instance });
        }
    }

    fn report(&mut self, user: usize, worker: &WorkerId, id: &InstanceId, report: Report) {
        let mine = self.people.users[user].mine % self.hosts.len();
        let Some(number) = self.door(mine) else {
            return;
        };
        let request = self.request();
        let said = Statement::Report {
            by: Reporter::Application(Some(id.clone())),
            report,
        };
        let said = statement(request, said);
        self.send(number, ToHost::asked(worker.clone(), request, said));
    }

    /// Lets a caller leave before its response.
    pub(super) fn caller_leaves(&mut self, request: RequestId) {
        let Some(asking) = self.people.asking.remove(&request) else {
            return;
        };
        self.checks.ask_ended(request);
        if let Some(user) = asking.user {
            self.people.users[user].is_waiting = false;
        }
        if self.is_alive(asking.to) {
            let event = Event::of(asking.worker, WorkerEvent::Gone(request));
            self.send(asking.to.host, ToHost::Event(event));
        }
    }

    /// Breaks the connections of a host that ended: its callers ask again.
    pub(super) fn connections_break(&mut self, number: usize) {
        let broken: Vec<_> = self
            .people
            .asking
            .iter()
            .filter(|(_, asking)| asking.to.host == number)
            .map(|(request, asking)| (*request, asking.user))
            .collect();
        for (request, user) in broken {
            self.people.asking.remove(&request);
            self.checks.ask_ended(request);
            if let Some(user) = user {
                self.people.users[user].is_waiting = false;
                let again = self.now + Millis::from_secs(1);
                self.queue.put(again, Due::CallerReturns(user));
            }
        }
    }
}

//! Operators, programs that ask for restarts, other systems, and the faults that come by time.

use reeve_core::cloud::MutationKind;
use reeve_core::compute::Compute;
use reeve_core::health::{Check, StatusChecks};
use reeve_core::id::{InstanceId, RequestId, WorkerId};
use reeve_core::instance::{TAG_FLEET, TAG_GENERATION, TAG_WORKER};
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::request::Request;
use reeve_core::response::Looked;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::spec::RestartBy;
use reeve_core::time::{Instant, Millis};

use super::chance::Stream;
use super::due::Due;
use super::estate::{BEGINS, Estate};
use super::fault::Fault;
use super::options::TAG_KEY;
use crate::engine::ToHost;
use crate::world::{Boot, SoftwareFault};

impl Estate<'_> {
    /// Carries out a fault that comes by time.
    pub(super) fn trouble_comes(&mut self, fault: Fault) {
        self.trace
            .tell(self.now, "trouble", || fault.as_str().to_owned());
        match fault {
            Fault::NoisyNeighbour => {
                let length = self.chance.millis(Stream::Detail, 1_000, 60_000);
                self.clouds.drain_buckets(self.now + length);
            }
            Fault::CloudDown => {
                let length = self.chance.millis(Stream::Detail, 5_000, 180_000);
                self.clouds.take_down(self.now + length);
            }
            Fault::PointersDown => {
                // A role without the permission refuses every reading for good.
                let until = match self.chance.percent(Stream::Detail, 40) {
                    true => Instant::from_ms(u64::MAX),
                    false => self.now + self.chance.millis(Stream::Detail, 10_000, 1_200_000),
                };
                self.clouds.take_pointers_down(until);
            }
            Fault::StoreDown => {
                let length = self.chance.millis(Stream::Detail, 2_000, 120_000);
                self.shelf.take_down(self.now + length);
            }
            Fault::ReclaimedWithNotice => self.reclaim(120_000),
            Fault::ReclaimedWithoutNotice => self.reclaim(0),
            Fault::LaunchedElsewhere => self.launch_elsewhere(),
            Fault::StoppedElsewhere => self.stop_elsewhere(),
            Fault::AnotherController => {
                let worker = self.some_worker();
                let left = self.chance.between(Stream::Detail, 3, 12);
                self.controller_stops(worker, u32::try_from(left).unwrap_or(3));
            }
            Fault::PointerElsewhere => self.write_pointer_elsewhere(),
            Fault::Crash => {
                let number = self.chance.pick(Stream::Detail, self.hosts.len());
                self.host_crashes(number);
            }
            Fault::Pause => {
                let number = self.chance.pick(Stream::Detail, self.hosts.len());
                let length = self.chance.millis(Stream::Detail, 1_000, 90_000);
                // A pause ends with the trouble at the latest.
                let calms_at = BEGINS + self.options.troubled;
                self.hosts[number].paused_until = (self.now + length).min(calms_at);
            }
            Fault::EndProtected => self.protect(),
            Fault::Reload => self.reload(),
            Fault::BoxHangs => self.box_hangs(),
            Fault::BoxLies => self.box_lies(),
            Fault::TokenWiped => self.token_is_wiped(),
            Fault::SoftwareAils => self.software_ails(),
            Fault::ChecksImpaired => self.checks_are_impaired(),
            Fault::PoolAils => self.pool_ails(),
            Fault::Burst => self.burst(),
            Fault::AddressDoubted => self.doubt_addresses(),
            Fault::ProgramRestarts => {
                let worker = self.some_worker();
                // One change often asks several times (docs/incidents.md#self-fire).
                for _ in 0..self.chance.between(Stream::Users, 1, 4) {
                    self.ask_for_restart(&worker, Initiator::Program);
                }
            }
            Fault::OperatorPauses => {
                let worker = self.some_worker();
                let length = self.chance.millis(Stream::Users, 10_000, 600_000);
                self.queue
                    .put(self.now + length, Due::Resumes(worker.clone()));
                self.command(&worker, Command::Pause { reason: None });
            }
            Fault::OperatorAdopts => self.move_a_worker(),
            Fault::TemplateChanges => self.clouds.world.change_templates(),
            Fault::PoolPoliciesFail | Fault::RecordUnreadable | Fault::PoolScansFail => {
                self.afflict(fault);
            }
            Fault::OperatorForgets => {
                let worker = self.some_worker();
                self.command(&worker, Command::Forget);
            }
            _ => {}
        }
    }

    /// Moves a worker to an instance that runs, at times to another worker's.
    fn move_a_worker(&mut self) {
        let worker = self.some_worker();
        let instance = match self.chance.percent(Stream::Users, 70) {
            true => self.some_live_instance_of(&worker),
            false => self.some_live_instance(),
        };
        if let Some(instance) = instance {
            let by = Some("anna".to_owned());
            self.command(&worker, Command::Adopt { instance, by });
        }
    }

    /// Sends a command to a host that is up.
    fn command(&mut self, worker: &WorkerId, command: Command) {
        let mine = self.chance.pick(Stream::Door, self.hosts.len());
        let Some(number) = self.door(mine) else {
            return;
        };
        let request = self.request();
        self.checks.commanded(request, worker, &command);
        let from = "the token of an operator".into();
        let command = Request::Command { command, from };
        self.send(number, ToHost::asked(worker.clone(), request, command));
    }

    /// Callers of one worker do not reach an instance of it, and say so one after the other.
    fn doubt_addresses(&mut self) {
        let worker = self.some_worker();
        let truth = self.shelf.truth(&worker).record;
        let adopted = truth.adopted.map(|adopted| adopted.id);
        let is_right = self.chance.percent(Stream::Users, 80);
        let instance = adopted.filter(|_| is_right);
        let instance = instance.unwrap_or_else(|| InstanceId::from("i-never-was"));
        for _ in 0..self.chance.between(Stream::Users, 1, 8) {
            let mine = self.chance.pick(Stream::Door, self.hosts.len());
            let Some(number) = self.door(mine) else {
                return;
            };
            let request = self.request();
            let instance = instance.clone();
            let what = Request::Unreachable { instance };
            self.send(number, ToHost::asked(worker.clone(), request, what));
        }
    }

    /// Takes the response to a caller that does not reach an instance.
    pub(super) fn looked(&mut self, worker: &WorkerId, request: RequestId, looked: &Looked) {
        self.trace.tell(self.now, "user", || {
            format!(
                "{worker} {request:?} {}: {}",
                looked.outcome.as_str(),
                looked.detail
            )
        });
    }

    /// An operator gives a command while a change is under way.
    pub(super) fn person_interferes(&mut self, worker: &WorkerId) {
        let forgets = self.options.faults.contains(&Fault::OperatorForgets);
        if forgets && self.chance.percent(Stream::Users, 20) {
            self.command(worker, Command::Forget);
        } else {
            self.ask_for_restart(worker, Initiator::Person);
        }
    }

    /// Asks a host to restart the worker.
    pub(super) fn ask_for_restart(&mut self, worker: &WorkerId, initiator: Initiator) {
        let causes = ["secret-changed", "probe-failed", "deploy"];
        let cause = causes[self.chance.pick(Stream::Users, causes.len())];
        let is_person = initiator == Initiator::Person;
        let kinds = [RestartBy::Reboot, RestartBy::StopStart, RestartBy::Replace];
        let kind = (is_person && self.chance.happens(Fault::KindNamed))
            .then(|| kinds[self.chance.pick(Stream::Users, kinds.len())]);
        let request = RestartRequest {
            cause: cause.to_owned(),
            initiator,
            text: None,
            kind,
            of: None,
            from: None,
            unknown: Default::default(),
        };
        self.command(worker, Command::Restart(request));
    }

    /// Takes the response to an operator's command.
    pub(super) fn reported(
        &mut self,
        worker: &WorkerId,
        request: RequestId,
        result: Result<CommandOutcome, Refused>,
    ) {
        self.trace.tell(self.now, "operator", || match &result {
            Ok(outcome) => format!("{worker} {}", outcome.as_str()),
            Err(refused) => format!("{worker} refused: {refused}"),
        });
        self.checks.reported(self.now, request, worker, &result);
    }

    /// The operator who paused the worker resumes it.
    pub(super) fn resume(&mut self, worker: WorkerId) {
        self.command(&worker, Command::Resume);
        // The host may refuse the command or never get it, so the operator tries again.
        if self.shelf.truth(&worker).record.paused.is_some() {
            let again = self.chance.millis(Stream::Users, 5_000, 30_000);
            self.queue.put(self.now + again, Due::Resumes(worker));
        }
    }

    /// Resumes every worker at the end of the trouble.
    pub(super) fn resume_all(&mut self) {
        let workers: Vec<_> = self.spec.workers.keys().cloned().collect();
        for worker in workers {
            self.queue.put(self.now, Due::Resumes(worker));
        }
    }

    fn some_worker(&mut self) -> WorkerId {
        let place = self.chance.pick(Stream::Users, self.spec.workers.len());
        let worker = self.spec.workers.keys().nth(place);
        worker.cloned().unwrap_or_else(|| WorkerId::from(""))
    }

    /// A live instance of some worker, if it has one.
    fn some_live_instance(&mut self) -> Option<InstanceId> {
        let worker = self.some_worker();
        self.some_live_instance_of(&worker)
    }

    fn some_live_instance_of(&mut self, worker: &WorkerId) -> Option<InstanceId> {
        let live: Vec<_> = self.live_of(worker).into_iter().collect();
        match live.as_slice() {
            [] => None,
            live => Some(live[self.chance.pick(Stream::Detail, live.len())].clone()),
        }
    }

    fn reclaim(&mut self, notice_ms: u64) {
        let Some(id) = self.some_live_instance() else {
            return;
        };
        let at = self.now + reeve_core::time::Millis::new(notice_ms);
        if notice_ms > 0 {
            self.announce_reclaim(&id, at);
        }
        self.queue.put(at, Due::Reclaims(id));
    }

    fn launch_elsewhere(&mut self) {
        let worker = self.some_worker();
        let Some(spec) = self.spec.workers.get(&worker) else {
            return;
        };
        let Some(pool) = self.spec.pools.get(&spec.pool) else {
            return;
        };
        // Another fleet may use the same worker's name, with generations of its own.
        let generation = self.chance.between(Stream::Detail, 1, 20).to_string();
        let of_fleet = [
            (TAG_KEY, spec.tag_value.as_str()),
            (TAG_FLEET, "another"),
            (TAG_WORKER, worker.as_str()),
            (TAG_GENERATION, generation.as_str()),
        ];
        let tags = match self.chance.percent(Stream::Detail, 40) {
            true => &of_fleet[..],
            false => &of_fleet[..1],
        };
        let number = self.clouds.world.instances().count();
        let id = format!("i-other-{}-{number}", self.now.as_ms() % 100_000_000);
        let boot = Boot {
            pending: self.chance.millis(Stream::Detail, 12_000, 20_000),
            address_after: self.chance.millis(Stream::Detail, 0, 5_000),
        };
        let world = &mut self.clouds.world;
        match &pool.compute {
            Compute::Ec2 => world.launch_with(&id, tags, boot),
            Compute::Fargate { cluster } => world.run_elsewhere(&id, cluster, tags, boot),
        };
        self.look();
    }

    fn stop_elsewhere(&mut self) {
        if let Some(id) = self.some_live_instance() {
            self.end_elsewhere(&id);
        }
    }

    /// Another controller stops what runs for the worker, and comes again a minute later until the
    /// trouble ends.
    pub(super) fn controller_stops(&mut self, worker: WorkerId, left: u32) {
        if self.chance.is_calm {
            return;
        }
        if let Some(id) = self.some_live_instance_of(&worker) {
            self.end_elsewhere(&id);
        }
        if let Some(left) = left.checked_sub(1) {
            let after = self.chance.millis(Stream::Detail, 20_000, 90_000);
            let due = Due::ControllerStops { worker, left };
            self.queue.put(self.now + after, due);
        }
    }

    fn end_elsewhere(&mut self, id: &InstanceId) {
        if self.clouds.world.stop_elsewhere(id).is_ok() {
            self.checks
                .ended_elsewhere(self.now, id, &self.clouds.world);
            self.look();
        }
    }

    /// Has the cloud refuse ends of an instance for a while.
    fn protect(&mut self) {
        let Some(id) = self.some_live_instance() else {
            return;
        };
        use MutationKind::{Reboot, Stop, Terminate};
        let ends: [&[MutationKind]; 3] = [&[Stop], &[Terminate], &[Stop, Terminate, Reboot]];
        let ends = ends[self.chance.pick(Stream::Detail, ends.len())];
        let length = self.chance.millis(Stream::Detail, 60_000, 2_400_000);
        for end in ends {
            self.clouds.world.protect(&id, *end, true);
            let due = Due::Unprotected(id.clone(), *end);
            self.queue.put(self.now + length, due);
        }
    }

    /// Makes the software of an instance fail in one of several ways, or cures it.
    fn software_ails(&mut self) {
        let Some(id) = self.some_live_instance() else {
            return;
        };
        let fault = [
            None,
            Some(SoftwareFault::Refuses),
            Some(SoftwareFault::Answers(503)),
            Some(SoftwareFault::Silent),
            Some(SoftwareFault::Hangs),
        ][self.chance.pick(Stream::Detail, 5)];
        self.clouds.world.set_software_fault(&id, fault);
    }

    /// Makes the software of most workers of a pool fail within a minute, as if what they share
    /// failed, and lets it recover.
    fn pool_ails(&mut self) {
        let worker = self.some_worker();
        let workers = self.spec.workers.iter();
        let pool = self.spec.workers.get(&worker).map(|spec| &spec.pool);
        let of_pool = workers.filter(|(_, spec)| Some(&spec.pool) == pool);
        let workers: Vec<_> = of_pool.map(|(id, _)| id.clone()).collect();
        let length = self.chance.millis(Stream::Detail, 120_000, 900_000);
        // What fails until the trouble ends is cured then.
        let ends_at = (self.now + length).min(BEGINS + self.options.troubled);
        for worker in workers {
            let Some(adopted) = self.shelf.truth(&worker).record.adopted else {
                continue;
            };
            if self.chance.percent(Stream::Detail, 90) {
                let begins_at = self.now + self.chance.millis(Stream::Detail, 0, 20_000);
                let ails = Due::Ails(adopted.id.clone(), Some(SoftwareFault::Hangs));
                self.queue.put(begins_at.min(ends_at), ails);
                self.queue.put(ends_at, Due::Ails(adopted.id, None));
            }
        }
    }

    /// Makes EC2's status checks of an instance report a problem, or ends that report.
    fn checks_are_impaired(&mut self) {
        let Some(id) = self.some_live_instance() else {
            return;
        };
        let of = |instance, system| {
            Some(StatusChecks {
                instance,
                system,
                scheduled: Vec::new(),
            })
        };
        let mut checks = [
            None,
            of(Check::Impaired, Check::Ok),
            of(Check::Ok, Check::Impaired),
            of(Check::InsufficientData, Check::Ok),
        ];
        let checks = checks[self.chance.pick(Stream::Detail, 4)].take();
        self.clouds.world.set_status_checks(&id, checks);
    }

    /// Cures every instance at the end of the trouble, and ends its protections.
    pub(super) fn all_are_cured(&mut self) {
        let all = self.clouds.world.instances();
        let all: Vec<_> = all.map(|instance| instance.id.clone()).collect();
        for id in all {
            self.clouds.world.set_software_fault(&id, None);
            for end in [
                MutationKind::Stop,
                MutationKind::Terminate,
                MutationKind::Reboot,
            ] {
                self.clouds.world.protect(&id, end, false);
            }
            self.clouds.world.set_status_checks(&id, None);
        }
    }

    /// Lets the pointers of some workers name instances that ended long before the world begins.
    pub(super) fn place_long_dead_pointers(&mut self) {
        let workers = self.spec.workers.values();
        let pointers: Vec<_> = workers.map(|worker| worker.pointer.clone()).collect();
        for pointer in pointers {
            if self.chance.happens(Fault::LongDeadPointer) {
                let ago = Millis::from_secs(90 * 24 * 3_600);
                let world = &mut self.clouds.world;
                world.place_pointer_of(&pointer, "i-long-dead", ago);
            }
        }
    }

    fn write_pointer_elsewhere(&mut self) {
        let worker = self.some_worker();
        let Some(pointer) = self.pointer_of(&worker) else {
            return;
        };
        let all: Vec<_> = self
            .clouds
            .world
            .instances()
            .map(|instance| instance.id.clone())
            .collect();
        let value = match self.chance.pick(Stream::Detail, all.len() + 2) {
            0 => "none",
            1 => "i-never-was",
            place => all[place - 2].as_str(),
        };
        self.clouds.world.place_pointer(&pointer, value);
        let instance = InstanceId::from(value);
        self.checks.pointer_moved(&worker, instance);
    }

    fn reload(&mut self) {
        let place = self.chance.pick(Stream::Detail, self.options.pools.len());
        let sound = &self.casts.sound;
        if sound.is_empty() {
            return;
        }
        let cast = sound[self.chance.pick(Stream::Detail, sound.len())].clone();
        let pool = super::options::pool_name(place);
        self.playing.insert(pool, cast);
    }
}

//! Several hosts and several lives over one store: one launch, one adopted instance, whoever dies when.

use crate::support::{BEGINS, Native};
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::fleet::Recovered;
use reeve_core::id::{Epoch, RequestId};
use reeve_core::journal::Entry;
use reeve_core::notice::{Notice, Step};
use reeve_core::operator::Command;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_core::spec::{FleetSpec, LEASE};
use reeve_core::store::{Committed, StoreError, StoreErrorKind, Stored, WorkerRecord, Write};
use reeve_core::time::{Instant, Millis};
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::reeve::Reeve;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Asked, Boot, Fault, Trouble, World};

const SECOND: Millis = Millis::from_secs(1);

/// Hosts that share a world and a store.
pub(crate) struct Several {
    pub(crate) world: World,
    pub(crate) store: MemoryStore,
    pub(crate) hosts: Vec<Reeve>,
    pub(crate) now: Instant,
    requests: RequestId,
    answers: Vec<(RequestId, Resolution)>,
}

impl Several {
    pub(crate) fn new(hosts: usize) -> Self {
        let mut several = Self {
            world: World::new(1, BEGINS),
            store: MemoryStore::new(true),
            hosts: Vec::new(),
            now: BEGINS,
            requests: RequestId::default(),
            answers: Vec::new(),
        };
        for number in 0..hosts {
            several.join(&format!("host-{number}"));
        }
        several
    }

    /// One host with a store that nobody else writes.
    pub(crate) fn alone() -> Self {
        let mut several = Self::new(0);
        several.store = MemoryStore::new(false);
        several.join("first-life");
        several
    }

    /// A host begins to work.
    pub(crate) fn join(&mut self, name: &str) {
        self.join_as(name, incidents::fleet());
    }

    /// A host begins to work, configured like this.
    pub(crate) fn join_as(&mut self, name: &str, spec: FleetSpec) {
        let mut host = Reeve::sharing(
            spec,
            Native::sensible(),
            self.store.clone(),
            name,
            Recovered::default(),
        );
        host.start(&mut self.world, self.now);
        self.hosts.push(host);
    }

    /// A host dies between two steps, and everything it was about to do with it.
    pub(crate) fn kill(&mut self, host: usize) {
        drop(self.hosts.remove(host));
    }

    pub(crate) fn ask(&mut self, host: usize) -> RequestId {
        self.requests = self.requests.next();
        let worker = incidents::worker();
        self.hosts[host].ask(&mut self.world, self.now, &worker, self.requests);
        self.requests
    }

    fn next(&self) -> Option<Instant> {
        let due = self.hosts.iter().filter_map(Host::next_due);
        due.chain(self.world.next_change()).min()
    }

    /// Lets the next thing happen.
    pub(crate) fn step(&mut self) {
        let Some(at) = self.next() else { return };
        self.now = self.now.max(at);
        self.world.advance(self.now);
        for host in &mut self.hosts {
            host.run_due(&mut self.world, self.now);
            self.answers.extend(host.take_answers());
        }
    }

    pub(crate) fn run(&mut self, length: Millis) {
        let end = self.now + length;
        while self.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
        self.world.advance(end);
    }

    pub(crate) fn answer(&mut self, request: RequestId) -> Option<Resolution> {
        for host in &mut self.hosts {
            self.answers.extend(host.take_answers());
        }
        let found = self.answers.iter().find(|(it, _)| *it == request);
        found.map(|(_, answer)| answer.clone())
    }

    pub(crate) fn record(&self) -> Stored {
        let read = self.store.read_now(&incidents::worker()).unwrap();
        read.unwrap_or_default()
    }

    /// What was launched, by the cloud's own count.
    pub(crate) fn launched(&self) -> Vec<String> {
        let all = self.world.instances();
        all.map(|instance| instance.id.to_string()).collect()
    }

    /// Writes the record with this change, behind the hosts' backs.
    pub(crate) fn rewrite(&self, change: impl FnOnce(&mut WorkerRecord)) {
        let Stored {
            version,
            mut record,
            ..
        } = self.record();
        change(&mut record);
        let written = self.store.commit_now(&Write {
            worker: incidents::worker(),
            expected: version,
            record,
            if_idle: None,
        });
        assert!(matches!(written, Ok(Committed::Written(_))), "{written:?}");
    }

    /// The first host has renewed its lease and heard it as an error; its next write, of a command, finds that out.
    fn renew_unheard(&mut self) {
        self.rewrite(|_| ());
        let (now, request) = (self.now, RequestId::new(999));
        self.hosts[0].operate(now, &incidents::worker(), request, Command::Resume);
    }

    /// One instance, adopted by everybody, named by the pointer, with nothing left to do.
    #[track_caller]
    pub(crate) fn assert_settled(&mut self) {
        let launched = self.launched();
        assert_eq!(launched.len(), 1, "{launched:?}");
        let record = self.record().record;
        let adopted = record.adopted.map(|adopted| adopted.id.to_string());
        assert_eq!(adopted.as_deref(), Some(launched[0].as_str()));
        assert_eq!(record.intent, None);
        assert_eq!(record.lease, None);
        let pointer = self.world.pointer(&incidents::pointer());
        assert_eq!(pointer, Some(launched[0].as_str()));
    }
}

pub(crate) fn outage() -> StoreError {
    StoreError {
        doing: "write the record".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the simulation says so".to_owned(),
    }
}

#[test]
fn twenty_hosts_asked_at_once_launch_one_instance_and_all_serve_it() {
    let mut several = Several::new(20);
    for host in 0..20 {
        for _ in 0..5 {
            several.ask(host);
        }
    }
    several.run(Millis::from_secs(120));
    several.assert_settled();
    let asked: Vec<_> = (0..20).map(|host| several.ask(host)).collect();
    several.run(SECOND);
    for request in asked {
        assert!(matches!(
            several.answer(request),
            Some(Resolution::Served(_))
        ));
    }
}

#[test]
fn a_host_that_dies_between_any_two_steps_leaves_one_instance_and_a_pointer_that_agrees() {
    // As many steps as a whole provisioning takes, and some beyond.
    for steps in 0..60 {
        let mut several = Several::alone();
        several.ask(0);
        for _ in 0..steps {
            several.step();
        }
        several.kill(0);
        several.join("second-life");
        several.ask(0);
        several.run(Millis::from_secs(180));
        several.ask(0);
        several.run(Millis::from_secs(30));
        several.assert_settled();
    }
}

#[test]
fn what_a_dead_host_left_is_taken_up_by_another_when_its_lease_is_stale_and_not_before() {
    for steps in 0..40 {
        let mut several = Several::new(2);
        several.ask(0);
        for _ in 0..steps {
            several.step();
        }
        several.kill(0);
        let held = several.record().record.lease.is_some();
        let died = several.now;
        several.ask(0);
        several.run(SECOND);
        if held {
            let holder = several.record().record.lease;
            assert_eq!(holder.unwrap().as_str(), "host-0", "after {steps} steps");
        }
        several.run(LEASE + LEASE);
        several.ask(0);
        several.run(Millis::from_secs(120));
        several.assert_settled();
        assert!(several.now > died);
    }
}

#[test]
fn a_host_that_starts_while_another_acts_waits_for_its_lease_like_any_other() {
    let mut several = Several::new(1);
    several.ask(0);
    while several.record().record.lease.is_none() {
        several.step();
    }
    let sleeper = several.hosts.remove(0);
    several.join("newcomer");
    several.ask(0);
    several.run(Millis::from_secs(25));
    let holder = several.record().record.lease;
    assert_eq!(holder.unwrap().as_str(), "host-0");
    drop(sleeper);
    several.run(LEASE);
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.assert_settled();
}

#[test]
fn a_write_that_was_carried_out_and_not_answered_is_found_out_without_anybody_asking() {
    let mut several = Several::alone();
    several.ask(0);
    several.run(Millis::from_secs(120));
    several.assert_settled();
    several.store.lose_replies(Some(outage()));
    let pause = Command::Pause { reason: None };
    let worker = incidents::worker();
    several.hosts[0].operate(several.now, &worker, RequestId::new(9_000), pause);
    several.run(SECOND);
    several.store.lose_replies(None);
    assert!(several.record().record.paused.is_some());
    several.run(Millis::from_secs(60));
    let known = several.hosts[0].fleet().worker(&worker).unwrap();
    assert!(known.paused.is_some());
}

#[test]
fn a_launch_whose_reply_was_lost_is_answered_by_the_same_token_in_the_next_life() {
    let mut several = Several::alone();
    several.world.fault(Fault {
        kind: MutationKind::Launch,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    });
    several.ask(0);
    several.run(SECOND);
    assert_eq!(several.launched().len(), 1);
    assert!(several.record().record.intent.is_some());
    several.kill(0);
    several.join("second-life");
    several.run(Millis::from_secs(60));
    several.ask(0);
    several.run(Millis::from_secs(60));
    several.assert_settled();
    assert_eq!(several.record().record.generation.get(), 1);
}

#[test]
fn a_host_that_slept_through_its_lease_finds_out_before_it_changes_anything() {
    let mut several = Several::new(2);
    several.ask(0);
    // Until the first host has sent its launch and waits for the reply.
    while several.launched().is_empty() {
        several.step();
    }
    let mut sleeper = several.hosts.remove(0);
    several.ask(0);
    several.run(LEASE + LEASE + LEASE);
    several.ask(0);
    several.run(Millis::from_secs(60));
    several.assert_settled();
    let epoch = several.record().record.epoch;
    // It wakes: its reply, its timers and its renewals are long due.
    sleeper.run_due(&mut several.world, several.now);
    several.hosts.push(sleeper);
    several.ask(1);
    several.run(Millis::from_secs(60));
    several.assert_settled();
    assert!(several.record().record.epoch >= epoch);
}

#[test]
fn while_the_store_is_away_known_addresses_are_served_and_nothing_is_launched() {
    let mut several = Several::new(1);
    several
        .world
        .launch_elsewhere("i-bbbb", TAG, Boot::instant());
    let first = several.ask(0);
    several.run(SECOND);
    assert!(matches!(several.answer(first), Some(Resolution::Served(_))));

    several.store.fail(Some(outage()));
    several.run(Millis::from_secs(60));
    let known = several.ask(0);
    several.run(SECOND);
    assert!(matches!(several.answer(known), Some(Resolution::Served(_))));

    several.world.stop_elsewhere(&"i-bbbb".into());
    several.run(Millis::from_secs(60));
    let refused = several.ask(0);
    several.run(Millis::from_secs(10));
    match several.answer(refused) {
        Some(Resolution::NotYet(not_yet)) => assert_eq!(not_yet.code, NotYetCode::StoreUnreachable),
        other => panic!("expected to be told about the store, got {other:?}"),
    }
    assert_eq!(several.launched(), ["i-bbbb"]);

    several.store.fail(None);
    several.run(Millis::from_secs(60));
    let again = several.ask(0);
    several.run(Millis::from_secs(60));
    let later = several.ask(0);
    several.run(SECOND);
    assert!(several.answer(again).is_some());
    assert!(matches!(several.answer(later), Some(Resolution::Served(_))));
}

#[test]
fn epochs_only_rise_and_every_intent_carries_the_one_it_was_committed_with() {
    let mut several = Several::alone();
    for round in 0..3 {
        several.ask(0);
        several.run(Millis::from_secs(60));
        for id in several.launched() {
            several.world.stop_elsewhere(&id.as_str().into());
        }
        several.run(Millis::from_secs(60));
        if round == 1 {
            several.kill(0);
            several.join("second-life");
        }
    }
    let epochs = |host: &Reeve| -> Vec<Epoch> {
        let entries = host.journal().iter().map(|record| &record.entry);
        let intents = entries.filter_map(|entry| match entry {
            Entry::Intent { epoch, .. } => Some(*epoch),
            _ => None,
        });
        intents.collect()
    };
    let epochs = epochs(&several.hosts[0]);
    assert!(!epochs.is_empty());
    assert!(epochs.is_sorted(), "{epochs:?}");
    assert!(several.record().record.epoch >= *epochs.last().unwrap());
}

#[test]
fn what_a_host_read_before_another_started_the_instance_does_not_count_however_old_it_grows() {
    let mut several = Several::new(2);
    several.world.place_stopped("i-aaaa", TAG);
    // Both see at their start that it is stopped; the second one does not look again.
    several.run(SECOND);
    several.ask(0);
    several.run(Millis::from_secs(3));
    assert_eq!(several.record().record.intent, None);
    let adopted = several.record().record.adopted.unwrap();
    assert_eq!(adopted.id.as_str(), "i-aaaa");

    several.world.trouble(Trouble {
        unanswered: Asked::ALL.into(),
        ..Trouble::default()
    });
    for _ in 0..6 {
        several.run(Millis::from_secs(15));
        let asked = several.ask(1);
        several.run(SECOND);
        match several.answer(asked) {
            Some(Resolution::NotYet(not_yet)) => assert_eq!(not_yet.code, NotYetCode::Starting),
            other => panic!("expected to be told that it starts, got {other:?}"),
        }
    }
    several.world.trouble(Trouble::default());
    several.run(Millis::from_secs(30));
    several.ask(1);
    several.run(SECOND);
    several.assert_settled();
}

#[test]
fn a_host_that_finds_its_own_intent_in_a_newer_record_does_not_wait_for_it_for_ever() {
    let mut several = Several::new(1);
    several.world.place_stopped("i-aaaa", TAG);
    several.ask(0);
    while several.record().record.intent.is_none() {
        several.step();
    }
    several.renew_unheard();
    several.run(Millis::from_secs(90));
    let asked = several.ask(0);
    several.run(SECOND);
    match several.answer(asked) {
        Some(Resolution::Served(route)) => assert_eq!(route.instance.as_str(), "i-aaaa"),
        other => panic!("expected an address, got {other:?}"),
    }
    several.assert_settled();
}

#[test]
fn a_host_that_waits_for_the_answer_to_a_launch_goes_on_waiting_when_a_write_is_heard_as_an_error()
{
    let mut several = Several::new(1);
    several.ask(0);
    while several.record().record.intent.is_none() {
        several.step();
    }
    several.renew_unheard();
    several.run(Millis::from_secs(90));
    let host = &several.hosts[0];
    let recovered = |notice: &&Notice| notice.step == Step::IntentRecovered;
    assert_eq!(host.notices().iter().find(recovered), None);
    let launches = host.journal().iter().filter(|record| {
        matches!(&record.entry, Entry::Intent { mutation, .. } if mutation.kind() == MutationKind::Launch)
    });
    assert_eq!(launches.count(), 1);
    assert_eq!(several.launched().len(), 1);
}

//! Registering: one token for the one instance that embodies the worker, and never a box that cannot come back
//! (G8; docs/incidents.md#double-provision).

use crate::support::{BEGINS, Bench, Native};
use reeve_core::boxes::{
    Claim, Proof, ProofKind, Receipt, RefusalCode, Registered, Report, ReportOutcome, Reporter,
    Statement,
};
use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::Compute;
use reeve_core::fleet::Recovered;
use reeve_core::id::{Generation, InstanceId, Region, RequestId};
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::response::Resolution;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::spec::{BoxSpec, FleetSpec};
use reeve_core::store::{StoreError, StoreErrorKind};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{SecretHash, Token};
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::reeve::Reeve;
use reeve_sim::store::MemoryStore;
use reeve_sim::world::{Boot, Fault, World};

const SECOND: Millis = Millis::from_secs(1);
const BOXES: BoxSpec = BoxSpec {
    proof: ProofKind::InstanceDocument,
    heartbeat: Millis::from_secs(30),
    rotation: Millis::from_secs(3600),
};

/// The incidents' system, with boxes that register.
pub(crate) fn fleet() -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.boxes = Some(BOXES);
    }
    fleet
}

/// A worker whose instance was launched, runs and was handed out.
pub(crate) fn launched() -> (Bench, InstanceId) {
    let mut bench = Bench::with_fleet(fleet(), World::new(1, BEGINS), Native::sensible());
    bench.ask();
    bench.run(Millis::from_secs(60));
    let served = bench.ask_and_run(SECOND);
    assert!(matches!(served, Resolution::Served(_)), "{served:?}");
    let id = bench.up().pop().expect("one instance is up");
    (bench, id)
}

pub(crate) fn register(id: &InstanceId, nonce: &str) -> Statement {
    let proof = Proof::InstanceDocument {
        region: Region::from("us-east-1"),
        account: "123456789012".to_owned(),
    };
    register_by(id, nonce, proof)
}

fn register_by(id: &InstanceId, nonce: &str, proof: Proof) -> Statement {
    Statement::Register {
        claim: Claim {
            instance: id.clone(),
            proof,
        },
        nonce: SecretHash::of_nonce(nonce),
    }
}

pub(crate) fn report(token: &Token, report: Report) -> Statement {
    Statement::Report {
        by: Reporter::Box(token.clone()),
        report,
    }
}

pub(crate) fn heartbeat(token: &Token) -> Statement {
    report(token, Report::Heartbeat)
}

#[track_caller]
pub(crate) fn registered(reply: Receipt) -> Registered {
    match reply {
        Receipt::Registered(registered) => registered,
        other => panic!("not registered: {other:?}"),
    }
}

#[track_caller]
fn refused(reply: &Receipt) -> (RefusalCode, Option<Millis>) {
    match reply {
        Receipt::Refused(refusal) => (refusal.code, refusal.retry_after),
        other => panic!("not refused: {other:?}"),
    }
}

/// Whether the token is known, and the successor if there came one.
#[track_caller]
fn beat(bench: &mut Bench, token: &Token) -> Result<Option<Token>, RefusalCode> {
    match bench.say_and_run(heartbeat(token)) {
        Receipt::Accepted(noted) => {
            assert_eq!(noted.outcome, ReportOutcome::Stored);
            Ok(noted.token)
        }
        reply => Err(refused(&reply).0),
    }
}

#[test]
fn the_box_of_the_launched_instance_gets_a_token_and_is_known_by_it() {
    let (mut bench, id) = launched();
    let box_one = registered(bench.say_and_run(register(&id, "first")));
    assert_eq!(box_one.generation, Generation::new(1));
    assert_eq!(box_one.heartbeat, BOXES.heartbeat);
    assert_eq!(beat(&mut bench, &box_one.token), Ok(None));
}

#[test]
fn a_box_that_registers_before_its_launch_is_answered_is_told_to_come_back_and_gets_in_then() {
    let mut bench = Bench::with_fleet(fleet(), World::new(1, BEGINS), Native::sensible());
    bench.world.fault(Fault {
        kind: MutationKind::Launch,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "Timeout",
    });
    bench.ask();
    bench.run(SECOND);
    let id = bench.up().remove(0);
    let (code, after) = refused(&bench.say_and_run(register(&id, "first")));
    assert_eq!(code, RefusalCode::NotAdopted);
    bench.run(after.expect("it says when to come back"));
    registered(bench.say_and_run(register(&id, "first")));
    assert_eq!(bench.up().len(), 1);
}

#[test]
fn a_box_of_an_older_generation_is_superseded_and_one_that_may_follow_is_told_to_come_back() {
    let (mut bench, id) = launched();
    let worker = incidents::worker().to_string();
    let marks = [(TAG_WORKER, worker.as_str()), (TAG_GENERATION, "0")];
    let older = bench.world.launch_tagged("i-older", TAG, &marks);
    let other = bench.world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    let mut own = None;
    for nonce in ["first", "second"] {
        let answer = refused(&bench.say_and_run(register(&older, nonce)));
        assert_eq!(answer, (RefusalCode::Superseded, None));
        let (code, after) = refused(&bench.say_and_run(register(&other, nonce)));
        assert_eq!(code, RefusalCode::NotAdopted);
        assert!(after.is_some());
        // Neither disturbs the worker's own.
        let own =
            own.get_or_insert_with(|| registered(bench.say_and_run(register(&id, "first"))).token);
        assert_eq!(beat(&mut bench, own), Ok(None));
    }
}

#[test]
fn an_instance_whose_box_was_superseded_never_embodies_the_worker_again() {
    let restart = RestartRequest {
        cause: "deploy".to_owned(),
        initiator: Initiator::Person,
        text: None,
    };
    for command in [Command::Restart(restart), Command::Forget] {
        let (mut bench, id) = launched();
        let worker = incidents::worker().to_string();
        let marks = [(TAG_WORKER, worker.as_str()), (TAG_GENERATION, "0")];
        let older = bench.world.launch_tagged("i-older", TAG, &marks);
        let answer = refused(&bench.say_and_run(register(&older, "first")));
        assert_eq!(answer, (RefusalCode::Superseded, None));
        bench.run(Millis::from_secs(40));
        bench.host.operate(
            bench.now,
            &incidents::worker(),
            RequestId::new(9_000),
            command.clone(),
        );
        bench.ask();
        bench.run(Millis::from_secs(120));
        let adopted = bench.host.fleet().worker(&incidents::worker()).unwrap();
        let adopted = adopted.adopted.as_ref().map(|adopted| &adopted.id);
        assert_eq!(adopted, Some(&id), "{command}");
    }
}

#[test]
fn a_reply_that_was_lost_is_made_good_for_the_same_nonce() {
    let (mut bench, id) = launched();
    let lost = registered(bench.say_and_run(register(&id, "first")));
    let again = registered(bench.say_and_run(register(&id, "first")));
    assert_eq!(
        beat(&mut bench, &lost.token),
        Err(RefusalCode::TokenUnknown)
    );
    assert_eq!(beat(&mut bench, &again.token), Ok(None));
    // The token was shown, so no reply was lost: whoever repeats the register now is somebody else.
    let code = refused(&bench.say_and_run(register(&id, "first"))).0;
    assert_eq!(code, RefusalCode::TokenLive);
}

#[test]
fn a_second_register_of_an_instance_waits_until_the_first_has_fallen_silent() {
    let (mut bench, id) = launched();
    let first = registered(bench.say_and_run(register(&id, "first")));
    bench.run(Millis::from_secs(30));
    assert_eq!(beat(&mut bench, &first.token), Ok(None));
    let (code, after) = refused(&bench.say_and_run(register(&id, "another process")));
    assert_eq!(code, RefusalCode::TokenLive);
    let after = after.expect("it says when to come back");
    assert!(
        after <= BOXES.token_live() && after > Millis::from_secs(80),
        "{after}"
    );
    // Its token is wiped and it says nothing any more: then the same register gets in.
    bench.run(Millis::new(after.get() - 2_000));
    let code = refused(&bench.say_and_run(register(&id, "wiped"))).0;
    assert_eq!(code, RefusalCode::TokenLive);
    bench.run(SECOND);
    let second = registered(bench.say_and_run(register(&id, "wiped")));
    assert_eq!(beat(&mut bench, &second.token), Ok(None));
    assert_eq!(
        beat(&mut bench, &first.token),
        Err(RefusalCode::TokenUnknown)
    );
}

#[test]
fn a_token_grows_old_and_its_successor_comes_into_force_when_it_is_first_shown() {
    let (mut bench, id) = launched();
    let first = registered(bench.say_and_run(register(&id, "first"))).token;
    bench.run(Millis::new(BOXES.rotation.get() - 3_000));
    assert_eq!(beat(&mut bench, &first), Ok(None), "not old yet");
    bench.run(Millis::from_secs(2));
    let lost = beat(&mut bench, &first).unwrap().expect("a successor");
    assert_eq!(beat(&mut bench, &first), Ok(None), "one is on its way");
    bench.run(BOXES.heartbeat);
    // The reply was lost: the old one is still good, and there is another successor.
    let second = beat(&mut bench, &first)
        .unwrap()
        .expect("another successor");
    assert_eq!(beat(&mut bench, &lost), Err(RefusalCode::TokenUnknown));
    assert_eq!(beat(&mut bench, &second), Ok(None));
    assert_eq!(
        beat(&mut bench, &first),
        Ok(None),
        "on its way when the other arrived"
    );
    bench.run(Millis::from_secs(60));
    assert_eq!(beat(&mut bench, &first), Err(RefusalCode::TokenUnknown));
    assert_eq!(beat(&mut bench, &second), Ok(None));
}

#[test]
fn a_box_that_never_gets_the_successor_is_never_locked_out() {
    let (mut bench, id) = launched();
    let token = registered(bench.say_and_run(register(&id, "first"))).token;
    for _ in 0..400 {
        bench.run(Millis::from_secs(29));
        assert!(beat(&mut bench, &token).is_ok());
    }
}

#[test]
fn what_cannot_have_happened_by_itself_is_an_alarm() {
    let (mut bench, id) = launched();
    bench
        .world
        .launch_elsewhere("i-foreign", (TAG.0, "another-worker"), Boot::instant());
    let region = |region: &str| Proof::InstanceDocument {
        region: Region::from(region),
        account: "123456789012".to_owned(),
    };
    let cases = [
        (
            register_by(&id, "n", Proof::SharedSecret),
            RefusalCode::ProofNotAccepted,
        ),
        (
            register_by(&id, "n", region("eu-west-1")),
            RefusalCode::WrongRegion,
        ),
        (
            register(&"i-foreign".into(), "n"),
            RefusalCode::NotThisWorkers,
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(refused(&bench.say_and_run(said)), (expected, None));
    }
    let other = Token::new("other".into(), reeve_core::token::Secret::new([1; 32]));
    let reply = bench.say_and_run(heartbeat(&other));
    assert_eq!(refused(&reply), (RefusalCode::TokenOfAnotherWorker, None));
    let alarms = bench.host.notices().iter();
    assert_eq!(alarms.filter(|it| it.step == Step::BoxAlarm).count(), 4);
}

#[test]
fn an_instance_that_was_stopped_and_started_registers_again() {
    let (mut bench, id) = launched();
    let first = registered(bench.say_and_run(register(&id, "first")));
    assert_eq!(beat(&mut bench, &first.token), Ok(None));
    bench.world.stop_elsewhere(&id);
    bench.run(Millis::from_secs(1200));
    let code = refused(&bench.say_and_run(register(&id, "second"))).0;
    assert_eq!(code, RefusalCode::InstanceNotRunning);
    bench.ask();
    bench.run(Millis::from_secs(60));
    assert_eq!(bench.up(), std::slice::from_ref(&id));
    assert_eq!(
        beat(&mut bench, &first.token),
        Err(RefusalCode::TokenUnknown)
    );
    let second = registered(bench.say_and_run(register(&id, "second")));
    assert_eq!(second.generation, Generation::new(2));
}

#[test]
fn a_refused_register_stands_on_the_worker_and_the_next_launch_says_so() {
    let (mut bench, id) = launched();
    let document_of_elsewhere = Proof::InstanceDocument {
        region: Region::from("eu-west-1"),
        account: "123456789012".to_owned(),
    };
    for _ in 0..3 {
        bench.say_and_run(register_by(&id, "n", document_of_elsewhere.clone()));
    }
    let now = bench.now;
    let status = |bench: &Bench| bench.host.fleet().status(&incidents::worker(), now);
    let error = status(&bench).unwrap().last_error.expect("it is shown");
    assert_eq!((error.code.as_str(), error.count), ("wrong_region", 3));

    let gone = Mutation::Terminate {
        region: Region::from("us-east-1"),
        compute: Compute::Ec2,
        id,
        clear_pointer: None,
    };
    bench.world.apply(&gone).unwrap();
    bench.run(Millis::from_secs(120));
    bench.ask();
    bench.run(Millis::from_secs(60));
    let told = bench.host.notices().iter();
    let told = told.filter(|it| it.step == Step::LaunchAfterRefusedRegister);
    let told: Vec<_> = told.map(|notice| notice.text.as_str()).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("3 times, last: wrong_region"), "{told:?}");

    let next = bench.up().remove(0);
    registered(bench.say_and_run(register(&next, "first")));
    assert_eq!(status(&bench).unwrap().last_error, None);
}

#[test]
fn a_pool_whose_boxes_do_not_register_says_so() {
    let mut bench = Bench::new(Native::sensible());
    let reply = bench.say_and_run(register(&"i-any".into(), "n"));
    assert_eq!(refused(&reply), (RefusalCode::RegistrationOff, None));
}

#[test]
fn in_a_dry_run_no_token_is_given() {
    let mut world = World::new(1, BEGINS);
    let id = world.launch_elsewhere("i-aaaa", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-aaaa");
    world.advance(BEGINS);
    let spec = FleetSpec {
        dry_run: true,
        ..fleet()
    };
    let mut bench = Bench::with_fleet(spec, world, Native::sensible());
    bench.ask_and_run(SECOND);
    let code = refused(&bench.say_and_run(register(&id, "n"))).0;
    assert!(
        matches!(code, RefusalCode::DryRun | RefusalCode::NotAdopted),
        "{code:?}"
    );
}

/// Hosts over one store, each hearing the box in turn.
struct Pair {
    world: World,
    store: MemoryStore,
    hosts: Vec<Reeve>,
    now: Instant,
    requests: RequestId,
}

impl Pair {
    /// The first host has launched the worker's instance.
    fn launched() -> (Self, InstanceId) {
        let mut pair = Self {
            world: World::new(1, BEGINS),
            store: MemoryStore::new(true),
            hosts: Vec::new(),
            now: BEGINS,
            requests: RequestId::default(),
        };
        pair.join("one");
        pair.join("two");
        pair.requests = pair.requests.next();
        let worker = incidents::worker();
        pair.hosts[0].ask(&mut pair.world, pair.now, &worker, pair.requests);
        pair.run(Millis::from_secs(120));
        let id = pair.world.instances().next().map(|it| it.id.clone());
        (pair, id.expect("it was launched"))
    }

    fn join(&mut self, name: &str) {
        let store = self.store.clone();
        let policies = Native::sensible();
        let mut host = Reeve::sharing(fleet(), policies, store, name, Recovered::default());
        host.start(&mut self.world, self.now);
        self.hosts.push(host);
    }

    fn run(&mut self, length: Millis) {
        let end = self.now + length;
        loop {
            let due = self.hosts.iter().filter_map(Host::next_due);
            let next = due.chain(self.world.next_change()).min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.world.advance(self.now);
            for host in &mut self.hosts {
                host.run_due(&mut self.world, self.now);
            }
        }
        self.now = end;
        self.world.advance(end);
    }

    fn say(&mut self, host: usize, said: Statement) -> Receipt {
        self.requests = self.requests.next();
        let request = self.requests;
        let worker = incidents::worker();
        self.hosts[host].hear(&mut self.world, self.now, &worker, request, said);
        self.run(SECOND);
        let replies = self.hosts[host].take_replies();
        let reply = replies.into_iter().find(|(it, _)| *it == request);
        reply.expect("a reply within a second").1
    }
}

#[test]
fn a_token_is_known_to_every_host_that_shares_the_store() {
    let (mut pair, id) = Pair::launched();
    let token = registered(pair.say(0, register(&id, "first"))).token;
    for host in [1, 0, 1] {
        let reply = pair.say(host, heartbeat(&token));
        assert!(matches!(reply, Receipt::Accepted(_)), "{reply:?}");
    }
    let code = refused(&pair.say(1, register(&id, "second"))).0;
    assert_eq!(code, RefusalCode::TokenLive);
    // The next life of both knows it too.
    pair.hosts.clear();
    pair.join("three");
    let reply = pair.say(0, heartbeat(&token));
    assert!(matches!(reply, Receipt::Accepted(_)), "{reply:?}");
}

#[test]
fn while_the_store_is_away_a_register_comes_back_and_known_tokens_go_on_being_good() {
    let (mut pair, id) = Pair::launched();
    let token = registered(pair.say(0, register(&id, "first"))).token;
    pair.store.fail(Some(StoreError {
        doing: "read".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the simulation says so".to_owned(),
    }));
    let (code, after) = refused(&pair.say(1, register(&id, "second")));
    assert_eq!(code, RefusalCode::StoreUnreachable);
    assert!(after.is_some());
    match pair.say(0, heartbeat(&token)) {
        Receipt::Accepted(noted) => assert_eq!(noted.outcome, ReportOutcome::NotStored),
        other => panic!("{other:?}"),
    }
    pair.store.fail(None);
    let reply = pair.say(1, heartbeat(&token));
    assert!(matches!(reply, Receipt::Accepted(_)), "{reply:?}");
}

#[test]
fn a_host_that_dies_at_any_step_of_a_register_leaves_a_box_that_gets_in() {
    for steps in 0..20_u64 {
        let (mut pair, id) = Pair::launched();
        pair.requests = pair.requests.next();
        let (request, worker) = (pair.requests, incidents::worker());
        let said = register(&id, "first");
        pair.hosts[0].hear(&mut pair.world, pair.now, &worker, request, said);
        pair.run(Millis::new(steps * 10));
        pair.hosts.remove(0);
        // The reply never came: the same register again, at the other host.
        let token = registered(pair.say(0, register(&id, "first"))).token;
        let reply = pair.say(0, heartbeat(&token));
        assert!(
            matches!(reply, Receipt::Accepted(_)),
            "after {steps}: {reply:?}"
        );
    }
}

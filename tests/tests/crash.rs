//! The host is killed between any two steps of provisioning; the next life finishes what was begun.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]
#![allow(clippy::print_stdout, reason = "lists the steps it killed at")]

use reeve_tests::emulator::Emulator;
use reeve_tests::gateway::{Gateway, Hold};
use reeve_tests::process::Reeve;
use reeve_tests::scene::{
    CREDENTIALS, NAME, POINTER, RESOLVE, configuration_at, directory, shared_store,
};
use serde_json::Value;

/// Each persisted step of provisioning a worker, from the intent to the pointer: what is on disk and what
/// was done when the host dies there.
const STEPS: [(&str, Hold); 4] = [
    (
        "the intent is in the record, the launch is not sent",
        Hold::Before("RunInstances"),
    ),
    (
        "the instance exists, its reply is lost",
        Hold::After("RunInstances"),
    ),
    (
        "the instance is in the record, the pointer is not written",
        Hold::Before("PutParameter"),
    ),
    (
        "the pointer is written, its reply is lost",
        Hold::After("PutParameter"),
    ),
];

/// One instance, adopted, named by the pointer; nothing leaked.
#[track_caller]
fn assert_settled(emulator: &Emulator, gateway: &Gateway, reeve: &Reeve, step: &str) {
    let served = reeve.get(&format!("{RESOLVE}?wait=60s"));
    assert_eq!(
        served.status,
        200,
        "{step}: {}\n{:#?}",
        served.body,
        reeve.log()
    );
    let live = emulator.live(NAME);
    assert_eq!(live.len(), 1, "{step}: {live:?}");
    assert_eq!(
        served.body.get("instance"),
        Some(&Value::from(live[0].as_str())),
        "{step}"
    );
    assert_eq!(
        served.body.get("generation"),
        Some(&Value::from(1)),
        "{step}"
    );
    reeve.until("the pointer agrees", |_| {
        emulator.parameter(POINTER) == live[0]
    });
    assert_eq!(gateway.done("RunInstances"), 1, "{step}");
    assert_eq!(gateway.done("StartInstances"), 0, "{step}");
}

/// With one host, whose next life starts at once; and with two, where the other one takes over.
fn killed_at(step: &str, hold: Hold, shared: bool) {
    println!(
        "killed when {step}, records in {}",
        if shared { "DynamoDB" } else { "SQLite" }
    );
    let emulator = Emulator::start();
    emulator.create_launch_template("chat");
    let gateway = Gateway::start(&emulator.url());
    let mut configuration = configuration_at(&gateway.url());
    if shared {
        emulator.create_table("reeve");
        configuration += &shared_store();
    }
    let other = shared.then(|| Reeve::start_in(directory(), &configuration, &CREDENTIALS));
    let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
    gateway.hold(hold);
    // Turned away or not, it is asked for; the answer is not what is looked at here.
    reeve.get(&format!("{RESOLVE}?wait=1s"));
    gateway.wait_until_holding();
    let directory = reeve.kill();
    gateway.cut();

    if let Some(other) = &other {
        assert_settled(&emulator, &gateway, other, step);
    }
    let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
    assert_settled(&emulator, &gateway, &reeve, step);
    // A third life finds nothing left to do.
    let reeve = Reeve::start_in(reeve.kill(), &configuration, &CREDENTIALS);
    assert_settled(&emulator, &gateway, &reeve, step);
}

#[test]
fn killed_at_every_persisted_step_the_next_life_has_the_one_instance_and_a_pointer_that_agrees() {
    for (step, hold) in STEPS {
        killed_at(step, hold, false);
    }
}

#[test]
fn killed_at_every_persisted_step_another_host_takes_over_when_the_lease_is_stale() {
    for (step, hold) in STEPS {
        killed_at(step, hold, true);
    }
}

#[test]
fn a_hundred_callers_at_once_give_one_launch() {
    let emulator = Emulator::start();
    emulator.create_launch_template("chat");
    let gateway = Gateway::start(&emulator.url());
    let configuration = configuration_at(&gateway.url());
    let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let served = reeve.get(&format!("{RESOLVE}?wait=60s"));
                assert_eq!(served.status, 200, "{}", served.body);
            });
        }
    });
    assert_settled(&emulator, &gateway, &reeve, "asked by a hundred");
}

#[test]
fn twenty_hosts_that_share_a_worker_launch_it_once() {
    const HOSTS: usize = 20;
    let emulator = Emulator::start();
    emulator.create_launch_template("chat");
    emulator.create_table("reeve");
    let gateway = Gateway::start(&emulator.url());
    let configuration = configuration_at(&gateway.url()) + &shared_store();
    let hosts: Vec<_> = (0..HOSTS)
        .map(|_| Reeve::start_without_waiting(directory(), &configuration, &CREDENTIALS))
        .collect();
    let hosts: Vec<_> = hosts.into_iter().map(Reeve::listening).collect();
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| {
                let served = host.get(&format!("{RESOLVE}?wait=60s"));
                assert_eq!(served.status, 200, "{}", served.body);
            });
        }
    });
    assert_eq!(gateway.sent("RunInstances"), 1, "launches that were sent");
    for host in &hosts {
        assert_settled(&emulator, &gateway, host, "asked by twenty hosts");
    }
}

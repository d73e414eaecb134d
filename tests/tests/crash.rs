//! A host is killed between two steps of provisioning. The restarted host, or another one, finishes
//! the launch.

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

/// The durable steps of provisioning a worker, from the intent to the pointer: the state when the
/// host dies, and the call to hold.
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

/// Asserts that the account has one instance, which is served and which the pointer names.
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

/// Kills a host at a step. With a shared store, a second host must finish the launch; the killed
/// host starts again in both cases.
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
    // The request begins the launch. Its response does not matter here.
    reeve.get(&format!("{RESOLVE}?wait=1s"));
    gateway.wait_until_holding();
    let directory = reeve.kill();
    gateway.cut();

    if let Some(other) = &other {
        assert_settled(&emulator, &gateway, other, step);
    }
    let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
    assert_settled(&emulator, &gateway, &reeve, step);
    // After another restart the host finds nothing left to do.
    let reeve = Reeve::start_in(reeve.kill(), &configuration, &CREDENTIALS);
    assert_settled(&emulator, &gateway, &reeve, step);
}

#[test]
fn a_restarted_host_finishes_a_launch_that_was_cut_at_any_step() {
    for (step, hold) in STEPS {
        killed_at(step, hold, false);
    }
}

#[test]
fn another_host_finishes_a_launch_that_was_cut_at_any_step() {
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

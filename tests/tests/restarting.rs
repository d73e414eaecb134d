//! Restarts with the real process: any number of requests, on one host or on twenty, gives one
//! restart in the cloud.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use reeve_tests::emulator::Emulator;
use reeve_tests::gateway::{Gateway, Hold};
use reeve_tests::process::Reeve;
use reeve_tests::scene::{
    CREDENTIALS, NAME, POINTER, RESOLVE, configuration_at, directory, shared_store,
};
use serde_json::json;

const WORKER: &str = "/v1/workers/chat";
const RESTART: &str = "/v1/workers/chat/restart";

/// Asks for a restart, and returns the outcome of the request.
#[track_caller]
fn outcome(reeve: &Reeve, by: &str) -> String {
    let reply = reeve.post_json(RESTART, &json!({"by": by, "cause": "a-test"}));
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["outcome"].as_str().unwrap().to_owned()
}

/// Waits for the restart's end, and asserts that the cloud has seen one stop and one start.
#[track_caller]
fn assert_one_cycle(gateway: &Gateway, reeve: &Reeve) {
    reeve.until("the restart is over", |reeve| {
        reeve.get(WORKER).body["restart"]["stage"] == "done"
    });
    assert_eq!(gateway.done("StopInstances"), 1);
    assert_eq!(gateway.done("StartInstances"), 1);
    assert_eq!(gateway.done("RunInstances"), 0);
    let served = reeve.get(&format!("{RESOLVE}?wait=30s"));
    assert_eq!(served.status, 200, "{}", served.body);
}

fn stage() -> (Emulator, Gateway, String) {
    let emulator = Emulator::start();
    let instance = emulator.launch(NAME);
    emulator.put_parameter(POINTER, &instance);
    let gateway = Gateway::start(&emulator.url());
    let configuration = configuration_at(&gateway.url());
    (emulator, gateway, configuration)
}

#[test]
fn a_hundred_requests_at_once_are_one_restart() {
    let (_emulator, gateway, configuration) = stage();
    let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
    assert_eq!(reeve.get(RESOLVE).status, 200);
    let outcomes: Vec<String> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..100)
            .map(|number| {
                let by = if number % 2 == 0 { "person" } else { "program" };
                let reeve = &reeve;
                scope.spawn(move || outcome(reeve, by))
            })
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |wanted: &str| outcomes.iter().filter(|it| *it == wanted).count();
    assert_eq!(count("restart_begun"), 1, "{outcomes:?}");
    let others = count("restart_joined") + count("restart_dropped");
    assert_eq!(others, 99, "{outcomes:?}");
    assert_one_cycle(&gateway, &reeve);
}

#[test]
fn twenty_hosts_that_are_told_at_once_restart_the_worker_once() {
    let (emulator, gateway, configuration) = stage();
    emulator.create_table("reeve");
    let configuration = configuration + &shared_store();
    let hosts: Vec<_> = (0..20)
        .map(|_| Reeve::start_without_waiting(directory(), &configuration, &CREDENTIALS))
        .collect();
    let hosts: Vec<_> = hosts.into_iter().map(Reeve::listening).collect();
    assert_eq!(hosts[0].get(&format!("{RESOLVE}?wait=30s")).status, 200);
    std::thread::scope(|scope| {
        for host in &hosts {
            // A refusal is fine too: another host holds the lease, or the record keeps changing.
            scope.spawn(|| host.post_json(RESTART, &json!({"by": "person"})));
        }
    });
    assert_one_cycle(&gateway, &hosts[0]);
}

#[test]
fn a_restarted_host_finishes_the_restart_that_it_had_begun() {
    for hold in [Hold::Before("StopInstances"), Hold::After("StopInstances")] {
        let (_emulator, gateway, configuration) = stage();
        let reeve = Reeve::start_in(directory(), &configuration, &CREDENTIALS);
        assert_eq!(reeve.get(RESOLVE).status, 200);
        gateway.hold(hold);
        assert_eq!(outcome(&reeve, "person"), "restart_begun");
        gateway.wait_until_holding();
        let directory = reeve.kill();
        gateway.cut();
        let reeve = Reeve::start_in(directory, &configuration, &CREDENTIALS);
        assert_one_cycle(&gateway, &reeve);
    }
}

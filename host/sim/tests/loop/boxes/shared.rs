//! Boxes that speak to several hosts over one store.

use reeve_core::boxes::{Receipt, RefusalCode, ReportOutcome};
use reeve_core::id::InstanceId;

use crate::rig::boxes::*;
use crate::rig::prelude::*;

/// Two hosts; the first one has launched the worker's instance.
fn launched_by_two() -> (Rig, InstanceId) {
    let mut rig = Rig::hosts_of(2, &fleet_with_boxes());
    rig.ask();
    rig.run(Millis::from_secs(120));
    let id = rig.up().pop();
    (rig, id.expect("it was launched"))
}

#[test]
fn a_token_is_known_to_every_host_that_shares_the_store() {
    let (mut rig, id) = launched_by_two();
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    for host in [1, 0, 1] {
        let reply = rig.say_to_and_run(host, heartbeat(&token));
        assert!(matches!(reply, Receipt::Accepted(_)), "{reply:?}");
    }
    let code = refused(&rig.say_to_and_run(1, register(&id, "second"))).0;
    assert_eq!(code, RefusalCode::TokenLive);
    // A host that begins later knows it too.
    rig.crash(0);
    rig.crash(1);
    let host = rig.add_host(fleet_with_boxes());
    let reply = rig.say_to_and_run(host, heartbeat(&token));
    assert!(matches!(reply, Receipt::Accepted(_)), "{reply:?}");
}

#[test]
fn while_the_store_is_away_a_register_waits_and_known_tokens_stay_good() {
    let (mut rig, id) = launched_by_two();
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    rig.store.fail(Some(outage()));
    let (code, after) = refused(&rig.say_to_and_run(1, register(&id, "second")));
    assert_eq!(code, RefusalCode::StoreUnreachable);
    assert!(after.is_some());
    match rig.say_and_run(heartbeat(&token)) {
        Receipt::Accepted(accepted) => assert_eq!(accepted.outcome, ReportOutcome::NotStored),
        other => panic!("{other:?}"),
    }
    rig.store.fail(None);
    let reply = rig.say_to_and_run(1, heartbeat(&token));
    assert!(matches!(reply, Receipt::Accepted(_)), "{reply:?}");
}

#[test]
fn a_host_that_dies_at_any_step_of_a_register_leaves_a_box_that_gets_in() {
    for steps in 0..20_u64 {
        let (mut rig, id) = launched_by_two();
        rig.say(register(&id, "first"));
        rig.run(Millis::new(steps * 10));
        rig.crash(0);
        // The reply never came: the same register again, at the other host.
        let token = registered(rig.say_to_and_run(1, register(&id, "first"))).token;
        let reply = rig.say_to_and_run(1, heartbeat(&token));
        assert!(
            matches!(reply, Receipt::Accepted(_)),
            "after {steps}: {reply:?}"
        );
    }
}

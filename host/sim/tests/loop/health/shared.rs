//! Several hosts over one store: what one of them does is no failure to the others.

use crate::rig::prelude::*;
use reeve_core::health::RestartRule;
use reeve_core::notice::Step;
use reeve_sim::world::{Boot, SoftwareFault};

use super::{asked, fleet, http};

/// Hosts that have all asked for the worker.
fn probing(hosts: usize) -> Rig {
    let mut rig = Rig::hosts_of(hosts, &fleet(http(RestartRule::Any)));
    for host in 0..hosts {
        rig.ask_of(host);
        rig.run(MINUTE);
    }
    rig.run(MINUTE);
    rig
}

fn count(rig: &Rig, step: Step) -> usize {
    let all = (0..rig.host_count()).flat_map(|host| rig.notices(host));
    all.filter(|notice| notice.step == step).count()
}

#[test]
fn a_restart_that_another_host_runs_is_not_taken_for_a_failure() {
    let mut rig = probing(2);
    rig.world.set_next_boot(Boot {
        pending: Millis::from_secs(40),
        address_after: Millis::from_secs(10),
    });
    rig.give(by_person());
    rig.run(Millis::from_secs(600));
    assert_eq!(count(&rig, Step::RestartBegun), 1);
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 0);
    assert_eq!(count(&rig, Step::RestartDropped), 0);
}

#[test]
fn a_restart_for_the_health_is_of_the_adoption_that_was_probed() {
    let mut rig = probing(2);
    let id = rig.launched().remove(0).as_str().into();
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    while asked(&rig).is_empty() {
        rig.step();
    }
    let restart = rig.record().record.restart.unwrap();
    let of = restart.request.of.expect("it is of one adoption");
    assert_eq!((of.instance, of.since < restart.started_at), (id, true));
}

#[test]
fn restarts_that_do_not_help_become_rarer_for_all_hosts_together() {
    let mut health = http(RestartRule::Any);
    health.boot_grace = Millis::ZERO;
    let mut spec = fleet(health);
    for pool in spec.pools.values_mut() {
        // So that nothing but the pause is in the way.
        pool.limits.worker_budget.stops = 1_000;
        pool.limits.worker_budget.starts = 1_000;
    }
    let mut rig = Rig::hosts_of(3, &spec);
    rig.ask();
    for _ in 0..4 * 3_600 {
        for id in rig.launched() {
            let id = id.as_str().into();
            rig.world
                .set_software_fault(&id, Some(SoftwareFault::Refuses));
        }
        rig.run(SECOND);
    }
    let begun = count(&rig, Step::RestartBegun);
    assert!((5..=9).contains(&begun), "{begun}");
}

#[test]
fn a_worker_that_hangs_is_restarted_once_however_many_hosts_see_it() {
    let mut rig = probing(3);
    let id = rig.launched().remove(0).as_str().into();
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    for _ in 0..900 {
        rig.run(SECOND);
    }
    assert_eq!(count(&rig, Step::RestartBegun), 1);
    // The others have read of the restart before they concluded anything.
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 1);
    assert_eq!(count(&rig, Step::RestartDropped), 0);
}

//! Several hosts over one store: what one of them does is no failure to the others.

use reeve_core::health::RestartRule;
use reeve_core::id::RequestId;
use reeve_core::notice::Step;
use reeve_core::operator::Command;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::time::Millis;
use reeve_sim::incidents;
use reeve_sim::world::{Ailment, Boot};

use super::{MINUTE, SECOND, fleet, http};
use crate::records::Several;

fn several(hosts: usize) -> Several {
    let mut several = Several::new(0);
    for number in 0..hosts {
        several.join_as(&format!("host-{number}"), fleet(http(RestartRule::Any)));
    }
    for host in 0..hosts {
        several.ask(host);
        several.run(MINUTE);
    }
    several.run(MINUTE);
    several
}

fn count(several: &Several, step: Step) -> usize {
    let all = several.hosts.iter();
    all.flat_map(|host| host.notices())
        .filter(|notice| notice.step == step)
        .count()
}

#[test]
fn a_restart_that_another_host_runs_is_not_taken_for_a_failure() {
    let mut several = several(2);
    several.world.next_boot(Boot {
        pending: Millis::from_secs(40),
        address_after: Millis::from_secs(10),
    });
    let request = RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: None,
    };
    let (worker, id) = (incidents::worker(), RequestId::new(999));
    let now = several.now;
    several.hosts[0].operate(now, &worker, id, Command::Restart(request));
    several.run(Millis::from_secs(600));
    assert_eq!(count(&several, Step::RestartBegun), 1);
    assert_eq!(count(&several, Step::WorkerUnhealthy), 0);
    assert_eq!(count(&several, Step::RestartDropped), 0);
}

#[test]
fn restarts_that_do_not_help_become_rarer_for_all_hosts_together() {
    let mut health = http(RestartRule::Any);
    health.boot_grace = Millis::ZERO;
    let mut several = Several::new(0);
    for number in 0..3 {
        let mut spec = fleet(health.clone());
        for pool in spec.pools.values_mut() {
            // So that nothing but the pause is in the way.
            pool.limits.worker_budget.stops = 1_000;
            pool.limits.worker_budget.starts = 1_000;
        }
        several.join_as(&format!("host-{number}"), spec);
    }
    several.ask(0);
    for _ in 0..4 * 3_600 {
        for id in several.launched() {
            let id = id.as_str().into();
            several.world.ail(&id, Some(Ailment::Refuses));
        }
        several.run(SECOND);
    }
    let begun = count(&several, Step::RestartBegun);
    assert!((5..=9).contains(&begun), "{begun}");
}

#[test]
fn a_worker_that_hangs_is_restarted_once_however_many_hosts_see_it() {
    let mut several = several(3);
    let id = several.launched().remove(0).as_str().into();
    several.world.ail(&id, Some(Ailment::Hangs));
    for _ in 0..900 {
        several.run(SECOND);
    }
    assert_eq!(count(&several, Step::RestartBegun), 1);
    // The others have read of the restart before they concluded anything.
    assert_eq!(count(&several, Step::WorkerUnhealthy), 1);
    assert_eq!(count(&several, Step::RestartDropped), 0);
}

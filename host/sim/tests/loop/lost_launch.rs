//! A launch whose reply is lost and whose replay is refused: the instance is found by its tag, and no other is launched.

use crate::records::Several;
use crate::support::{Bench, Native};
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::time::Millis;
use reeve_sim::world::{Fault, Trouble};

const SECOND: Millis = Millis::from_secs(1);

fn fault(carried_out: bool, error: CloudErrorKind, code: &'static str) -> Fault {
    Fault {
        kind: MutationKind::Launch,
        carried_out,
        error,
        code,
    }
}

fn reply_lost() -> Fault {
    fault(true, CloudErrorKind::Transient, "RequestTimeout")
}

fn mismatch() -> Fault {
    fault(
        false,
        CloudErrorKind::Conflict,
        "IdempotentParameterMismatch",
    )
}

/// One launch was carried out unheard, and every replay is refused.
fn refused_replays() -> Bench {
    let mut bench = Bench::new(Native::sensible());
    bench.world.fault(reply_lost());
    for _ in 0..20 {
        bench.world.fault(mismatch());
    }
    bench
}

fn hide_all(bench: &mut Bench) {
    let hidden = bench.world.instances().map(|it| it.id.clone()).collect();
    bench.world.trouble(Trouble {
        hidden_from_scans: hidden,
        ..Trouble::default()
    });
}

#[test]
fn a_refused_replay_finds_the_instance_of_the_first_try() {
    let mut bench = refused_replays();
    bench.ask();
    bench.run(Millis::from_secs(60));
    let instances: Vec<_> = bench.world.instances().map(|it| it.id.clone()).collect();
    assert_eq!(instances.len(), 1);
    let known = bench.host.fleet().workers().next().unwrap();
    assert!(known.is_adopted(&instances[0]));
    assert_eq!(known.adopted.as_ref().unwrap().generation.get(), 1);
    assert!(!known.is_changing());
    assert_eq!(
        bench.count(MutationKind::Launch),
        2,
        "sent once more, not again and again"
    );
    assert_eq!(bench.pointer(), Some(instances[0].as_str()));
}

#[test]
fn scans_that_do_not_show_the_instance_yet_are_followed_by_others() {
    let mut bench = refused_replays();
    bench.ask();
    bench.run(SECOND);
    hide_all(&mut bench);
    bench.run(Millis::from_secs(50));
    assert_eq!(bench.world.instances().count(), 1);
    bench.world.trouble(Trouble::default());
    bench.run(Millis::from_secs(60));
    let known = bench.host.fleet().workers().next().unwrap();
    assert!(known.adopted.is_some());
    assert_eq!(bench.world.instances().count(), 1);
}

#[test]
fn an_instance_that_has_come_and_gone_is_not_waited_for_for_ever() {
    let mut bench = refused_replays();
    bench.ask();
    bench.run(SECOND);
    let id = bench.world.instances().next().unwrap().id.clone();
    bench.world.reclaim(&id);
    hide_all(&mut bench);
    bench.run(Millis::from_secs(400));
    let known = bench.host.fleet().workers().next().unwrap();
    assert!(!known.is_changing(), "the attempt is given up");
}

#[test]
fn the_next_life_finds_the_instance_as_well() {
    let mut several = Several::alone();
    several.world.fault(reply_lost());
    for _ in 0..20 {
        several.world.fault(mismatch());
    }
    several.ask(0);
    several.run(SECOND);
    several.kill(0);
    several.join("second-life");
    several.run(Millis::from_secs(60));
    assert_eq!(several.launched().len(), 1);
    several.assert_settled();
}

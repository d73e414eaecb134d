//! What a box hears of EC2 Spot, on its way to the policies.

use reeve_core::boxes::{Report, SpotNotices};
use reeve_core::point::NoticeKind;
use reeve_core::point::resolve::{Action, Adopted};

use crate::rig::boxes::*;
use crate::rig::prelude::*;

/// A policy that replaces an instance that EC2 takes soon.
fn replaces_the_reclaimed() -> Rig {
    let policies = Native::new(|input| {
        let mut notices = input.notices.iter();
        let is_reclaimed = notices.any(|notice| notice.kind == NoticeKind::Reclaim);
        match &input.adopted {
            Adopted::Instance(id) if is_reclaimed => Ok(Action::Replace(id.clone())),
            _ => Ok(sensible(input)),
        }
    });
    let mut rig = Rig::with_fleet(fleet_with_boxes(), World::new(1, BEGINS), policies);
    rig.ask();
    rig.run(MINUTE);
    rig
}

#[test]
fn a_reclaim_that_the_box_hears_of_reaches_the_policy() {
    let mut rig = replaces_the_reclaimed();
    let id = rig.up().remove(0);
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    rig.say_and_run(heartbeat(&token));
    rig.ask();
    rig.run(MINUTE);
    let up = rig.up();
    assert_eq!(up, std::slice::from_ref(&id), "nothing is announced yet");

    let notices = SpotNotices {
        reclaim_at: Some(rig.now() + MINUTE + MINUTE),
        rebalance_at: None,
    };
    // The policy for `debounce` fails: the restart is of the kind that was asked for.
    rig.say_and_run(report(&token, Report::Heartbeat(notices)));
    rig.ask();
    rig.run(MINUTE);
    let up = rig.up();
    assert!(up.len() == 1 && up[0] != id, "{up:?}");
}

//! A register while the end of its instance is under way.

use crate::rig::boxes::register;
use crate::rig::desk::Desk;
use reeve_core::boxes::{Receipt, RefusalCode};

#[test]
fn a_token_is_not_handed_out_once_its_instance_has_ended_whatever_is_in_the_store() {
    let mut desk = Desk::new();
    desk.restart();
    desk.written();
    // The reading that lets them in is of the moment before the instance was stopped.
    desk.say(2, register(&desk.id.clone(), "nonce"));
    desk.say(3, register(&desk.id.clone(), "nonce"));
    desk.shown_running();
    assert!(desk.writing.is_some(), "a token is on its way to the store");
    desk.carried_out();
    desk.written();
    desk.written();
    let codes = desk.replies.iter().map(|reply| match reply {
        Receipt::Refused(refusal) => (refusal.code, refusal.retry_after.is_some()),
        other => panic!("not refused: {other:?}"),
    });
    let come_back = (RefusalCode::StoreUnreachable, true);
    assert_eq!(codes.collect::<Vec<_>>(), [come_back, come_back]);
}

//! A register while the end of its instance is under way.

use crate::rig::boxes::register;
use crate::rig::command;
use crate::rig::desk::Desk;
use crate::rig::prelude::*;
use reeve_core::boxes::{Receipt, RefusalCode};

#[test]
fn a_token_is_not_handed_out_after_its_instance_ended() {
    let mut desk = Desk::adopted();
    desk.request(|_| command(by_person()));
    desk.written();
    // The reading that lets them in is of the moment before the instance was stopped.
    desk.say(register(&"i-one".into(), "nonce"));
    desk.say(register(&"i-one".into(), "nonce"));
    desk.show_running();
    assert!(desk.writing.is_some(), "a token is on its way to the store");
    desk.carried_out();
    desk.written();
    desk.written();
    let codes = desk.receipts.iter().map(|(_, receipt)| match receipt {
        Receipt::Refused(refusal) => (refusal.code, refusal.retry_after.is_some()),
        other => panic!("not refused: {other:?}"),
    });
    let come_back = (RefusalCode::StoreUnreachable, true);
    assert_eq!(codes.collect::<Vec<_>>(), [come_back, come_back]);
}

//! Boxes that register, and what they say.

use reeve_core::boxes::{
    Claim, Proof, ProofKind, Receipt, RefusalCode, Registered, Report, Reporter, SpotNotices,
    Statement,
};
use reeve_core::id::{InstanceId, Region};
use reeve_core::spec::{BoxSpec, FleetSpec};
use reeve_core::token::{SecretHash, Token};

use super::prelude::*;

/// The time in a document that is of the present life, whenever that began.
pub(crate) const ALWAYS_FRESH: Instant = Instant::from_ms(u64::MAX / 2);

pub(crate) const BOXES: BoxSpec = BoxSpec {
    proof: ProofKind::InstanceDocument,
    heartbeat: Millis::from_secs(30),
    rotation: HOUR,
};

/// The incidents' system, with boxes that register.
pub(crate) fn fleet_with_boxes() -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.boxes = Some(BOXES);
    }
    fleet
}

/// A worker whose instance was launched, runs and was handed out.
pub(crate) fn launched() -> (Rig, InstanceId) {
    launched_in(fleet_with_boxes())
}

/// The same in this fleet.
pub(crate) fn launched_in(fleet: FleetSpec) -> (Rig, InstanceId) {
    let mut rig = Rig::with_fleet(fleet, World::new(1, BEGINS), Native::sensible());
    rig.ask();
    rig.run(MINUTE);
    rig.expect_served();
    let id = rig.up().pop().expect("one instance is up");
    (rig, id)
}

pub(crate) fn register(id: &InstanceId, nonce: &str) -> Statement {
    let proof = Proof::InstanceDocument {
        region: Region::from("us-east-1"),
        account: "123456789012".to_owned(),
        launched_at: ALWAYS_FRESH,
    };
    register_by(id, nonce, proof)
}

pub(crate) fn register_by(id: &InstanceId, nonce: &str, proof: Proof) -> Statement {
    Statement::Register {
        claim: Claim {
            instance: id.clone(),
            proof,
        },
        nonce: SecretHash::of_nonce(nonce),
    }
}

pub(crate) fn report(token: &Token, report: Report) -> Statement {
    Statement::Report {
        by: Reporter::Box(token.clone()),
        report,
    }
}

pub(crate) fn heartbeat(token: &Token) -> Statement {
    report(token, Report::Heartbeat(SpotNotices::default()))
}

#[track_caller]
pub(crate) fn registered(reply: Receipt) -> Registered {
    match reply {
        Receipt::Registered(registered) => registered,
        other => panic!("not registered: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(reply: &Receipt) -> (RefusalCode, Option<Millis>) {
    match reply {
        Receipt::Refused(refusal) => (refusal.code, refusal.retry_after),
        other => panic!("not refused: {other:?}"),
    }
}

/// An application says that it delivered so much.
pub(crate) fn delivered(count: u64) -> Statement {
    said(Report::Delivered(count))
}

/// An application reports.
pub(crate) fn said(report: Report) -> Statement {
    Statement::Report {
        by: Reporter::Application(None),
        report,
    }
}

//! Tokens: minted at the gate, replaced when they grow old, and handed out only when the store knows them.

use super::answers::{hand_out, note, turn_away};
use super::{SOON, waiting};
use crate::guard::Shown;
use crate::model::boxes::{
    Claim, Refusal, RefusalCode, Report, ReportOutcome, Reporter, Statement,
};
use crate::model::id::{DecisionId, RequestId};
use crate::model::notice::Step;
use crate::model::store::{Credential, Offered, Replaced, StoreError};
use crate::model::time::Millis;
use crate::model::token::{SecretHash, Token};
use crate::record;
use crate::turn::Turn;
use crate::worker::{Visitor, WaitsFor, Worker};

/// How long a token is good after its successor was first shown: longer than any request of the box is on its
/// way.
const OVERLAP: Millis = Millis::from_secs(60);

/// A write of the record has come to an end: tokens that are in the store now are handed out, unless their instance has
/// ended meanwhile.
pub(in crate::flow) fn record_written(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    error: Option<&StoreError>,
) {
    let for_it = |visitor: &Visitor| matches!(visitor.waits_for, WaitsFor::Write { .. });
    for request in waiting(worker, for_it) {
        let Some(Visitor {
            waits_for: WaitsFor::Write { token, noted },
            ..
        }) = worker.visitors.get(&request)
        else {
            continue;
        };
        let (token, noted) = (token.clone(), *noted);
        let stored = worker.record.stored.as_ref();
        let stored = stored.and_then(|stored| stored.record.credential.as_ref());
        let is_stored = stored.is_some_and(|credential| is_of(credential, &token));
        let wanted = worker
            .credential
            .as_ref()
            .filter(|credential| is_of(credential, &token));
        let is_wanted = wanted.is_some_and(|credential| worker.is_adopted(&credential.instance));
        if is_wanted && is_stored {
            hand_out(worker, turn, request, token, noted);
        } else if is_wanted {
            // The write that holds it has yet to end.
        } else if let Some(outcome) = noted {
            // The token in force goes on being good.
            note(worker, turn, request, outcome, None);
        } else {
            let text = match error {
                Some(error) => error.to_string(),
                None => "the worker's record says something else by now; register again".to_owned(),
            };
            let refusal = Refusal::come_back(RefusalCode::StoreUnreachable, SOON, text);
            turn_away(worker, turn, request, refusal);
        }
    }
}

/// A successor that is shown comes into force.
pub(super) fn shown_now(worker: &mut Worker, turn: &mut Turn<'_>, shown: Shown) {
    if shown != Shown::Offered || !record::may_write_soon(worker, turn) {
        return;
    }
    let Some(credential) = worker.credential.as_mut() else {
        return;
    };
    if let Some(offered) = credential.offered.take() {
        credential.replaced = Some(Replaced {
            token: credential.token,
            until: turn.now + OVERLAP,
        });
        credential.token = offered.token;
        credential.minted_at = offered.at;
        record::write(worker, turn, None);
    }
}

/// Gives a heartbeat's answer a successor for a token that has grown old, once the store knows it.
pub(super) fn rotate_or_note(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    outcome: ReportOutcome,
) {
    match successor(worker, turn, request) {
        None => note(worker, turn, request, outcome, None),
        Some(token) => {
            if let Some(visitor) = worker.visitors.get_mut(&request) {
                visitor.waits_for = WaitsFor::Write {
                    token,
                    noted: Some(outcome),
                };
            }
            record::write(worker, turn, None);
        }
    }
}

fn successor(worker: &mut Worker, turn: &Turn<'_>, request: RequestId) -> Option<Token> {
    let boxes = worker.pool.boxes?;
    let may_write = record::may_write_soon(worker, turn);
    let visitor = worker.visitors.get_mut(&request)?;
    let is_heartbeat = matches!(
        visitor.said,
        Statement::Report {
            by: Reporter::Box(_),
            report: Report::Heartbeat
        }
    );
    let credential = worker.credential.as_mut()?;
    let is_old = turn.now.since(credential.minted_at) >= boxes.rotation;
    // One on its way gets the time of a heartbeat to arrive before it is given up for another.
    let on_its_way = credential
        .offered
        .is_some_and(|offered| turn.now.since(offered.at) < boxes.heartbeat);
    if !is_heartbeat || !is_old || on_its_way || !may_write {
        return None;
    }
    let token = Token::new(worker.id.clone(), visitor.fresh.take()?);
    credential.offered = Some(Offered {
        token: token.hash(credential.generation, &credential.instance),
        at: turn.now,
    });
    Some(token)
}

/// The gate: a token is minted and written, or the box is told what to do.
pub(super) fn gate(worker: &mut Worker, turn: &mut Turn<'_>, request: RequestId) {
    let Some(Visitor {
        said: Statement::Register { claim, nonce },
        ..
    }) = worker.visitors.get(&request)
    else {
        return;
    };
    let (claim, nonce) = (claim.clone(), *nonce);
    let opened = turn.scene(worker, DecisionId::default(), |scene| {
        scene.may_register(&claim, nonce)
    });
    match opened {
        Err(refusal) => turn_away(worker, turn, request, refusal),
        Ok(()) => mint(worker, turn, request, &claim, nonce),
    }
}

fn mint(
    worker: &mut Worker,
    turn: &mut Turn<'_>,
    request: RequestId,
    claim: &Claim,
    nonce: SecretHash,
) {
    let Some(generation) = worker.adopted.as_ref().map(|adopted| adopted.generation) else {
        return;
    };
    let id = worker.id.clone();
    let Some(visitor) = worker.visitors.get_mut(&request) else {
        return;
    };
    let Some(fresh) = visitor.fresh.take() else {
        return;
    };
    let token = Token::new(id, fresh);
    let before = worker.credential.replace(Credential {
        instance: claim.instance.clone(),
        generation,
        nonce,
        token: token.hash(generation, &claim.instance),
        minted_at: turn.now,
        offered: None,
        replaced: None,
    });
    visitor.waits_for = WaitsFor::Write { token, noted: None };
    worker.register_error = None;
    let again = before.is_some_and(|before| before.instance == claim.instance);
    let text = match again {
        true => format!(
            "{} registers again; its earlier token is void",
            claim.instance
        ),
        false => format!("{} registers", claim.instance),
    };
    let fields = [
        ("instance_id", claim.instance.as_str()),
        ("proof", claim.proof.kind().as_str()),
    ];
    turn.notice(worker, Step::BoxRegistered, text, &fields);
    record::write(worker, turn, None);
}

/// Whether the token is one of these, in force or offered.
fn is_of(credential: &Credential, token: &Token) -> bool {
    let hash = token.hash(credential.generation, &credential.instance);
    credential.token == hash || credential.offered.is_some_and(|it| it.token == hash)
}

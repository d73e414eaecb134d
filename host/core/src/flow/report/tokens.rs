//! Tokens: minted at the gate, rotated with age, and handed out only after the store holds them.

use super::pending::{Pending, WaitsFor};
use super::{Reports, SOON};
use crate::facts::{Facts, WorkerFacts};
use crate::guard::Shown;
use crate::model::boxes::{
    Claim, Refusal, RefusalCode, Report, ReportOutcome, Reporter, Statement,
};
use crate::model::id::{DecisionId, RequestId};
use crate::model::notice::Step;
use crate::model::store::{Credential, Offered, Replaced, StoreError};
use crate::model::time::Millis;
use crate::model::token::{SecretHash, Token};
use crate::turn::Turn;
use crate::{act, record};

/// How long a token is accepted after its successor was first used: longer than any request of the
/// box is on its way.
const OVERLAP: Millis = Millis::from_secs(60);

/// Puts a successor in force when it is first used.
pub(super) fn shown_now(facts: &mut Facts, turn: &mut Turn<'_>, shown: Shown) {
    if shown != Shown::Offered || !record::may_write_soon(facts, turn) {
        return;
    }
    let offered = facts.credential.as_ref().and_then(|it| it.offered.clone());
    let Some(offered) = offered else {
        return;
    };
    let until = turn.now + OVERLAP;
    act::change_credential(facts, turn, |credential| {
        credential.offered = None;
        credential.replaced = Some(Replaced {
            token: credential.token,
            until,
            unknown: Default::default(),
        });
        credential.token = offered.token;
        credential.minted_at = offered.at;
    });
}

impl Reports {
    /// Hands out tokens that a write has put in the store, unless their instance has ended.
    pub(super) fn record_written(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        error: Option<&StoreError>,
    ) {
        let for_it = |pending: &Pending| matches!(pending.waits_for, WaitsFor::Write { .. });
        for request in self.waiting(for_it) {
            let Some(Pending {
                waits_for: WaitsFor::Write { token, reported },
                ..
            }) = self.pending.get(&request)
            else {
                continue;
            };
            let (token, reported) = (token.clone(), *reported);
            let stored = facts.record.stored.as_ref();
            let stored = stored.and_then(|stored| stored.record.credential.as_ref());
            let is_stored = stored.is_some_and(|credential| is_of(credential, &token));
            let wanted = facts
                .credential
                .as_ref()
                .filter(|credential| is_of(credential, &token));
            let is_wanted = wanted.is_some_and(|credential| facts.is_adopted(&credential.instance));
            if is_wanted && is_stored {
                self.hand_out(facts, turn, request, token, reported);
            } else if is_wanted {
                // The write that holds the token has not ended yet.
            } else if let Some(outcome) = reported {
                // The token in force stays valid.
                self.accept(facts, turn, request, outcome, None);
            } else {
                let text = match error {
                    Some(error) => error.to_string(),
                    None => "the worker's record has changed; register again".to_owned(),
                };
                let refusal = Refusal::come_back(RefusalCode::StoreUnreachable, SOON, text);
                self.turn_away(facts, turn, request, refusal);
            }
        }
    }

    /// Responds to a heartbeat; if its token has grown old, the response waits until the store
    /// holds a successor.
    pub(super) fn rotate_or_accept(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        outcome: ReportOutcome,
    ) {
        match self.successor(facts, turn, request) {
            None => self.accept(facts, turn, request, outcome, None),
            Some((token, offered)) => {
                if let Some(pending) = self.pending.get_mut(&request) {
                    pending.waits_for = WaitsFor::Write {
                        token,
                        reported: Some(outcome),
                    };
                }
                act::change_credential(facts, turn, |credential| {
                    credential.offered = Some(offered)
                });
            }
        }
    }

    fn successor(
        &mut self,
        facts: &WorkerFacts,
        turn: &Turn<'_>,
        request: RequestId,
    ) -> Option<(Token, Offered)> {
        let boxes = facts.pool.boxes?;
        let may_write = record::may_write_soon(facts, turn);
        let pending = self.pending.get_mut(&request)?;
        let is_heartbeat = matches!(
            pending.statement,
            Statement::Report {
                by: Reporter::Box(_),
                report: Report::Heartbeat(_)
            }
        );
        let credential = facts.credential.as_ref()?;
        let is_old = turn.now.since(credential.minted_at) >= boxes.rotation;
        // A successor on its way gets one heartbeat interval to arrive before another replaces it.
        let on_its_way = credential
            .offered
            .as_ref()
            .is_some_and(|offered| turn.now.since(offered.at) < boxes.heartbeat);
        if !is_heartbeat || !is_old || on_its_way || !may_write {
            return None;
        }
        let token = Token::new(facts.id.clone(), pending.fresh.take()?);
        let offered = Offered {
            token: token.hash(credential.generation, &credential.instance),
            at: turn.now,
            unknown: Default::default(),
        };
        Some((token, offered))
    }

    /// The gate: mints a token for the box and has it written, or tells the box what to do.
    pub(super) fn gate(&mut self, facts: &mut Facts, turn: &mut Turn<'_>, request: RequestId) {
        let Some(Pending {
            statement: Statement::Register { claim, nonce },
            ..
        }) = self.pending.get(&request)
        else {
            return;
        };
        let (claim, nonce) = (claim.clone(), *nonce);
        let opened = turn.scene(facts, DecisionId::default(), |scene| {
            scene.may_register(&claim, nonce)
        });
        match opened {
            Err(refusal) => self.turn_away(facts, turn, request, refusal),
            Ok(()) => self.mint(facts, turn, request, &claim, nonce),
        }
    }

    fn mint(
        &mut self,
        facts: &mut Facts,
        turn: &mut Turn<'_>,
        request: RequestId,
        claim: &Claim,
        nonce: SecretHash,
    ) {
        let Some(generation) = facts.adopted.as_ref().map(|adopted| adopted.generation) else {
            return;
        };
        let Some(pending) = self.pending.get_mut(&request) else {
            return;
        };
        let Some(fresh) = pending.fresh.take() else {
            return;
        };
        let token = Token::new(facts.id.clone(), fresh);
        let credential = Credential {
            instance: claim.instance.clone(),
            generation,
            nonce,
            token: token.hash(generation, &claim.instance),
            minted_at: turn.now,
            offered: None,
            replaced: None,
            unknown: Default::default(),
        };
        pending.waits_for = WaitsFor::Write {
            token,
            reported: None,
        };
        let before = act::mint(facts, turn, credential);
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
        turn.notice(facts, Step::BoxRegistered, text, &fields);
    }
}

/// Whether the token is the one in force or the one offered.
fn is_of(credential: &Credential, token: &Token) -> bool {
    let hash = token.hash(credential.generation, &credential.instance);
    credential.token == hash
        || credential
            .offered
            .as_ref()
            .is_some_and(|it| it.token == hash)
}

//! What the loop makes of floods at the door for boxes: whose silence says nothing, and what people are told.

use std::collections::BTreeMap;

use reeve_core::boxes::RefusalCode;
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::notice::{Notice, Step};

use super::Drive;
use crate::hearing::TurnedAway;
use crate::logs::{self, Pace};

/// Refusals that need no proof and no token: any client that reaches the door can cause any number of them.
const UNPROVEN: [RefusalCode; 5] = [
    RefusalCode::ProofWrong,
    RefusalCode::TokenUnknown,
    RefusalCode::TokenOfAnotherWorker,
    RefusalCode::TooManyAtOnce,
    RefusalCode::RegistrationOff,
];

/// The paces of such refusals in the log, by code.
pub(super) type Paces = BTreeMap<&'static str, Pace>;

impl Drive {
    /// Tells the core whose boxes the door may have turned away. To be called before a silence is judged.
    pub(super) async fn hear_of_missed(&mut self) {
        let workers = self.fleet.workers().map(|worker| &worker.id);
        for worker in self.hearing.take_missed(workers) {
            let event = Event::of(worker, WorkerEvent::BoxTurnedAway);
            self.take_in(event).await;
        }
    }

    /// Once a second: how full the door was, and how many refusals were not told one by one.
    pub(super) fn tell_of_floods(&mut self) {
        if let Some((count, latest)) = self.hearing.take_count() {
            let cap = match latest {
                TurnedAway::Peer(peer) => format!("{peer} is at the cap of one address"),
                TurnedAway::Door => "the door is full".to_owned(),
            };
            tracing::warn!(
                count,
                "the door for boxes ended or refused connections ({cap}); the silence of boxes that may have been \
                 among them counts from now"
            );
        }
        let now = self.clock.now();
        for (code, pace) in &mut self.paces {
            if let Some(left_out) = pace.take_left_out(now) {
                tracing::warn!(code, left_out, "refused more of the same");
            }
        }
    }

    /// Tells people. What needs no proof is told once a second for each code, with a count of what was left out; the
    /// metrics have all of it.
    pub(super) fn tell(&mut self, mut notice: Notice) {
        self.metrics.noticed(&notice);
        if let Some(code) = unproven(&notice) {
            match self.paces.entry(code).or_default().take(self.clock.now()) {
                None => return,
                Some(0) => {}
                Some(left_out) => {
                    let left_out = ("left_out".to_owned(), left_out.to_string());
                    notice.fields.push(left_out);
                }
            }
        }
        logs::notice(&notice);
        self.announcer.tell(&notice);
    }
}

/// The code of a refusal that needs no proof.
fn unproven(notice: &Notice) -> Option<&'static str> {
    if !matches!(notice.step, Step::BoxRefused | Step::BoxAlarm) {
        return None;
    }
    let mut fields = notice.fields.iter();
    let (_, found) = fields.find(|(name, _)| name == "code")?;
    let mut codes = UNPROVEN.into_iter().map(RefusalCode::as_str);
    codes.find(|code| code == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_that_need_no_proof_are_paced() {
        let found = |step, code: &str| {
            let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            unproven(&Notice {
                worker: "chat".into(),
                step,
                text: String::new(),
                fields: vec![field("instance_id", "unknown"), field("code", code)],
            })
        };
        assert_eq!(found(Step::BoxAlarm, "proof_wrong"), Some("proof_wrong"));
        assert_eq!(
            found(Step::BoxRefused, "token_unknown"),
            Some("token_unknown")
        );
        assert_eq!(found(Step::BoxAlarm, "not_this_workers"), None);
        assert_eq!(found(Step::BoxSuperseded, "superseded"), None);
        assert_eq!(found(Step::CloudCallFailed, "proof_wrong"), None);
    }
}

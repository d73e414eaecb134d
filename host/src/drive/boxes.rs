//! Handles floods at the listener for boxes: whose silence proves nothing, and what operators are
//! told.

use std::collections::BTreeMap;

use reeve_core::boxes::RefusalCode;
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::notice::{Notice, Step};

use super::Drive;
use crate::hearing::TurnedAway;
use crate::logs::{self, Pace};

/// Refusals that need no proof and no token. Any client on the network can cause any number of
/// them.
const UNPROVEN: [RefusalCode; 5] = [
    RefusalCode::ProofWrong,
    RefusalCode::TokenUnknown,
    RefusalCode::TokenOfAnotherWorker,
    RefusalCode::TooManyAtOnce,
    RefusalCode::RegistrationOff,
];

/// The pace of such refusals in the log, per code.
pub(super) type Paces = BTreeMap<&'static str, Pace>;

impl Drive {
    /// Tells the core whose boxes the listener may have turned away. Call it before the core judges
    /// a silence.
    pub(super) async fn hear_of_missed(&mut self) {
        let workers = self.fleet.workers().map(|worker| &worker.id);
        for worker in self.hearing.take_missed(workers) {
            let event = Event::of(worker, WorkerEvent::BoxTurnedAway);
            self.take_in(event).await;
        }
    }

    /// Runs once a second: logs refused connections, and refusals that were not logged one by one.
    pub(super) fn tell_of_floods(&mut self) {
        if let Some((count, latest)) = self.hearing.take_count() {
            let cap = match latest {
                TurnedAway::Peer(peer) => format!("{peer} is at the cap of one address"),
                TurnedAway::Door => "the listener is at its cap".to_owned(),
            };
            tracing::warn!(
                count,
                "the listener for boxes closed or refused connections ({cap}); the silence of boxes that may be \
                 among them counts only from this moment"
            );
        }
        let now = self.clock.now();
        for (code, pace) in &mut self.paces {
            if let Some(left_out) = pace.take_left_out(now) {
                tracing::warn!(code, left_out, "refused more requests with this code");
            }
        }
    }

    /// Passes a notice on. Refusals that need no proof are logged once a second per code, with a
    /// count of the rest; webhooks hear of one a minute. The metrics count all of them.
    pub(super) fn tell(&mut self, mut notice: Notice) {
        self.metrics.noticed(&notice);
        let unproven = unproven(&notice);
        if let Some(code) = unproven {
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
        match unproven {
            None => self.announcer.tell(&notice),
            Some(_) => self.announcer.tell_unproven(&notice),
        }
    }
}

/// The notice's code, if it is of a refusal that needs no proof.
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

//! G1: at most one instance ever exists for a worker's generation. A host announces no launch while
//! the launch before has no definite response from the cloud.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome};
use reeve_core::id::{InstanceId, LaunchToken, WorkerId};
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};
use reeve_core::store::Intent;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, Finding, Guarantee, Written, is_foreign, is_live};
use crate::engine::Sent;
use crate::world::{EventKind, World, WorldEvent};

/// The instances that reeve launched, by worker and generation, and the launches without a definite
/// response.
#[derive(Default)]
pub(super) struct Launches {
    of: BTreeMap<(String, String), InstanceId>,
    /// The launch that was announced last, until the cloud gives a definite response.
    open: ByWorker<Open>,
}

/// A launch without a definite response: the cloud may have carried it out, or may still do so.
struct Open {
    token: LaunchToken,
    since: Instant,
    /// Whether a try got no response, so that its outcome is unknown.
    in_doubt: bool,
    /// Whether a later refusal proved that a try was carried out.
    is_proved: bool,
}

/// When a host may give up a launch without a response. ECS remembers its token for an hour, and
/// reeve relies on it for 50 minutes (ECS API reference, "Ensuring idempotency"). The check allows
/// a minute less.
const GIVEN_UP_AFTER: Millis = Millis::from_secs(49 * 60);

impl Launches {
    /// Checks a written record. It must not announce a launch while another one is open, and must
    /// not give up a proved launch whose instance lives.
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        self.check_proved(written)?;
        let Some(Mutation::Launch { token, .. }) = written.permit.map(|permit| permit.mutation())
        else {
            return Ok(());
        };
        let open = self.open.get(written.worker);
        if open.is_some_and(|open| &open.token == token) {
            return Ok(());
        }
        let announced = Open {
            token: token.clone(),
            since: written.at,
            in_doubt: false,
            is_proved: false,
        };
        let Some(open) = self.open.insert(written.worker.clone(), announced) else {
            return Ok(());
        };
        let age = written.at.since(open.since);
        if age >= GIVEN_UP_AFTER {
            return Ok(());
        }
        let text = format!("a launch is announced while the one of {age} before has no response");
        Err((Guarantee::G1, text))
    }

    /// Checks a proved launch that the record no longer announces. The record must name its
    /// instance, or that instance must have ended.
    fn check_proved(&mut self, written: &Written<'_>) -> Finding {
        let Some(open) = self.open.get(written.worker).filter(|it| it.is_proved) else {
            return Ok(());
        };
        let record = &written.write.record;
        let announces = |intent: &Intent| matches!(&intent.mutation, Mutation::Launch { token, .. } if token == &open.token);
        if record.intent.as_ref().is_some_and(announces) {
            return Ok(());
        }
        let made = written.world.launched_by(&open.token);
        let adopted = record.adopted.as_ref().map(|adopted| &adopted.id);
        let is_lost = made.is_some_and(|id| adopted != Some(id) && is_live(written.world, id));
        let finding = match is_lost && written.at.since(open.since) < GIVEN_UP_AFTER {
            true => Err((
                Guarantee::G1,
                "a launch that was carried out is given up while its instance lives".to_owned(),
            )),
            false => Ok(()),
        };
        self.open.remove(written.worker);
        finding
    }

    /// Notes the cloud's response to a launch.
    pub(super) fn concluded(&mut self, sent: &Sent, result: &Result<Outcome, CloudError>) {
        let open = self.open.get_mut(&sent.worker);
        let (Mutation::Launch { token, .. }, Some(open)) = (&sent.mutation, open) else {
            return;
        };
        if &open.token != token {
            return;
        }
        match result.as_ref().map_err(|error| error.kind) {
            // After a timeout, the outcome is unknown.
            Err(CloudErrorKind::Transient) => open.in_doubt = true,
            // AWS refuses these before it looks up the token, so they prove nothing about a try.
            Err(CloudErrorKind::Throttled | CloudErrorKind::Denied) if open.in_doubt => {}
            // The token was used, so a try was carried out. The host must still find its instance.
            Err(CloudErrorKind::Conflict) if open.in_doubt => open.is_proved = true,
            _ => {
                self.open.remove(&sent.worker);
            }
        }
    }

    pub(super) fn happened(
        &mut self,
        event: &WorldEvent,
        world: &World,
    ) -> Result<(), (WorkerId, String)> {
        if event.kind != EventKind::Launched {
            return Ok(());
        }
        let Some(instance) = world.instance(&event.id) else {
            return Ok(());
        };
        let tag = |key: &str| instance.tags.get(key).cloned();
        let (Some(worker), Some(generation)) = (tag(TAG_WORKER), tag(TAG_GENERATION)) else {
            return Ok(());
        };
        if is_foreign(instance) {
            return Ok(());
        }
        let key = (worker.clone(), generation.clone());
        match self.of.insert(key, event.id.clone()) {
            None => Ok(()),
            Some(first) => Err((
                WorkerId::new(worker),
                format!(
                    "{} and {first} are both of generation {generation}",
                    event.id
                ),
            )),
        }
    }
}

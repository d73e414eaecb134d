//! G1: at most one instance ever exists for a worker's generation, and no launch is announced while
//! the cloud has given no definite answer to the one before.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome};
use reeve_core::id::{InstanceId, LaunchToken, WorkerId};
use reeve_core::instance::{TAG_GENERATION, TAG_WORKER};
use reeve_core::store::Intent;
use reeve_core::time::{Instant, Millis};

use super::{ByWorker, Finding, Guarantee, Written, is_live};
use crate::engine::Sent;
use crate::world::{Happening, What, World};

/// Every instance that reeve launched, ever.
#[derive(Default)]
pub(super) struct Launches {
    of: BTreeMap<(String, String), InstanceId>,
    /// The launch that was announced last and has no definite answer, and since when.
    open: ByWorker<Open>,
}

/// A launch that may be carried out yet, or have been.
struct Open {
    token: LaunchToken,
    since: Instant,
    /// Whether a try of it was not answered.
    in_doubt: bool,
    /// Whether a refusal has proved that a try was carried out.
    is_proved: bool,
}

/// When a launch may be given up that was never answered: ECS remembers its token for an hour, and
/// reeve is sure of it for 50 minutes (ECS API reference, "Ensuring idempotency").
const GIVEN_UP_AFTER: Millis = Millis::from_secs(49 * 60);

impl Launches {
    /// A record was written: is a launch announced while another one was never answered, or is one
    /// that was carried out given up while its instance lives?
    pub(super) fn committed(&mut self, written: &Written<'_>) -> Finding {
        self.proved_is_found(written)?;
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
        let text = format!("a launch is announced, and the one of {age} before was never answered");
        Err((Guarantee::G1, text))
    }

    /// A launch that was carried out is over when the record no longer announces it. Then the
    /// record names its instance, or that one has ended.
    fn proved_is_found(&mut self, written: &Written<'_>) -> Finding {
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

    /// The cloud has answered.
    pub(super) fn concluded(&mut self, sent: &Sent, result: &Result<Outcome, CloudError>) {
        let open = self.open.get_mut(&sent.worker);
        let (Mutation::Launch { token, .. }, Some(open)) = (&sent.mutation, open) else {
            return;
        };
        if &open.token != token {
            return;
        }
        match result.as_ref().map_err(|error| error.kind) {
            // After a timeout the outcome is unknown.
            Err(CloudErrorKind::Transient) => open.in_doubt = true,
            // They come before the token is looked up, so they say nothing of an earlier try.
            Err(CloudErrorKind::Throttled | CloudErrorKind::Denied) if open.in_doubt => {}
            // The token was used, so a try was carried out. Its instance is still to be found.
            Err(CloudErrorKind::Conflict) if open.in_doubt => open.is_proved = true,
            _ => {
                self.open.remove(&sent.worker);
            }
        }
    }

    pub(super) fn happened(
        &mut self,
        happening: &Happening,
        world: &World,
    ) -> Result<(), (WorkerId, String)> {
        if happening.what != What::Launched {
            return Ok(());
        }
        let Some(instance) = world.instance(&happening.id) else {
            return Ok(());
        };
        let tag = |key: &str| instance.tags.get(key).cloned();
        let (Some(worker), Some(generation)) = (tag(TAG_WORKER), tag(TAG_GENERATION)) else {
            return Ok(());
        };
        let key = (worker.clone(), generation.clone());
        match self.of.insert(key, happening.id.clone()) {
            None => Ok(()),
            Some(first) => Err((
                WorkerId::new(worker),
                format!(
                    "{} and {first} are both of generation {generation}",
                    happening.id
                ),
            )),
        }
    }
}

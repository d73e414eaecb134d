//! Decides which box may register, and recognises the tokens that boxes send (G8).
//!
//! The adopted instance can register whenever no live token for it exists, even if its box has
//! registered before and lost the token. No other instance can register. So two boxes of one worker
//! cannot take each other's token, and a refusal ends a box only if the box is superseded
//! (docs/incidents.md#double-provision).

use super::Scene;
use crate::facts::{Lease, WorkerFacts};
use crate::model::boxes::{Claim, Proof, Refusal, RefusalCode};
use crate::model::instance::InstanceState;
use crate::model::spec::BoxSpec;
use crate::model::store::Credential;
use crate::model::time::Millis;
use crate::model::token::{SecretHash, Token};

/// The retry interval of a box that asks too early: its instance becomes visible, or adopted,
/// within seconds.
const SOON: Millis = Millis::from_secs(2);
/// By how much a document may seem older than the start that it was written at. Both times are AWS's,
/// in whole seconds.
const DOCUMENT_APART: Millis = Millis::from_secs(60);
/// The retry interval of a box whose instance is read as stopped: a start is settled by then.
const LATER: Millis = Millis::from_secs(10);
/// The retry interval of a box while another instance is adopted: the box's instance may be adopted
/// after that one, or end as an orphan within minutes.
const WHILE_ANOTHER_SERVES: Millis = Millis::from_secs(30);
/// The retry interval of a box that must register first.
const AT_ONCE: Millis = Millis::from_secs(1);

/// A token of a box that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The token in force.
    Current,
    /// The successor of the token in force; its first use puts it in force.
    Offered,
    /// The predecessor of the token in force, sent before the box got the successor.
    Replaced,
}

impl Scene<'_> {
    /// Whether the box that has proved to run on this instance may have a token. The caller has
    /// read the instance from the cloud after the request arrived.
    ///
    /// # Errors
    /// The refusal, which says whether and when to retry.
    pub(crate) fn may_register(&self, claim: &Claim, nonce: SecretHash) -> Result<(), Refusal> {
        let boxes = self.offers_registration()?;
        self.proof_is_accepted(boxes, claim)?;
        self.is_running_here(claim)?;
        self.is_of_this_life(claim)?;
        self.runs_with_the_role(claim)?;
        self.is_adopted(claim)?;
        self.no_token_is_live(boxes, nonce)?;
        self.record_can_be_written()
    }

    /// Recognises a token of the worker's box.
    ///
    /// # Errors
    /// [`RefusalCode::TokenUnknown`] for any token but one in force for the worker's present
    /// instance. The box then registers, proves its instance, and learns whether it is superseded.
    pub(crate) fn recognise(&self, token: &Token) -> Result<Shown, Refusal> {
        self.offers_registration()?;
        let worker = self.facts;
        if token.worker() != &worker.id {
            return Err(Refusal::stands(
                RefusalCode::TokenOfAnotherWorker,
                format!(
                    "the token is for worker {:?}, and {:?} was asked for; a box reports for its own worker only",
                    token.worker().as_str(),
                    worker.id.as_str()
                ),
            ));
        }
        let shown = credential_of_the_adopted(worker).and_then(|credential| {
            let hash = token.hash(credential.generation, &credential.instance);
            self.which(credential, hash)
        });
        shown.ok_or_else(|| {
            Refusal::come_back(
                RefusalCode::TokenUnknown,
                AT_ONCE,
                "no such token is in force for the worker's instance; register to get one",
            )
        })
    }

    /// Compares the hash with every token, so that the time taken does not tell which one matched.
    fn which(&self, credential: &Credential, hash: SecretHash) -> Option<Shown> {
        let current = credential.token == hash;
        let offered = credential
            .offered
            .as_ref()
            .is_some_and(|it| it.token == hash);
        let replaced = credential
            .replaced
            .as_ref()
            .is_some_and(|it| (it.token == hash) & (self.now < it.until));
        match (current, offered, replaced) {
            (true, ..) => Some(Shown::Current),
            (_, true, _) => Some(Shown::Offered),
            (.., true) => Some(Shown::Replaced),
            _ => None,
        }
    }

    pub(crate) fn offers_registration(&self) -> Result<BoxSpec, Refusal> {
        self.facts.pool.boxes.ok_or_else(|| {
            let text = format!(
                "pool {} has no [pool.{}.boxes], so its boxes do not register",
                self.facts.spec.pool, self.facts.spec.pool
            );
            Refusal::stands(RefusalCode::RegistrationOff, text)
        })
    }

    fn proof_is_accepted(&self, boxes: BoxSpec, claim: &Claim) -> Result<(), Refusal> {
        let found = claim.proof.kind();
        if found != boxes.proof {
            return Err(Refusal::stands(
                RefusalCode::ProofNotAccepted,
                format!(
                    "found a proof by {}; pool {} accepts {}",
                    found.as_str(),
                    self.facts.spec.pool,
                    boxes.proof.as_str()
                ),
            ));
        }
        match &claim.proof {
            Proof::InstanceDocument { region, .. } if region != &self.facts.pool.region => {
                Err(Refusal::stands(
                    RefusalCode::WrongRegion,
                    format!(
                        "the document is of {region}; the worker's instances are in {}",
                        self.facts.pool.region
                    ),
                ))
            }
            Proof::InstanceDocument { .. } | Proof::SharedSecret | Proof::IamRole { .. } => Ok(()),
        }
    }

    /// Checks the provider's own reading: a proof document does not say that the instance still
    /// runs.
    fn is_running_here(&self, claim: &Claim) -> Result<(), Refusal> {
        let id = &claim.instance;
        let known = self.facts.instances.get(id);
        let state = known.map_or(InstanceState::NotVisible, |known| known.instance.state);
        match state {
            InstanceState::Pending | InstanceState::Running => {}
            InstanceState::Unknown | InstanceState::NotVisible => {
                let text = format!(
                    "the provider does not show {id}, which proves nothing so soon after a launch"
                );
                return Err(Refusal::come_back(
                    RefusalCode::InstanceNotVisible,
                    SOON,
                    text,
                ));
            }
            InstanceState::Stopping | InstanceState::Stopped => {
                let text = format!("the provider says that {id} is {}", state.as_str());
                return Err(Refusal::come_back(
                    RefusalCode::InstanceNotRunning,
                    LATER,
                    text,
                ));
            }
            InstanceState::ShuttingDown | InstanceState::Terminated => {
                return Err(Refusal::stands(
                    RefusalCode::Superseded,
                    format!("{id} is {}, for good", state.as_str()),
                ));
            }
        }
        if self.facts.owns(id) {
            return Ok(());
        }
        Err(Refusal::stands(
            RefusalCode::NotThisWorkers,
            format!(
                "{id} does not carry the tag {}={} of worker {}",
                self.facts.pool.tag_key, self.facts.spec.tag_value, self.facts.id
            ),
        ))
    }

    /// Refuses a document that was written before the instance was last started: any process of an
    /// earlier life may have kept it (EC2 user guide, "Instance identity documents": a document is
    /// written at each launch and start).
    fn is_of_this_life(&self, claim: &Claim) -> Result<(), Refusal> {
        let Proof::InstanceDocument { launched_at, .. } = &claim.proof else {
            return Ok(());
        };
        let known = self.facts.instances.get(&claim.instance);
        let started_at = known.and_then(|known| known.instance.launched_at);
        match started_at {
            Some(started_at) if *launched_at + DOCUMENT_APART < started_at => {
                let age = started_at.since(*launched_at);
                Err(Refusal::come_back(
                    RefusalCode::DocumentOutdated,
                    SOON,
                    format!(
                        "the document was written {age} before {} was last started; read it anew from the metadata",
                        claim.instance
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Checks by the provider's own reading that the instance runs with the role of the proof: a
    /// session of the role says which instance it is of, and another program that may assume the
    /// role may say the same.
    fn runs_with_the_role(&self, claim: &Claim) -> Result<(), Refusal> {
        let Proof::IamRole { role } = &claim.proof else {
            return Ok(());
        };
        let id = &claim.instance;
        let known = self.facts.instances.get(id);
        match known.and_then(|known| known.instance.role.as_ref()) {
            Some(shown) if shown == role => Ok(()),
            Some(shown) => Err(Refusal::stands(
                RefusalCode::ProofNotAccepted,
                format!(
                    "the provider says that {id} runs with the role {shown:?}; pool {} accepts {role:?}",
                    self.facts.spec.pool
                ),
            )),
            None => {
                let needed = match self.facts.pool.compute.is_ec2() {
                    true => "an instance profile of that name",
                    false => {
                        "a task definition with `taskRoleArn`, which the host may read by ecs:DescribeTaskDefinition"
                    }
                };
                Err(Refusal::come_back(
                    RefusalCode::RoleNotShown,
                    LATER,
                    format!(
                        "the provider does not show that {id} runs with the role {role:?}; it needs {needed}"
                    ),
                ))
            }
        }
    }

    fn is_adopted(&self, claim: &Claim) -> Result<(), Refusal> {
        let worker = self.facts;
        let id = &claim.instance;
        if worker.is_superseded(id) {
            return Err(Refusal::stands(
                RefusalCode::Superseded,
                format!(
                    "{id} is of generation {}, and one of a newer generation is or was adopted; {id} has nothing \
                     left to do",
                    worker.generation_of(id)
                ),
            ));
        }
        let Some(adopted) = &worker.adopted else {
            return Err(Refusal::come_back(
                RefusalCode::NotAdopted,
                SOON,
                format!(
                    "no instance is adopted yet; {id} can register once the host has adopted it"
                ),
            ));
        };
        if &adopted.id == id {
            return Ok(());
        }
        if worker.adopted_is_live(self.now) {
            // The instance may be adopted later, so its box is not told to end.
            return Err(Refusal::come_back(
                RefusalCode::NotAdopted,
                WHILE_ANOTHER_SERVES,
                format!("{} is adopted, and {id} is not", adopted.id),
            ));
        }
        Err(Refusal::come_back(
            RefusalCode::NotAdopted,
            SOON,
            format!(
                "{} was adopted and is down; {id} can register once the host has adopted it",
                adopted.id
            ),
        ))
    }

    /// Allows one live registration per instance. Every process on an instance can read its
    /// document, so a second box has to wait until the first has fallen silent.
    fn no_token_is_live(&self, boxes: BoxSpec, nonce: SecretHash) -> Result<(), Refusal> {
        let Some(credential) = credential_of_the_adopted(self.facts) else {
            return Ok(());
        };
        let heartbeat = self.facts.record.activity().heartbeat_at;
        let shown_at = heartbeat.filter(|at| *at > credential.minted_at);
        if shown_at.is_none() && credential.nonce == nonce {
            // The same request again: its response was lost on the way.
            return Ok(());
        }
        let live_until = shown_at.unwrap_or(credential.minted_at) + boxes.token_live();
        if self.now >= live_until {
            return Ok(());
        }
        let left = live_until.since(self.now);
        Err(Refusal::come_back(
            RefusalCode::TokenLive,
            left,
            format!(
                "{} has registered, and its token was used {} ago; if it is lost, register again in {left}",
                credential.instance,
                self.now.since(shown_at.unwrap_or(credential.minted_at))
            ),
        ))
    }

    /// Checks that the record can be written. A token that is not in the store would be unknown to
    /// other hosts and to the next life of this one.
    fn record_can_be_written(&self) -> Result<(), Refusal> {
        if self.dry_run {
            let text = "dry run: the worker's record is not written, so no token can be given";
            return Err(Refusal::come_back(RefusalCode::DryRun, LATER, text));
        }
        match self.lease() {
            Lease::Free | Lease::Ours => Ok(()),
            Lease::Unknown => Err(Refusal::come_back(
                RefusalCode::StoreUnreachable,
                SOON,
                "the worker's record could not be read from the store",
            )),
            Lease::Theirs { host, .. } => Err(Refusal::come_back(
                RefusalCode::LeaseHeld,
                SOON,
                format!("host {host} acts for the worker until it has written what came of it"),
            )),
        }
    }
}

/// The credential, if it belongs to the present life of the adopted instance. An instance that was
/// stopped and started is of a new generation, and its box registers again.
fn credential_of_the_adopted(worker: &WorkerFacts) -> Option<&Credential> {
    let adopted = worker.adopted.as_ref()?;
    worker.credential.as_ref().filter(|credential| {
        credential.instance == adopted.id && credential.generation == adopted.generation
    })
}

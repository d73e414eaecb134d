//! The software on the simulated instances: it registers, sends heartbeats, and works on
//! deliveries.
//!
//! The standard software follows docs/boxes.md: it tries again at the time that a refusal names,
//! registers again when its token is no longer valid, and ends when it is superseded. The legacy
//! software gives up at the first refusal, as in docs/incidents.md#double-provision.

use std::collections::VecDeque;

use reeve_core::boxes::{
    Claim, Proof, ProofKind, Receipt, RefusalKind, Report, Reporter, SpotNotices, Statement,
};
use reeve_core::id::{InstanceId, Region};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{SecretHash, Token};

use crate::world::BOX_ROLE;

/// The time from the address of the instance to the first register, while the software starts.
const START: Millis = Millis::from_secs(3);
/// The time for one delivery, unless [`working_for`](SimBox::working_for) sets another.
const WORK: Millis = Millis::from_secs(1);
/// The time until a box tries again after a refusal that names no time.
const COME_BACK: Millis = Millis::from_secs(5);

/// The version of the software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Follows the protocol.
    Standard,
    /// Ends at the first refusal: "client error, not retrying".
    Legacy,
}

/// The software on one instance.
#[derive(Clone, Debug)]
pub struct SimBox {
    instance: InstanceId,
    region: Region,
    proof: ProofKind,
    software: Software,
    state: State,
    /// The time of the next register or heartbeat; `None`: the box waits for a receipt, or has
    /// ended.
    due: Option<Instant>,
    /// When its instance came up, in this life.
    began_at: Instant,
    /// Counts the registrations that need a nonce of their own.
    nonces: u32,
    heartbeat: Millis,
    /// The times of the unprocessed deliveries, oldest first.
    work: VecDeque<Instant>,
    /// The time for one delivery.
    work_takes: Millis,
    /// The time at which the current delivery is processed; `None`: no work is in progress.
    working_until: Option<Instant>,
    /// What EC2 has announced in the instance's metadata.
    spot: SpotNotices,
    /// Whether it says nothing and works on nothing.
    hangs: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Registering,
    Registered(Token),
    Ended,
}

impl SimBox {
    /// Makes the software of an instance that gets its address at `now`.
    pub fn new(instance: InstanceId, region: Region, software: Software, now: Instant) -> Self {
        Self {
            instance,
            region,
            proof: ProofKind::InstanceDocument,
            software,
            state: State::Registering,
            due: Some(now + START),
            began_at: now,
            nonces: 1,
            heartbeat: Millis::from_secs(30),
            work: VecDeque::new(),
            work_takes: WORK,
            working_until: None,
            spot: SpotNotices::default(),
            hangs: false,
        }
    }

    /// EC2 announces in the instance's metadata that it takes the instance then. A registered box
    /// tells the host at once.
    pub fn hear_of_reclaim(&mut self, now: Instant, at: Instant) {
        self.spot.reclaim_at = Some(at);
        if self.is_registered() {
            self.due = self.due.map(|due| due.min(now));
        }
    }

    /// Sets the time for one delivery.
    #[must_use]
    pub fn working_for(mut self, work_takes: Millis) -> Self {
        self.work_for(work_takes);
        self
    }

    /// Sets the time for one delivery, from the next one that it begins.
    pub fn work_for(&mut self, work_takes: Millis) {
        self.work_takes = work_takes;
    }

    /// Makes it hang, or ends that. Work that fell due is then due at once.
    pub fn hang(&mut self, hangs: bool) {
        self.hangs = hangs;
    }

    /// Whether it hangs.
    pub fn hangs(&self) -> bool {
        self.hangs
    }

    /// Sets how the software proves which instance it runs on. The default is the instance document.
    #[must_use]
    pub fn proving_by(mut self, proof: ProofKind) -> Self {
        self.proof = proof;
        self
    }

    /// The proof in its requests to register.
    pub fn proof(&self) -> Proof {
        match self.proof {
            ProofKind::InstanceDocument => Proof::InstanceDocument {
                region: self.region.clone(),
                account: "123456789012".to_owned(),
                launched_at: self.began_at,
            },
            ProofKind::SharedSecret => Proof::SharedSecret,
            ProofKind::IamRole => Proof::IamRole {
                role: BOX_ROLE.to_owned(),
            },
        }
    }

    /// Sends the pending register again, with the same nonce, because no receipt came in time.
    pub fn on_timeout(&mut self, now: Instant) {
        if self.state == State::Registering {
            self.due.get_or_insert(now);
        }
    }

    /// The time of its next statement; `None`: it waits for a receipt, hangs, or has ended.
    pub fn next_due(&self) -> Option<Instant> {
        if self.hangs {
            return None;
        }
        [self.due, self.working_until].into_iter().flatten().min()
    }

    /// Whether it holds a token.
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered(_))
    }

    /// How many deliveries are unprocessed.
    pub fn unprocessed(&self) -> usize {
        self.work.len()
    }

    /// How many deliveries of this instant or earlier are unprocessed.
    pub fn unprocessed_since(&self, at: Instant) -> usize {
        self.work.iter().filter(|taken| **taken <= at).count()
    }

    /// Takes a delivery. Software without a token takes deliveries too, and does not process them,
    /// as in docs/incidents.md#double-provision.
    pub fn deliver(&mut self, now: Instant) {
        self.work.push_back(now);
        self.begin_work(now);
    }

    /// Loses its token, as with its disk, and starts again with a new nonce.
    pub fn wipe(&mut self, now: Instant) {
        self.state = State::Registering;
        self.nonces += 1;
        self.working_until = None;
        self.due = Some(now + START);
    }

    /// Takes the statement that is due; `None`: no statement is due.
    pub fn take_statement(&mut self, now: Instant) -> Option<Statement> {
        if self.working_until.is_some_and(|until| until <= now) {
            self.working_until = None;
            self.work.pop_front();
            self.begin_work(now);
            return self.report(Report::Processed(1));
        }
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        // The receipt sets the next time.
        self.due = None;
        match &self.state {
            State::Registering => Some(Statement::Register {
                claim: Claim {
                    instance: self.instance.clone(),
                    proof: self.proof(),
                },
                nonce: SecretHash::of_nonce(&format!("{}-{}", self.instance, self.nonces)),
            }),
            State::Registered(_) => {
                self.due = Some(now + self.heartbeat);
                self.report(Report::Heartbeat(self.spot))
            }
            State::Ended => None,
        }
    }

    /// Acts on the receipt for a statement. Returns the text for the timeline; `None`: the receipt
    /// is routine.
    pub fn on_receipt(&mut self, now: Instant, receipt: Receipt) -> Option<String> {
        match receipt {
            Receipt::Registered(registered) => {
                self.heartbeat = registered.heartbeat;
                // The first heartbeat follows at once, so that the host knows that the box is up.
                self.due = Some(now);
                self.state = State::Registered(registered.token);
                self.begin_work(now);
                Some(format!(
                    "is registered (generation {})",
                    registered.generation
                ))
            }
            Receipt::Accepted(accepted) => {
                if let Some(token) = accepted.token {
                    self.state = State::Registered(token);
                }
                None
            }
            Receipt::Refused(refusal) if self.software == Software::Legacy => {
                self.end();
                Some(format!(
                    "is told: {}; client error, not retrying",
                    refusal.detail
                ))
            }
            Receipt::Refused(refusal) => match refusal.code.kind() {
                RefusalKind::Superseded => {
                    self.end();
                    Some(format!("is told: {}, and ends", refusal.code.as_str()))
                }
                RefusalKind::Alarm | RefusalKind::NotOffered => {
                    self.end();
                    Some(format!("is told: {}", refusal.code.as_str()))
                }
                RefusalKind::Retry => {
                    if self.is_registered() {
                        self.wipe(now);
                    }
                    let after = refusal.retry_after.unwrap_or(COME_BACK);
                    self.due = Some(now + after);
                    Some(format!(
                        "is told: {}, come back in {after}",
                        refusal.code.as_str()
                    ))
                }
                RefusalKind::Trouble => {
                    let after = refusal.retry_after.unwrap_or(COME_BACK);
                    self.due = Some(now + after);
                    None
                }
            },
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.due = None;
        self.working_until = None;
    }

    fn begin_work(&mut self, now: Instant) {
        if self.is_registered() && self.working_until.is_none() && !self.work.is_empty() {
            self.working_until = Some(now + self.work_takes);
        }
    }

    /// A report of this, if it has a token to sign it with.
    pub fn report(&self, report: Report) -> Option<Statement> {
        let State::Registered(token) = &self.state else {
            return None;
        };
        Some(Statement::Report {
            by: Reporter::Box(token.clone()),
            report,
        })
    }
}

//! The software on the simulated instances: it registers, sends heartbeats, and works on what is
//! delivered.
//!
//! It keeps to the protocol of docs/boxes.md: it comes back when told, registers anew when its
//! token is not in force, and ends when it is superseded. The legacy one gives up at the first
//! refusal, as the one of incident double-provision did.

use std::collections::VecDeque;

use reeve_core::boxes::{
    Claim, Proof, ProofKind, Receipt, RefusalKind, Report, Reporter, Statement,
};
use reeve_core::id::{InstanceId, Region};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{SecretHash, Token};

/// From the address to the first register: the software starts.
const START: Millis = Millis::from_secs(3);
/// How long the work on one delivery takes, unless it is said otherwise.
const WORK: Millis = Millis::from_secs(1);
/// When a box comes back that was not told when.
const COME_BACK: Millis = Millis::from_secs(5);

/// Which software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Keeps to the protocol.
    Standard,
    /// "Client error, not retrying."
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
    /// When it next does something by itself.
    due: Option<Instant>,
    nonces: u32,
    heartbeat: Millis,
    /// Deliveries that are not done, oldest first.
    work: VecDeque<Instant>,
    /// How long the work on one delivery takes.
    work_takes: Millis,
    working_until: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Registering,
    Registered(Token),
    Ended,
}

impl SimBox {
    /// The software of an instance that has just got its address.
    pub fn new(instance: InstanceId, region: Region, software: Software, now: Instant) -> Self {
        Self {
            instance,
            region,
            proof: ProofKind::InstanceDocument,
            software,
            state: State::Registering,
            due: Some(now + START),
            nonces: 1,
            heartbeat: Millis::from_secs(30),
            work: VecDeque::new(),
            work_takes: WORK,
            working_until: None,
        }
    }

    /// The same software, with work that takes so long for one delivery.
    #[must_use]
    pub fn working_for(mut self, work_takes: Millis) -> Self {
        self.work_takes = work_takes;
        self
    }

    /// The same software, showing in this way which instance it is; usually by the instance
    /// document.
    #[must_use]
    pub fn proving_by(mut self, proof: ProofKind) -> Self {
        self.proof = proof;
        self
    }

    /// What it shows to say which instance it is.
    pub fn proof(&self) -> Proof {
        match self.proof {
            ProofKind::InstanceDocument => Proof::InstanceDocument {
                region: self.region.clone(),
                account: "123456789012".to_owned(),
            },
            ProofKind::SharedSecret => Proof::SharedSecret,
        }
    }

    /// A register was not answered in time: it is tried again, with the same nonce.
    pub fn unanswered(&mut self, now: Instant) {
        if self.state == State::Registering {
            self.due.get_or_insert(now);
        }
    }

    /// When it next does something by itself.
    pub fn next_due(&self) -> Option<Instant> {
        [self.due, self.working_until].into_iter().flatten().min()
    }

    /// Whether it holds a token.
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered(_))
    }

    /// Deliveries it has not done.
    pub fn undone(&self) -> usize {
        self.work.len()
    }

    /// Those of them that it has had since this instant, or longer.
    pub fn undone_since(&self, at: Instant) -> usize {
        self.work.iter().filter(|taken| **taken <= at).count()
    }

    /// Takes a delivery. It is taken also by software that will never work on it: that is what
    /// happened in incident double-provision.
    pub fn deliver(&mut self, now: Instant) {
        self.work.push_back(now);
        self.begin_work(now);
    }

    /// Loses its token and its memory of it, as when its disk is wiped; it starts anew.
    pub fn wipe(&mut self, now: Instant) {
        self.state = State::Registering;
        self.nonces += 1;
        self.working_until = None;
        self.due = Some(now + START);
    }

    /// What it says now that the time has come; `None`: nothing.
    pub fn speak(&mut self, now: Instant) -> Option<Statement> {
        if self.working_until.is_some_and(|until| until <= now) {
            self.working_until = None;
            self.work.pop_front();
            self.begin_work(now);
            return self.report(Report::Processed(1));
        }
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        // Until it is answered.
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
                self.report(Report::Heartbeat)
            }
            State::Ended => None,
        }
    }

    /// Takes an answer; says what of it is worth telling.
    pub fn hear(&mut self, now: Instant, reply: Receipt) -> Option<String> {
        match reply {
            Receipt::Registered(registered) => {
                self.heartbeat = registered.heartbeat;
                // The first heartbeat comes at once: it says that the worker is there.
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

    fn report(&self, report: Report) -> Option<Statement> {
        let State::Registered(token) = &self.state else {
            return None;
        };
        Some(Statement::Report {
            by: Reporter::Box(token.clone()),
            report,
        })
    }
}

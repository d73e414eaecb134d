//! The state of the flow: the pending requests, the pass under way, and the news.

use std::collections::{BTreeMap, VecDeque};

use super::pass::{Pass, PassStep};
use crate::facts::{Asking, Declined, WorkerFacts};
use crate::flow::shape::Wait;
use crate::guard::Proposal;
use crate::model::cloud::CloudError;
use crate::model::decision::Decision;
use crate::model::id::{DecisionId, InstanceId, RequestId};
use crate::model::point::retry_ip;
use crate::model::response::{NotYet, Route};
use crate::model::store::StoreError;
use crate::model::time::{Instant, Millis};

/// The pending requests, and the pass that finds their answer.
#[derive(Clone, Debug, Default)]
pub(in crate::flow) struct Resolve {
    pub(super) pass: Option<Pass>,
    pub(super) callers: BTreeMap<RequestId, Caller>,
    /// Candidates that `adopt` declined.
    pub(super) declined: Option<Declined>,
    /// The search for an address under way.
    pub(super) address_watch: Option<AddressWatch>,
    /// The state that the policy returned last time.
    pub(super) memo: String,
    /// Why the last caller was turned away, and when.
    pub(super) last_not_yet: Option<(NotYet, Instant)>,
    /// When the next pass without a request is due.
    pub(super) follow_at: Option<Instant>,
    /// Until when the worker is brought up for a caller that was turned away (V6).
    pub(super) wanted_until: Option<Instant>,
    /// Hand-outs that are not journaled yet, by instance: since when, and how many.
    pub(super) hand_outs: BTreeMap<InstanceId, (Instant, u64)>,
    /// When the store was last told that the worker's address was handed out.
    pub(super) handed_out_told: Option<Instant>,
    /// The begin of the row of failed readings of the pointer that was told last.
    pub(super) unread_told: Option<Instant>,
    /// When the policy last had the adopted instance replaced.
    pub(super) replace_asked: Option<(InstanceId, Instant)>,
    pub(super) heard: VecDeque<Heard>,
    pub(super) proposed: Option<Wanted>,
}

/// News for this flow, in the order in which it happened.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// A caller asks where the worker is.
    Asked(RequestId, Option<Millis>),
    /// The shell answered callers with the published route.
    HandedOut(InstanceId, u64),
    /// The minute is over in which hand-outs were counted.
    HandOutsDue,
    /// This caller's wait ends.
    Deadline(RequestId),
    /// The next pass without a request is due.
    Follow,
    /// The next reading of the address is due.
    LookForAddress,
    /// The pointer was read, or could not be.
    PointerRead(Option<CloudError>),
    /// This instance was read, or could not be.
    InstanceRead(InstanceId, Option<CloudError>),
    /// The tag scan ended, or failed.
    Scanned(Option<CloudError>),
    TemplateRead(Option<CloudError>),
    /// A policy has answered.
    Decided(DecisionId, Box<Decision>),
    /// The record was read, or the reading failed and the record as last known is used.
    RecordRead,
    /// A write of the record has ended.
    RecordWritten,
    /// The store did not answer; it is asked again after the pause.
    StoreFailed(StoreError, Millis),
    /// A mutation has ended.
    MutationEnded,
    /// The step that the pass prepared is obsolete.
    StepObsolete,
    /// A pass is wanted, if there is none.
    PassWanted,
    /// The worker's state was cleared: the pass under way begins again.
    Forgotten,
}

/// A proposal of this flow.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// To start or launch.
    Change(DecisionId),
    /// To adopt this instance.
    Adopt(InstanceId),
}

/// The next action in a pass.
#[derive(Debug)]
pub(super) enum Next {
    /// None: the pass waits for an answer, or is over.
    Waits,
    /// Ask `resolve` again.
    AsksResolve,
    /// Ask `resolve` again, after the write of the record that is under way.
    AsksResolveAfterWrite,
    /// Hand this address out.
    Serves(Route),
    /// Make this proposal.
    Proposes(DecisionId, Proposal),
}

/// A caller with a pending request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// Whether the caller keeps waiting after a pass ends with "not yet", until the deadline.
    pub(super) is_patient: bool,
}

/// The search for the address of the adopted instance. It ends with the adoption.
#[derive(Clone, Debug)]
pub(super) struct AddressWatch {
    pub(super) id: InstanceId,
    pub(super) adopted_since: Instant,
    /// Readings without an address so far.
    pub(super) tries: u32,
    /// When the first of these readings was asked for.
    pub(super) since: Instant,
    /// A `give-up` that still answers callers: until when, and when callers retry.
    pub(super) given_up: Option<(Instant, Millis)>,
}

impl Resolve {
    /// The pending requests and the pass, for the guard and other flows.
    pub(in crate::flow) fn asking(&self) -> Asking {
        let mut reads = Vec::new();
        if let Some(pass) = &self.pass {
            reads.clone_from(&pass.instances_read);
            if let PassStep::Instance(id) | PassStep::Taken(_, id) = &pass.step {
                reads.push(id.clone());
            }
        }
        Asking {
            has_callers: !self.callers.is_empty(),
            has_pass: self.pass.is_some(),
            awaits_scan: self.is_at(&PassStep::Scan),
            awaits_record: self.awaits_record(),
            awaits: self.awaited(),
            reads,
            declined: self.declined.clone(),
        }
    }

    /// Why the last caller was turned away.
    pub(in crate::flow) fn last_not_yet(&self) -> Option<&NotYet> {
        self.last_not_yet.as_ref().map(|(not_yet, _)| not_yet)
    }

    pub(super) fn pass_waits_for(&self) -> Option<Wait> {
        let Some(pass) = &self.pass else {
            let wait = |at| Wait::until("the next pass for an instance on its way", at);
            return self.follow_at.map(wait);
        };
        Some(match &pass.step {
            PassStep::RecordRead => Wait::answered("the reading of the record"),
            PassStep::RecordWritten => Wait::answered("the write of the record"),
            PassStep::Pointer => Wait::answered("the reading of the pointer"),
            PassStep::Instance(_) | PassStep::Taken(..) => {
                Wait::answered("the reading of the instance")
            }
            PassStep::Scan => Wait::answered("the tag scan"),
            PassStep::Template(..) => Wait::answered("the version of the launch template"),
            PassStep::Resolve(_) => Wait::answered("the answer of `resolve`"),
            PassStep::Adopt(_) => Wait::answered("the answer of `adopt`"),
            PassStep::RetryIp(_) => Wait::answered("the answer of `retry-ip`"),
            PassStep::AddressPause(at) => Wait::until("the next reading of the address", *at),
            PassStep::Mutation => Wait::unbounded(
                "the outcome of the launch or start",
                "a launch is replayed until its token expires; callers have deadlines of their own",
            ),
        })
    }

    /// The decision that the pass waits for.
    pub(super) fn awaited(&self) -> Option<DecisionId> {
        match self.pass.as_ref()?.step {
            PassStep::Resolve(id) | PassStep::Adopt(id) | PassStep::RetryIp(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the worker is to be brought up although no caller waits (V6). Nothing is brought up
    /// in a pause.
    pub(super) fn is_wanted(&self, facts: &WorkerFacts, now: Instant) -> bool {
        let is_asked_for = self.wanted_until.is_some_and(|until| now < until);
        facts.paused.is_none() && (is_asked_for || facts.is_wanted_running())
    }

    pub(super) fn awaits_record(&self) -> bool {
        self.is_at(&PassStep::RecordRead)
    }

    pub(super) fn is_at(&self, step: &PassStep) -> bool {
        self.pass.as_ref().is_some_and(|pass| &pass.step == step)
    }

    pub(super) fn set_step(&mut self, step: PassStep) {
        if let Some(pass) = &mut self.pass {
            pass.step = step;
        }
    }
}

impl AddressWatch {
    /// The input of `retry-ip`: "it runs without an address; look again?". `None` if the instance
    /// is not known.
    pub(super) fn input(&self, facts: &WorkerFacts, now: Instant) -> Option<retry_ip::Input> {
        facts.retry_ip_input(now, &self.id, self.tries, self.since)
    }
}

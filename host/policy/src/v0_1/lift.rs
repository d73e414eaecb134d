//! Converts types from the sandbox to the core's.

use reeve_core::id::InstanceId;
use reeve_core::point::{self, AddressKind, Reason};
use reeve_core::spec::RestartBy;

use super::bindings::{about, adopt, debounce, reap, resolve, retry_ip, types};
use crate::description::Description;

impl From<types::Reason> for Reason {
    fn from(reason: types::Reason) -> Self {
        Self {
            code: reason.code,
            text: reason.text,
        }
    }
}

impl From<types::AddressKind> for AddressKind {
    fn from(kind: types::AddressKind) -> Self {
        match kind {
            types::AddressKind::Private => Self::Private,
            types::AddressKind::Public => Self::Public,
        }
    }
}

impl From<resolve::Action> for point::resolve::Action {
    fn from(action: resolve::Action) -> Self {
        match action {
            resolve::Action::Serve(target) => Self::Serve(point::resolve::Target {
                id: InstanceId::new(target.id),
                address: target.address.into(),
            }),
            resolve::Action::Adopt => Self::Adopt,
            resolve::Action::Start(id) => Self::Start(InstanceId::new(id)),
            resolve::Action::Launch(option) => Self::Launch(option),
            resolve::Action::Replace(id) => Self::Replace(InstanceId::new(id)),
            resolve::Action::Wait(ms) => Self::Wait(ms),
            resolve::Action::Unavailable(ms) => Self::Unavailable(ms),
        }
    }
}

impl From<resolve::Verdict> for point::resolve::Verdict {
    fn from(verdict: resolve::Verdict) -> Self {
        Self {
            action: verdict.action.into(),
            reason: verdict.reason.into(),
            valid_for_ms: verdict.valid_for_ms,
            memo: verdict.memo,
        }
    }
}

impl From<adopt::Verdict> for point::adopt::Verdict {
    fn from(verdict: adopt::Verdict) -> Self {
        Self {
            choice: match verdict.choice {
                adopt::Choice::Take(id) => point::adopt::Choice::Take(InstanceId::new(id)),
                adopt::Choice::None => point::adopt::Choice::None,
            },
            reason: verdict.reason.into(),
            valid_for_ms: verdict.valid_for_ms,
        }
    }
}

impl From<retry_ip::Verdict> for point::retry_ip::Verdict {
    fn from(verdict: retry_ip::Verdict) -> Self {
        Self {
            next: match verdict.next {
                retry_ip::Next::Again(ms) => point::retry_ip::Next::Again(ms),
                retry_ip::Next::GiveUp(ms) => point::retry_ip::Next::GiveUp(ms),
                retry_ip::Next::Abandon => point::retry_ip::Next::Abandon,
            },
            reason: verdict.reason.into(),
            valid_for_ms: verdict.valid_for_ms,
        }
    }
}

impl From<debounce::Kind> for RestartBy {
    fn from(kind: debounce::Kind) -> Self {
        match kind {
            debounce::Kind::Reboot => Self::Reboot,
            debounce::Kind::StopStart => Self::StopStart,
            debounce::Kind::Replace => Self::Replace,
        }
    }
}

impl From<debounce::Verdict> for point::debounce::Verdict {
    fn from(verdict: debounce::Verdict) -> Self {
        Self {
            choice: match verdict.choice {
                debounce::Choice::Go(kind) => point::debounce::Choice::Go(kind.into()),
                debounce::Choice::Drop => point::debounce::Choice::Drop,
                debounce::Choice::Defer(ms) => point::debounce::Choice::Defer(ms),
            },
            reason: verdict.reason.into(),
            valid_for_ms: verdict.valid_for_ms,
        }
    }
}

impl From<reap::Verdict> for point::reap::Verdict {
    fn from(verdict: reap::Verdict) -> Self {
        Self {
            choice: match verdict.choice {
                reap::Choice::Keep => point::reap::Choice::Keep,
                reap::Choice::End => point::reap::Choice::End,
                reap::Choice::Stop => point::reap::Choice::Stop,
                reap::Choice::Terminate => point::reap::Choice::Terminate,
            },
            reason: verdict.reason.into(),
            look_again_ms: verdict.look_again_ms,
            drain_ms: verdict.drain_ms,
            memo: verdict.memo,
        }
    }
}

impl From<about::Description> for Description {
    fn from(description: about::Description) -> Self {
        Self {
            name: description.name,
            version: description.version,
            summary: description.summary,
            settings_schema: description.settings_schema,
        }
    }
}

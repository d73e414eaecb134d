//! Verdicts in one expression: what to do, and why. A verdict without a reason does not compile.
//!
//! ```text
//! Action::Wait(5_000).because("booting", "It boots.")
//! Action::serve(&facts.id, AddressKind::Private).because("ready", "It runs.").valid_for_ms(30_000)
//! Choice::Keep.because("active", text).look_again_ms(60_000).memo("idle:1")
//! ```

use crate::types::{AddressKind, Reason};
use crate::{adopt, debounce, reap, resolve, retry_ip};

/// The host asks each time if the verdict does not say for how long it is valid.
const VALID_FOR_MS: u32 = 0;
/// Two scans, at the default interval of 30 s.
const LOOK_AGAIN_MS: u32 = 60_000;
/// The pool's own drain counts if the verdict asks for no longer one.
const DRAIN_MS: u32 = 0;

macro_rules! because {
    ($point:ident: $choice:ident as $field:ident, $($default:ident: $value:expr),*) => {
        impl $point::$choice {
            /// The verdict to do this. The code is stable, for machines: lower-case letters, digits
            /// and `-`, at most 64 bytes. The text is one sentence for people, at most 512 bytes.
            pub fn because(self, code: &str, text: impl Into<String>) -> $point::Verdict {
                $point::Verdict {
                    $field: self,
                    reason: Reason::new(code, text),
                    $($default: $value),*
                }
            }
        }
    };
}

because!(resolve: Action as action, valid_for_ms: VALID_FOR_MS, memo: String::new());
because!(adopt: Choice as choice, valid_for_ms: VALID_FOR_MS);
because!(retry_ip: Next as next, valid_for_ms: VALID_FOR_MS);
because!(debounce: Choice as choice, valid_for_ms: VALID_FOR_MS);
because!(reap: Choice as choice, look_again_ms: LOOK_AGAIN_MS, drain_ms: DRAIN_MS, memo: String::new());

macro_rules! valid_for_ms {
    ($($point:ident),*) => {
        $(
            impl $point::Verdict {
                /// For how long the host may give this verdict again without asking, while nothing
                /// it rests on changes. Without it the host asks each time.
                #[must_use]
                pub fn valid_for_ms(self, valid_for_ms: u32) -> Self {
                    Self {
                        valid_for_ms,
                        ..self
                    }
                }
            }
        )*
    };
}

valid_for_ms!(resolve, adopt, retry_ip, debounce);

macro_rules! memo {
    ($($point:ident),*) => {
        $(
            impl $point::Verdict {
                /// What the next input of this worker, or instance, has as its `memo`; at most 1024
                /// bytes.
                #[must_use]
                pub fn memo(self, memo: impl Into<String>) -> Self {
                    Self {
                        memo: memo.into(),
                        ..self
                    }
                }
            }
        )*
    };
}

memo!(resolve, reap);

impl resolve::Action {
    /// Hand out this address of the instance `id`.
    pub fn serve(id: &str, address: AddressKind) -> Self {
        Self::Serve(resolve::Target {
            id: id.to_owned(),
            address,
        })
    }
}

impl reap::Verdict {
    /// When the host asks again about this instance at the earliest. Without it: in a minute.
    #[must_use]
    pub fn look_again_ms(self, look_again_ms: u32) -> Self {
        Self {
            look_again_ms,
            ..self
        }
    }

    /// How long the adopted instance drains before its end. Without it: as the pool's `drain` says.
    #[must_use]
    pub fn drain_ms(self, drain_ms: u32) -> Self {
        Self { drain_ms, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_what_why_and_for_how_long() {
        let verdict = resolve::Action::serve("i-a", AddressKind::Private)
            .because("ready", "It runs.")
            .valid_for_ms(30_000)
            .memo("seen");
        assert_eq!(
            verdict,
            resolve::Verdict {
                action: resolve::Action::Serve(resolve::Target {
                    id: "i-a".to_owned(),
                    address: AddressKind::Private,
                }),
                reason: Reason::new("ready", "It runs."),
                valid_for_ms: 30_000,
                memo: "seen".to_owned(),
            }
        );
    }

    #[test]
    fn a_verdict_that_says_no_more_is_asked_for_again() {
        let keep = reap::Choice::Keep.because("active", "It is in use.");
        assert_eq!((keep.look_again_ms, keep.memo.as_str()), (60_000, ""));
        let go = debounce::Choice::Drop.because("first", "No restart came before.");
        assert_eq!(go.valid_for_ms, 0);
    }
}

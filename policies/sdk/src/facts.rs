//! The questions that policies ask of the shared records.

use crate::types::{AddressKind, Addresses, Age, InstanceState, Reason};

impl Age {
    /// The age in milliseconds; `None` if the event has not happened, or the host has not seen it.
    pub fn ms(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Ms(ms) => Some(ms),
        }
    }
}

impl InstanceState {
    /// Whether the instance is up or boots. To start or launch another while one is live makes two.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl Addresses {
    /// Whether an address of this kind is assigned.
    pub fn has(self, kind: AddressKind) -> bool {
        match kind {
            AddressKind::Private => self.private,
            AddressKind::Public => self.public,
        }
    }

    /// Whether any address is assigned.
    pub fn any(self) -> bool {
        self.private || self.public
    }
}

impl Reason {
    /// A reason from its stable code (lower-case letters, digits and `-`, 1 to 64 bytes) and its
    /// sentence for people (at most 512 bytes).
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            text: text.into(),
        }
    }
}

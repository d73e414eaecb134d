//! Ids and counters. Each is its own type, so that a worker's name never stands where an instance's
//! id is meant, and an epoch never where a generation is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Declares a newtype over `String` with the conversions that every id needs.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text unchanged. If a form is required, the reader of the text checks it.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// Declares a newtype over `u64` that only ever counts up.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The counter with this value.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The value.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The following value. 2^64 steps are out of reach; the last value stays.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id!(
    /// The logical thing an application asks for: "the GPU that serves chat", "workspace 1234".
    WorkerId
);
text_id!(
    /// A set of workers that share region, launch source, policies and limits.
    PoolName
);
text_id!(
    /// The provider's id of one instance: `i-0123456789abcdef0`, or the id of a Fargate task, which
    /// is the last part of its ARN.
    InstanceId
);
text_id!(
    /// An AWS region, such as `us-east-1`.
    Region
);
text_id!(
    /// The name of a pointer: an SSM parameter such as `/chat/instance_id`.
    PointerName
);
text_id!(
    /// One life of one host. The id differs from those of other hosts and of the host's earlier
    /// lives.
    HostId
);
text_id!(
    /// Who sent a request, as the door has established it, for people: `the user with the id 1000`,
    /// `the token deploy`. At most 512 bytes on one line.
    Sender
);
text_id!(
    /// The idempotency token of a launch: at most 64 ASCII characters, the same for every replay of
    /// one attempt ("Ensuring idempotency" in the EC2 developer guide and in the ECS API
    /// reference).
    LaunchToken
);

counter!(
    /// One provisioning attempt of a worker. A new attempt after a definite failure is the next
    /// generation; 0 means that the worker was never provisioned by reeve.
    Generation
);
counter!(
    /// The fencing token of a lease: a mutation carries the epoch that was current when its intent
    /// was committed.
    Epoch
);
counter!(
    /// The version of a worker's record in the store. It rises by one with every commit; 0 means
    /// that the record was never written.
    Version
);
counter!(
    /// A decision of one life of one host. No other life of a host of the fleet gives it to another
    /// decision, because the store remembers which ids are handed out (`crate::numbers`).
    DecisionId
);
counter!(
    /// A pending request. The id is unique while the host runs.
    RequestId
);

/// The SHA-256 of a policy component's bytes: which code decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest and the number of all bytes that the reader gives.
    ///
    /// # Errors
    /// The reader's.
    pub fn read(mut reader: impl std::io::Read) -> std::io::Result<(Self, u64)> {
        use sha2::Digest as _;
        let (mut hash, mut found) = (sha2::Sha256::new(), 0);
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok((Self(hash.finalize().into()), found));
            }
            hash.update(buffer.get(..read).unwrap_or_default());
            found += read as u64;
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits: enough for a person to tell components apart.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

/// The text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}; accepted: 64 hexadecimal digits")]
pub struct NoDigest {
    found: String,
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let mut bytes = [0; 32];
        let read = hex::decode_to_slice(text, &mut bytes);
        read.map(|()| Self(bytes)).map_err(|_| NoDigest {
            found: text.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

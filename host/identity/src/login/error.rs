//! Refusals of logins, before a request to STS. Each has a stable code.

/// Why the host does not ask STS about a login.
///
/// Quotes from a login are short and escaped, and never of its signature or its security token. So
/// the error texts are safe to log and to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The body of `POST /v1/login`, or a member of it, is longer than any login's.
    #[error("the login's {member} has {bytes} bytes, and at most {bytes_max} are read")]
    TooLong {
        /// The member of the JSON, or `body`.
        member: &'static str,
        /// The member's length in bytes.
        bytes: usize,
        /// The longest accepted length in bytes.
        bytes_max: usize,
    },
    /// A member does not have its form.
    #[error("cannot read the login's {member}: expected {expected}, found {found}")]
    Malformed {
        /// The member of the JSON, or `body`.
        member: &'static str,
        /// What is accepted at that place.
        expected: &'static str,
        /// What the login has there.
        found: String,
    },
    /// The region is none of the host's.
    #[error(
        "the login is signed for the region {found}, and this host accepts {}: sign for one of those",
        accepted.join(", ")
    )]
    RegionUnknown {
        /// The region that the login names, quoted.
        found: String,
        /// The configured regions.
        accepted: Vec<String>,
    },
    /// The configured region is of a partition whose STS this host cannot name.
    #[error(
        "cannot name the STS endpoint of the region {found}: regions of the partitions aws (like \
         eu-central-1), aws-cn (like cn-north-1) and aws-us-gov (like us-gov-west-1) are accepted, and no \
         others"
    )]
    RegionUnsupported {
        /// The region, quoted.
        found: String,
    },
    /// Parts of the login contradict each other.
    #[error("the login contradicts itself: {one}, but {other}; sign it anew")]
    Contradictory {
        /// The statement of one part.
        one: String,
        /// The statement of another part.
        other: String,
    },
    /// The signature covers too few headers, or headers that the host does not send.
    #[error(
        "SignedHeaders of the login {found}; required are {required}, accepted as well are {optional}"
    )]
    SignedHeaders {
        /// What is wrong with the list.
        found: String,
        /// The headers that this login has to sign.
        required: String,
        /// The headers that it may sign.
        optional: String,
    },
    /// The time of signing is too far from the host's clock.
    #[error(
        "the login was signed at {signed_at}, {seconds} s {side} the host's time {now}, and at most \
         {seconds_max} s are accepted: sign it anew, and set the clock that is wrong"
    )]
    Skewed {
        /// The login's `x-amz-date`.
        signed_at: String,
        /// The host's time in the same form.
        now: String,
        /// The distance in seconds, rounded up.
        seconds: u128,
        /// `before` or `after`.
        side: &'static str,
        /// The largest accepted distance in seconds.
        seconds_max: u64,
    },
    /// The host's own audience cannot be a header's value. The operator has to change it.
    #[error(
        "the fleet's name {found} cannot be the audience of logins: 1 to {bytes_max} visible ASCII \
         characters without spaces are accepted"
    )]
    AudienceUnusable {
        /// The audience, quoted.
        found: String,
        /// The longest accepted audience in bytes.
        bytes_max: usize,
    },
}

impl LoginError {
    /// A stable word for the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "login_too_long",
            Self::Malformed { .. } => "login_malformed",
            Self::RegionUnknown { .. } => "login_region_unknown",
            Self::RegionUnsupported { .. } => "login_region_unsupported",
            Self::Contradictory { .. } => "login_contradictory",
            Self::SignedHeaders { .. } => "login_signed_headers",
            Self::Skewed { .. } => "login_skewed",
            Self::AudienceUnusable { .. } => "login_audience_unusable",
        }
    }
}

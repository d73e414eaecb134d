//! An identity of AWS IAM, by its ARN.

use std::fmt;
use std::str::FromStr;

use super::endpoint::Partition;
use crate::quote::quoted;

/// The longest ARN in bytes (STS API reference, `arnType`).
pub(super) const ARN_BYTES_MAX: usize = 2048;

/// The longest name of a role, a user or a session (IAM user guide, "IAM and AWS STS quotas").
const NAME_BYTES_MAX: usize = 64;

/// Who signed a login: an identity of IAM. `Display` writes the ARN, and `FromStr` reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The partition of the account.
    pub partition: Partition,
    /// The account: 12 digits.
    pub account: String,
    /// The whole ARN, as STS wrote it.
    pub arn: String,
    /// The kind of identity, with its names.
    pub kind: PrincipalKind,
}

/// The kinds of identities (IAM user guide, "IAM JSON policy elements: Principal").
///
/// Names are 1 to 64 letters, digits and `_+=,.@-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// `arn:aws:sts::123456789012:assumed-role/ROLE/SESSION`.
    AssumedRole {
        /// The role's name without its path: the ARN of a session has none. In an account, no two
        /// roles have one name.
        role: String,
        /// The session's name. The program that assumes the role chooses it, unless the role's
        /// trust admits only an AWS service. EC2 writes the instance's id, and Lambda the
        /// function's name.
        session: String,
    },
    /// `arn:aws:iam::123456789012:user/NAME`.
    User {
        /// The user's path without the first `/`, and the name: `ops/alice`.
        name: String,
    },
    /// `arn:aws:sts::123456789012:federated-user/NAME`.
    FederatedUser {
        /// The name that the program calling GetFederationToken chose.
        name: String,
    },
    /// `arn:aws:iam::123456789012:root`: the account itself.
    Root,
}

/// Why a text is not the ARN of an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the ARN of an identity: expected {expected}, found {found}")]
pub struct ArnError {
    /// What is accepted at that place.
    pub expected: &'static str,
    /// What the text has there, quoted.
    pub found: String,
}

impl FromStr for Principal {
    type Err = ArnError;

    fn from_str(arn: &str) -> Result<Self, ArnError> {
        let (partition, service, account, resource) = split(arn)?;
        let kind = match (service, resource.split_once('/')) {
            ("sts", Some(("assumed-role", names))) => assumed_role(names),
            ("sts", Some(("federated-user", name))) if is_name(name) => {
                Some(PrincipalKind::FederatedUser {
                    name: name.to_owned(),
                })
            }
            ("iam", Some(("user", name))) => user(name),
            ("iam", None) if resource == "root" => Some(PrincipalKind::Root),
            _ => None,
        };
        let kind = kind.ok_or_else(|| ArnError {
            expected: "sts and assumed-role/ROLE/SESSION or federated-user/NAME, or iam and user/NAME \
                       or root",
            found: quoted(&format!("{service} and {resource}")),
        })?;
        Ok(Self {
            partition,
            account: account.to_owned(),
            arn: arn.to_owned(),
            kind,
        })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

/// The partition, the service, the account and the resource of
/// `arn:PARTITION:SERVICE::ACCOUNT:RESOURCE` (IAM user guide, "IAM ARNs").
pub(super) fn split(arn: &str) -> Result<(Partition, &str, &str, &str), ArnError> {
    let error = |expected, found: &str| ArnError {
        expected,
        found: quoted(found),
    };
    if arn.len() > ARN_BYTES_MAX {
        return Err(error("at most 2,048 bytes", arn));
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, "", account, resource] = *parts.as_slice() else {
        return Err(error("arn:PARTITION:SERVICE::ACCOUNT:RESOURCE", arn));
    };
    let partition = Partition::named(partition)
        .ok_or_else(|| error("the partition aws, aws-cn or aws-us-gov", partition))?;
    if !is_account(account) {
        return Err(error("an account of 12 digits", account));
    }
    Ok((partition, service, account, resource))
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is the name of a role, a user or a session (IAM API reference, `roleNameType`;
/// STS API reference, `roleSessionNameType`, which a service may fall short of).
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && is_beginning_of_name(text)
}

/// Whether a name can begin with this text, which may be empty.
pub(super) fn is_beginning_of_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

/// Whether a text is a user's path without the first `/`: empty, or visible ASCII with a `/` at the
/// end (IAM API reference, `pathType`).
pub(super) fn is_path(text: &str) -> bool {
    text.is_empty()
        || (text.len() <= 511
            && text.ends_with('/')
            && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Splits a user's path from its name.
pub(super) fn split_path(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('/').map_or(0, |slash| slash + 1))
}

fn assumed_role(names: &str) -> Option<PrincipalKind> {
    let (role, session) = names.split_once('/')?;
    (is_name(role) && is_name(session)).then(|| PrincipalKind::AssumedRole {
        role: role.to_owned(),
        session: session.to_owned(),
    })
}

fn user(name: &str) -> Option<PrincipalKind> {
    let (path, last) = split_path(name);
    (is_path(path) && is_name(last)).then(|| PrincipalKind::User {
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(arn: &str) -> PrincipalKind {
        let principal: Principal = arn.parse().unwrap();
        assert_eq!(principal.account, "123456789012");
        assert_eq!(principal.to_string(), arn);
        principal.kind
    }

    #[test]
    fn an_arn_states_the_kind_and_the_names() {
        assert_eq!(
            kind("arn:aws:sts::123456789012:assumed-role/my-role/me@example.com"),
            PrincipalKind::AssumedRole {
                role: "my-role".to_owned(),
                session: "me@example.com".to_owned()
            }
        );
        for name in ["alice", "ops/alice", "a//b:c/alice"] {
            assert_eq!(
                kind(&format!("arn:aws-cn:iam::123456789012:user/{name}")),
                PrincipalKind::User {
                    name: name.to_owned()
                }
            );
        }
        assert_eq!(
            kind("arn:aws-us-gov:sts::123456789012:federated-user/bob"),
            PrincipalKind::FederatedUser {
                name: "bob".to_owned()
            }
        );
        assert_eq!(kind("arn:aws:iam::123456789012:root"), PrincipalKind::Root);
    }

    #[test]
    fn another_text_is_refused() {
        let long = "a".repeat(65);
        let texts = [
            "",
            "alice",
            "arn:aws:iam::123456789012",
            "arn:aws:iam:us-east-1:123456789012:root",
            "arn:aws:iam::12345678901:root",
            "arn:aws:iam::12345678901a:root",
            "arn:aws:iam::123456789012:root/x",
            "arn:aws:iam::123456789012:role/my-role",
            "arn:aws:iam::123456789012:assumed-role/my-role/s",
            "arn:aws:sts::123456789012:user/alice",
            "arn:aws:sts::123456789012:root",
            "arn:aws:sts::123456789012:assumed-role/my-role",
            "arn:aws:sts::123456789012:assumed-role/path/my-role/s",
            "arn:aws:sts::123456789012:assumed-role//s",
            "arn:aws:sts::123456789012:assumed-role/my-role/",
            "arn:aws:sts::123456789012:assumed-role/my-role/*",
            "arn:aws:sts::123456789012:assumed-role/my role/s",
            "arn:aws:sts::123456789012:assumed-role/my-role/s\n",
            "arn:aws:sts::123456789012:assumed-rôle/my-role/s",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:user/ops/",
            "arn:aws:iam::123456789012:user/o ps/alice",
            "arn:aws-iso:iam::123456789012:root",
            "ARN:aws:iam::123456789012:root",
            " arn:aws:iam::123456789012:root",
            &format!("arn:aws:iam::123456789012:user/{long}"),
            &format!("arn:aws:iam::123456789012:user/{}alice", "a/".repeat(2000)),
        ];
        for text in texts {
            let error = text.parse::<Principal>().unwrap_err().to_string();
            assert!(!error.contains('\n') && error.len() < 300, "{error}");
        }
    }
}

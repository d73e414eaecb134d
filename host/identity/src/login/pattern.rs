//! Patterns of ARNs, by which a rule names identities.

use std::fmt;
use std::str::FromStr;

use super::endpoint::Partition;
use super::principal::{
    ArnError, Principal, PrincipalKind, is_beginning_of_name, is_name, is_path, split, split_path,
};
use crate::quote::quoted;

/// The identities that a rule names.
///
/// | pattern | fits |
/// |---|---|
/// | `arn:aws:iam::123456789012:role/NAME` | every session of the role |
/// | `arn:aws:sts::123456789012:assumed-role/NAME/SESSION` | one session of the role |
/// | `arn:aws:iam::123456789012:user/PATH/NAME` | one user |
///
/// One `*` is possible, at the end of NAME or of SESSION: it stands for any characters of a name,
/// never for a `/`. The partition and the account are always exact. So no pattern fits another
/// account's identity, and none fits `root` or a federated user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArnPattern {
    text: String,
    partition: Partition,
    account: String,
    names: Names,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Names {
    /// Every session of a role.
    Role(Name),
    /// Some sessions of a role.
    Session { role: Name, session: Name },
    /// Users with exactly this path, which is empty or ends with `/`.
    User { path: String, name: Name },
}

/// A name, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    text: String,
    is_open: bool,
}

/// Why a text is not a pattern of ARNs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pattern} is no pattern of identities: {problem}; accepted are \
     arn:aws:iam::123456789012:role/NAME, arn:aws:sts::123456789012:assumed-role/NAME/SESSION and \
     arn:aws:iam::123456789012:user/NAME, with at most one `*`, at the end of NAME or SESSION"
)]
pub struct PatternError {
    /// The text, quoted.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ArnPattern {
    /// Whether an identity is one of those.
    pub fn fits(&self, principal: &Principal) -> bool {
        self.partition == principal.partition
            && self.account == principal.account
            && self.names.fit(&principal.kind)
    }

    /// The name of the role, if the pattern fits every session of one role and nothing else.
    pub fn role(&self) -> Option<&str> {
        match &self.names {
            Names::Role(name) if !name.is_open => Some(&name.text),
            _ => None,
        }
    }

    /// The text that the pattern was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ArnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ArnPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (partition, account, names) = read(text).map_err(|problem| PatternError {
            pattern: quoted(text),
            problem,
        })?;
        Ok(Self {
            text: text.to_owned(),
            partition,
            account,
            names,
        })
    }
}

impl Names {
    fn fit(&self, kind: &PrincipalKind) -> bool {
        match (self, kind) {
            (Self::Role(role), PrincipalKind::AssumedRole { role: found, .. }) => role.fits(found),
            (
                Self::Session { role, session },
                PrincipalKind::AssumedRole {
                    role: found_role,
                    session: found_session,
                },
            ) => role.fits(found_role) && session.fits(found_session),
            (Self::User { path, name }, PrincipalKind::User { name: found }) => {
                let (found_path, found_name) = split_path(found);
                path == found_path && name.fits(found_name)
            }
            _ => false,
        }
    }
}

impl Name {
    fn fits(&self, name: &str) -> bool {
        if self.is_open {
            name.starts_with(&self.text)
        } else {
            name == self.text
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let fixed = text.strip_suffix('*');
        let is_valid = fixed.map_or_else(|| is_name(text), is_beginning_of_name);
        if !is_valid {
            return Err(format!(
                "{} is no name of 1 to 64 letters, digits and `_+=,.@-`, with a `*` at most at its end",
                quoted(text)
            ));
        }
        Ok(Self {
            text: fixed.unwrap_or(text).to_owned(),
            is_open: fixed.is_some(),
        })
    }
}

/// The parts of a pattern, or what is wrong with it.
fn read(text: &str) -> Result<(Partition, String, Names), String> {
    let (partition, service, account, resource) = split(text)
        .map_err(|ArnError { expected, found }| format!("expected {expected}, found {found}"))?;
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let names = match (service, kind) {
        ("iam", "role") => role(name)?,
        ("sts", "assumed-role") => session(name)?,
        ("iam", "user") => user(name)?,
        _ => {
            return Err(format!(
                "it names {}, and only roles, their sessions and users are accepted",
                quoted(&format!("{service}:{kind}"))
            ));
        }
    };
    Ok((partition, account.to_owned(), names))
}

fn role(name: &str) -> Result<Names, String> {
    let (path, name) = split_path(name);
    if !path.is_empty() {
        return Err(format!(
            "it has the path {}, and the ARN that STS returns for a session has none: write role/{name}",
            quoted(path),
        ));
    }
    Ok(Names::Role(Name::read(name)?))
}

fn session(names: &str) -> Result<Names, String> {
    let Some((role, session)) = names.split_once('/') else {
        return Err(
            "it names no session: write assumed-role/NAME/*, or role/NAME of iam for all sessions"
                .to_owned(),
        );
    };
    let (role, session) = (Name::read(role)?, Name::read(session)?);
    if role.is_open && session.is_open {
        return Err("it has two `*`, of which one is accepted".to_owned());
    }
    Ok(Names::Session { role, session })
}

fn user(name: &str) -> Result<Names, String> {
    let (path, name) = split_path(name);
    if !is_path(path) || path.contains('*') {
        return Err(format!(
            "{} is no path of visible ASCII characters without `*`",
            quoted(path)
        ));
    }
    Ok(Names::User {
        path: path.to_owned(),
        name: Name::read(name)?,
    })
}

#[cfg(test)]
mod tests;

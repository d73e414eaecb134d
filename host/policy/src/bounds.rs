//! The bounds of a policy's output, from `wit/`. The core decides how far the host follows a
//! verdict within the bounds (how long it stays valid, what may be started).

use reeve_core::id::InstanceId;
use reeve_core::point::adopt::Choice;
use reeve_core::point::resolve::{Action, Adopted, Pointer};
use reeve_core::point::{Input, Reason, Verdict, adopt, resolve};
use reeve_core::text::{self, TEXT_BYTES_MAX};

use crate::description::Description;

/// The length of a name or a reason's code.
const CODE_BYTES_MAX: usize = 64;
/// The length of a memo.
const MEMO_BYTES_MAX: usize = 1024;
/// The length of a version such as `1.2.3-rc.1+build.5`.
const VERSION_BYTES_MAX: usize = 64;
/// Names in one error: enough to recognize a component.
const NAMES_MAX: usize = 8;
/// The length of one of these names: an interface's name is shorter, and an error with all of them has
/// at most 700 bytes.
const NAME_BYTES_MAX: usize = 48;
/// The length of a JSON Schema.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// Checks a verdict against the contract and against its input.
///
/// # Errors
/// Which field is out of bounds, what was found and what is accepted.
pub(crate) fn check(input: &Input, verdict: &Verdict) -> Result<(), String> {
    check_reason(verdict.reason())?;
    match (input, verdict) {
        (Input::Resolve(input), Verdict::Resolve(verdict)) => {
            check_memo(&verdict.memo)?;
            match &verdict.action {
                Action::Serve(target) => check_known(&target.id, known_to_resolve(input)),
                Action::Start(id) | Action::Replace(id) => check_known(id, known_to_resolve(input)),
                Action::Launch(option) => check_option(*option, input.capacity_options),
                Action::Adopt | Action::Wait(_) | Action::Unavailable(_) => Ok(()),
            }
        }
        (Input::Adopt(input), Verdict::Adopt(verdict)) => match &verdict.choice {
            Choice::Take(id) => check_known(id, candidates(input)),
            Choice::None => Ok(()),
        },
        (Input::Reap(_), Verdict::Reap(verdict)) => check_memo(&verdict.memo),
        // The other verdicts name no instance and have no memo.
        _ => Ok(()),
    }
}

/// Checks a description against the contract.
///
/// # Errors
/// Which field is out of bounds, what was found and what is accepted.
pub(crate) fn check_description(description: &Description) -> Result<(), String> {
    check_code("name", &description.name)?;
    check_length("summary", &description.summary, TEXT_BYTES_MAX)?;
    check_length("version", &description.version, VERSION_BYTES_MAX)?;
    if !is_semver(&description.version) {
        return Err(format!(
            "version is {:?}, accepted is a semantic version such as 1.2.3 or 1.2.3-rc.1",
            description.version
        ));
    }
    check_length(
        "settings-schema",
        &description.settings_schema,
        SCHEMA_BYTES_MAX,
    )?;
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(
        &description.settings_schema,
    ) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "settings-schema is not a JSON object as a JSON Schema is: {}",
            // It repeats a string that stands where the object should.
            text::bounded(&error.to_string())
        )),
    }
}

/// A component's own names for an error: the first few, each cut.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names = names.map(|name| text::bounded_to(name, NAME_BYTES_MAX));
    let mut listed: Vec<_> = names.by_ref().take(NAMES_MAX).collect();
    let more = names.count();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    listed
}

fn check_reason(reason: &Reason) -> Result<(), String> {
    check_code("reason.code", &reason.code)?;
    check_length("reason.text", &reason.text, TEXT_BYTES_MAX)
}

fn check_code(field: &str, code: &str) -> Result<(), String> {
    let accepted = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=CODE_BYTES_MAX).contains(&code.len()) && code.bytes().all(accepted) {
        return Ok(());
    }
    Err(format!(
        "{field} is {:?} ({} bytes), accepted are 1 to {CODE_BYTES_MAX} lower-case letters, digits and -",
        excerpt(code),
        code.len()
    ))
}

fn check_length(field: &str, text: &str, bytes_max: usize) -> Result<(), String> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    Err(format!(
        "{field} has {} bytes, accepted are at most {bytes_max}",
        text.len()
    ))
}

fn check_memo(memo: &str) -> Result<(), String> {
    check_length("memo", memo, MEMO_BYTES_MAX)
}

fn check_option(option: u32, options: u32) -> Result<(), String> {
    // A launch in a pool that launches nothing is vetoed, with the reason.
    if option == 0 || option < options {
        return Ok(());
    }
    Err(format!(
        "it launches with the capacity option {option}, counted from 0; the input has {options} of them"
    ))
}

fn check_known<'a>(
    id: &InstanceId,
    known: impl Iterator<Item = &'a InstanceId>,
) -> Result<(), String> {
    let mut known = known.peekable();
    let none_known = known.peek().is_none();
    if known.any(|one| one == id) {
        return Ok(());
    }
    Err(format!(
        "it names the instance {:?}, which is not in the input{}",
        excerpt(id.as_str()),
        if none_known {
            " (the input names none)"
        } else {
            ""
        }
    ))
}

fn known_to_resolve(input: &resolve::Input) -> impl Iterator<Item = &InstanceId> {
    let pointed = match &input.pointer {
        Pointer::Names(id) => Some(id),
        Pointer::Unknown | Pointer::Empty => None,
    };
    let adopted = match &input.adopted {
        Adopted::Instance(id) => Some(id),
        Adopted::None => None,
    };
    let listed = input.instances.iter().map(|facts| &facts.id);
    listed.chain(adopted).chain(pointed)
}

fn candidates(input: &adopt::Input) -> impl Iterator<Item = &InstanceId> {
    input.candidates.iter().map(|candidate| &candidate.facts.id)
}

/// The beginning of a text, enough to recognize it in an error.
fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(CODE_BYTES_MAX)]
}

/// `MAJOR.MINOR.PATCH`, each without leading zeros, with a suffix of letters, digits, `.`, `-` and `+`
/// after `-` or `+`.
fn is_semver(version: &str) -> bool {
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    if !version.bytes().all(accepted) {
        return false;
    }
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    core.split('.').count() == 3 && core.split('.').all(number)
}

#[cfg(test)]
mod tests {
    use reeve_core::point::resolve::Target;
    use reeve_core::point::{AddressKind, Point};

    use super::*;

    fn resolve_input(pointer: Pointer, adopted: Adopted) -> Input {
        let Input::Resolve(input) = Input::neutral(Point::Resolve).unwrap() else {
            panic!("another question");
        };
        Input::Resolve(resolve::Input {
            pointer,
            adopted,
            ..input
        })
    }

    fn resolve_verdict(action: Action, memo: String) -> Verdict {
        Verdict::Resolve(resolve::Verdict {
            action,
            reason: Reason::new("code", "text"),
            valid_for_ms: 0,
            memo,
        })
    }

    fn start(id: &str) -> Verdict {
        resolve_verdict(Action::Start(InstanceId::new(id)), String::new())
    }

    #[test]
    fn an_instance_may_be_named_that_stands_anywhere_in_the_input() {
        let id = || InstanceId::new("i-a");
        let pointed = resolve_input(Pointer::Names(id()), Adopted::None);
        let adopted = resolve_input(Pointer::Empty, Adopted::Instance(id()));
        for input in [pointed, adopted] {
            assert_eq!(check(&input, &start("i-a")), Ok(()));
            assert!(check(&input, &start("i-b")).is_err());
            let target = Target {
                id: InstanceId::new("i-b"),
                address: AddressKind::Private,
            };
            assert!(
                check(
                    &input,
                    &resolve_verdict(Action::Serve(target), String::new())
                )
                .is_err()
            );
        }
    }

    #[test]
    fn an_invented_instance_is_named_in_the_error() {
        let nothing = resolve_input(Pointer::Unknown, Adopted::None);
        let error = check(&nothing, &start("i-made-up")).unwrap_err();
        assert!(error.contains("\"i-made-up\""), "{error}");
        let candidates = Input::neutral(Point::Adopt).unwrap();
        let take = Verdict::Adopt(adopt::Verdict {
            choice: Choice::Take(InstanceId::new("i-made-up")),
            reason: Reason::new("code", "text"),
            valid_for_ms: 0,
        });
        assert!(check(&candidates, &take).is_err());
    }

    #[test]
    fn a_description_out_of_bounds_is_refused_without_its_text() {
        let sound = Description {
            name: "a".to_owned(),
            summary: String::new(),
            version: "1.0.0".to_owned(),
            settings_schema: "{}".to_owned(),
        };
        assert_eq!(check_description(&sound), Ok(()));
        let hostile = "\u{1b}\u{202e}".repeat(10_000);
        let name = || hostile.clone();
        let refused = [
            Description {
                name: name(),
                ..sound.clone()
            },
            Description {
                summary: name(),
                ..sound.clone()
            },
            Description {
                version: name(),
                ..sound.clone()
            },
            Description {
                version: hostile[..60].to_owned(),
                ..sound.clone()
            },
            Description {
                version: "1.0.0-\n\u{1b}[2J".to_owned(),
                ..sound.clone()
            },
            Description {
                settings_schema: format!("\"{hostile}\""),
                ..sound.clone()
            },
            Description {
                settings_schema: format!("\"{}\"", "x".repeat(60_000)),
                ..sound
            },
        ];
        for description in refused {
            let error = check_description(&description).unwrap_err();
            assert!(
                error.len() < 700 && !error.contains(text::is_unsafe),
                "{error}"
            );
        }
    }

    #[test]
    fn names_of_a_component_take_at_most_512_bytes_of_an_error() {
        let long = "\u{1b}".repeat(100_000);
        let listed = listed(std::iter::repeat_n(long.as_str(), 100));
        assert_eq!(listed.len(), NAMES_MAX + 1);
        assert_eq!(listed.last().map(String::as_str), Some("92 more"));
        let bytes: usize = listed[..NAMES_MAX].iter().map(String::len).sum();
        assert!(bytes <= TEXT_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn a_memo_has_at_most_1024_bytes() {
        let input = resolve_input(Pointer::Unknown, Adopted::None);
        let with_memo = |length| resolve_verdict(Action::Launch(0), "m".repeat(length));
        assert_eq!(check(&input, &with_memo(1024)), Ok(()));
        let error = check(&input, &with_memo(1025)).unwrap_err();
        assert_eq!(error, "memo has 1025 bytes, accepted are at most 1024");
    }
}

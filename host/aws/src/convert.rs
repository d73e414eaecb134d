//! Converts the provider's instances and pointers to reeve's types.

use std::net::IpAddr;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{Instance as Ec2Instance, InstanceStateName};
use aws_sdk_ssm::types::{Parameter, ParameterType};
use reeve_core::cloud::{CloudError, CloudErrorKind, POINTER_NONE, PointerReading};
use reeve_core::id::{InstanceId, PointerName};
use reeve_core::instance::{Instance, InstanceState, StateReason};
use reeve_core::text;
use reeve_core::time::Instant;

use crate::error;

/// No provider's ids are that long; a longer value is no id.
const INSTANCE_ID_BYTES_MAX: usize = 255;

/// How many characters of a wrong pointer an error shows.
const SHOWN_CHARS_MAX: usize = 60;

/// Converts one instance of a response.
///
/// # Errors
/// The instance has no id or an invalid address, so the response is garbled.
pub(crate) fn instance(operation: &str, found: &Ec2Instance) -> Result<Instance, CloudError> {
    let id = found
        .instance_id()
        .ok_or_else(|| error::garbled(operation, "an instance without an id".to_owned()))?;
    Ok(Instance {
        id: InstanceId::new(id),
        state: state(found.state().and_then(|state| state.name())),
        state_reason: found
            .state_reason()
            .and_then(|reason| state_reason(reason.code(), reason.message())),
        private_ip: address(operation, id, found.private_ip_address())?,
        public_ip: address(operation, id, found.public_ip_address())?,
        launched_at: found.launch_time().and_then(instant),
        role: found
            .iam_instance_profile()
            .and_then(|profile| name_in(profile.arn()?)),
        tags: found
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
    })
}

/// The name at the end of an ARN of IAM: `arn:aws:iam::123456789012:instance-profile/PATH/NAME`.
pub(crate) fn name_in(arn: &str) -> Option<String> {
    let (_, name) = arn.rsplit_once('/')?;
    Some(text::bounded(name)).filter(|name| !name.is_empty())
}

/// Why the instance went down. EC2 shows a reason for other states as well, such as `pending`: only
/// a code with a side in front (`Client.`, `Server.`) is of an end (EC2 API, "StateReason").
fn state_reason(code: Option<&str>, text: Option<&str>) -> Option<StateReason> {
    let code = code.filter(|code| code.contains('.'))?;
    Some(StateReason {
        code: error::bounded_code(code),
        text: text::bounded(text.unwrap_or_default()),
    })
}

/// Converts the state. A name that this SDK does not know becomes `Unknown`.
fn state(name: Option<&InstanceStateName>) -> InstanceState {
    match name {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(InstanceStateName::Terminated) => InstanceState::Terminated,
        Some(_) | None => InstanceState::Unknown,
    }
}

/// An unassigned address is missing in the response, or empty.
pub(crate) fn address(
    operation: &str,
    id: &str,
    text: Option<&str>,
) -> Result<Option<IpAddr>, CloudError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| error::garbled(operation, format!("the address {text:?} of {id}"))),
    }
}

/// A time before 1970 counts as missing.
pub(crate) fn instant(time: &DateTime) -> Option<Instant> {
    let ms = u64::try_from(time.to_millis().ok()?).ok()?;
    Some(Instant::from_ms(ms))
}

/// The instance that a pointer names, and when the pointer was written (SSM API, `Parameter`).
///
/// # Errors
/// A parameter that reeve cannot overwrite, or a value that cannot be an id.
pub(crate) fn pointer(
    name: &PointerName,
    parameter: Option<&Parameter>,
) -> Result<PointerReading, CloudError> {
    if let Some(kind @ (ParameterType::SecureString | ParameterType::StringList)) =
        parameter.and_then(Parameter::r#type)
    {
        // SSM refuses to overwrite a parameter with another type, so the error comes here and not
        // in the middle of a stop.
        return Err(wrong_pointer(
            "PointerType",
            format!(
                "the pointer {name} is a {kind}; accepted is a String, the type reeve writes; delete the \
                 parameter and create it as a String"
            ),
        ));
    }
    let value = parameter
        .and_then(Parameter::value)
        .unwrap_or_default()
        .trim();
    if value.is_empty() || value == POINTER_NONE {
        return Ok(PointerReading::default());
    }
    if value.len() > INSTANCE_ID_BYTES_MAX
        || value.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        let shown: String = value.chars().take(SHOWN_CHARS_MAX).collect();
        return Err(wrong_pointer(
            "PointerValue",
            format!(
                "the pointer {name} holds {length} bytes that begin with {shown:?}; accepted is an \
                 instance id of at most {INSTANCE_ID_BYTES_MAX} bytes without spaces, or `{POINTER_NONE}`; \
                 write `{POINTER_NONE}` to start afresh",
                length = value.len(),
            ),
        ));
    }
    // A task's ARN names the task; its id is the last part.
    let of_arn = value
        .strip_prefix("arn:")
        .and_then(|arn| arn.rsplit('/').next());
    let id = of_arn.filter(|id| !id.is_empty()).unwrap_or(value);
    let written_at = parameter.and_then(Parameter::last_modified_date);
    Ok(PointerReading {
        names: Some(InstanceId::new(id)),
        written_at: written_at.and_then(instant),
    })
}

fn wrong_pointer(code: &str, message: String) -> CloudError {
    CloudError {
        operation: "GetParameter".to_owned(),
        kind: CloudErrorKind::Permanent,
        code: code.to_owned(),
        message,
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{IamInstanceProfile, InstanceState as Ec2State, Tag};

    use super::*;

    fn named(state: InstanceStateName) -> Ec2Instance {
        Ec2Instance::builder()
            .instance_id("i-1")
            .state(Ec2State::builder().name(state).build())
            .build()
    }

    fn parameter(value: &str) -> Parameter {
        Parameter::builder()
            .r#type(ParameterType::String)
            .value(value)
            .build()
    }

    fn read(value: &str) -> Result<Option<InstanceId>, CloudError> {
        let read = pointer(&"/gpu/instance_id".into(), Some(&parameter(value)));
        read.map(|reading| reading.names)
    }

    #[test]
    fn every_state_keeps_its_own_name() {
        let states = [
            InstanceState::Pending,
            InstanceState::Running,
            InstanceState::Stopping,
            InstanceState::Stopped,
            InstanceState::ShuttingDown,
            InstanceState::Terminated,
        ];
        for state in states {
            let found = named(InstanceStateName::from(state.as_str()));
            assert_eq!(instance("DescribeInstances", &found).unwrap().state, state);
        }
    }

    #[test]
    fn an_unlisted_state_is_unknown() {
        for found in [
            named(InstanceStateName::from("hibernating")),
            Ec2Instance::builder().instance_id("i-1").build(),
        ] {
            let converted = instance("DescribeInstances", &found).unwrap();
            assert_eq!(converted.state, InstanceState::Unknown);
        }
    }

    #[test]
    fn all_facts_come_through() {
        let found = Ec2Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .state(Ec2State::builder().name(InstanceStateName::Running).build())
            .private_ip_address("10.0.0.7")
            .public_ip_address("203.0.113.9")
            .launch_time(DateTime::from_millis(1_700_000_000_123))
            .iam_instance_profile(
                IamInstanceProfile::builder()
                    .arn("arn:aws:iam::123456789012:instance-profile/boxes/gpu-box")
                    .build(),
            )
            .tags(Tag::builder().key("Name").value("gpu").build())
            .tags(Tag::builder().key("empty").value("").build())
            .build();
        let converted = instance("DescribeInstances", &found).unwrap();
        assert_eq!(converted.id, InstanceId::from("i-0123456789abcdef0"));
        assert_eq!(converted.role.as_deref(), Some("gpu-box"));
        assert_eq!(converted.private_ip, Some([10, 0, 0, 7].into()));
        assert_eq!(converted.public_ip, Some([203, 0, 113, 9].into()));
        assert_eq!(
            converted.launched_at,
            Some(Instant::from_ms(1_700_000_000_123))
        );
        let tags = [("Name", "gpu"), ("empty", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(converted.tags, tags.into());
    }

    #[test]
    fn an_address_that_is_missing_or_empty_is_none() {
        let found = Ec2Instance::builder()
            .instance_id("i-1")
            .public_ip_address("")
            .build();
        let converted = instance("DescribeInstances", &found).unwrap();
        assert_eq!((converted.private_ip, converted.public_ip), (None, None));
        assert_eq!(converted.launched_at, None);
    }

    #[test]
    fn a_garbled_instance_is_an_error_and_not_left_out() {
        let no_id = Ec2Instance::builder().build();
        let bad_address = Ec2Instance::builder()
            .instance_id("i-1")
            .private_ip_address("10.0.0")
            .build();
        for found in [no_id, bad_address] {
            let error = instance("DescribeInstances", &found).unwrap_err();
            assert_eq!(error.kind, CloudErrorKind::Transient, "{error}");
        }
    }

    #[test]
    fn a_pointer_names_an_instance_or_none() {
        for value in ["", " ", "none", " none\n"] {
            assert_eq!(read(value), Ok(None), "{value:?}");
        }
        assert_eq!(pointer(&"/p".into(), None), Ok(PointerReading::default()));
        for value in ["i-1", " i-1\n"] {
            assert_eq!(read(value), Ok(Some("i-1".into())), "{value:?}");
        }
        let arn = "arn:aws:ecs:us-east-1:123456789012:task/agents/0123456789abcdef";
        assert_eq!(read(arn), Ok(Some("0123456789abcdef".into())));
        let longest = "i".repeat(INSTANCE_ID_BYTES_MAX);
        assert_eq!(read(&longest), Ok(Some(longest.as_str().into())));
    }

    #[test]
    fn a_pointer_has_the_date_of_its_value_if_ssm_gives_one() {
        let written_at = |date: Option<DateTime>| {
            let named = Parameter::builder().value("i-1");
            let parameter = named.set_last_modified_date(date).build();
            let reading = pointer(&"/p".into(), Some(&parameter)).unwrap();
            reading.written_at
        };
        let date = DateTime::from_millis(1_700_000_000_123);
        let instant = Instant::from_ms(1_700_000_000_123);
        assert_eq!(written_at(Some(date)), Some(instant));
        assert_eq!(written_at(None), None);
    }

    #[test]
    fn a_pointer_that_holds_something_else_is_shown_in_part() {
        let long = "x".repeat(INSTANCE_ID_BYTES_MAX + 1);
        for value in ["i-1 i-2", "i-1\u{7}", &long] {
            let error = read(value).unwrap_err();
            assert_eq!(error.kind, CloudErrorKind::Permanent);
            assert_eq!(error.code, "PointerValue");
            assert!(error.message.contains("/gpu/instance_id"), "{error}");
            assert!(error.message.len() < 400, "{error}");
        }
    }

    #[test]
    fn a_pointer_of_a_type_that_reeve_could_not_overwrite_is_refused() {
        for kind in [ParameterType::SecureString, ParameterType::StringList] {
            let parameter = Parameter::builder().r#type(kind).value("i-1").build();
            let error = pointer(&"/p".into(), Some(&parameter)).unwrap_err();
            assert_eq!(error.kind, CloudErrorKind::Permanent);
            assert_eq!(error.code, "PointerType");
        }
    }
}

//! Converts a task to an instance.

use std::net::IpAddr;

use aws_sdk_ecs::types::{Attachment, Container, KeyValuePair, NetworkInterface, Task};
use reeve_core::cloud::CloudError;
use reeve_core::id::InstanceId;
use reeve_core::instance::{Instance, InstanceState, StateReason};
use reeve_core::text;

use crate::convert::{address, instant};
use crate::error;

/// Converts one task of a response.
///
/// # Errors
/// The task has no ARN or an invalid address, so the response is garbled.
pub(super) fn task(operation: &str, found: &Task) -> Result<Instance, CloudError> {
    let arn = found.task_arn().unwrap_or_default();
    let id = id(arn);
    if id.as_str().is_empty() {
        return Err(error::garbled(operation, "a task without an id".to_owned()));
    }
    Ok(Instance {
        state: state(found.last_status(), found.desired_status()),
        state_reason: found.stop_code().map(|code| StateReason {
            code: error::bounded_code(code.as_str()),
            text: text::bounded(found.stopped_reason().unwrap_or_default()),
        }),
        private_ip: private_ip(operation, id.as_str(), found)?,
        public_ip: None,
        // When RunTask was called: every response has it. `startedAt` is only set with `RUNNING`.
        launched_at: found.created_at().and_then(instant),
        // Mostly its definition has it; `roles` reads that.
        role: None,
        tags: found
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
        id,
    })
}

/// The task's id in its ARN, `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`. Older ARNs lack the
/// cluster (ECS developer guide, "ARNs and IDs").
pub(super) fn id(arn: &str) -> InstanceId {
    InstanceId::new(arn.rsplit('/').next().unwrap_or_default())
}

/// The state for a task's last and desired status (ECS developer guide, "Task lifecycle"). A task
/// that is to stop counts as shutting down, however far it had started: as pending it would be
/// waited for or adopted. An unknown status becomes `Unknown`.
fn state(last: Option<&str>, desired: Option<&str>) -> InstanceState {
    use InstanceState::{Pending, Running, ShuttingDown, Terminated, Unknown};
    match (last.unwrap_or_default(), desired.unwrap_or_default()) {
        ("PROVISIONING" | "PENDING" | "ACTIVATING" | "RUNNING", "STOPPED") => ShuttingDown,
        ("PROVISIONING" | "PENDING" | "ACTIVATING", _) => Pending,
        ("RUNNING", "RUNNING") => Running,
        ("DEACTIVATING" | "STOPPING" | "DEPROVISIONING", _) => ShuttingDown,
        // DescribeTasks returns `DELETED` for a while after a task has stopped.
        ("STOPPED" | "DELETED", _) => Terminated,
        _ => Unknown,
    }
}

/// The address of the task's network interface, which exists before the task runs. In a network
/// without IPv4, only the containers report it. A released interface has no address.
fn private_ip(operation: &str, id: &str, found: &Task) -> Result<Option<IpAddr>, CloudError> {
    let attachments = found.attachments();
    let mut held = attachments.iter().filter(|it| is_held(it)).peekable();
    if !attachments.is_empty() && held.peek().is_none() {
        return Ok(None);
    }
    let ipv4 = held
        .flat_map(Attachment::details)
        .find(|detail| detail.name() == Some("privateIPv4Address"))
        .and_then(KeyValuePair::value);
    let ipv6 = || {
        let mut interfaces = found
            .containers()
            .iter()
            .flat_map(Container::network_interfaces);
        interfaces.find_map(NetworkInterface::ipv6_address)
    };
    address(operation, id, ipv4.or_else(ipv6))
}

fn is_held(attachment: &Attachment) -> bool {
    !matches!(attachment.status(), Some("DETACHED" | "DELETED"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::TaskStopCode;

    use super::*;

    const ARN: &str =
        "arn:aws:ecs:us-east-1:123456789012:task/agents/0123456789abcdef0123456789abcdef";

    fn attachment(status: &str, name: &str, value: &str) -> Attachment {
        let detail = KeyValuePair::builder().name(name).value(value).build();
        Attachment::builder()
            .r#type("ElasticNetworkInterface")
            .status(status)
            .details(detail)
            .build()
    }

    fn ip_of(task_found: Task) -> Option<String> {
        let found = task("DescribeTasks", &task_found).unwrap();
        found.private_ip.map(|ip| ip.to_string())
    }

    #[test]
    fn a_stopped_task_has_the_reason_that_ecs_gives() {
        let stopped = Task::builder()
            .task_arn(ARN)
            .last_status("STOPPED")
            .stop_code(TaskStopCode::UserInitiated)
            .stopped_reason("Task stopped by user");
        let found = task("DescribeTasks", &stopped.build()).unwrap();
        let reason = found.state_reason.unwrap();
        assert_eq!(reason.to_string(), "UserInitiated: Task stopped by user");
        assert!(reason.is_by_request());
    }

    #[test]
    fn each_status_is_its_state_and_a_word_that_is_not_known_is_none() {
        use InstanceState::{Pending, Running, ShuttingDown, Terminated, Unknown};
        let cases = [
            ("PROVISIONING", "RUNNING", Pending),
            ("PENDING", "RUNNING", Pending),
            ("ACTIVATING", "RUNNING", Pending),
            ("RUNNING", "RUNNING", Running),
            ("PROVISIONING", "STOPPED", ShuttingDown),
            ("PENDING", "STOPPED", ShuttingDown),
            ("ACTIVATING", "STOPPED", ShuttingDown),
            ("RUNNING", "STOPPED", ShuttingDown),
            ("DEACTIVATING", "STOPPED", ShuttingDown),
            ("STOPPING", "STOPPED", ShuttingDown),
            ("DEPROVISIONING", "STOPPED", ShuttingDown),
            ("STOPPED", "STOPPED", Terminated),
            ("DELETED", "STOPPED", Terminated),
            ("RUNNING", "HIBERNATED", Unknown),
            ("HIBERNATING", "RUNNING", Unknown),
            ("", "", Unknown),
        ];
        for (last, desired, expected) in cases {
            assert_eq!(
                state(Some(last), Some(desired)),
                expected,
                "{last} {desired}"
            );
        }
        assert_eq!(state(None, None), Unknown);
        assert_eq!(state(Some("RUNNING"), None), Unknown);
    }

    #[test]
    fn a_task_is_known_by_the_last_part_of_its_arn_old_or_new() {
        let old = "arn:aws:ecs:us-east-1:123456789012:task/0123456789abcdef0123456789abcdef";
        for arn in [ARN, old] {
            let found = task("DescribeTasks", &Task::builder().task_arn(arn).build()).unwrap();
            assert_eq!(found.id.as_str(), "0123456789abcdef0123456789abcdef");
            assert_eq!((found.private_ip, found.launched_at), (None, None));
        }
        assert!(task("DescribeTasks", &Task::builder().build()).is_err());
    }

    #[test]
    fn the_address_is_the_interfaces_while_it_has_one() {
        let with = |attachment| {
            Task::builder()
                .task_arn(ARN)
                .attachments(attachment)
                .build()
        };
        let ipv4 = "privateIPv4Address";
        let attached = with(attachment("ATTACHED", ipv4, "10.0.0.7"));
        assert_eq!(ip_of(attached).as_deref(), Some("10.0.0.7"));
        for status in ["DETACHED", "DELETED"] {
            assert_eq!(ip_of(with(attachment(status, ipv4, "10.0.0.7"))), None);
        }
        assert_eq!(
            ip_of(with(attachment("PRECREATED", "subnetId", "subnet-1"))),
            None
        );
        let garbled = with(attachment("ATTACHED", ipv4, "ten"));
        assert!(task("DescribeTasks", &garbled).is_err());
    }

    #[test]
    fn without_ipv4_the_address_is_the_one_that_the_containers_tell() {
        let interface = NetworkInterface::builder().ipv6_address("fd00::7").build();
        let container = Container::builder().network_interfaces(interface).build();
        let with = |status| {
            Task::builder()
                .task_arn(ARN)
                .attachments(attachment(status, "subnetId", "subnet-1"))
                .containers(container.clone())
                .build()
        };
        assert_eq!(ip_of(with("ATTACHED")).as_deref(), Some("fd00::7"));
        assert_eq!(ip_of(with("DELETED")), None);
    }
}

//! Mutations of tasks. Each request is sent once.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, Failure, KeyValuePair, LaunchType,
    NetworkConfiguration, Tag, TaskOverride,
};
use reeve_core::cloud::{CloudError, CloudErrorKind};
use reeve_core::compute::FargateTask;
use reeve_core::id::{DecisionId, InstanceId, LaunchToken};
use reeve_core::instance::{Instance, TAG_GENERATION, TAG_WORKER};
use reeve_core::text;

use super::convert;
use crate::error;

const RUN: &str = "RunTask";
const END: &str = "StopTask";

/// The console shows this as the task's starter, and a scan lists by it.
pub(super) const STARTED_BY: &str = "reeve";

/// The tags that a container gets as environment variables.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("REEVE_WORKER", TAG_WORKER),
    ("REEVE_GENERATION", TAG_GENERATION),
];

/// Parts of ECS's messages for temporary failures: no capacity, or the account's limit (ECS
/// developer guide, "API failure reasons"). `ClientException` has no code that distinguishes them.
/// `RESOURCE:` stands before what is used up: `CPU`, `MEMORY`, `ENI`, `GPU`.
const NO_CAPACITY: [&str; 4] = [
    "RESOURCE:",
    "Capacity is unavailable",
    "capacity limit",
    "reached the limit",
];

/// The reason for a container instance whose agent is not connected: nothing was run, and the agent
/// may connect again or another instance take the task (ECS developer guide, "API failure
/// reasons").
const AGENT: &str = "AGENT";

/// What stands before the code of another service in ECS's message. ECS asks EC2 about the subnets
/// and security groups of a task, and reports EC2's refusal as its own
/// `InvalidParameterException` (public reports dagster#33439, dask-cloudprovider#56).
const QUOTED: &str = "(ErrorCode: ";

/// Runs one task. The request depends only on the stored launch, so a replay is the same request.
pub(crate) async fn run(
    ecs: &Client,
    task: &FargateTask,
    token: &LaunchToken,
    tags: &BTreeMap<String, String>,
) -> Result<Instance, CloudError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let answer = ecs
        .run_task()
        .cluster(&task.cluster)
        .task_definition(&task.task_definition)
        .launch_type(LaunchType::Fargate)
        .count(1)
        .client_token(token.as_str())
        .started_by(STARTED_BY)
        .network_configuration(network(task)?)
        .set_overrides(overrides(task, tags))
        .set_tags(Some(tags.iter().map(tag).collect()))
        .send()
        .await
        .map_err(|failure| by_sentence(error::sorted(RUN, &failure)))?;
    match (answer.tasks().first(), answer.failures().first()) {
        (Some(found), _) => convert::task(RUN, found),
        (None, Some(failure)) => Err(not_run(failure)),
        (None, None) => Err(error::garbled(RUN, "no task and no failure".to_owned())),
    }
}

fn network(task: &FargateTask) -> Result<NetworkConfiguration, CloudError> {
    let public_ip = match task.public_ip {
        true => AssignPublicIp::Enabled,
        false => AssignPublicIp::Disabled,
    };
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(task.subnets.clone()))
        .set_security_groups(Some(task.security_groups.clone()))
        .assign_public_ip(public_ip)
        .build()
        .map_err(|missing| refused(RUN, "Request", missing.to_string()))?;
    Ok(NetworkConfiguration::builder()
        .awsvpc_configuration(vpc)
        .build())
}

fn overrides(task: &FargateTask, tags: &BTreeMap<String, String>) -> Option<TaskOverride> {
    let container = task.container.as_ref()?;
    let variables = ENVIRONMENT.iter().filter_map(|(name, tag)| {
        let value = tags.get(*tag)?;
        Some(KeyValuePair::builder().name(*name).value(value).build())
    });
    let container = ContainerOverride::builder()
        .name(container)
        .set_environment(Some(variables.collect()))
        .build();
    Some(
        TaskOverride::builder()
            .container_overrides(container)
            .build(),
    )
}

/// Ends a task. ECS accepts this for a stopped task too, while it still lists the task, and answers
/// with the task. The stopped task's reason names the decision.
pub(crate) async fn end(
    ecs: &Client,
    cluster: &str,
    id: &InstanceId,
    decision: DecisionId,
) -> Result<(), CloudError> {
    let request = ecs
        .stop_task()
        .cluster(cluster)
        .task(id.as_str())
        .reason(format!("reeve: decision {decision} in its journal"));
    match request.send().await {
        Ok(answer) if answer.task().is_some() => Ok(()),
        Ok(_) => Err(error::garbled(END, "no task".to_owned())),
        Err(failure) => Err(by_sentence(error::sorted(END, &failure))),
    }
}

/// The error for a mutation that ECS does not offer. The guard never permits one.
pub(crate) fn cannot(what: &str, id: &InstanceId) -> CloudError {
    let text =
        format!("a Fargate task such as {id} can be run and ended; reeve tried to {what} it");
    refused(END, "Unsupported", text)
}

/// A successful response without a task: ECS ran nothing.
fn not_run(failure: &Failure) -> CloudError {
    let reason = failure.reason().unwrap_or("no reason");
    let detail = failure.detail().map(|detail| format!(" ({detail})"));
    let message = format!("{reason}{}", detail.unwrap_or_default());
    // `RESOURCE:MEMORY` and the like are codes; other reasons are sentences.
    let code = match reason.contains(' ') {
        true => "Failure",
        false => reason,
    };
    by_sentence(refused(RUN, code, message))
}

/// Refines the kind by ECS's message, because ECS has one code for several failures.
fn by_sentence(error: CloudError) -> CloudError {
    let says = |part: &str| error.message.contains(part);
    let kind = match error.kind {
        CloudErrorKind::Permanent if NO_CAPACITY.into_iter().any(says) || error.code == AGENT => {
            CloudErrorKind::NoCapacity
        }
        CloudErrorKind::Permanent if says("task was not found") => CloudErrorKind::NotVisibleYet,
        CloudErrorKind::Permanent => quoted(&error.message).unwrap_or(error.kind),
        kind => kind,
    };
    CloudError { kind, ..error }
}

/// The kind of the code that ECS quotes, if the failure passes or is one of permissions. A conflict
/// is not taken over: EC2 knows nothing of the task's token, so it proves nothing about an earlier
/// try.
fn quoted(message: &str) -> Option<CloudErrorKind> {
    use CloudErrorKind::{Denied, NoCapacity, Throttled, Transient};
    let (_, rest) = message.split_once(QUOTED)?;
    let (code, _) = rest.split_once(')')?;
    let kind = error::kind_of_known(code)?;
    matches!(kind, Throttled | NoCapacity | Denied | Transient).then_some(kind)
}

fn refused(operation: &str, code: &str, message: String) -> CloudError {
    CloudError {
        operation: operation.to_owned(),
        kind: CloudErrorKind::Permanent,
        code: error::bounded_code(code),
        message: text::bounded(&message),
        retry_after: None,
    }
}

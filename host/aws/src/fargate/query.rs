//! Queries about tasks. They change nothing, so they may be retried.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DesiredStatus, Failure, TaskField};
use reeve_core::cloud::CloudError;
use reeve_core::id::InstanceId;
use reeve_core::instance::Instance;

use super::convert;
use crate::error;

const DESCRIBE: &str = "DescribeTasks";
const LIST: &str = "ListTasks";

/// The reason that ECS gives for an unknown task, or for one that is not visible yet (ECS developer
/// guide, "API failure reasons"; API reference, RunTask, on eventual consistency).
const MISSING: &str = "MISSING";

/// Describes one task.
pub(crate) async fn describe(
    ecs: &Client,
    cluster: &str,
    id: InstanceId,
) -> Result<Instance, CloudError> {
    let (found, failures) = describe_all(ecs, cluster, vec![id.to_string()]).await?;
    match (found.into_iter().next(), failures.first()) {
        (Some(instance), _) => Ok(instance),
        (None, Some(failure)) if failure.reason() != Some(MISSING) => Err(undescribed(failure)),
        (None, _) => Ok(Instance::not_visible(id)),
    }
}

/// Returns every task of the cluster whose tag has one of the values, or an error. A partial list
/// would look as if tasks had vanished.
///
/// ECS has no filter for tags. So the scan lists and describes the whole cluster, including tasks
/// of others: two calls per page of up to 100 tasks.
pub(crate) async fn scan(
    ecs: &Client,
    cluster: &str,
    (tag_key, tag_values): (&str, &[String]),
    page_tasks: i32,
) -> Result<Vec<Instance>, CloudError> {
    if tag_values.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = BTreeMap::new();
    // In this order: a task that stops between the two lists is in both, and the second has its
    // later state. In the other order it could be in neither.
    for desired in [DesiredStatus::Running, DesiredStatus::Stopped] {
        turn_pages(ecs, cluster, &desired, page_tasks, &mut found).await?;
    }
    let carries = |instance: &Instance| {
        let value = instance.tags.get(tag_key);
        value.is_some_and(|value| tag_values.contains(value))
    };
    Ok(found.into_values().filter(carries).collect())
}

/// Reads all pages of one list, and describes the tasks of each.
async fn turn_pages(
    ecs: &Client,
    cluster: &str,
    desired: &DesiredStatus,
    page_tasks: i32,
    found: &mut BTreeMap<InstanceId, Instance>,
) -> Result<(), CloudError> {
    let mut token: Option<String> = None;
    loop {
        let page = ecs
            .list_tasks()
            .cluster(cluster)
            .desired_status(desired.clone())
            .max_results(page_tasks)
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|failure| error::sorted(LIST, &failure))?;
        for instance in describe_page(ecs, cluster, page.task_arns.unwrap_or_default()).await? {
            found.insert(instance.id.clone(), instance);
        }
        let next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(());
        }
        if next == token {
            let repeated = "the token of the page it belongs to, so the pages have no end";
            return Err(error::garbled(LIST, repeated.to_owned()));
        }
        token = next;
    }
}

/// Describes every task of a page. A listed task that is not described is an error, even if ECS
/// calls it missing: it proves nothing, and the next scan lists again.
async fn describe_page(
    ecs: &Client,
    cluster: &str,
    arns: Vec<String>,
) -> Result<Vec<Instance>, CloudError> {
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let listed = arns.len();
    let (found, failures) = describe_all(ecs, cluster, arns).await?;
    if let Some(failure) = failures.first() {
        return Err(undescribed(failure));
    }
    if found.len() < listed {
        let text = format!("{} of the {listed} requested tasks", found.len());
        return Err(error::garbled(DESCRIBE, text));
    }
    Ok(found)
}

async fn describe_all(
    ecs: &Client,
    cluster: &str,
    tasks: Vec<String>,
) -> Result<(Vec<Instance>, Vec<Failure>), CloudError> {
    let answer = ecs
        .describe_tasks()
        .cluster(cluster)
        .set_tasks(Some(tasks))
        .include(TaskField::Tags)
        .send()
        .await
        .map_err(|failure| error::sorted(DESCRIBE, &failure))?;
    let found = answer.tasks().iter();
    let found = found.map(|found| convert::task(DESCRIBE, found));
    Ok((
        found.collect::<Result<_, _>>()?,
        answer.failures.unwrap_or_default(),
    ))
}

/// The error for a response that lacks a task, with ECS's reason.
fn undescribed(failure: &Failure) -> CloudError {
    let arn = failure.arn().unwrap_or("a task");
    let reason = failure.reason().unwrap_or("no reason");
    error::garbled(DESCRIBE, format!("a failure instead of {arn}: {reason}"))
}

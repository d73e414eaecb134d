//! Queries about tasks. They change nothing, so they may be retried.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::list_tasks::builders::ListTasksFluentBuilder;
use aws_sdk_ecs::types::{DesiredStatus, Failure, Task, TaskField};
use reeve_core::cloud::{CloudError, TaskScope};
use reeve_core::id::InstanceId;
use reeve_core::instance::Instance;

use super::convert;
use super::mutate::STARTED_BY;
use super::roles::TaskRoles;
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
    roles: &TaskRoles,
) -> Result<Instance, CloudError> {
    let (found, failures) = describe_all(ecs, cluster, vec![id.to_string()]).await?;
    match (found.first(), failures.first()) {
        (Some(task), _) => {
            let mut instance = convert::task(DESCRIBE, task)?;
            instance.role = roles.read(ecs, task).await?;
            Ok(instance)
        }
        (None, Some(failure)) if failure.reason() != Some(MISSING) => Err(undescribed(failure)),
        (None, _) => Ok(Instance::not_visible(id)),
    }
}

/// Returns every task of the scope whose tag has one of the values, or an error. A partial list
/// would look as if tasks had vanished.
///
/// ECS has no filter for tags. So the scan lists by family, and describes what it lists: two calls
/// per page of up to 100 tasks. Tasks of other families cost nothing.
pub(crate) async fn scan(
    ecs: &Client,
    cluster: &str,
    (tag_key, tag_values): (&str, &[String]),
    tasks: &TaskScope,
    (page_tasks, roles): (i32, &TaskRoles),
) -> Result<Vec<Instance>, CloudError> {
    if tag_values.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Found::default();
    for list in lists(ecs, cluster, tasks) {
        let list = list.max_results(page_tasks);
        turn_pages((ecs, cluster, roles), &list, &mut found).await?;
    }
    read_by_id((ecs, cluster, roles), &tasks.ids, page_tasks, &mut found).await?;
    let carries = |instance: &Instance| {
        let value = instance.tags.get(tag_key);
        value.is_some_and(|value| tag_values.contains(value))
    };
    Ok(found.into_values().filter(carries).collect())
}

type Found = BTreeMap<InstanceId, Instance>;

/// Where tasks are described: a cluster, and the roles that are known.
type At<'a> = (&'a Client, &'a str, &'a TaskRoles);

/// The lists of the scope. `startedBy` excludes every other filter, and gives running tasks only
/// (ECS API reference, ListTasks).
///
/// Running tasks come before stopped ones: a task that stops between the two lists is in both, and
/// the second has its later state. In the other order it could be in neither.
fn lists(ecs: &Client, cluster: &str, tasks: &TaskScope) -> Vec<ListTasksFluentBuilder> {
    let list = || ecs.list_tasks().cluster(cluster);
    let of_family = |family: Option<&String>| {
        let both = [DesiredStatus::Running, DesiredStatus::Stopped];
        both.map(|desired| list().desired_status(desired).set_family(family.cloned()))
    };
    if tasks.families.is_empty() {
        return of_family(None).into();
    }
    let mut lists: Vec<_> = tasks
        .families
        .iter()
        .map(Some)
        .flat_map(of_family)
        .collect();
    if tasks.started_by_reeve {
        lists.push(list().started_by(STARTED_BY));
    }
    lists
}

/// Reads all pages of one list, and describes the tasks of each.
async fn turn_pages(
    at: At<'_>,
    list: &ListTasksFluentBuilder,
    found: &mut Found,
) -> Result<(), CloudError> {
    let mut token: Option<String> = None;
    loop {
        let page = list.clone().set_next_token(token.clone());
        let page = page.send().await;
        let page = page.map_err(|failure| error::sorted(LIST, &failure))?;
        let mut arns = page.task_arns.unwrap_or_default();
        if list.get_started_by().is_some() {
            // The list shows no state that the lists by family have not shown.
            arns.retain(|arn| !found.contains_key(&convert::id(arn)));
        }
        for instance in describe_page(at, arns).await? {
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

/// Describes those of these tasks that no list has shown. A task that ECS calls missing is left out,
/// as from a list.
async fn read_by_id(
    at: At<'_>,
    ids: &BTreeSet<InstanceId>,
    page_tasks: i32,
    found: &mut Found,
) -> Result<(), CloudError> {
    let unlisted = ids.iter().filter(|id| !found.contains_key(*id));
    let unlisted: Vec<_> = unlisted.filter(|id| may_be_task(id)).collect();
    let page_tasks = usize::try_from(page_tasks).unwrap_or(1).max(1);
    for page in unlisted.chunks(page_tasks) {
        let tasks = page.iter().map(ToString::to_string).collect();
        let (described, failures) = instances(at, tasks).await?;
        let is_missing = |failure: &&Failure| failure.reason() == Some(MISSING);
        if let Some(failure) = failures.iter().find(|it| !is_missing(it)) {
            return Err(undescribed(failure));
        }
        for instance in described {
            found.insert(instance.id.clone(), instance);
        }
    }
    Ok(())
}

/// Whether the id may be a task's. The record of a pool that was EC2's before still names an
/// instance, and ECS refuses the whole call for an id in another form.
fn may_be_task(id: &InstanceId) -> bool {
    !id.as_str().starts_with("i-")
}

/// Describes every task of a page. A listed task that is not described is an error, even if ECS
/// calls it missing: it proves nothing, and the next scan lists again.
async fn describe_page(at: At<'_>, arns: Vec<String>) -> Result<Vec<Instance>, CloudError> {
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let listed = arns.len();
    let (found, failures) = instances(at, arns).await?;
    if let Some(failure) = failures.first() {
        return Err(undescribed(failure));
    }
    if found.len() < listed {
        let text = format!("{} of the {listed} requested tasks", found.len());
        return Err(error::garbled(DESCRIBE, text));
    }
    Ok(found)
}

/// Describes these tasks, with their roles where those are known.
async fn instances(
    (ecs, cluster, roles): At<'_>,
    tasks: Vec<String>,
) -> Result<(Vec<Instance>, Vec<Failure>), CloudError> {
    let (found, failures) = describe_all(ecs, cluster, tasks).await?;
    let found = found.iter().map(|task| {
        let mut instance = convert::task(DESCRIBE, task)?;
        instance.role = roles.known(task);
        Ok(instance)
    });
    Ok((found.collect::<Result<_, _>>()?, failures))
}

async fn describe_all(
    ecs: &Client,
    cluster: &str,
    tasks: Vec<String>,
) -> Result<(Vec<Task>, Vec<Failure>), CloudError> {
    let answer = ecs
        .describe_tasks()
        .cluster(cluster)
        .set_tasks(Some(tasks))
        .include(TaskField::Tags)
        .send()
        .await
        .map_err(|failure| error::sorted(DESCRIBE, &failure))?;
    Ok((
        answer.tasks.unwrap_or_default(),
        answer.failures.unwrap_or_default(),
    ))
}

/// The error for a response that lacks a task, with ECS's reason.
fn undescribed(failure: &Failure) -> CloudError {
    let arn = failure.arn().unwrap_or("a task");
    let reason = failure.reason().unwrap_or("no reason");
    error::garbled(DESCRIBE, format!("a failure instead of {arn}: {reason}"))
}

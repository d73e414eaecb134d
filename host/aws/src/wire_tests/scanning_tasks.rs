//! Tests the scan of a cluster over the wire: which tasks it lists, which it describes, and how many
//! calls it takes.

use std::collections::BTreeSet;

use reeve_core::cloud::{Query, Reading, TaskScope};
use reeve_core::id::InstanceId;
use reeve_core::instance::InstanceState;
use serde_json::{Value, json};

use super::fargate::{
    answered, arn, ask, body, described, listed, refusal, running, scan, scanned, task,
};
use crate::region::Tuning;
use crate::testing::{Request, ScriptedServer, cloud_at};

/// The scan of [`scan`] with this scope.
fn scan_of(families: &[&str], started_by_reeve: bool, ids: &[&str]) -> Query {
    let mut query = scan();
    if let Query::Scan { tasks, .. } = &mut query {
        **tasks = TaskScope {
            families: families.iter().map(|&family| family.to_owned()).collect(),
            started_by_reeve,
            ids: ids.iter().map(|&id| InstanceId::from(id)).collect(),
        };
    }
    query
}

/// A task of the simulated cluster.
#[derive(Clone)]
struct Task {
    id: String,
    family: &'static str,
    started_by: &'static str,
    status: &'static str,
    worker: &'static str,
}

impl Task {
    fn of_pool(id: &str, family: &'static str, status: &'static str) -> Self {
        Self {
            id: id.to_owned(),
            family,
            started_by: "reeve",
            status,
            worker: "chat",
        }
    }
}

/// Two thousand tasks of another team.
fn crowd() -> Vec<Task> {
    let of_others = |number| Task {
        id: format!("other-{number:04}"),
        family: "batch",
        started_by: "airflow",
        status: "RUNNING",
        worker: "none",
    };
    (0..2_000).map(of_others).collect()
}

/// A cluster with ECS's filters and pages.
fn cluster(tasks: Vec<Task>) -> ScriptedServer {
    ScriptedServer::answering(move |request| {
        let asked: Value = serde_json::from_str(&request.body).unwrap();
        let answer = match request.operation().as_str() {
            "listtasks" => list(&tasks, &asked),
            _ => describe(&tasks, &asked),
        };
        answer.to_string().into_bytes()
    })
}

fn list(tasks: &[Task], asked: &Value) -> Value {
    let started_by = asked["startedBy"].as_str();
    let others = ["family", "desiredStatus"].iter();
    assert!(
        started_by.is_none() || others.clone().all(|name| asked[name].is_null()),
        "ECS takes startedBy as the only filter: {asked}"
    );
    let status = asked["desiredStatus"].as_str().unwrap_or("RUNNING");
    let fits = |task: &&Task| {
        task.status == status
            && asked["family"].as_str().is_none_or(|it| it == task.family)
            && started_by.is_none_or(|it| it == task.started_by)
    };
    let arns: Vec<_> = tasks
        .iter()
        .filter(fits)
        .map(|task| arn(&task.id))
        .collect();
    let begin = asked["nextToken"]
        .as_str()
        .map_or(0, |token| token.parse().unwrap());
    let page = usize::try_from(asked["maxResults"].as_u64().unwrap()).unwrap();
    let end = arns.len().min(begin + page);
    let next = (end < arns.len()).then(|| end.to_string());
    json!({"taskArns": arns[begin..end], "nextToken": next})
}

fn describe(tasks: &[Task], asked: &Value) -> Value {
    let ids = asked["tasks"].as_array().unwrap();
    assert!(ids.len() <= 100, "ECS describes at most 100 tasks a call");
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for id in ids.iter().map(|id| id.as_str().unwrap()) {
        let id = id.rsplit('/').next().unwrap();
        match tasks.iter().find(|task| task.id == id) {
            Some(it) => found.push(task(id, (it.status, it.status), it.worker)),
            None => failures.push(json!({"arn": arn(id), "reason": "MISSING"})),
        }
    }
    json!({"tasks": found, "failures": failures})
}

/// The ids that the scan shows, and the calls that it took.
async fn calls(query: Query, tasks: Vec<Task>) -> (BTreeSet<String>, Vec<String>) {
    let server = cluster(tasks);
    let cloud = cloud_at(server.endpoint_url(), Tuning::default()).await;
    let answer = cloud.ask(query).await;
    let ids = scanned(answer).into_iter().map(|(id, _)| id).collect();
    (
        ids,
        server.requests().iter().map(Request::operation).collect(),
    )
}

fn names(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[tokio::test]
async fn two_thousand_tasks_of_other_families_cost_no_call() {
    let mut tasks = crowd();
    tasks.push(Task::of_pool("one", "agent", "RUNNING"));
    tasks.push(Task::of_pool("ended", "agent", "STOPPED"));
    let (found, calls) = calls(scan_of(&["agent"], false, &["one"]), tasks.clone()).await;
    assert_eq!(found, names(&["ended", "one"]));
    let expected = ["listtasks", "describetasks", "listtasks", "describetasks"];
    assert_eq!(calls, expected);

    // The first scan of a host lists what reeve started too. It has nothing more to describe.
    let (found, calls) = self::calls(scan_of(&["agent"], true, &[]), tasks).await;
    assert_eq!(found, names(&["ended", "one"]));
    assert_eq!(calls.len(), 5, "{calls:?}");
}

#[tokio::test]
async fn the_calls_grow_with_the_tasks_of_the_pool() {
    let mut tasks = crowd();
    let many = (0..250).map(|number| Task::of_pool(&format!("t-{number:03}"), "agent", "RUNNING"));
    tasks.extend(many);
    let (found, calls) = calls(scan_of(&["agent"], false, &[]), tasks).await;
    assert_eq!(found.len(), 250);
    // Three pages of running tasks, each described in one call, and no stopped task.
    assert_eq!(calls.len(), 7, "{calls:?}");
}

#[tokio::test]
async fn a_task_of_a_former_family_is_found_by_its_starter_and_by_its_id() {
    let mut tasks = crowd();
    tasks.push(Task::of_pool("new", "agent-2", "RUNNING"));
    tasks.push(Task::of_pool("former", "agent", "RUNNING"));
    let (found, _) = calls(scan_of(&["agent-2"], true, &[]), tasks.clone()).await;
    assert_eq!(found, names(&["former", "new"]));

    let (found, calls) = self::calls(scan_of(&["agent-2"], false, &["former", "new"]), tasks).await;
    assert_eq!(found, names(&["former", "new"]));
    let last = calls.last().map(String::as_str);
    assert_eq!((calls.len(), last), (4, Some("describetasks")), "{calls:?}");
}

#[tokio::test]
async fn the_end_of_a_task_that_no_list_shows_is_seen_and_a_missing_one_is_left_out() {
    let tasks = vec![Task::of_pool("former", "agent", "STOPPED")];
    let server = cluster(tasks);
    let cloud = cloud_at(server.endpoint_url(), Tuning::default()).await;
    let answer = cloud
        .ask(scan_of(&["agent-2"], false, &["former", "gone"]))
        .await;
    assert_eq!(
        scanned(answer),
        [("former".to_owned(), InstanceState::Terminated)]
    );
}

#[tokio::test]
async fn many_tasks_are_read_by_id_a_hundred_at_a_time() {
    let names: Vec<_> = (0..250).map(|number| format!("t-{number:03}")).collect();
    let tasks = names
        .iter()
        .map(|id| Task::of_pool(id, "agent", "RUNNING"))
        .collect();
    let ids: Vec<_> = names.iter().map(String::as_str).collect();
    let (found, calls) = calls(scan_of(&["agent-2"], false, &ids), tasks).await;
    assert_eq!(found.len(), 250);
    let described = calls.iter().filter(|call| *call == "describetasks").count();
    assert_eq!(described, 3, "{calls:?}");
}

#[tokio::test]
async fn the_id_of_an_instance_that_is_no_task_is_not_asked_for() {
    let scope = scan_of(&["agent"], false, &["i-0123456789abcdef0"]);
    let (found, calls) = calls(scope, Vec::new()).await;
    assert_eq!(found, names(&[]));
    assert_eq!(calls, ["listtasks", "listtasks"]);
}

#[tokio::test]
async fn a_scan_that_cannot_read_a_known_task_is_an_error() {
    let failure = json!({"tasks": [], "failures": [{"arn": arn("former"), "reason": "INTERNAL"}]});
    let script = vec![listed(&[], None), listed(&[], None), answered(&failure)];
    let (answer, server) = ask(scan_of(&["agent"], false, &["former"]), script).await;
    assert_eq!(answer.unwrap_err().code, "Response");
    assert_eq!(body(&server, 0)["family"], "agent");
    assert_eq!(body(&server, 2)["tasks"], json!(["former"]));
}

#[tokio::test]
async fn what_reeve_started_is_listed_without_any_other_filter() {
    let script = vec![listed(&[], None), listed(&[], None), listed(&[], None)];
    let (answer, server) = ask(scan_of(&["agent"], true, &[]), script).await;
    assert_eq!(answer, Ok(Reading::Scan(Vec::new())));
    let expected = json!({"cluster": "agents", "startedBy": "reeve", "maxResults": 2});
    assert_eq!(body(&server, 2), expected);
}

#[tokio::test]
async fn without_a_family_the_whole_cluster_is_listed_running_then_stopped_tasks() {
    let ended = task("four", ("STOPPED", "STOPPED"), "video");
    let script = vec![
        listed(&["one", "two"], Some("page-2")),
        described(&[running("one", "chat"), running("two", "of-others")]),
        listed(&["three"], None),
        described(&[task("three", ("PENDING", "RUNNING"), "chat")]),
        // The task stopped after it was listed as running: the later reading counts.
        listed(&["four", "one"], None),
        described(&[ended, task("one", ("DEPROVISIONING", "STOPPED"), "chat")]),
    ];
    let (answer, server) = ask(scan(), script).await;
    let expected = [
        ("four".to_owned(), InstanceState::Terminated),
        ("one".to_owned(), InstanceState::ShuttingDown),
        ("three".to_owned(), InstanceState::Pending),
    ];
    assert_eq!(scanned(answer), expected);
    let list = |status: &str, token: Option<&str>| {
        let mut body = json!({"cluster": "agents", "desiredStatus": status, "maxResults": 2});
        if let Some(token) = token {
            body["nextToken"] = token.into();
        }
        body
    };
    assert_eq!(body(&server, 0), list("RUNNING", None));
    assert_eq!(body(&server, 2), list("RUNNING", Some("page-2")));
    assert_eq!(body(&server, 4), list("STOPPED", None));
    let asked =
        json!({"cluster": "agents", "tasks": [arn("one"), arn("two")], "include": ["TAGS"]});
    assert_eq!(body(&server, 1), asked);
}

#[tokio::test]
async fn an_empty_cluster_takes_two_calls_and_a_scan_for_nothing_none() {
    let (answer, server) = ask(scan(), vec![listed(&[], None), listed(&[], None)]).await;
    assert_eq!(scanned(answer), []);
    assert_eq!(server.operations(), ["listtasks", "listtasks"]);
    let mut for_nothing = scan();
    if let Query::Scan { tag_values, .. } = &mut for_nothing {
        tag_values.clear();
    }
    let (answer, server) = ask(for_nothing, vec![]).await;
    assert_eq!(scanned(answer), []);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_scan_that_cannot_be_had_whole_is_an_error_and_never_a_task_less() {
    let one = || described(&[running("one", "chat")]);
    let missing = json!({
        "tasks": [running("one", "chat")], "failures": [{"arn": arn("two"), "reason": "MISSING"}],
    });
    let both = || listed(&["one", "two"], None);
    let cases = [
        (vec![both(), answered(&missing)], "Response"),
        (vec![both(), one()], "Response"),
        (
            vec![
                both(),
                refusal("AccessDeniedException", "ecs:DescribeTasks"),
            ],
            "AccessDeniedException",
        ),
        (
            vec![
                listed(&["one"], None),
                one(),
                refusal("ClusterNotFoundException", "Cluster not found."),
            ],
            "ClusterNotFoundException",
        ),
        (
            vec![
                listed(&["one"], Some("again")),
                one(),
                listed(&["one"], Some("again")),
                one(),
            ],
            "Response",
        ),
    ];
    for (script, code) in cases {
        let (answer, _) = ask(scan(), script).await;
        let error = answer.expect_err(code);
        assert_eq!(error.code, code, "{error}");
    }
}

//! Tests Fargate tasks over the wire.

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, Outcome, Query, Reading};
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::time::Instant;
use serde_json::{Value, json};

use super::apply;
use crate::testing::{ScriptedServer, Step};

fn compute() -> Compute {
    Compute::Fargate {
        cluster: "agents".to_owned(),
    }
}

pub(super) fn arn(id: &str) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/agents/{id}")
}

/// A task in ECS's format, with this worker's tag.
pub(super) fn task(id: &str, (last, desired): (&str, &str), worker: &str) -> Value {
    json!({
        "taskArn": arn(id), "lastStatus": last, "desiredStatus": desired, "createdAt": 1_760_428_800.5,
        "launchType": "FARGATE",
        "attachments": [{
            "type": "ElasticNetworkInterface", "status": "ATTACHED",
            "details": [{"name": "subnetId", "value": "subnet-a"}, {"name": "privateIPv4Address", "value": "10.0.0.7"}],
        }],
        "tags": [{"key": "reeve:worker", "value": worker}],
    })
}

pub(super) fn running(id: &str, worker: &str) -> Value {
    task(id, ("RUNNING", "RUNNING"), worker)
}

pub(super) fn answered(body: &Value) -> Step {
    Step::answer(200, body.to_string())
}

pub(super) fn described(tasks: &[Value]) -> Step {
    answered(&json!({"tasks": tasks, "failures": []}))
}

pub(super) fn listed(ids: &[&str], next_token: Option<&str>) -> Step {
    let arns: Vec<_> = ids.iter().map(|id| arn(id)).collect();
    answered(&json!({"taskArns": arns, "nextToken": next_token}))
}

pub(super) fn refusal(code: &str, message: &str) -> Step {
    let body = json!({"__type": code, "message": message});
    Step::answer(400, body.to_string())
}

fn launch() -> Mutation {
    Mutation::Launch {
        region: "us-east-1".into(),
        source: LaunchSource::Fargate(FargateTask {
            cluster: "agents".to_owned(),
            task_definition: "agent:7".to_owned(),
            subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
            security_groups: vec!["sg-1".to_owned()],
            public_ip: false,
            container: Some("main".to_owned()),
        }),
        token: "token-of-attempt-3".into(),
        tags: [("reeve:worker", "chat"), ("reeve:generation", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    }
}

fn end(pointer: Option<&str>) -> Mutation {
    Mutation::Terminate {
        region: "us-east-1".into(),
        compute: compute(),
        id: "one".into(),
        clear_pointer: pointer.map(Into::into),
    }
}

pub(super) fn scan() -> Query {
    Query::Scan {
        region: "us-east-1".into(),
        compute: compute(),
        tag_key: "reeve:worker".to_owned(),
        tag_values: vec!["chat".to_owned(), "video".to_owned()],
        tasks: Box::default(),
    }
}

fn describe() -> Query {
    Query::Instance {
        region: "us-east-1".into(),
        compute: compute(),
        id: "one".into(),
    }
}

pub(super) async fn ask(
    query: Query,
    script: Vec<Step>,
) -> (Result<Reading, CloudError>, ScriptedServer) {
    let server = ScriptedServer::start(script);
    let answer = server.cloud().await.ask(query).await;
    (answer, server)
}

#[track_caller]
pub(super) fn scanned(answer: Result<Reading, CloudError>) -> Vec<(String, InstanceState)> {
    let Ok(Reading::Scan(found)) = answer else {
        panic!("no scan: {answer:?}");
    };
    found
        .into_iter()
        .map(|instance| (instance.id.to_string(), instance.state))
        .collect()
}

/// The JSON body of the request with this number.
pub(super) fn body(server: &ScriptedServer, number: usize) -> Value {
    serde_json::from_str(&server.requests()[number].body).unwrap()
}

#[tokio::test]
async fn a_launch_runs_one_task_and_says_nothing_but_what_the_mutation_holds() {
    let script = vec![described(&[task(
        "new",
        ("PROVISIONING", "RUNNING"),
        "chat",
    )])];
    let (answer, server) = apply(launch(), script).await;
    let Ok(Outcome::Launched(instance)) = answer else {
        panic!("not launched: {answer:?}");
    };
    assert_eq!(instance.id.as_str(), "new");
    assert_eq!(instance.state, InstanceState::Pending);
    assert_eq!(
        instance.launched_at,
        Some(Instant::from_ms(1_760_428_800_500))
    );
    assert_eq!(server.operations(), ["runtask"]);
    let expected = json!({
        "cluster": "agents",
        "taskDefinition": "agent:7",
        "launchType": "FARGATE",
        "count": 1,
        "clientToken": "token-of-attempt-3",
        "startedBy": "reeve",
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED",
        }},
        "overrides": {"containerOverrides": [{"name": "main", "environment": [
            {"name": "REEVE_WORKER", "value": "chat"}, {"name": "REEVE_GENERATION", "value": "3"},
        ]}]},
        "tags": [{"key": "reeve:generation", "value": "3"}, {"key": "reeve:worker", "value": "chat"}],
    });
    assert_eq!(body(&server, 0), expected);
}

#[tokio::test]
async fn a_replayed_launch_is_the_same_request() {
    let server = ScriptedServer::start(vec![Step::HangUp, described(&[running("new", "chat")])]);
    let cloud = server.cloud().await;
    assert!(cloud.apply(launch()).await.is_err());
    assert!(cloud.apply(launch()).await.is_ok());
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_launch_is_sent_once_and_each_refusal_is_sorted_by_code_or_by_sentence() {
    use CloudErrorKind::{Conflict, Denied, NoCapacity, Permanent, Throttled, Transient};
    let failure = |reason: &str| answered(&json!({"tasks": [], "failures": [{"reason": reason}]}));
    let quoting = |code: &str| {
        let text = format!(
            "Error retrieving subnet information for [subnet-a]: said {code} (ErrorCode: {code})"
        );
        refusal("InvalidParameterException", &text)
    };
    let no_room = "Capacity is unavailable at this time. Please try again later or in a different \
                   availability zone";
    let cases = [
        (refusal("ThrottlingException", "Rate exceeded"), Throttled),
        (refusal("ConflictException", "other parameters"), Conflict),
        (refusal("AccessDeniedException", "iam:PassRole"), Denied),
        (refusal("BlockedException", "blocked"), Denied),
        (refusal("ClientException", no_room), NoCapacity),
        (
            refusal(
                "ClientException",
                "You've reached the limit on the number of tasks you can run concurrently",
            ),
            NoCapacity,
        ),
        (
            refusal("ClientException", "TaskDefinition not found."),
            Permanent,
        ),
        (
            refusal("ClusterNotFoundException", "Cluster not found."),
            Permanent,
        ),
        (refusal("InvalidParameterException", "subnet-a"), Permanent),
        (quoting("Throttling"), Throttled),
        (quoting("RequestLimitExceeded"), Throttled),
        (quoting("UnauthorizedOperation"), Denied),
        (quoting("InsufficientFreeAddressesInSubnet"), NoCapacity),
        (quoting("ServiceUnavailable"), Transient),
        (quoting("InvalidSubnetID.NotFound"), Permanent),
        (quoting("IncorrectState"), Permanent),
        (Step::json_error(500, "ServerException"), Transient),
        (failure(no_room), NoCapacity),
        (failure("RESOURCE:CPU"), NoCapacity),
        (failure("RESOURCE:MEMORY"), NoCapacity),
        (failure("RESOURCE:ENI"), NoCapacity),
        (failure("RESOURCE:GPU"), NoCapacity),
        (failure("AGENT"), NoCapacity),
        (failure("ATTRIBUTE"), Permanent),
        (failure("EMPTY CAPACITY PROVIDER"), Permanent),
        (answered(&json!({"tasks": [], "failures": []})), Transient),
        (Step::answer(200, "{cut off"), Transient),
        (Step::HangUp, Transient),
    ];
    for (step, kind) in cases {
        let (answer, server) = apply(launch(), vec![step, described(&[])]).await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(error.operation, "RunTask", "{error}");
        assert_eq!(server.requests().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_launch_without_room_keeps_what_ecs_said() {
    let failure = json!({"reason": "RESOURCE:FARGATE", "detail": "no room in us-east-1a"});
    let script = vec![answered(&json!({"tasks": [], "failures": [failure]}))];
    let error = apply(launch(), script).await.0.unwrap_err();
    assert_eq!(error.code, "RESOURCE:FARGATE");
    assert_eq!(error.message, "RESOURCE:FARGATE (no room in us-east-1a)");
}

#[tokio::test]
async fn the_pointer_is_cleared_before_the_task_ends_with_the_decision_as_reason() {
    let script = vec![
        Step::answer(200, r#"{"Version":2}"#),
        answered(&json!({"task": {}})),
    ];
    let (answer, server) = apply(end(Some("/p")), script).await;
    assert_eq!(answer, Ok(Outcome::Accepted));
    assert_eq!(server.operations(), ["putparameter", "stoptask"]);
    let expected = json!({
        "cluster": "agents", "task": "one", "reason": "reeve: decision 7 in its journal",
    });
    assert_eq!(body(&server, 1), expected);
}

#[tokio::test]
async fn a_task_is_not_ended_when_its_pointer_could_not_be_cleared() {
    let script = vec![Step::ssm_error("TooManyUpdates"), answered(&json!({}))];
    let (answer, server) = apply(end(Some("/p")), script).await;
    assert_eq!(answer.unwrap_err().operation, "PutParameter");
    assert_eq!(server.operations(), ["putparameter"]);
}

#[tokio::test]
async fn ending_a_task_that_ecs_does_not_know_proves_nothing() {
    let script = vec![refusal(
        "InvalidParameterException",
        "The referenced task was not found.",
    )];
    let (answer, server) = apply(end(None), script).await;
    let error = answer.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::NotVisibleYet);
    assert_eq!(error.code, "InvalidParameterException");
    assert_eq!(server.operations(), ["stoptask"]);
}

#[tokio::test]
async fn an_answer_without_the_task_does_not_prove_that_it_ends() {
    let (answer, server) = apply(end(None), vec![answered(&json!({}))]).await;
    let error = answer.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Transient);
    assert_eq!(
        (error.operation.as_str(), error.code.as_str()),
        ("StopTask", "Response")
    );
    assert_eq!(server.operations(), ["stoptask"]);
}

#[tokio::test]
async fn a_task_cannot_be_started_or_stopped_and_its_pointer_stays() {
    let (region, id) = (|| "us-east-1".into(), || "one".into());
    let mutations = [
        Mutation::Start {
            region: region(),
            compute: compute(),
            id: id(),
        },
        Mutation::Stop {
            region: region(),
            compute: compute(),
            id: id(),
            clear_pointer: Some("/p".into()),
        },
    ];
    for mutation in mutations {
        let (answer, server) = apply(mutation, vec![]).await;
        assert_eq!(answer.unwrap_err().kind, CloudErrorKind::Permanent);
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn a_task_is_described_with_its_tags_and_one_that_is_missing_is_not_visible() {
    let (answer, server) = ask(describe(), vec![described(&[running("one", "chat")])]).await;
    let Ok(Reading::Instance(found)) = answer else {
        panic!("no instance: {answer:?}");
    };
    assert_eq!(found.state, InstanceState::Running);
    assert_eq!(found.private_ip, Some([10, 0, 0, 7].into()));
    assert_eq!(found.tags["reeve:worker"], "chat");
    let expected = json!({"cluster": "agents", "tasks": ["one"], "include": ["TAGS"]});
    assert_eq!(body(&server, 0), expected);

    let missing = json!({"tasks": [], "failures": [{"arn": arn("one"), "reason": "MISSING"}]});
    for step in [answered(&missing), described(&[])] {
        let (answer, _) = ask(describe(), vec![step]).await;
        assert_eq!(
            answer,
            Ok(Reading::Instance(Instance::not_visible("one".into())))
        );
    }
    let other = json!({"tasks": [], "failures": [{"arn": arn("one"), "reason": "INTERNAL"}]});
    let error = ask(describe(), vec![answered(&other)]).await.0.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Transient, "{error}");
}

fn with_definition(mut task: Value, revision: u32) -> Value {
    task["taskDefinitionArn"] =
        format!("arn:aws:ecs:us-east-1:123456789012:task-definition/agent:{revision}").into();
    task
}

fn definition(role: Option<&str>) -> Step {
    let role = role.map(|role| format!("arn:aws:iam::123456789012:role/boxes/{role}"));
    answered(&json!({"taskDefinition": {"taskRoleArn": role}}))
}

async fn role_of(cloud: &crate::AwsCloud) -> Option<String> {
    match cloud.ask(describe()).await {
        Ok(Reading::Instance(instance)) => instance.role,
        other => panic!("not described: {other:?}"),
    }
}

#[tokio::test]
async fn a_task_s_role_is_the_launch_s_or_else_its_definition_s_which_is_read_once() {
    let plain = || described(&[with_definition(running("one", "chat"), 7)]);
    let mut named = with_definition(running("one", "chat"), 7);
    named["overrides"] = json!({"taskRoleArn": "arn:aws:iam::123456789012:role/of-the-launch"});
    let without = || described(&[with_definition(running("one", "chat"), 8)]);
    let script = vec![
        plain(),
        refusal("AccessDeniedException", "not allowed"),
        plain(),
        definition(Some("agent")),
        plain(),
        described(&[named]),
        without(),
        definition(None),
        without(),
    ];
    let server = ScriptedServer::start(script);
    let mut cloud = server.cloud().await;
    cloud.task_roles = crate::fargate::TaskRoles::new(true);
    let expected = [
        None,
        Some("agent"),
        Some("agent"),
        Some("of-the-launch"),
        None,
        None,
    ];
    for expected in expected {
        assert_eq!(role_of(&cloud).await.as_deref(), expected);
    }
    let read = server.operations();
    let read = read
        .iter()
        .filter(|it| *it == "describetaskdefinition")
        .count();
    assert_eq!(read, 3, "one was refused");
}

#[tokio::test]
async fn without_a_wish_for_roles_no_definition_is_read() {
    let task = with_definition(running("one", "chat"), 7);
    let (answer, server) = ask(describe(), vec![described(&[task])]).await;
    assert!(matches!(answer, Ok(Reading::Instance(it)) if it.role.is_none()));
    assert_eq!(server.operations(), ["describetasks"]);
}

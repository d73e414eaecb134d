//! Tests queries over the wire.

use reeve_core::cloud::{CloudError, CloudErrorKind, Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::instance::{Instance, InstanceState};

use super::{instance_xml, pointer_value};
use crate::query::FILTER_VALUES_MAX;
use crate::testing::{ScriptedServer, Step};

/// A page with these instances, each in its own reservation, as after separate launches.
fn page(instances: &[(&str, &str)], next_token: &str) -> Step {
    let reservations: String = instances
        .iter()
        .map(|(id, state)| instance_xml(id, state))
        .map(|xml| format!("<item><instancesSet>{xml}</instancesSet></item>"))
        .collect();
    Step::answer(
        200,
        format!(
            "<DescribeInstancesResponse><reservationSet>{reservations}</reservationSet>\
             <nextToken>{next_token}</nextToken></DescribeInstancesResponse>"
        ),
    )
}

fn scan_for(tag_values: &[&str]) -> Query {
    Query::Scan {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        tag_key: "reeve:worker".to_owned(),
        tag_values: tag_values.iter().map(|&value| value.to_owned()).collect(),
        tasks: Box::default(),
    }
}

fn scan() -> Query {
    scan_for(&["chat"])
}

fn describe(id: &str) -> Query {
    Query::Instance {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id: id.into(),
    }
}

fn pointer() -> Query {
    Query::Pointer {
        region: "us-east-1".into(),
        name: "/p".into(),
    }
}

/// Sends a query to a server that follows the script.
async fn ask(query: Query, script: Vec<Step>) -> (Result<Reading, CloudError>, ScriptedServer) {
    let server = ScriptedServer::start(script);
    let answer = server.cloud().await.ask(query).await;
    (answer, server)
}

fn scanned(answer: Result<Reading, CloudError>) -> Vec<(String, InstanceState)> {
    let Ok(Reading::Scan(instances)) = answer else {
        panic!("no scan: {answer:?}");
    };
    instances
        .into_iter()
        .map(|instance| (instance.id.to_string(), instance.state))
        .collect()
}

#[tokio::test]
async fn a_scan_reads_every_page() {
    let script = vec![
        page(&[("i-1", "pending"), ("i-2", "terminated")], "page-2"),
        page(&[("i-3", "running")], ""),
    ];
    let (answer, server) = ask(scan(), script).await;
    let expected = [
        ("i-1".to_owned(), InstanceState::Pending),
        ("i-2".to_owned(), InstanceState::Terminated),
        ("i-3".to_owned(), InstanceState::Running),
    ];
    assert_eq!(scanned(answer), expected);
    let [first, second] = server.requests().try_into().unwrap();
    let fields = [
        ("Filter.1.Name", "tag:reeve:worker"),
        ("Filter.1.Value.1", "chat"),
        ("MaxResults", "5"),
    ];
    for request in [&first, &second] {
        for (name, value) in fields {
            assert_eq!(request.field(name).as_deref(), Some(value));
        }
    }
    assert_eq!(first.field("NextToken"), None);
    assert_eq!(second.field("NextToken").as_deref(), Some("page-2"));
}

/// A description of `i-1` in this state, with a `StateReason`.
fn described_with_reason(state: &str, code: &str, text: &str) -> Step {
    let reason =
        format!("<stateReason><code>{code}</code><message>{text}</message></stateReason></item>");
    let xml = instance_xml("i-1", state);
    let item = xml.strip_suffix("</item>").unwrap().to_owned() + &reason;
    let set = format!("<item><instancesSet>{item}</instancesSet></item>");
    Step::answer(
        200,
        format!(
            "<DescribeInstancesResponse><reservationSet>{set}</reservationSet></DescribeInstancesResponse>"
        ),
    )
}

/// Describes `i-1` on a server that sends this response.
async fn described(step: Step) -> Instance {
    match ask(describe("i-1"), vec![step]).await.0 {
        Ok(Reading::Instance(instance)) => instance,
        other => panic!("no instance: {other:?}"),
    }
}

#[tokio::test]
async fn an_end_has_its_reason_and_a_boot_has_none() {
    let code = "Client.UserInitiatedShutdown";
    let text = "Client.UserInitiatedShutdown: User initiated shutdown";
    let ended = described(described_with_reason("stopped", code, text)).await;
    assert_eq!(ended.state_reason.unwrap().to_string(), text);
    let boots = described(described_with_reason("pending", "pending", "pending")).await;
    assert_eq!(boots.state_reason, None);
}

/// StartInstances has succeeded, and the instance is stopped again (docs/aws-facts.md).
#[tokio::test]
async fn a_start_that_fell_back_is_stopped_with_its_cause() {
    let cases = [
        ("Server.InternalError", "Internal error on launch"),
        ("Server.InsufficientInstanceCapacity", "no capacity"),
        ("Client.VolumeLimitExceeded", "Volume limit exceeded"),
        // The KMS key of a volume has no grant for the one who starts the instance.
        ("Client.InternalError", "Client error on launch"),
    ];
    for (code, text) in cases {
        let instance = described(described_with_reason("stopped", code, text)).await;
        assert_eq!(instance.state, InstanceState::Stopped, "{code}");
        let reason = instance.state_reason.unwrap();
        assert_eq!((reason.code.as_str(), reason.text.as_str()), (code, text));
        assert!(!reason.is_by_request(), "{code}");
    }
}

#[tokio::test]
async fn a_scan_for_many_values_is_asked_in_parts_and_names_each_instance_once() {
    let values: Vec<_> = (0..=FILTER_VALUES_MAX).map(|n| format!("w{n}")).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    let script = vec![
        page(&[("i-1", "running")], ""),
        page(&[("i-1", "running"), ("i-2", "running")], ""),
    ];
    let (answer, server) = ask(scan_for(&values), script).await;
    assert_eq!(scanned(answer).len(), 2);
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.field("Filter.1.Value.200").as_deref(), Some("w199"));
    assert_eq!(first.field("Filter.1.Value.201"), None);
    assert_eq!(second.field("Filter.1.Value.1").as_deref(), Some("w200"));
}

#[tokio::test]
async fn a_scan_whose_second_page_is_refused_is_an_error_and_not_a_part() {
    let script = vec![
        page(&[("i-1", "running")], "page-2"),
        Step::ec2_error(403, "UnauthorizedOperation"),
    ];
    let (answer, _) = ask(scan(), script).await;
    assert_eq!(answer.unwrap_err().kind, CloudErrorKind::Denied);
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_is_an_error_and_not_the_end() {
    let script = vec![
        page(&[("i-1", "running")], "again"),
        page(&[("i-2", "running")], "again"),
        page(&[("i-3", "running")], ""),
    ];
    let (answer, server) = ask(scan(), script).await;
    let error = answer.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (CloudErrorKind::Transient, "Response")
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_scan_for_nothing_asks_nothing() {
    let (answer, server) = ask(scan_for(&[]), vec![]).await;
    assert_eq!(scanned(answer), []);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_id_that_is_not_found_or_left_out_is_not_visible() {
    for step in [
        Step::ec2_error(400, "InvalidInstanceID.NotFound"),
        page(&[], ""),
    ] {
        let (answer, _) = ask(describe("i-9"), vec![step]).await;
        let not_visible = Instance::not_visible("i-9".into());
        assert_eq!(answer, Ok(Reading::Instance(not_visible)));
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_a_permanent_error_that_keeps_what_the_provider_said() {
    let script = vec![Step::ec2_error(400, "InvalidInstanceID.Malformed")];
    let error = ask(describe("chat"), script).await.0.unwrap_err();
    assert_eq!(error.operation, "DescribeInstances");
    assert_eq!(error.kind, CloudErrorKind::Permanent);
    assert_eq!(error.code, "InvalidInstanceID.Malformed");
    assert_eq!(
        error.message,
        "said InvalidInstanceID.Malformed (request request-7)"
    );
}

#[tokio::test]
async fn a_pointer_is_read_and_a_missing_one_names_nothing() {
    let cases = [
        (pointer_value("i-1"), Some("i-1".into())),
        (pointer_value("none"), None),
        (Step::ssm_error("ParameterNotFound"), None),
    ];
    for (step, expected) in cases {
        let (answer, server) = ask(pointer(), vec![step]).await;
        let Ok(Reading::Pointer(reading)) = answer else {
            panic!("no pointer: {answer:?}");
        };
        assert_eq!(reading.names, expected);
        assert_eq!(server.operations(), ["getparameter"]);
    }
}

#[tokio::test]
async fn a_question_that_fails_in_passing_is_asked_again() {
    for step in [
        Step::ec2_error(503, "RequestLimitExceeded"),
        Step::ec2_error(500, "InternalError"),
        Step::answer(502, "<html>bad gateway</html>"),
        Step::HangUp,
    ] {
        let script = vec![step, page(&[("i-1", "running")], "")];
        let (answer, server) = ask(scan(), script).await;
        assert_eq!(scanned(answer).len(), 1);
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_question_is_given_up_after_three_attempts() {
    let cases = [
        ("RequestLimitExceeded", CloudErrorKind::Throttled),
        ("InternalError", CloudErrorKind::Transient),
    ];
    for (code, kind) in cases {
        let script = (0..4).map(|_| Step::ec2_error(503, code)).collect();
        let (answer, server) = ask(scan(), script).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
        assert_eq!(server.requests().len(), 3);
    }
}

fn template(id_or_name: &str) -> Query {
    Query::TemplateVersion {
        region: "us-east-1".into(),
        template: id_or_name.to_owned(),
    }
}

#[tokio::test]
async fn the_default_version_of_a_template_is_read_by_its_name_or_id() {
    for (template_of, field) in [
        ("chat", "LaunchTemplateName"),
        ("lt-0123456789abcdef0", "LaunchTemplateId"),
    ] {
        let found = "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><versionNumber>12\
                     </versionNumber><defaultVersion>true</defaultVersion></item></launchTemplateVersionSet>\
                     </DescribeLaunchTemplateVersionsResponse>";
        let (answer, server) = ask(template(template_of), vec![Step::answer(200, found)]).await;
        assert_eq!(answer, Ok(Reading::TemplateVersion(12)));
        let [request] = server.requests().try_into().unwrap();
        let action = request.field("Action");
        assert_eq!(action.as_deref(), Some("DescribeLaunchTemplateVersions"));
        assert_eq!(request.field(field).as_deref(), Some(template_of));
        let version = request.field("LaunchTemplateVersion.1");
        assert_eq!(version.as_deref(), Some("$Default"));
    }
}

#[tokio::test]
async fn a_template_that_cannot_be_resolved_is_an_error() {
    let none = "<DescribeLaunchTemplateVersionsResponse></DescribeLaunchTemplateVersionsResponse>";
    let missing = "InvalidLaunchTemplateName.NotFoundException";
    for (step, kind) in [
        (Step::ec2_error(400, missing), CloudErrorKind::Permanent),
        (
            Step::ec2_error(403, "UnauthorizedOperation"),
            CloudErrorKind::Denied,
        ),
        (Step::answer(200, none), CloudErrorKind::Transient),
    ] {
        let (answer, _) = ask(template("chat"), vec![step]).await;
        assert_eq!(answer.unwrap_err().kind, kind);
    }
}

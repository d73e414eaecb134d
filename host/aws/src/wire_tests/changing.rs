//! Tests mutations over the wire.

use reeve_core::cloud::{CloudErrorKind, Mutation, Outcome};
use reeve_core::compute::{Compute, LaunchSource};
use reeve_core::instance::InstanceState;

use super::{apply, launch, launched};
use crate::testing::{ScriptedServer, Step};

fn stopping() -> Step {
    Step::answer(200, "<StopInstancesResponse></StopInstancesResponse>")
}

fn written() -> Step {
    Step::answer(200, r#"{"Version":2}"#)
}

fn stop_and_clear() -> Mutation {
    Mutation::Stop {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id: "i-1".into(),
        clear_pointer: Some("/p".into()),
    }
}

#[tokio::test]
async fn a_launch_is_of_one_instance_from_its_version_with_token_and_tags() {
    let (answer, server) = apply(launch(), vec![launched()]).await;
    let Ok(Outcome::Launched(instance)) = answer else {
        panic!("not launched: {answer:?}");
    };
    assert_eq!(instance.id, "i-new".into());
    assert_eq!(instance.state, InstanceState::Pending);
    let [request] = server.requests().try_into().unwrap();
    let fields = [
        ("Action", "RunInstances"),
        ("ClientToken", "token-of-attempt-3"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("LaunchTemplate.LaunchTemplateName", "chat"),
        ("LaunchTemplate.Version", "7"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "reeve:generation"),
        ("TagSpecification.1.Tag.1.Value", "3"),
        ("TagSpecification.1.Tag.2.Key", "reeve:worker"),
        ("TagSpecification.1.Tag.2.Value", "chat"),
    ];
    for (name, value) in fields {
        assert_eq!(request.field(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(request.field("TagSpecification.2.ResourceType"), None);
}

/// A launch that an earlier version of reeve stored.
#[tokio::test]
async fn a_launch_without_a_version_is_of_the_default_one() {
    let Mutation::Launch {
        region,
        token,
        tags,
        ..
    } = launch()
    else {
        panic!("a launch");
    };
    let mutation = Mutation::Launch {
        region,
        source: LaunchSource::LaunchTemplate("chat".to_owned()),
        token,
        tags,
    };
    let (answer, server) = apply(mutation, vec![launched()]).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [request] = server.requests().try_into().unwrap();
    let version = request.field("LaunchTemplate.Version");
    assert_eq!(version.as_deref(), Some("$Default"));
}

#[tokio::test]
async fn a_replayed_launch_is_the_same_request() {
    let server = ScriptedServer::start(vec![Step::HangUp, launched()]);
    let cloud = server.cloud().await;
    assert!(cloud.apply(launch()).await.is_err());
    assert!(cloud.apply(launch()).await.is_ok());
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_mutation_is_sent_once_whatever_the_response() {
    let cases = [
        (
            Step::ec2_error(503, "RequestLimitExceeded"),
            CloudErrorKind::Throttled,
        ),
        (
            Step::ec2_error(500, "InternalError"),
            CloudErrorKind::Transient,
        ),
        (
            Step::ec2_error(500, "InsufficientInstanceCapacity"),
            CloudErrorKind::NoCapacity,
        ),
        (
            Step::ec2_error(400, "IdempotentParameterMismatch"),
            CloudErrorKind::Conflict,
        ),
        (
            Step::ec2_error(400, "InvalidInstanceID.NotFound"),
            CloudErrorKind::NotVisibleYet,
        ),
        (Step::answer(200, "<cut off"), CloudErrorKind::Transient),
        (
            Step::answer(200, "<RunInstancesResponse></RunInstancesResponse>"),
            CloudErrorKind::Transient,
        ),
        (Step::HangUp, CloudErrorKind::Transient),
    ];
    for (step, kind) in cases {
        let (answer, server) = apply(launch(), vec![step, launched()]).await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(server.requests().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_reboot_is_one_request_and_no_pointer_is_written() {
    let reboot = || Mutation::Reboot {
        region: "us-east-1".into(),
        id: "i-1".into(),
    };
    let accepted = "<RebootInstancesResponse><return>true</return></RebootInstancesResponse>";
    let (answer, server) = apply(reboot(), vec![Step::answer(200, accepted)]).await;
    assert_eq!(answer, Ok(Outcome::Accepted));
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.field("Action").as_deref(), Some("RebootInstances"));
    assert_eq!(request.field("InstanceId.1").as_deref(), Some("i-1"));
    let cases = [
        ("UnauthorizedOperation", CloudErrorKind::Denied),
        ("IncorrectInstanceState", CloudErrorKind::Conflict),
    ];
    for (code, kind) in cases {
        let (answer, server) = apply(reboot(), vec![Step::ec2_error(403, code)]).await;
        assert_eq!(answer.unwrap_err().kind, kind, "{code}");
        assert_eq!(server.requests().len(), 1, "{code}");
    }
}

/// Codes as EC2 sent them to others, with the call that each refuses (docs/aws-facts.md).
#[tokio::test]
async fn codes_that_are_easily_missed_are_sorted_by_what_they_prove() {
    use CloudErrorKind::{Conflict, NoCapacity, Permanent, Throttled};
    let region = || "us-east-1".into();
    let start = || Mutation::Start {
        region: region(),
        compute: Compute::Ec2,
        id: "i-1".into(),
    };
    let stop = || Mutation::Stop {
        region: region(),
        compute: Compute::Ec2,
        id: "i-1".into(),
        clear_pointer: None,
    };
    let terminate = || Mutation::Terminate {
        region: region(),
        compute: Compute::Ec2,
        id: "i-1".into(),
        clear_pointer: None,
    };
    let cases = [
        (launch(), 400, "ReservationCapacityExceeded", NoCapacity),
        (launch(), 400, "MaxSpotInstanceCountExceeded", NoCapacity),
        (launch(), 400, "VcpuLimitExceeded", NoCapacity),
        (
            launch(),
            400,
            "InsufficientFreeAddressesInSubnet",
            NoCapacity,
        ),
        (launch(), 400, "Unsupported", Permanent),
        (launch(), 400, "ConcurrentTagAccess", Throttled),
        (start(), 500, "InsufficientInstanceCapacity", NoCapacity),
        (start(), 400, "ReservationCapacityExceeded", NoCapacity),
        (start(), 400, "VolumeLimitExceeded", NoCapacity),
        (start(), 400, "IncorrectSpotRequestState", Conflict),
        (start(), 400, "IncorrectInstanceState", Conflict),
        (stop(), 400, "IncorrectInstanceState", Conflict),
        (stop(), 400, "UnsupportedOperation", Permanent),
        (stop(), 400, "OperationNotPermitted", Permanent),
        (terminate(), 400, "OperationNotPermitted", Permanent),
    ];
    for (mutation, status, code, kind) in cases {
        let (answer, server) = apply(mutation, vec![Step::ec2_error(status, code)]).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
        assert!(error.message.contains(&format!("said {code}")), "{error}");
        assert_eq!(server.requests().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_type_that_its_zone_does_not_have_is_no_capacity() {
    let text = "Your requested instance type (p3.2xlarge) is not supported in your requested \
                Availability Zone (us-east-1e). Please retry your request by not specifying an \
                Availability Zone or choosing us-east-1a, us-east-1b.";
    let step = Step::answer(
        400,
        format!(
            "<Response><Errors><Error><Code>Unsupported</Code><Message>{text}</Message></Error>\
             </Errors><RequestID>request-7</RequestID></Response>"
        ),
    );
    let error = apply(launch(), vec![step]).await.0.unwrap_err();
    let found = (error.kind, error.code.as_str());
    assert_eq!(found, (CloudErrorKind::NoCapacity, "Unsupported"));
    assert!(error.message.contains("us-east-1e"), "{error}");
}

#[tokio::test]
async fn the_pointer_is_cleared_before_the_instance_is_stopped() {
    let (answer, server) = apply(stop_and_clear(), vec![written(), stopping()]).await;
    assert_eq!(answer, Ok(Outcome::Accepted));
    assert_eq!(server.operations(), ["putparameter", "stopinstances"]);
    let [cleared, stopped] = server.requests().try_into().unwrap();
    for part in [
        r#""Name":"/p""#,
        r#""Value":"none""#,
        r#""Type":"String""#,
        r#""Overwrite":true"#,
    ] {
        assert!(cleared.body.contains(part), "{part} in {}", cleared.body);
    }
    assert_eq!(stopped.field("InstanceId.1").as_deref(), Some("i-1"));
}

#[tokio::test]
async fn an_instance_is_not_stopped_when_its_pointer_could_not_be_cleared() {
    let script = vec![Step::ssm_error("TooManyUpdates"), stopping()];
    let (answer, server) = apply(stop_and_clear(), script).await;
    let error = answer.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Throttled);
    assert_eq!(error.operation, "PutParameter");
    assert_eq!(server.operations(), ["putparameter"]);
}

#[tokio::test]
async fn a_stop_that_fails_after_the_pointer_was_cleared_says_that_the_stop_failed() {
    let script = vec![written(), Step::ec2_error(400, "IncorrectInstanceState")];
    let (answer, server) = apply(stop_and_clear(), script).await;
    let error = answer.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Conflict);
    assert_eq!(error.operation, "StopInstances");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_instance_that_no_pointer_names_is_stopped_without_touching_one() {
    let stop = Mutation::Stop {
        region: "us-east-1".into(),
        compute: Compute::Ec2,
        id: "i-1".into(),
        clear_pointer: None,
    };
    let (answer, server) = apply(stop, vec![stopping()]).await;
    assert_eq!(answer, Ok(Outcome::Accepted));
    assert_eq!(server.operations(), ["stopinstances"]);
}

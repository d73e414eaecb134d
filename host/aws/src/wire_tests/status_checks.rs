//! Tests status checks over the wire.

use std::collections::BTreeMap;

use reeve_core::cloud::{CloudError, CloudErrorKind, Query, Reading};
use reeve_core::health::{Check, Scheduled, StatusChecks};
use reeve_core::id::InstanceId;
use reeve_core::point::NoticeKind;
use reeve_core::time::Instant;

use crate::status_checks::BATCH_IDS_MAX;
use crate::testing::{ScriptedServer, Step};

type Found = BTreeMap<InstanceId, StatusChecks>;

/// A page with this instance check and system check of each instance.
fn page(instances: &[(&str, &str, &str)], next_token: &str) -> Step {
    let item = |(id, instance, system): &(&str, &str, &str)| {
        format!(
            "<item><instanceId>{id}</instanceId><instanceState><code>16</code><name>running</name></instanceState>\
             <systemStatus><status>{system}</status><details><item><name>reachability</name>\
             <status>passed</status></item></details></systemStatus>\
             <instanceStatus><status>{instance}</status></instanceStatus></item>"
        )
    };
    let items: String = instances.iter().map(item).collect();
    Step::answer(
        200,
        format!(
            "<DescribeInstanceStatusResponse><instanceStatusSet>{items}</instanceStatusSet>\
             <nextToken>{next_token}</nextToken></DescribeInstanceStatusResponse>"
        ),
    )
}

async fn ask(ids: &[&str], script: Vec<Step>) -> (Result<Found, CloudError>, ScriptedServer) {
    let server = ScriptedServer::start(script);
    let query = Query::StatusChecks {
        region: "us-east-1".into(),
        ids: ids.iter().map(|&id| id.into()).collect(),
    };
    let answer = server.cloud().await.ask(query).await;
    let found = answer.map(|reading| match reading {
        Reading::StatusChecks(found) => found,
        other => panic!("no status checks: {other:?}"),
    });
    (found, server)
}

fn checks(instance: Check, system: Check) -> StatusChecks {
    StatusChecks {
        instance,
        system,
        scheduled: Vec::new(),
    }
}

#[tokio::test]
async fn an_event_that_is_still_to_come_is_a_notice() {
    let event = |code: &str, description: &str| {
        format!(
            "<item><code>{code}</code><description>{description}</description>\
             <notBefore>2026-01-02T03:04:05.000Z</notBefore></item>"
        )
    };
    let events = [
        event(
            "instance-retirement",
            "The instance is running on degraded hardware",
        ),
        event("system-reboot", "[Completed] scheduled reboot"),
        event("a-new-code", "unheard of"),
    ];
    let answer = format!(
        "<DescribeInstanceStatusResponse><instanceStatusSet><item><instanceId>i-1</instanceId>\
         <eventsSet>{}</eventsSet><systemStatus><status>ok</status></systemStatus>\
         <instanceStatus><status>ok</status></instanceStatus></item></instanceStatusSet>\
         </DescribeInstanceStatusResponse>",
        events.concat()
    );
    let (found, _server) = ask(&["i-1"], vec![Step::answer(200, answer)]).await;
    let retired = Scheduled {
        kind: NoticeKind::Retire,
        at: Instant::from_ms(1_767_323_045_000),
    };
    assert_eq!(found.unwrap()[&"i-1".into()].scheduled, [retired]);
}

#[tokio::test]
async fn every_word_of_ec2_is_kept_and_one_that_is_not_known_is_no_word() {
    let words = [
        ("ok", Check::Ok),
        ("impaired", Check::Impaired),
        ("initializing", Check::Initializing),
        ("insufficient-data", Check::InsufficientData),
        ("not-applicable", Check::NotApplicable),
        ("splendid", Check::Unknown),
    ];
    for (word, check) in words {
        let script = vec![page(&[("i-1", word, "ok"), ("i-2", "ok", word)], "")];
        let (found, server) = ask(&["i-1", "i-2"], script).await;
        let expected = [
            ("i-1".into(), checks(check, Check::Ok)),
            ("i-2".into(), checks(Check::Ok, check)),
        ];
        assert_eq!(found, Ok(expected.into()), "{word}");
        let [request] = server.requests().try_into().unwrap();
        let fields = [
            ("Action", Some("DescribeInstanceStatus")),
            ("InstanceId.1", Some("i-1")),
            ("InstanceId.2", Some("i-2")),
            // EC2 refuses it together with ids.
            ("MaxResults", None),
        ];
        for (name, value) in fields {
            assert_eq!(request.field(name).as_deref(), value, "{name}");
        }
    }
}

#[tokio::test]
async fn every_page_is_read_and_what_is_not_said_is_left_out() {
    let script = vec![
        page(&[("i-1", "ok", "ok")], "page-2"),
        page(&[("i-3", "impaired", "ok")], ""),
    ];
    let (found, server) = ask(&["i-1", "i-2", "i-3"], script).await;
    let expected = [
        ("i-1".into(), checks(Check::Ok, Check::Ok)),
        ("i-3".into(), checks(Check::Impaired, Check::Ok)),
    ];
    assert_eq!(found, Ok(expected.into()));
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.field("NextToken"), None);
    assert_eq!(second.field("NextToken").as_deref(), Some("page-2"));
    assert_eq!(second.field("InstanceId.3").as_deref(), Some("i-3"));
}

#[tokio::test]
async fn more_than_a_hundred_are_asked_for_in_parts() {
    let ids: Vec<_> = (0..=BATCH_IDS_MAX).map(|n| format!("i-{n:03}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let script = vec![
        page(&[("i-000", "ok", "ok")], ""),
        page(&[("i-100", "ok", "ok")], ""),
    ];
    let (found, server) = ask(&ids, script).await;
    assert_eq!(found.unwrap().len(), 2);
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.field("InstanceId.100").as_deref(), Some("i-099"));
    assert_eq!(first.field("InstanceId.101"), None);
    assert_eq!(second.field("InstanceId.1").as_deref(), Some("i-100"));
    assert_eq!(second.field("InstanceId.2"), None);
}

#[tokio::test]
async fn one_that_ec2_does_not_know_is_left_out_and_the_others_are_read() {
    let not_found = || Step::ec2_error(400, "InvalidInstanceID.NotFound");
    let script = vec![
        not_found(),
        not_found(),
        page(&[("i-1", "ok", "ok")], ""),
        not_found(),
        page(&[("i-3", "ok", "ok"), ("i-4", "ok", "ok")], ""),
    ];
    let (found, server) = ask(&["i-1", "i-2", "i-3", "i-4"], script).await;
    let known: Vec<_> = found.unwrap().into_keys().collect();
    assert_eq!(known, ["i-1".into(), "i-3".into(), "i-4".into()]);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_refusal_and_pages_without_an_end_are_errors_and_no_parts() {
    let denied = vec![
        page(&[("i-1", "ok", "ok")], "page-2"),
        Step::ec2_error(403, "UnauthorizedOperation"),
    ];
    let (found, _) = ask(&["i-1"], denied).await;
    let error = found.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Denied);
    assert_eq!(error.operation, "DescribeInstanceStatus");

    let endless = vec![
        page(&[("i-1", "ok", "ok")], "again"),
        page(&[("i-2", "ok", "ok")], "again"),
        page(&[], ""),
    ];
    let (found, server) = ask(&["i-1", "i-2"], endless).await;
    assert_eq!(found.unwrap_err().code, "Response");
    assert_eq!(server.requests().len(), 2);
}

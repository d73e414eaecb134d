//! Tests reads over the wire.

use reeve_core::id::WorkerId;
use reeve_core::ports::Store;
use reeve_core::store::StoreErrorKind;
use serde_json::json;

use super::{body, item, record, scripted};
use crate::testing::Step;

fn page(items: &[String], more: &str) -> Step {
    let items = items.join(",");
    Step::answer(200, format!(r#"{{"Items":[{items}]{more}}}"#))
}

#[tokio::test]
async fn a_record_is_read_strongly_consistent_from_the_tables_own_region() {
    let answer = format!(r#"{{"Item":{}}}"#, item(5, "host-a", "running"));
    let (server, store) = scripted(vec![Step::answer(200, answer)]).await;
    let stored = store.read("chat".into()).await.unwrap().unwrap();
    assert_eq!(stored.version.get(), 5);
    assert_eq!(stored.record, record("host-a"));
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.operation(), "getitem");
    assert!(request.header_contains("/eu-central-1/dynamodb/aws4_request"));
    let expected = json!({
        "TableName": "reeve",
        "Key": { "fleet": { "S": "prod" }, "worker": { "S": "chat" } },
        "ConsistentRead": true,
    });
    assert_eq!(body(&request), expected);
}

#[tokio::test]
async fn an_unwritten_record_is_none() {
    let (_server, store) = scripted(vec![Step::answer(200, "{}")]).await;
    assert_eq!(store.read("chat".into()).await, Ok(None));
}

#[tokio::test]
async fn a_fleet_is_queried_page_by_page_and_strongly_consistent() {
    let key = r#","LastEvaluatedKey":{"fleet":{"S":"prod"},"worker":{"S":"chat"}}"#;
    let draw = item(2, "host-b", "absent").replace("chat", "draw");
    let script = vec![
        page(&[item(5, "host-a", "running")], key),
        // An empty page need not be the last.
        page(&[], &key.replace("chat", "cut")),
        page(&[draw], ""),
    ];
    let (server, store) = scripted(script).await;
    let all = store.read_all().await.unwrap();
    let workers: Vec<_> = all.keys().map(WorkerId::as_str).collect();
    assert_eq!(workers, ["chat", "draw"]);
    assert_eq!(server.operations(), ["query"; 3]);
    let starts = [json!(null), json!("chat"), json!("cut")];
    for (request, start) in server.requests().iter().zip(starts) {
        let body = body(request);
        assert_eq!(body["TableName"], "reeve");
        assert_eq!(body["ConsistentRead"], true);
        assert_eq!(body["KeyConditionExpression"], "#fleet = :fleet");
        assert_eq!(
            body["ExpressionAttributeNames"],
            json!({ "#fleet": "fleet" })
        );
        let values = json!({ ":fleet": { "S": "prod" } });
        assert_eq!(body["ExpressionAttributeValues"], values);
        assert_eq!(body["ExclusiveStartKey"]["worker"]["S"], start);
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_leaves_the_others_readable() {
    let newer = item(2, "host-b", "absent").replace("chat", "draw");
    let newer = newer.replace(
        r#"{\"epoch\""#,
        r#"{\"must-understand\":[\"leash\"],\"epoch\""#,
    );
    let items = [newer, item(5, "host-a", "running")];
    let (_server, store) = scripted(vec![page(&items, "")]).await;
    let all = store.read_all().await.unwrap();
    let chat = all[&WorkerId::from("chat")].as_ref().unwrap();
    assert_eq!(chat.version.get(), 5);
    let error = all[&WorkerId::from("draw")].as_ref().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreadable);
    for said in ["read the record of draw", "`leash`", "update reeve"] {
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn pages_without_an_end_are_an_error_and_not_a_part() {
    let key = r#","LastEvaluatedKey":{"fleet":{"S":"prod"},"worker":{"S":"chat"}}"#;
    let script = vec![page(&[], key), page(&[], key)];
    let (_server, store) = scripted(script).await;
    let error = store.read_all().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.message.contains("no end"), "{error}");
}

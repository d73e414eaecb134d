//! Tests changes over the wire.

use reeve_core::id::{DecisionId, Version};
use reeve_core::ports::Store;
use reeve_core::store::{Committed, Refresh, Refreshed, Stored, Write};
use reeve_core::time::Instant;
use serde_json::{Value, json};

use super::{body, done, item, refused, refused_by, scripted, write, write_if_idle};
use crate::testing::Step;

/// The item as the store reads it.
async fn stored(item: &str) -> Stored {
    let answer = Step::answer(200, format!(r#"{{"Item":{item}}}"#));
    let (_server, store) = scripted(vec![answer]).await;
    store.read("chat".into()).await.unwrap().unwrap()
}

fn delivered() -> Refresh {
    Refresh::Delivered {
        at: Instant::from_ms(120),
        count: 3,
    }
}

fn heartbeat() -> Refresh {
    Refresh::Heartbeat {
        at: Instant::from_ms(120),
    }
}

#[tokio::test]
async fn a_commit_is_one_update_that_leaves_the_activity_alone() {
    let (server, store) = scripted(vec![done()]).await;
    let answer = store.commit(write_if_idle()).await;
    assert_eq!(answer, Ok(Committed::Written(Version::new(5))));
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.operation(), "updateitem");
    let body = body(&request);
    assert_eq!(
        body["UpdateExpression"],
        "SET #version = :next, #phase = :phase, #record = :record"
    );
    assert_eq!(
        body["ConditionExpression"],
        "#version = :expected \
         AND (attribute_not_exists(#delivered_at) OR #delivered_at <= :since) \
         AND (attribute_not_exists(#processed_at) OR #processed_at <= :since) \
         AND (attribute_not_exists(#handed_out_at) OR #handed_out_at <= :since) \
         AND (attribute_not_exists(#busy_until) OR #busy_until <= :now)"
    );
    assert_eq!(body["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
    let values = &body["ExpressionAttributeValues"];
    assert_eq!(values[":expected"], json!({ "N": "4" }));
    assert_eq!(values[":next"], json!({ "N": "5" }));
    assert_eq!(values[":phase"], json!({ "S": "running" }));
    assert_eq!(values[":since"], json!({ "N": "100" }));
    assert_eq!(values[":now"], json!({ "N": "200" }));
}

#[tokio::test]
async fn a_first_commit_is_for_a_record_that_is_not_there() {
    let (server, store) = scripted(vec![done()]).await;
    let first = Write {
        expected: Version::default(),
        ..write()
    };
    let answer = store.commit(first).await;
    assert_eq!(answer, Ok(Committed::Written(Version::new(1))));
    let [request] = server.requests().try_into().unwrap();
    let condition = &body(&request)["ConditionExpression"];
    assert_eq!(*condition, "attribute_not_exists(#version)");
}

#[tokio::test]
async fn a_commit_whose_reply_was_lost_is_found_written_by_the_next_attempt() {
    let script = vec![Step::HangUp, refused_by(&item(5, "host-a", "running"))];
    let (server, store) = scripted(script).await;
    let answer = store.commit(write()).await;
    assert_eq!(answer, Ok(Committed::Written(Version::new(5))));
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(body(&first), body(&second));
}

#[tokio::test]
async fn the_item_that_refused_a_commit_tells_lost_from_in_use() {
    let current = item(4, "host-b", "running");
    let (_server, store) = scripted(vec![refused_by(&current)]).await;
    let in_use = Committed::InUse(stored(&current).await.activity);
    assert_eq!(store.commit(write_if_idle()).await, Ok(in_use));

    // The next version with another host's record is not this commit.
    let next = item(5, "host-b", "running");
    let (_server, store) = scripted(vec![refused_by(&next)]).await;
    let lost = Committed::Lost(Some(stored(&next).await));
    assert_eq!(store.commit(write_if_idle()).await, Ok(lost));
}

#[tokio::test]
async fn where_the_refusal_brings_no_item_it_is_read() {
    let next = item(5, "host-b", "running");
    let lost = Committed::Lost(Some(stored(&next).await));
    let cases = [
        (format!(r#"{{"Item":{next}}}"#), lost),
        ("{}".to_owned(), Committed::Lost(None)),
    ];
    for (found, expected) in cases {
        let (server, store) = scripted(vec![refused(), Step::answer(200, found)]).await;
        assert_eq!(store.commit(write()).await, Ok(expected));
        assert_eq!(server.operations(), ["updateitem", "getitem"]);
        assert_eq!(body(&server.requests()[1])["ConsistentRead"], true);
    }
}

/// The one request of a refresh that succeeds at once.
async fn refreshing(refresh: Refresh) -> Value {
    let (server, store) = scripted(vec![done()]).await;
    let refreshed = store.refresh("chat".into(), refresh).await;
    assert_eq!(refreshed, Ok(Refreshed::Written));
    let [request] = server.requests().try_into().unwrap();
    body(&request)
}

#[tokio::test]
async fn a_refresh_is_one_update_of_its_own_attributes() {
    let body = refreshing(delivered()).await;
    assert_eq!(
        body["UpdateExpression"],
        "SET #delivered_at = :at ADD #delivered :added"
    );
    assert_eq!(
        body["ConditionExpression"],
        "#phase IN (:running) AND (attribute_not_exists(#delivered_at) OR #delivered_at < :at)"
    );
    let values = json!({
        ":at": { "N": "120" }, ":added": { "N": "3" }, ":running": { "S": "running" },
    });
    assert_eq!(body["ExpressionAttributeValues"], values);
}

#[tokio::test]
async fn a_count_is_added_although_a_later_time_is_there() {
    let script = vec![refused_by(&item(5, "host-b", "running")), done()];
    let (server, store) = scripted(script).await;
    let refreshed = store.refresh("chat".into(), delivered()).await;
    assert_eq!(refreshed, Ok(Refreshed::Written));
    let [_, second] = server.requests().try_into().unwrap();
    let body = body(&second);
    assert_eq!(body["UpdateExpression"], "ADD #delivered :added");
    assert_eq!(body["ConditionExpression"], "#phase IN (:running)");
}

#[tokio::test]
async fn a_hand_out_is_stored_while_the_instance_ends() {
    let at = Instant::from_ms(120);
    let body = refreshing(Refresh::HandedOut { at }).await;
    assert_eq!(
        body["ConditionExpression"],
        "#phase IN (:running, :ending) AND (attribute_not_exists(#handed_out_at) OR #handed_out_at < :at)"
    );
    let values = json!({
        ":at": { "N": "120" }, ":running": { "S": "running" }, ":ending": { "S": "ending" },
    });
    assert_eq!(body["ExpressionAttributeValues"], values);
}

#[tokio::test]
async fn a_heartbeat_older_than_the_latest_needs_no_second_request() {
    let script = vec![refused_by(&item(5, "host-b", "running"))];
    let (server, store) = scripted(script).await;
    let refreshed = store.refresh("chat".into(), heartbeat()).await;
    assert_eq!(refreshed, Ok(Refreshed::Written));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_worker_that_does_not_run_is_not_refreshed() {
    for refresh in [delivered(), heartbeat()] {
        let not_running = item(5, "host-b", "ending");
        let cases = [
            vec![refused_by(&not_running)],
            vec![refused(), done()],
            vec![
                refused(),
                Step::answer(200, format!(r#"{{"Item":{not_running}}}"#)),
            ],
        ];
        for script in cases {
            let (server, store) = scripted(script).await;
            let refreshed = store.refresh("chat".into(), refresh).await;
            assert_eq!(refreshed, Ok(Refreshed::NotRunning));
            let operations = server.operations();
            let updates = operations.iter().filter(|name| *name == "updateitem");
            assert_eq!(updates.count(), 1);
        }
    }
    // The worker stopped between the two steps.
    let script = vec![
        refused_by(&item(5, "host-b", "running")),
        refused_by(&item(6, "host-b", "ending")),
    ];
    let (_server, store) = scripted(script).await;
    let refreshed = store.refresh("chat".into(), delivered()).await;
    assert_eq!(refreshed, Ok(Refreshed::NotRunning));
}

fn reserved(sum: u64) -> Step {
    Step::answer(
        200,
        format!(r#"{{"Attributes":{{"reserved":{{"N":"{sum}"}}}}}}"#),
    )
}

#[tokio::test]
async fn ids_are_reserved_by_an_addition_in_a_partition_of_their_own() {
    let (server, store) = scripted(vec![reserved(3_000)]).await;
    let after = store.reserve(DecisionId::new(7), 1_000).await;
    assert_eq!(after, Ok(DecisionId::new(2_000)));
    let [request] = server.requests().try_into().unwrap();
    let body = body(&request);
    assert_eq!(body["UpdateExpression"], "ADD #reserved :more");
    assert_eq!(body["ReturnValues"], "UPDATED_NEW");
    assert_eq!(body["Key"]["fleet"], json!({ "S": "prod#numbers" }));
    let more = &body["ExpressionAttributeValues"][":more"];
    assert_eq!(more, &json!({ "N": "1000" }));
}

#[tokio::test]
async fn a_table_that_is_younger_than_the_journal_catches_up() {
    let (server, store) = scripted(vec![reserved(1_000), reserved(6_000)]).await;
    let after = store.reserve(DecisionId::new(4_000), 1_000).await;
    assert_eq!(after, Ok(DecisionId::new(5_000)));
    let [_, second] = server.requests().try_into().unwrap();
    let more = body(&second)["ExpressionAttributeValues"][":more"].clone();
    assert_eq!(more, json!({ "N": "5000" }));
}

#[tokio::test]
async fn a_reservation_without_an_answer_is_not_sent_again() {
    let (server, store) = scripted(vec![Step::HangUp, reserved(1_000)]).await;
    assert!(store.reserve(DecisionId::default(), 1_000).await.is_err());
    assert_eq!(server.requests().len(), 1);
}

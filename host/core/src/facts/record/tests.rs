use serde_json::{Value, json};

use super::*;
use crate::guard::tests::worker;

/// A record with each of its parts, by this version.
fn record() -> Value {
    let request = json!({"cause": "deploy", "initiator": "person", "text": "new image"});
    let error = |code| json!({"code": code, "text": "said so", "at": 5, "count": 2});
    let mut last_error = error("denied");
    last_error["act"] = "launch".into();
    let hash = "0".repeat(64);
    json!({
        "epoch": 3, "lease": "host", "by": "host", "generation": 4, "phase": "provisioning",
        "intent": {
            "mutation": {"start": {"region": "us-east-1", "id": "i-one"}},
            "generation": 4, "epoch": 3, "decision": 9, "since": 7
        },
        "adopted": {
            "id": "i-one", "generation": 3, "since": 6, "how": "found", "unfinished-before": 1,
            "launched-before": 2
        },
        "former": {"id": "i-two", "generation": 2},
        "last-error": last_error,
        "failed-starts": {"i-one": {"count": 1, "since": 4}},
        "ended-elsewhere": 1,
        "ended-elsewhere-last": {"code": "Client.UserInitiatedShutdown", "text": "", "since": 7, "launched-at": 2},
        "ledger": {"launch": [7]},
        "credential": {
            "instance": "i-one", "generation": 3, "nonce": hash, "token": hash, "minted-at": 6,
            "offered": {"token": hash, "at": 7}, "replaced": {"token": hash, "until": 9}
        },
        "register-error": error("proof_wrong"),
        "must-understand": ["paused"],
        "paused": {"since": 8, "reason": "maintenance", "by": "host"},
        "restart": {
            "request": request, "started-at": 3, "instance": "i-one", "stage": "provisioning"
        },
        "deferred": {"request": request, "not-before": 9},
        "draining": {
            "instance": "i-one", "since": 6, "decision": 5, "choice": "stop",
            "reason": {"code": "idle", "text": "no caller"}
        }
    })
}

/// Adds a field of a newer version to each part. A mutation is sent as it is or not at all, and a
/// map by instance or by kind has no fields.
fn add_unknown(part: &mut Value, name: &str) -> u32 {
    let Value::Object(fields) = part else {
        return 0;
    };
    if name == "mutation" {
        return 0;
    }
    let inner = fields.iter_mut();
    let added: u32 = inner.map(|(name, part)| add_unknown(part, name)).sum();
    if ["failed-starts", "ledger"].contains(&name) {
        return added;
    }
    fields.insert("newer".to_owned(), json!({"than": ["this", null, 1.5]}));
    added + 1
}

#[test]
fn fields_of_a_newer_host_survive_a_write_in_every_part() {
    let mut newer = record();
    assert_eq!(add_unknown(&mut newer, ""), 18);
    let stored = Stored {
        record: serde_json::from_value(newer.clone()).unwrap(),
        ..Stored::default()
    };
    let mut facts = worker();
    facts.fold(stored);
    let written = facts.to_record(&"host".into(), Epoch::new(3));
    assert_eq!(serde_json::to_value(written).unwrap(), newer);
}

//! The case files, and the schema against the struct.

use reeve_legacy_frozen_activity::{SCHEMA, Settings, decide};
use reeve_policy_sdk::testing::{Cases, schema};

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("reap", decide)
        .finish();
}

#[test]
fn the_schema_says_what_the_settings_are() {
    assert_eq!(schema::agrees::<Settings>(SCHEMA), Ok(()));
}

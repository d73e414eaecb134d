//! The case files, and the schema against the struct.

use reeve_policy_sdk::testing::{Cases, schema};

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("resolve", reeve_resolve::decide)
        .finish();
}

#[test]
fn the_schema_says_what_the_settings_are() {
    let agrees = schema::agrees::<reeve_resolve::Settings>(reeve_resolve::SCHEMA);
    assert_eq!(agrees, Ok(()));
}

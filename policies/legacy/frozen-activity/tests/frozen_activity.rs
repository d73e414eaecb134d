//! The case files.

use reeve_legacy_frozen_activity::decide;
use reeve_policy_sdk::testing::Cases;

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("reap", decide)
        .finish();
}

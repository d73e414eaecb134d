//! The case files.

use reeve_legacy_self_fire::decide;
use reeve_policy_sdk::testing::Cases;

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("debounce", decide)
        .finish();
}

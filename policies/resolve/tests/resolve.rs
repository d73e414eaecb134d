//! The case files.

use reeve_policy_sdk::testing::Cases;

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("resolve", reeve_resolve::decide)
        .finish();
}

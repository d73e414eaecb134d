//! The case files.

use reeve_legacy_ip_race::{adopt, resolve, retry_ip};
use reeve_policy_sdk::testing::Cases;

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("resolve", resolve)
        .run("adopt", adopt)
        .run("retry-ip", retry_ip)
        .finish();
}

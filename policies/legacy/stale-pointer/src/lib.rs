//! Incident `stale-pointer` as it was. **Wrong on purpose**: it shows in demonstrations and tests what the
//! host's guard contains. Do not use it.
//!
//! ```text
//! lib.rs       the component
//! resolve.rs   believes the pointer: a stopped instance is started, whatever else runs
//! reap.rs      believes the metric: no invocations means idle, even if nobody could reach the instance
//! settings.rs  the watchdog's one figure
//! ```

mod reap;
mod resolve;
mod settings;

use reeve_policy_sdk::about::{self, Description};
use reeve_policy_sdk::settings::parse;

pub use reap::decide as reap;
pub use resolve::decide as resolve;
pub use settings::{SCHEMA, Settings};

/// The component.
pub struct Policy;

impl reeve_policy_sdk::resolve::Guest for Policy {
    fn decide(
        input: reeve_policy_sdk::resolve::Input,
    ) -> Result<reeve_policy_sdk::resolve::Verdict, String> {
        resolve::decide(&input)
    }
}

impl reeve_policy_sdk::reap::Guest for Policy {
    fn decide(
        input: reeve_policy_sdk::reap::Input,
    ) -> Result<reeve_policy_sdk::reap::Verdict, String> {
        reap::decide(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "legacy-stale-pointer".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: resolve, reap);

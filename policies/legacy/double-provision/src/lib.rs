//! Incident `double-provision` as it was. **Wrong on purpose**: it shows in demonstrations and tests what the
//! host's guard contains. Do not use it.
//!
//! ```text
//! lib.rs       the component
//! resolve.rs   serves what runs; whatever does not run yet is provisioned again
//! settings.rs  there are none
//! ```

mod resolve;
mod settings;

use reeve_policy_sdk::about::{self, Description};
use reeve_policy_sdk::settings::parse;

pub use resolve::decide as resolve;
pub use settings::{SCHEMA, Settings};

/// The component.
pub struct Policy;

impl reeve_policy_sdk::resolve::Guest for Policy {
    fn decide(
        input: reeve_policy_sdk::resolve::Input,
    ) -> Result<reeve_policy_sdk::resolve::Verdict, String> {
        resolve(&input)
    }
}

impl about::Guest for Policy {
    fn describe() -> Description {
        Description {
            name: "legacy-double-provision".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate(settings: String) -> Result<(), String> {
        parse::<Settings>(&settings).map(drop)
    }
}

reeve_policy_sdk::export!(Policy: resolve);

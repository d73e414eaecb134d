//! The incident docs/incidents.md#stale-pointer, replayed. **Wrong on purpose**: it shows in
//! demonstrations and tests what the host's guard contains. Do not use it.
//!
//! ```text
//! resolve.rs   believes the pointer: a stopped instance is started, whatever else runs
//! reap.rs      believes the metric: no invocations means idle, even for an unreachable instance
//! settings.rs  the watchdog's one figure
//! ```

mod reap;
mod resolve;
mod settings;

use reeve_policy_sdk::policy;

pub use reap::decide as reap;
pub use resolve::decide as resolve;
pub use settings::Settings;

policy!(resolve: resolve, reap: reap, Settings);

//! The contract as Rust types, generated from `wit/` when the crate is compiled.
//!
//! There is one small world per interface, and not one per point as in the contract.
//! `wit-component` unites the worlds whose `export!` a policy invokes. So a component can offer any
//! subset of the points, and implements `about` once. The shared records are generated once too, so
//! one helper serves every point.

#![allow(
    unsafe_code,
    reason = "generated: the boundary passes pointers into linear memory; it runs inside the sandbox"
)]
#![allow(
    missing_docs,
    clippy::all,
    reason = "generated: the documentation is the one in wit/"
)]

/// Generates one world. With the feature `testing` each named type reads and writes JSON with the
/// names of the WIT, and refuses unknown fields. A type of the WIT that is missing in the list
/// fails to compile with that feature, and a name that does not exist always does.
macro_rules! bindings {
    ($inline:literal, with $with:tt, json [$($name:literal),* $(,)?]) => {
        wit_bindgen::generate!({
            inline: $inline,
            path: "../../wit",
            with: $with,
            generate_all,
            generate_unused_types: true,
            pub_export_macro: true,
            additional_derives: [PartialEq, Eq],
            additional_type_attributes: {
                $($name: [#[cfg_attr(
                    feature = "testing",
                    derive(serde::Serialize, serde::Deserialize),
                    serde(rename_all = "kebab-case", deny_unknown_fields),
                )]],)*
            },
        });
    };
}

mod shared {
    bindings!(
        "package reeve:sdk-types;
         world types { import reeve:policy/types@0.1.0; }",
        with {},
        json [
            "reeve:policy/types@0.1.0/age",
            "reeve:policy/types@0.1.0/instance-state",
            "reeve:policy/types@0.1.0/addresses",
            "reeve:policy/types@0.1.0/address-kind",
            "reeve:policy/types@0.1.0/instance-facts",
            "reeve:policy/types@0.1.0/tag",
            "reeve:policy/types@0.1.0/origin",
            "reeve:policy/types@0.1.0/generation",
            "reeve:policy/types@0.1.0/usage",
            "reeve:policy/types@0.1.0/signal",
            "reeve:policy/types@0.1.0/bad-signal",
            "reeve:policy/types@0.1.0/notice-kind",
            "reeve:policy/types@0.1.0/notice",
            "reeve:policy/types@0.1.0/demand",
            "reeve:policy/types@0.1.0/sample",
            "reeve:policy/types@0.1.0/wish",
            "reeve:policy/types@0.1.0/label",
            "reeve:policy/types@0.1.0/local-time",
            "reeve:policy/types@0.1.0/worker",
            "reeve:policy/types@0.1.0/reason",
        ]
    );
}

/// The facts that all questions share (`wit/types.wit`).
pub use shared::reeve::policy::types;

/// Name, version, settings schema and validation (`wit/about.wit`).
pub mod about {
    bindings!(
        "package reeve:sdk-about;
         world about-interface { export reeve:policy/about@0.1.0; }",
        with {},
        json []
    );
    pub use exports::reeve::policy::about::*;
}

/// Where is my worker? (`wit/resolve.wit`)
pub mod resolve {
    bindings!(
        "package reeve:sdk-resolve;
         world resolve-interface { export reeve:policy/resolve@0.1.0; }",
        with { "reeve:policy/types@0.1.0": crate::types },
        json [
            "reeve:policy/resolve@0.1.0/pointer",
            "reeve:policy/resolve@0.1.0/adopted",
            "reeve:policy/resolve@0.1.0/adoption",
            "reeve:policy/resolve@0.1.0/in-flight",
            "reeve:policy/resolve@0.1.0/failure-kind",
            "reeve:policy/resolve@0.1.0/failure",
            "reeve:policy/resolve@0.1.0/asker",
            "reeve:policy/resolve@0.1.0/act",
            "reeve:policy/resolve@0.1.0/input",
            "reeve:policy/resolve@0.1.0/target",
            "reeve:policy/resolve@0.1.0/action",
            "reeve:policy/resolve@0.1.0/verdict",
        ]
    );
    pub use exports::reeve::policy::resolve::*;
}

/// Which running instance should the host adopt? (`wit/adopt.wit`)
pub mod adopt {
    bindings!(
        "package reeve:sdk-adopt;
         world adopt-interface { export reeve:policy/adopt@0.1.0; }",
        with { "reeve:policy/types@0.1.0": crate::types },
        json [
            "reeve:policy/adopt@0.1.0/candidate",
            "reeve:policy/adopt@0.1.0/input",
            "reeve:policy/adopt@0.1.0/choice",
            "reeve:policy/adopt@0.1.0/verdict",
        ]
    );
    pub use exports::reeve::policy::adopt::*;
}

/// The instance runs but has no address yet: look again? (`wit/retry-ip.wit`)
pub mod retry_ip {
    bindings!(
        "package reeve:sdk-retry-ip;
         world retry-ip-interface { export reeve:policy/retry-ip@0.1.0; }",
        with { "reeve:policy/types@0.1.0": crate::types },
        json [
            "reeve:policy/retry-ip@0.1.0/input",
            "reeve:policy/retry-ip@0.1.0/next",
            "reeve:policy/retry-ip@0.1.0/verdict",
        ]
    );
    pub use exports::reeve::policy::retry_ip::*;
}

/// A restart is asked for: do it? (`wit/debounce.wit`)
pub mod debounce {
    bindings!(
        "package reeve:sdk-debounce;
         world debounce-interface { export reeve:policy/debounce@0.1.0; }",
        with { "reeve:policy/types@0.1.0": crate::types },
        json [
            "reeve:policy/debounce@0.1.0/kind",
            "reeve:policy/debounce@0.1.0/kinds",
            "reeve:policy/debounce@0.1.0/input",
            "reeve:policy/debounce@0.1.0/choice",
            "reeve:policy/debounce@0.1.0/verdict",
        ]
    );
    pub use exports::reeve::policy::debounce::*;
}

/// May this instance be stopped? (`wit/reap.wit`)
pub mod reap {
    bindings!(
        "package reeve:sdk-reap;
         world reap-interface { export reeve:policy/reap@0.1.0; }",
        with { "reeve:policy/types@0.1.0": crate::types },
        json [
            "reeve:policy/reap@0.1.0/role",
            "reeve:policy/reap@0.1.0/input",
            "reeve:policy/reap@0.1.0/choice",
            "reeve:policy/reap@0.1.0/verdict",
        ]
    );
    pub use exports::reeve::policy::reap::*;
}

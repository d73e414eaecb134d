//! The line that makes a component out of decisions.

use crate::about::Description;
use crate::settings::Settings;

/// Makes a component out of a policy's decisions and its settings.
///
/// ```text
/// use reeve_policy_sdk::debounce::{Choice, Input, Verdict};
/// use reeve_policy_sdk::policy;
///
/// policy!(debounce: decide);
///
/// fn decide(input: &Input) -> Verdict {
///     Choice::Go(input.kind).because("always", "Every restart goes ahead.")
/// }
/// ```
///
/// # Points
/// `resolve`, `adopt`, `retry_ip`, `debounce` and `reap`. Each has a module of that name in this
/// crate, with its `Input` and its `Verdict`. A component answers one point or several:
///
/// ```text
/// policy!(debounce: decide);                          // one point, no settings
/// policy!(debounce: decide, Settings);                // one point, with settings
/// policy!(resolve: resolve, reap: reap, Settings);    // two points that share their settings
/// ```
///
/// # Decisions
/// A decision is `fn(&Input, &Settings) -> Verdict`, or `fn(&Input) -> Verdict` without settings.
/// It may return `Result<Verdict, String>` to refuse to decide: the host journals the text and
/// takes the point's safe default.
///
/// # Settings
/// A struct that implements [`settings::Settings`](crate::settings::Settings). A decision never
/// sees settings that cannot be read or are out of range. The host asks the component to validate
/// them before they are in force.
///
/// # Exports
/// Each named point, and `about`: name, version and summary are the package's `name` (without
/// `reeve-`), `version` and `description` in `Cargo.toml`.
///
/// # Caveats
/// - One `policy!` in a crate: a component has one set of exports.
/// - It exports nothing unless the target is WebAssembly, so one native test can link several
///   policies.
#[macro_export]
macro_rules! policy {
    ($($points:tt)+) => {
        $crate::__policy!([] $($points)+);
    };
}

/// Reads the list of [`policy!`] one point at a time. To the compiler, a repeated pair followed by
/// an optional type is ambiguous.
#[doc(hidden)]
#[macro_export]
macro_rules! __policy {
    ([$($read:tt)*] $point:ident: $decide:path, $($rest:tt)+) => {
        $crate::__policy!([$($read)* $point $decide,] $($rest)+);
    };
    ([$($read:tt)*] $point:ident: $decide:path $(,)?) => {
        $crate::__policy!([$($read)* $point $decide,] $crate::settings::NoSettings);
    };
    ([$($point:ident $decide:path,)+] $settings:ty $(,)?) => {
        const _: () = {
            struct Policy;

            $(
                impl $crate::$point::Guest for Policy {
                    fn decide(
                        input: $crate::$point::Input,
                    ) -> ::core::result::Result<$crate::$point::Verdict, ::std::string::String> {
                        $crate::answer::<_, $settings, _>(&$decide, &input)
                    }
                }
                // Used on every target, so that no function of the policy counts as dead on one.
                const _: fn(
                    $crate::$point::Input,
                )
                    -> ::core::result::Result<$crate::$point::Verdict, ::std::string::String> =
                    <Policy as $crate::$point::Guest>::decide;
                #[cfg(target_arch = "wasm32")]
                $crate::$point::export!(Policy with_types_in $crate::$point);
            )+

            impl $crate::about::Guest for Policy {
                fn describe() -> $crate::about::Description {
                    $crate::__describe::<$settings>(
                        env!("CARGO_PKG_NAME"),
                        env!("CARGO_PKG_VERSION"),
                        env!("CARGO_PKG_DESCRIPTION"),
                    )
                }

                fn validate(
                    settings: ::std::string::String,
                ) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::settings::parse::<$settings>(&settings).map(drop)
                }
            }
            #[cfg(target_arch = "wasm32")]
            $crate::about::export!(Policy with_types_in $crate::about);
        };
    };
}

/// What `about` says of a package.
#[doc(hidden)]
pub fn __describe<S: Settings>(package: &str, version: &str, description: &str) -> Description {
    Description {
        // The standard policies' packages bear the project's name, and their components do not. The
        // contract's names have no underscores.
        name: package
            .strip_prefix("reeve-")
            .unwrap_or(package)
            .replace('_', "-"),
        version: version.to_owned(),
        summary: description.to_owned(),
        settings_schema: S::SCHEMA.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::NoSettings;

    #[test]
    fn a_policy_is_named_after_its_package() {
        let named = |package| __describe::<NoSettings>(package, "1.0.0", "A policy.").name;
        assert_eq!(named("reeve-retry-ip"), "retry-ip");
        assert_eq!(named("one_at_a_time"), "one-at-a-time");
    }
}

//! The contract at version 0.1.0. A later version gets its own folder next to this one with the
//! same five functions; `component` calls each component in the version it exports.
//!
//! - [`bindings`]: the types, generated from `wit/`.
//! - [`lower`], [`lift`]: conversions to and from the core's types.

mod bindings;
mod lift;
mod lower;

use reeve_core::point::{Input, Point, Verdict};
use reeve_core::text;
use wasmtime::component::ComponentExportIndex;

use self::bindings::{about, adopt, debounce, reap, resolve, retry_ip};
use self::lower::Lists;
use crate::description::Description;
use crate::error::Failure;
use crate::sandbox::Sandbox;

/// The name of the interface that describes a policy.
pub(crate) const ABOUT: &str = "reeve:policy/about@0.1.0";

/// The functions of [`ABOUT`].
pub(crate) const DESCRIBE: &str = "describe";
pub(crate) const VALIDATE: &str = "validate";

/// The function of every point's interface.
pub(crate) const DECIDE: &str = "decide";

type Answer<V> = (Result<V, String>,);
type Describe = (about::Description,);

/// The name of a point's interface.
pub(crate) fn interface(point: Point) -> String {
    format!("reeve:policy/{point}@0.1.0")
}

/// Checks that this is the point's function.
///
/// # Errors
/// How the types differ.
pub(crate) fn check_decide(
    sandbox: &mut Sandbox<'_>,
    point: Point,
    decide: &ComponentExportIndex,
) -> wasmtime::Result<()> {
    match point {
        Point::Resolve => sandbox
            .function::<(resolve::Input<'_>,), Answer<resolve::Verdict>>(decide)
            .map(drop),
        Point::Adopt => sandbox
            .function::<(adopt::Input<'_>,), Answer<adopt::Verdict>>(decide)
            .map(drop),
        Point::RetryIp => sandbox
            .function::<(retry_ip::Input<'_>,), Answer<retry_ip::Verdict>>(decide)
            .map(drop),
        Point::Debounce => sandbox
            .function::<(debounce::Input<'_>,), Answer<debounce::Verdict>>(decide)
            .map(drop),
        Point::Reap => sandbox
            .function::<(reap::Input<'_>,), Answer<reap::Verdict>>(decide)
            .map(drop),
    }
}

/// Checks that these are the functions of [`ABOUT`].
///
/// # Errors
/// How the types differ.
pub(crate) fn check_about(
    sandbox: &mut Sandbox<'_>,
    describe: &ComponentExportIndex,
    validate: &ComponentExportIndex,
) -> wasmtime::Result<()> {
    sandbox.function::<(), Describe>(describe)?;
    sandbox.function::<(&str,), Answer<()>>(validate)?;
    Ok(())
}

/// Asks for a decision. It returns the policy's verdict without a check of its bounds.
///
/// # Errors
/// Any [`Failure`] of the call, or the policy's own refusal.
pub(crate) fn decide(
    sandbox: &mut Sandbox<'_>,
    decide: &ComponentExportIndex,
    input: &Input,
) -> Result<Verdict, Failure> {
    match input {
        Input::Resolve(input) => {
            let lists = Lists::of(&input.worker, &input.bad_signals, &input.notices);
            let instances: Vec<_> = lower::list(&input.instances);
            let failures: Vec<_> = lower::list(&input.failures);
            let input = lower::resolve(input, &lists, &instances, &failures);
            ask::<_, resolve::Verdict>(sandbox, decide, input).map(|v| Verdict::Resolve(v.into()))
        }
        Input::Adopt(input) => {
            let labels: Vec<_> = lower::list(&input.worker.labels);
            let tags: Vec<_> = lower::list(input.candidates.iter().flat_map(|one| &one.tags));
            let bad: Vec<_> = lower::list(input.candidates.iter().flat_map(|one| &one.bad_signals));
            let candidates = lower::candidates(&input.candidates, &tags, &bad);
            let input = lower::adopt(input, &labels, &candidates);
            ask::<_, adopt::Verdict>(sandbox, decide, input).map(|v| Verdict::Adopt(v.into()))
        }
        Input::RetryIp(input) => {
            let labels: Vec<_> = lower::list(&input.worker.labels);
            let input = lower::retry_ip(input, &labels);
            ask::<_, retry_ip::Verdict>(sandbox, decide, input).map(|v| Verdict::RetryIp(v.into()))
        }
        Input::Debounce(input) => {
            let lists = Lists::of(&input.worker, &input.bad_signals, &input.notices);
            let input = lower::debounce(input, &lists);
            ask::<_, debounce::Verdict>(sandbox, decide, input).map(|v| Verdict::Debounce(v.into()))
        }
        Input::Reap(input) => {
            let lists = Lists::of(&input.worker, &input.bad_signals, &input.notices);
            let tags: Vec<_> = lower::list(&input.tags);
            let input = lower::reap(input, &lists, &tags);
            ask::<_, reap::Verdict>(sandbox, decide, input).map(|v| Verdict::Reap(v.into()))
        }
    }
}

/// Asks for the policy's description.
///
/// # Errors
/// Any [`Failure`] of the call.
pub(crate) fn describe(
    sandbox: &mut Sandbox<'_>,
    describe: &ComponentExportIndex,
) -> Result<Description, Failure> {
    let (description,) = sandbox.call::<_, Describe>(describe, ())?;
    Ok(description.into())
}

/// Asks whether the policy accepts these settings.
///
/// # Errors
/// Any [`Failure`] of the call, or the policy's own refusal.
pub(crate) fn validate(
    sandbox: &mut Sandbox<'_>,
    validate: &ComponentExportIndex,
    settings: &str,
) -> Result<(), Failure> {
    let (answer,): Answer<()> = sandbox.call(validate, (settings,))?;
    answer.map_err(refused)
}

fn ask<I, V>(
    sandbox: &mut Sandbox<'_>,
    decide: &ComponentExportIndex,
    input: I,
) -> Result<V, Failure>
where
    I: wasmtime::component::Lower,
    V: wasmtime::component::Lift + 'static,
{
    let (answer,): Answer<V> = sandbox.call(decide, (input,))?;
    answer.map_err(refused)
}

fn refused(text: String) -> Failure {
    Failure::Refused(text::bounded(&text))
}

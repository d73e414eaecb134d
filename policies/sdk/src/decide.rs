//! From a question to its answer: the settings are read, the policy decides.

use crate::settings::{NoSettings, Settings, parse};
use crate::{adopt, debounce, reap, resolve, retry_ip};

/// The input of a point.
pub trait Question {
    /// The answer that the point expects.
    type Verdict;

    /// The point, as the contract names it.
    const POINT: &'static str;

    /// The pool's settings, a JSON object.
    fn settings(&self) -> &str;
}

/// A function that decides: `fn(&Input, &Settings) -> Verdict`.
///
/// A policy without settings leaves the second argument out. A policy that can refuse to decide
/// returns `Result<Verdict, String>`; the host journals the text and takes the point's safe
/// default.
///
/// `Signature` tells these functions apart. The compiler finds it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide this point",
    label = "not a function `fn(&Input, &Settings) -> Verdict` of this point",
    note = "a policy without settings leaves `&Settings` out, and `Settings` out of `policy!`",
    note = "a policy that can refuse to decide returns `Result<Verdict, String>`"
)]
pub trait Decide<Q: Question, S, Signature> {
    /// Decides from the input and the settings alone.
    ///
    /// # Errors
    /// A sentence that says why the policy refuses to decide.
    fn decide(&self, input: &Q, settings: &S) -> Result<Q::Verdict, String>;
}

impl<Q, S, A, F> Decide<Q, S, fn(&Q, &S) -> A> for F
where
    Q: Question,
    A: Answer<Q::Verdict>,
    F: Fn(&Q, &S) -> A,
{
    fn decide(&self, input: &Q, settings: &S) -> Result<Q::Verdict, String> {
        self(input, settings).into_result()
    }
}

impl<Q, A, F> Decide<Q, NoSettings, fn(&Q) -> A> for F
where
    Q: Question,
    A: Answer<Q::Verdict>,
    F: Fn(&Q) -> A,
{
    fn decide(&self, input: &Q, _: &NoSettings) -> Result<Q::Verdict, String> {
        self(input).into_result()
    }
}

/// A verdict, or a refusal to decide.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the verdict of this point",
    note = "a decision returns `{Verdict}`, or `Result<{Verdict}, String>`"
)]
pub trait Answer<Verdict> {
    /// The answer in the contract's form.
    ///
    /// # Errors
    /// The refusal.
    fn into_result(self) -> Result<Verdict, String>;
}

impl<Verdict> Answer<Verdict> for Result<Verdict, String> {
    fn into_result(self) -> Result<Verdict, String> {
        self
    }
}

/// What the component answers: the settings are read from the input, then `decide` is called.
/// Native tests and benchmarks call it too.
///
/// # Errors
/// A sentence about the settings if they cannot be read, or the policy's own refusal.
pub fn answer<Q: Question, S: Settings, Signature>(
    decide: &impl Decide<Q, S, Signature>,
    input: &Q,
) -> Result<Q::Verdict, String> {
    decide.decide(input, &parse(input.settings())?)
}

macro_rules! questions {
    ($($point:ident = $name:literal),*) => {
        $(
            impl Question for $point::Input {
                type Verdict = $point::Verdict;

                const POINT: &'static str = $name;

                fn settings(&self) -> &str {
                    &self.settings
                }
            }

            impl Answer<$point::Verdict> for $point::Verdict {
                fn into_result(self) -> Result<$point::Verdict, String> {
                    Ok(self)
                }
            }
        )*
    };
}

questions!(
    resolve = "resolve",
    adopt = "adopt",
    retry_ip = "retry-ip",
    debounce = "debounce",
    reap = "reap"
);

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::neutral;

    fn input(settings: &str) -> debounce::Input {
        debounce::Input {
            settings: settings.to_owned(),
            ..neutral()
        }
    }

    fn go(input: &debounce::Input) -> debounce::Verdict {
        debounce::Choice::Go(input.kind).because("always", "Always.")
    }

    fn refuse(_: &debounce::Input, _: &NoSettings) -> Result<debounce::Verdict, String> {
        Err("not today".to_owned())
    }

    #[test]
    fn a_policy_without_settings_refuses_any() {
        assert_eq!(answer(&go, &input("")), Ok(go(&input(""))));
        let error = answer(&go, &input(r#"{"litres": 3}"#)).unwrap_err();
        assert!(error.contains("`litres`"), "{error}");
    }

    #[test]
    fn a_policy_can_refuse_to_decide() {
        assert_eq!(answer(&refuse, &input("")), Err("not today".to_owned()));
    }
}

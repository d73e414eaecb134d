//! One decision of the standard `resolve` policy, four ways.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reeve_core::id::InstanceId;
use reeve_core::instance::InstanceState;
use reeve_core::point::resolve::{Adopted, Input, Pointer};
use reeve_core::point::{self, Addresses, Age, InstanceFacts, Point};
use reeve_policy::{Floor, Limits, LoadedPolicy, PolicyEngine};
use reeve_policy_sdk::resolve as guest;

use crate::measure::{Work, medians_us};
use crate::rego::{self, Rego};

/// The numbers of instances in the input: usual, many, and the contract's maximum.
pub(crate) const SIZES: [usize; 3] = [2, 10, 100];

/// The time to measure each size.
const EACH: Duration = Duration::from_secs(6);

/// The medians for one size, in microseconds.
pub(crate) struct Decision {
    /// The number of instances in the input.
    pub(crate) instances: usize,
    /// A no-op component in a fresh sandbox, measured in the same rounds.
    pub(crate) floor_us: f64,
    /// The component in a fresh sandbox.
    pub(crate) component_us: f64,
    /// The same code linked into the bench, on a deep copy of its input.
    pub(crate) native_us: f64,
    /// The same rules in regorus, with a prepared input.
    pub(crate) regorus_us: f64,
    /// The same, with the input parsed from JSON text.
    pub(crate) regorus_parsed_us: f64,
}

/// Measures every size.
pub(crate) fn measure(policies: &Path) -> Result<Vec<Decision>> {
    let engine = PolicyEngine::new(Limits::default())?;
    let read = |name: &str| {
        let path = policies.join(name);
        fs::read(&path).with_context(|| {
            format!(
                "cannot read {}: run `cargo xtask policies` first",
                path.display()
            )
        })
    };
    let floor = Floor::load(&engine, &read("noop.wasm")?, "noop")?;
    let policy = LoadedPolicy::load(&engine, "resolve.wasm", &read("resolve.wasm")?)?;
    SIZES
        .iter()
        .map(|instances| measure_size(&floor, &policy, *instances))
        .collect()
}

fn measure_size(floor: &Floor, policy: &LoadedPolicy, instances: usize) -> Result<Decision> {
    let input = input(instances)?;
    let json = serde_json::to_value(&input)?;
    let native: guest::Input = serde_json::from_value(json.clone())?;
    let ready = rego::value(&json)?;
    let text = json.to_string();
    let input = point::Input::Resolve(input);
    let mut rego = Rego::load()?;
    let mut rego_parsed = Rego::load()?;
    ensure_agreement(policy, &input, &native, rego.decide(ready.clone())?)?;

    // Each way has just succeeded once. The measured runs are the same call, so they succeed too.
    let mut work: Vec<Work<'_>> = vec![
        Box::new(|| drop(black_box(floor.call()))),
        Box::new(|| drop(black_box(policy.decide(black_box(&input))))),
        Box::new(|| drop(black_box(decide_natively(&black_box(&native).clone())))),
        Box::new(|| drop(black_box(rego.decide(black_box(&ready).clone())))),
        Box::new(|| {
            let parsed = regorus::Value::from_json_str(black_box(&text));
            drop(black_box(parsed.map(|input| rego_parsed.decide(input))));
        }),
    ];
    let medians = medians_us(&mut work, EACH);
    Ok(Decision {
        instances,
        floor_us: medians[0],
        component_us: medians[1],
        native_us: medians[2],
        regorus_us: medians[3],
        regorus_parsed_us: medians[4],
    })
}

/// The code of the component, without the component around it.
fn decide_natively(input: &guest::Input) -> Result<guest::Verdict, String> {
    reeve_policy_sdk::answer(&reeve_resolve::decide, input)
}

/// Speeds can be compared only of the same decision.
fn ensure_agreement(
    policy: &LoadedPolicy,
    input: &point::Input,
    native: &guest::Input,
    rego: regorus::Value,
) -> Result<()> {
    let point::Verdict::Resolve(component) = policy.decide(input)?.verdict else {
        anyhow::bail!("resolve.wasm has answered another question than resolve");
    };
    let component = serde_json::to_value(component)?;
    let native = decide_natively(native).map_err(anyhow::Error::msg)?;
    let native = serde_json::to_value(native)?;
    let rego = rego::json(&rego)?;
    let served = &component["action"]["serve"]["id"];
    ensure!(
        served.as_str() == Some(id(0).as_str()),
        "the component should serve {}, and answered {component}",
        id(0)
    );
    ensure!(
        component == native && component == rego,
        "the same decision differs\n  component: {component}\n  native:    {native}\n  regorus:   {rego}\n\
         build the component again (`cargo xtask policies`), or bring decide.rego in line with policies/resolve"
    );
    Ok(())
}

/// The input of a steady worker with a past. Its adopted instance runs and has an address. All
/// other instances are newer, and stopped or gone, so a search for the adopted one passes all of
/// them.
fn input(instances: usize) -> Result<Input> {
    let mut known: Vec<_> = (1..instances)
        .map(|number| match number % 3 {
            0 => facts(
                number,
                InstanceState::Stopped,
                Addresses {
                    private: true,
                    public: false,
                },
            ),
            _ => facts(number, InstanceState::Terminated, Addresses::default()),
        })
        .collect();
    known.push(facts(
        0,
        InstanceState::Running,
        Addresses {
            private: true,
            public: true,
        },
    ));
    let point::Input::Resolve(neutral) = point::Input::neutral(Point::Resolve)? else {
        anyhow::bail!("the neutral input of `resolve` is of another point");
    };
    Ok(Input {
        pointer: Pointer::Names(InstanceId::new(id(0))),
        adopted: Adopted::Instance(InstanceId::new(id(0))),
        instances: known,
        scanned: Age::Ms(12_000),
        ..neutral
    })
}

fn facts(number: usize, state: InstanceState, addresses: Addresses) -> InstanceFacts {
    InstanceFacts {
        id: InstanceId::new(id(number)),
        state,
        observed: Age::Ms(2_500),
        in_state: Age::Ms(840_000),
        launched: Age::Ms(900_000),
        addresses,
    }
}

/// An id of EC2's form, 19 characters.
fn id(number: usize) -> String {
    format!("i-0a1b2c3d4e5f{number:05x}")
}

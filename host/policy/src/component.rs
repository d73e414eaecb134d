//! A component that was accepted as a policy: compiled, linked with no imports, and tried once.

use std::collections::BTreeMap;

use reeve_core::id::Digest;
use reeve_core::point::{Input, Point, Verdict};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, Linker};

use crate::description::Description;
use crate::engine::PolicyEngine;
use crate::error::{DecideError, Failure, LoadError, LoadErrorKind, PolicyRef, SettingsError};
use crate::sandbox::{Linked, Sandbox};
use crate::{bounds, intake, panics, v0_1};

/// The first bytes of every Wasm binary.
const WASM_MAGIC: &[u8] = b"\0asm";
/// The bytes that follow in a core module; a component has another version and layer.
const CORE_VERSION: &[u8] = &[1, 0, 0, 0];

/// A policy that is ready to decide. It is immutable; a changed file becomes a new one.
pub struct LoadedPolicy {
    engine: PolicyEngine,
    policy: PolicyRef,
    linked: Linked,
    offers: BTreeMap<Point, ComponentExportIndex>,
    about: Option<About>,
}

/// The functions of `about`, and the result of `describe`.
struct About {
    validate: ComponentExportIndex,
    description: Description,
}

/// A successful decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The verdict, within the contract's bounds.
    pub verdict: Verdict,
    /// The fuel used, which is the same for the same component and input.
    pub fuel_used: u64,
}

impl LoadedPolicy {
    /// Compiles the component, checks it against the contract, and tries it. Every offered point
    /// must have the contract's type, `about.describe` must respond within bounds, and
    /// `about.validate` must accept `{}`. `name` is used in errors, and as the policy's name if it
    /// has no `about`.
    ///
    /// Compiling takes tenths of a second, so a thread that decides must not call this.
    ///
    /// # Errors
    /// The first problem found.
    pub fn load(engine: &PolicyEngine, name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let policy = PolicyRef {
            name: name.to_owned(),
            digest: Digest::of(bytes),
        };
        panics::caught(|| Self::try_load(engine, policy.clone(), bytes))
            .unwrap_or_else(|message| Err(LoadErrorKind::Panicked(message)))
            .map_err(|kind| LoadError { policy, kind })
    }

    fn try_load(
        engine: &PolicyEngine,
        policy: PolicyRef,
        bytes: &[u8],
    ) -> Result<Self, LoadErrorKind> {
        check_form(bytes, engine.limits().component_bytes_max)?;
        intake::check(bytes, engine.limits())?;
        let component = engine.compile(policy.digest, bytes)?;
        check_imports(engine, &component)?;
        let linked = Linker::new(engine.wasm())
            .instantiate_pre(&component)
            .map_err(LoadErrorKind::invalid)?;

        let mut offers = BTreeMap::new();
        for point in Point::ALL {
            let interface = v0_1::interface(point);
            if exports(engine, &component, &interface) {
                offers.insert(point, function(&component, &interface, v0_1::DECIDE)?);
            }
        }
        if offers.is_empty() {
            return Err(nothing_offered(engine, &component));
        }
        let mut loaded = Self {
            engine: engine.clone(),
            policy,
            linked,
            offers,
            about: None,
        };
        loaded.try_out(&component)?;
        Ok(loaded)
    }

    /// Instantiates the component in a scratch store. Only this reveals wrong types and the effects
    /// of a start function.
    fn try_out(&mut self, component: &Component) -> Result<(), LoadErrorKind> {
        let mut scratch = self.sandbox("instantiating it")?;
        for (point, decide) in &self.offers {
            v0_1::check_decide(&mut scratch, *point, decide).map_err(|source| {
                LoadErrorKind::WrongType {
                    interface: v0_1::interface(*point),
                    source: source.into(),
                }
            })?;
        }
        if !exports(&self.engine, component, v0_1::ABOUT) {
            return Ok(());
        }
        let describe = function(component, v0_1::ABOUT, v0_1::DESCRIBE)?;
        let validate = function(component, v0_1::ABOUT, v0_1::VALIDATE)?;
        v0_1::check_about(&mut scratch, &describe, &validate).map_err(|source| {
            LoadErrorKind::WrongType {
                interface: v0_1::ABOUT.to_owned(),
                source: source.into(),
            }
        })?;
        let description = v0_1::describe(&mut scratch, &describe)
            .and_then(|description| {
                bounds::check_description(&description).map_err(Failure::OutOfBounds)?;
                Ok(description)
            })
            .map_err(trial("about.describe"))?;
        drop(scratch);

        let mut scratch = self.sandbox("instantiating it")?;
        v0_1::validate(&mut scratch, &validate, "{}")
            .map_err(trial("about.validate of {}, the defaults,"))?;
        drop(scratch);

        self.policy.name.clone_from(&description.name);
        self.about = Some(About {
            validate,
            description,
        });
        Ok(())
    }

    fn sandbox(&self, what: &'static str) -> Result<Sandbox<'_>, LoadErrorKind> {
        Sandbox::open(&self.engine, &self.linked).map_err(|(failure, _)| trial(what)(failure))
    }

    /// The policy's name and digest.
    pub fn policy(&self) -> &PolicyRef {
        &self.policy
    }

    /// The SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.policy.digest
    }

    /// The policy's description. `None`: it does not offer `about`.
    pub fn description(&self) -> Option<&Description> {
        self.about.as_ref().map(|about| &about.description)
    }

    /// The points that the policy offers, in the order of [`Point`].
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.offers.keys().copied()
    }

    /// Whether the policy offers this point.
    pub fn offers(&self, point: Point) -> bool {
        self.offers.contains_key(&point)
    }

    /// Whether the policy accepts these settings, a JSON object. A component without `about`
    /// accepts any settings here, and may fail when it decides.
    ///
    /// # Errors
    /// The policy's own text, which names the field, or the failure of the call.
    pub fn validate(&self, settings: &str) -> Result<(), SettingsError> {
        let Some(about) = &self.about else {
            return Ok(());
        };
        Sandbox::open(&self.engine, &self.linked)
            .map_err(|(failure, _)| failure)
            .and_then(|mut sandbox| v0_1::validate(&mut sandbox, &about.validate, settings))
            .map_err(|failure| SettingsError {
                policy: self.policy.clone(),
                failure,
            })
    }

    /// Decides in a fresh sandbox.
    ///
    /// # Errors
    /// Any [`Failure`]; the point's safe default then applies.
    pub fn decide(&self, input: &Input) -> Result<Decided, DecideError> {
        let point = input.point();
        let failed = |failure, fuel_used| DecideError {
            policy: Some(self.policy.clone()),
            point,
            failure,
            fuel_used,
        };
        let Some(decide) = self.offers.get(&point) else {
            return Err(failed(self.not_offered(), 0));
        };
        let mut sandbox = Sandbox::open(&self.engine, &self.linked)
            .map_err(|(failure, fuel_used)| failed(failure, fuel_used))?;
        let answer = v0_1::decide(&mut sandbox, decide, input);
        let fuel_used = sandbox.fuel_used();

        let verdict = answer.map_err(|failure| failed(failure, fuel_used))?;
        bounds::check(input, &verdict)
            .map_err(|text| failed(Failure::OutOfBounds(text), fuel_used))?;
        Ok(Decided { verdict, fuel_used })
    }

    /// The failure of a call at a point that the policy does not offer.
    pub(crate) fn not_offered(&self) -> Failure {
        let offered: Vec<_> = self.points().map(Point::as_str).collect();
        Failure::NotOffered {
            offered: offered.join(", "),
        }
    }
}

fn trial(what: &'static str) -> impl Fn(Failure) -> LoadErrorKind {
    move |failure| LoadErrorKind::Trial { what, failure }
}

/// Refuses bytes that cannot be a component, before the compiler sees them.
fn check_form(bytes: &[u8], bytes_max: u64) -> Result<(), LoadErrorKind> {
    let found = bytes.len() as u64;
    if found == 0 {
        return Err(LoadErrorKind::Empty);
    }
    if found > bytes_max {
        return Err(LoadErrorKind::TooLarge {
            found,
            max: bytes_max,
        });
    }
    match bytes.strip_prefix(WASM_MAGIC) {
        None => Err(LoadErrorKind::NotWasm),
        Some(rest) if rest.starts_with(CORE_VERSION) => Err(LoadErrorKind::CoreModule),
        Some(_) => Ok(()),
    }
}

/// Refuses all imports of the component, before the linker would, so that the error names all of
/// them.
fn check_imports(engine: &PolicyEngine, component: &Component) -> Result<(), LoadErrorKind> {
    let ty = component.component_type();
    let wanted = ty
        .imports(engine.wasm())
        .filter(|(_, import)| !is_only_types(engine, &import.ty));
    let mut wanted = wanted.map(|(name, _)| name).peekable();
    match wanted.peek() {
        None => Ok(()),
        Some(_) => Err(LoadErrorKind::imports(wanted)),
    }
}

/// Whether an import only names types, as `reeve:policy/types` does in every component. No function
/// can be called through it, and an empty linker satisfies it.
fn is_only_types(engine: &PolicyEngine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine.wasm())
            .all(|(_, export)| is_only_types(engine, &export.ty)),
        _ => false,
    }
}

/// Whether the component exports this interface in exactly this version. wasmtime's own look-up
/// would also accept a later 0.1.x, which may have another meaning.
fn exports(engine: &PolicyEngine, component: &Component, interface: &str) -> bool {
    let ty = component.component_type();
    ty.exports(engine.wasm()).any(|(name, _)| name == interface)
}

fn function(
    component: &Component,
    interface: &str,
    name: &str,
) -> Result<ComponentExportIndex, LoadErrorKind> {
    component
        .get_export_index(None, interface)
        .and_then(|instance| component.get_export_index(Some(&instance), name))
        .ok_or_else(|| LoadErrorKind::no_function(interface, name))
}

fn nothing_offered(engine: &PolicyEngine, component: &Component) -> LoadErrorKind {
    let ty = component.component_type();
    LoadErrorKind::nothing_offered(ty.exports(engine.wasm()).map(|(name, _)| name))
}

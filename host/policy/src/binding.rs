//! Bindings of the configuration: a point of a pool to a file in the policy directory.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use reeve_core::id::{Digest, PoolName};
use reeve_core::point::Point;
use serde_json::{Map, Value};

use crate::limits::Class;

/// One binding of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The pool whose workers the policy decides for.
    pub pool: PoolName,
    /// The point it is asked at.
    pub point: Point,
    /// The component's file name in the policy directory, such as `resolve.wasm`.
    pub file: String,
    /// The pool's settings for the policy.
    pub settings: Map<String, Value>,
    /// How large the pool's policies may be. A file has the largest class of those that bind it.
    pub class: Class,
    /// The only content that the file may have. `None`: any.
    pub digest: Option<Digest>,
}

/// Why the bindings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The file name contains a path.
    #[error(
        "pool {pool}, point {point}: the file {file:?} is not a plain file name; accepted is the name \
         of a file in the policy directory, such as \"resolve.wasm\", without any path"
    )]
    FileName {
        /// The binding's pool.
        pool: PoolName,
        /// The binding's point.
        point: Point,
        /// The file name found.
        file: String,
    },
    /// A point of a pool has two bindings.
    #[error("pool {pool}, point {point}: it is bound twice; a point of a pool has one policy")]
    Twice {
        /// The bindings' pool.
        pool: PoolName,
        /// The bindings' point.
        point: Point,
    },
}

impl Binding {
    /// The standard policy of a point, with its default settings.
    pub fn standard(pool: &PoolName, point: Point) -> Self {
        Self {
            pool: pool.clone(),
            point,
            file: format!("{point}.wasm"),
            settings: Map::new(),
            class: Class::default(),
            digest: None,
        }
    }

    /// The settings as the JSON text that the policy receives.
    pub(crate) fn settings_text(&self) -> String {
        Value::Object(self.settings.clone()).to_string()
    }
}

/// Checks the bindings without reading any file.
///
/// # Errors
/// The first invalid binding.
pub(crate) fn check(bindings: &[Binding]) -> Result<(), BindingError> {
    let mut bound = BTreeSet::new();
    for binding in bindings {
        let (pool, point) = (binding.pool.clone(), binding.point);
        if !is_plain_name(&binding.file) {
            let file = binding.file.clone();
            return Err(BindingError::FileName { pool, point, file });
        }
        if !bound.insert((pool.clone(), point)) {
            return Err(BindingError::Twice { pool, point });
        }
    }
    Ok(())
}

/// Whether the name is one plain path component: no directory, no `..`, no drive.
fn is_plain_name(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(name)), None) if name == file
    ) && !file.contains(['\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(point: Point, file: &str) -> Binding {
        Binding {
            file: file.to_owned(),
            ..Binding::standard(&PoolName::new("gpu"), point)
        }
    }

    #[test]
    fn a_file_name_never_leaves_the_directory() {
        for accepted in ["resolve.wasm", "a b", "..wasm", ".hidden"] {
            assert_eq!(check(&[binding(Point::Resolve, accepted)]), Ok(()));
        }
        for refused in [
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../a.wasm",
            "a/b.wasm",
            "a/",
            "./a",
            "a\\b",
            "a\0",
        ] {
            let error = check(&[binding(Point::Resolve, refused)]).unwrap_err();
            assert!(
                error.to_string().contains(&format!("{refused:?}")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_point_of_a_pool_is_bound_once() {
        let two_points = [binding(Point::Reap, "a"), binding(Point::Adopt, "a")];
        assert_eq!(check(&two_points), Ok(()));
        let twice = [binding(Point::Reap, "a"), binding(Point::Reap, "b")];
        assert!(matches!(check(&twice), Err(BindingError::Twice { .. })));
    }
}

//! Small files that would cost the compiler or a parser a thousand times their size.

use reeve_policy::Bound;

use super::Ends::{Exceeds, Refused};
use super::Hostile;
use crate::support::bomb::{doubling, module, nested_components, nested_types, parse};

pub(super) fn all() -> Vec<Hostile> {
    let mut all = of_components();
    all.extend(of_modules());
    all.extend(of_functions());
    all
}

fn new(
    name: &'static str,
    tries: &'static str,
    bound: Bound,
    found: u64,
    bytes: Vec<u8>,
) -> Hostile {
    Hostile::new(name, tries, Exceeds(bound, found), bytes)
}

fn of_components() -> Vec<Hostile> {
    let inner = format!("(component {})", "(component)".repeat(65));
    let cases: String = (0..6_000).map(|case| format!(" \"c{case}\"")).collect();
    let enums = format!("(component (type (enum{cases})) (type (enum{cases})))");
    let imported = "(import \"c\" (component $c))
        (component (alias outer 1 0 (component $c)) (instance (instantiate $c)))";
    let taken = "(component $c (component $d) (export \"d\" (component $d)))
        (instance $i (instantiate $c)) (alias export $i \"d\" (component $d)) (instance (instantiate $d))";
    let unknown = |name, tries, text: &str| {
        let bytes = parse(&format!("(component {text})"));
        Hostile::new(name, tries, Refused("unknown-component"), bytes)
    };
    let instances = "(core instance (instantiate $m)) ".repeat(65);
    let instances = format!("(component (core module $m) {instances})");
    let eight =
        |name, tries, bytes: Vec<u8>| Hostile::new(name, tries, Refused("nothing-offered"), bytes);
    vec![
        eight(
            "eight-components",
            "eight components inside each other, as many as accepted",
            nested_components(8),
        ),
        eight(
            "eight-types",
            "eight types inside each other, as many as accepted",
            nested_types(8),
        ),
        new(
            "nested-components",
            "20,000 components inside each other",
            Bound::Nesting,
            9,
            nested_components(20_000),
        ),
        new(
            "nested-types",
            "200,000 types inside each other",
            Bound::TypeNesting,
            9,
            nested_types(200_000),
        ),
        new(
            "doubling",
            "60 components, each with two of the one before",
            Bound::ComponentInstances,
            254,
            doubling(60),
        ),
        new(
            "many-parts",
            "65 inner components",
            Bound::Parts,
            65,
            parse(&inner),
        ),
        new(
            "many-cases",
            "enums of 12,000 cases",
            Bound::Types,
            12_002,
            parse(&enums),
        ),
        new(
            "many-instances",
            "65 instances of a module",
            Bound::CoreInstances,
            65,
            parse(&instances),
        ),
        unknown(
            "imported-component",
            "instances of a component that it imports",
            imported,
        ),
        unknown(
            "taken-component",
            "instances of a component that an instance exports",
            taken,
        ),
    ]
}

fn of_modules() -> Vec<Hostile> {
    let many = |field: &str, count: usize| module(&field.repeat(count));
    let exports: String = (0..10_001)
        .map(|one| format!("(export \"{one}\" (func 0))"))
        .collect();
    let long = module(&format!("(import \"{}\" \"x\" (func))", "n".repeat(90_000)));
    vec![
        new(
            "many-imports",
            "50,000 imports of a module",
            Bound::Imports,
            1_001,
            many("(import \"a\" \"b\" (func))", 50_000),
        ),
        new(
            "many-exports",
            "10,001 exports",
            Bound::Exports,
            10_001,
            module(&format!("(func){exports}")),
        ),
        new(
            "long-name",
            "a name of 90 KB",
            Bound::NameBytes,
            90_000,
            long,
        ),
        new(
            "many-types",
            "100,000 types",
            Bound::Types,
            10_001,
            many("(type (func))", 100_000),
        ),
        new(
            "many-functions",
            "100,000 functions",
            Bound::Functions,
            100_000,
            many("(func)", 100_000),
        ),
        new(
            "many-tables",
            "65 tables",
            Bound::Tables,
            65,
            many("(table 1 funcref)", 65),
        ),
        new(
            "many-globals",
            "5,000 globals",
            Bound::Globals,
            5_000,
            many("(global i32 (i32.const 0))", 5_000),
        ),
        new(
            "many-segments",
            "10,001 segments of data",
            Bound::Segments,
            10_001,
            many("(data \"\")", 10_001),
        ),
        new(
            "two-memories",
            "two memories in a module",
            Bound::MemoriesOfModule,
            2,
            many("(memory 1)", 2),
        ),
    ]
}

fn of_functions() -> Vec<Hostile> {
    let body =
        |operation: &str, count: usize| module(&format!("(func {})", operation.repeat(count)));
    let locals = |count: usize| module(&format!("(func (local{}))", " i32".repeat(count)));
    vec![
        new(
            "long-function",
            "a function of 700 KB",
            Bound::FunctionBytes,
            700_002,
            body("nop ", 700_000),
        ),
        new(
            "function-of-64-kib",
            "a function of two bytes more than accepted",
            Bound::FunctionBytes,
            65_538,
            body("nop ", 65_536),
        ),
        new(
            "many-blocks",
            "20,000 blocks in a function",
            Bound::Blocks,
            20_000,
            body("(block)", 20_000),
        ),
        new(
            "many-loops",
            "257 loops in a function",
            Bound::Loops,
            257,
            body("(loop)", 257),
        ),
        new(
            "many-locals",
            "513 locals in a function",
            Bound::Locals,
            513,
            locals(513),
        ),
    ]
}

//! What operations cost in fuel. wasmtime counts one unit for each instruction, and one for each byte
//! or entry moved in bulk. Some instructions take a hundred times longer than others, because they
//! call into wasmtime or divide; a policy of these alone would compute for seconds. The prices are
//! from measurements of loops of one operation: 50 million units of any of them take at most a tenth
//! of a second. A load that misses the processor's caches is the exception: no price of a load would
//! be fair to the others. The deadline ends a policy of such loads.

use wasmtime::{OperatorCost, VariableOperatorCost};

/// A call into wasmtime that does little.
const CALL_OUT: u8 = 150;
/// A call into wasmtime that looks a function up.
const LOOK_UP: u8 = 255;
/// Divisions and roots.
const DIVISION: u8 = 4;
/// A call of a function, with its prologue.
const CALL: u8 = 3;

/// The price of every operation.
pub(crate) fn list() -> OperatorCost {
    OperatorCost {
        MemoryGrow: CALL_OUT,
        MemoryFill: CALL_OUT,
        MemoryCopy: CALL_OUT,
        MemoryInit: CALL_OUT,
        DataDrop: CALL_OUT,
        TableGrow: CALL_OUT,
        TableFill: CALL_OUT,
        TableCopy: CALL_OUT,
        TableInit: CALL_OUT,
        ElemDrop: CALL_OUT,
        RefFunc: LOOK_UP,
        Call: CALL,
        CallIndirect: CALL,
        ReturnCall: CALL,
        ReturnCallIndirect: CALL,
        I32DivS: DIVISION,
        I32DivU: DIVISION,
        I32RemS: DIVISION,
        I32RemU: DIVISION,
        I64DivS: DIVISION,
        I64DivU: DIVISION,
        I64RemS: DIVISION,
        I64RemU: DIVISION,
        F32Div: DIVISION,
        F64Div: DIVISION,
        F32Sqrt: DIVISION,
        F64Sqrt: DIVISION,
        F32x4Div: DIVISION,
        F64x2Div: DIVISION,
        F32x4Sqrt: DIVISION,
        F64x2Sqrt: DIVISION,
        variable: VariableOperatorCost {
            // Each page is zeroed by the system when it is touched.
            memory_grow_per_page: u8::MAX,
            table_fill_per_element: 4,
            table_copy_per_element: 4,
            // Each entry looks a function up.
            table_init_per_element: LOOK_UP,
            ..VariableOperatorCost::new()
        },
        ..OperatorCost::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{CALL_OUT, DIVISION, LOOK_UP};
    use crate::{Floor, Limits, PolicyEngine};

    const TIMES: u64 = 100;

    /// The fuel of a component that carries out the operation so many times.
    fn fuel(engine: &PolicyEngine, operation: &str) -> u64 {
        let all = operation.repeat(usize::try_from(TIMES).unwrap());
        let text = format!(
            r#"(component
                (core module $m
                    (memory 1)
                    (table $t 10 10 funcref)
                    (elem declare func $f)
                    (func $f (export "go") {all}))
                (core instance $i (instantiate $m))
                (func (export "go") (canon lift (core func $i "go"))))"#
        );
        let bytes = wat::parse_str(&text).unwrap();
        Floor::load(engine, &bytes, "go").unwrap().call().unwrap()
    }

    #[test]
    fn an_operation_that_takes_long_costs_more_than_one_unit() {
        let engine = PolicyEngine::new(Limits::default()).unwrap();
        let nothing = fuel(&engine, "");
        for (operation, price) in [
            ("(drop (memory.grow (i32.const 0)))", CALL_OUT),
            (
                "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
                CALL_OUT,
            ),
            (
                "(drop (table.grow $t (ref.null func) (i32.const 0)))",
                CALL_OUT,
            ),
            ("(drop (ref.func $f))", LOOK_UP),
            ("(drop (i64.rem_s (i64.const 7) (i64.const 3)))", DIVISION),
        ] {
            let each = (fuel(&engine, operation) - nothing) / TIMES;
            assert!(each >= u64::from(price), "{operation}: {each}");
        }
    }
}

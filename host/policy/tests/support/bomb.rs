//! Small files that would cost the compiler much. Some are made in binary, because their text form
//! would overflow its parser.

use std::fmt::Write as _;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Nested components.
pub fn nested_components(depth: usize) -> Vec<u8> {
    let mut heads = Vec::new();
    let mut length = COMPONENT.len();
    for _ in 1..depth {
        let mut head = COMPONENT.to_vec();
        head.push(4);
        head.extend(leb(length));
        length += head.len();
        heads.push(head);
    }
    heads.reverse();
    [heads.concat(), COMPONENT.to_vec()].concat()
}

/// Instance types that declare one another.
pub fn nested_types(depth: usize) -> Vec<u8> {
    let mut types = vec![1, 0x42];
    for _ in 1..depth {
        types.extend([1, 1, 0x42]);
    }
    types.push(0);
    let head = [COMPONENT, &[7], &leb(types.len())].concat();
    [head, types].concat()
}

/// Components that each instantiate the previous one twice.
pub fn doubling(components: usize) -> Vec<u8> {
    let mut text = "(component (component $c0)".to_owned();
    for one in 1..components {
        let before = one - 1;
        write!(
            text,
            "(component $c{one} (instance (instantiate $c{before})) (instance (instantiate $c{before})))"
        )
        .expect("a string takes all");
    }
    write!(text, "(instance (instantiate $c{})))", components - 1).expect("a string takes all");
    parse(&text)
}

/// A component with a core module with these fields.
pub fn module(fields: &str) -> Vec<u8> {
    parse(&format!("(component (core module {fields}))"))
}

/// Parses a component's text.
pub fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid text")
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

//! What several test files share.

use menagerie::ir::build::{LOWERING_NATIVES, NativeSig};

/// A table of builtins for tests of the compiler: their names and arities.
pub(crate) fn natives() -> Vec<NativeSig> {
    let mut table = vec![
        NativeSig { name: "print", min_args: 0, max_args: 255 },
        NativeSig { name: "eprint", min_args: 0, max_args: 255 },
        NativeSig { name: "assert", min_args: 1, max_args: 2 },
        NativeSig { name: "args", min_args: 0, max_args: 0 },
    ];
    let fixed: [(u8, &[&'static str]); 4] = [
        (0, &["deque", "gc", "heap_stats", "clock_ns", "read_line"]),
        (
            1,
            &[
                "write", "str", "repr", "int", "float", "len", "abs", "floor", "ceil", "round",
                "sqrt", "sin", "cos", "tan", "exp", "log", "hash", "type_of", "bytes", "f64array",
                "symbol", "chr", "panic", "weak", "sleep",
            ],
        ),
        (
            2,
            &[
                "min",
                "max",
                "atan2",
                "pow",
                "compare",
                "same",
                "list",
                "cons",
                "finalizer",
                "param",
                "wrapping_add",
                "wrapping_sub",
                "wrapping_mul",
            ],
        ),
        (3, &[]),
    ];
    for (args, names) in fixed {
        let natives = names.iter().map(|name| NativeSig { name, min_args: args, max_args: args });
        table.extend(natives);
    }
    table.extend(LOWERING_NATIVES);
    table
}

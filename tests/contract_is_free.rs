//! What the contract asks of every heap costs nothing where the heap does not need it: on a heap that
//! does not count references, writing a register is one move, and giving up registers is no
//! instruction at all. Shown by disassembling this test.

use std::collections::BTreeMap;
use std::process::Command;

use menagerie::heap::{Barrier, Mutator};
use menagerie::value::Value;
use menagerie_strategies::HEAPS;

macro_rules! probes {
    ($($name:literal $module:ident $heap:path;)*) => {
        $(mod $module {
            use super::*;
            type M = <$heap as menagerie::heap::Heap>::Mutator;

            #[inline(never)]
            pub(super) fn set_register(m: &mut M, register: &mut Value, v: Value) {
                m.set(register, v);
            }
            #[inline(never)]
            pub(super) fn clear_registers(m: &mut M, registers: &mut [Value]) {
                m.clear(registers);
            }
        })*

        /// Names of the heaps and modules; the probes are kept in the binary.
        fn probed() -> Vec<(&'static str, &'static str)> {
            $(
                std::hint::black_box($module::set_register as *const ());
                std::hint::black_box($module::clear_registers as *const ());
            )*
            vec![$(($name, stringify!($module))),*]
        }
    };
}

probes! {
    "nogc" nogc menagerie_strategies::heaps::nogc::NoGc;
    "mark-sweep" mark_sweep menagerie_strategies::heaps::mark_sweep::MarkSweep;
    "generational" generational menagerie_strategies::heaps::generational::Generational;
    "semispace" semispace menagerie_strategies::heaps::semispace::SemiSpace;
    "arena" arena menagerie_strategies::heaps::arena::Arena<menagerie_strategies::heaps::mark_sweep::MarkSweep>;
}

/// The instructions of this binary's functions named `contract_is_free::…`, without operands but
/// those of moves and jumps; padding is left out.
fn functions() -> Option<BTreeMap<String, Vec<String>>> {
    let this = std::env::current_exe().expect("a path");
    let objdump =
        Command::new("objdump").args(["-d", "--no-show-raw-insn", "-C"]).arg(this).output();
    let Ok(output) = objdump else {
        println!("SKIPPED: objdump is missing: apt-get install binutils");
        return None;
    };
    assert!(output.status.success(), "objdump fails");
    let listing = String::from_utf8_lossy(&output.stdout);
    let mut functions = BTreeMap::new();
    for block in listing.split("\n\n") {
        let mut lines = block.lines();
        let head = lines.next().and_then(|line| line.split_once('<'));
        let Some(name) = head.and_then(|(_, rest)| rest.strip_suffix(">:")) else { continue };
        let Some(name) = name.strip_prefix("contract_is_free::") else { continue };
        // A hash may follow, depending on how names are mangled.
        let name = name.split("::h").next().expect("a part");
        let code = lines.filter_map(|line| line.split_once('\t')?.1.split('#').next());
        let code = code.map(|op| op.split_whitespace().collect::<Vec<_>>().join(" "));
        let is_padding =
            |op: &String| ["nop", "int3", "xchg", "cs", "data16"].iter().any(|p| op.starts_with(p));
        functions.insert(name.to_owned(), code.filter(|op| !is_padding(op)).collect());
    }
    Some(functions)
}

/// The code of a probe; equal functions may have been merged into a jump to one of them.
fn code<'a>(functions: &'a BTreeMap<String, Vec<String>>, name: &str) -> &'a [String] {
    let code = functions.get(name).unwrap_or_else(|| panic!("no probe {name}: {functions:?}"));
    let target = match &code[..] {
        [jump] if jump.starts_with("jmp") => jump.split_once("contract_is_free::"),
        _ => None,
    };
    match target {
        Some((_, target)) => {
            let target = target.split("::h").next().expect("a part");
            self::code(functions, target.trim_end_matches('>'))
        }
        None => code,
    }
}

#[test]
fn registers_of_tracing_heaps_are_written_by_one_move_and_cleared_by_nothing() {
    // `tail_calls` stands for an optimised build without instrumentation.
    if !cfg!(all(target_arch = "x86_64", tail_calls)) {
        println!("SKIPPED: the expected code is that of an optimised build for x86-64");
        return;
    }
    let probed = probed();
    for (info, _) in HEAPS.iter().filter(|(info, _)| info.barrier != Barrier::Counting) {
        let is_probed = probed.iter().any(|(name, _)| *name == info.name);
        assert!(is_probed, "{}: add the heap to `probes!` in {}", info.name, file!());
    }
    let Some(functions) = functions() else { return };
    for (heap, module) in probed {
        let set = code(&functions, &format!("{module}::set_register"));
        assert_eq!(set, ["mov %rdx,(%rsi)", "ret"], "{heap}: writing a register");
        let clear = code(&functions, &format!("{module}::clear_registers"));
        assert_eq!(clear, ["ret"], "{heap}: giving up registers");
    }
}

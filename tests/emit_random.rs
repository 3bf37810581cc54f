//! Random well-formed IR: its bytecode verifies, and does the same with the same values.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/random_ir.rs"]
mod random_ir;

use machine::{End, World, run_code, run_ir};
use menagerie::bytecode::disasm::listing;
use menagerie::bytecode::emit::emit;
use menagerie::bytecode::verify::{Limits, verify};
use menagerie::ir::FuncId;
use menagerie::ir::text::{Style, print_function};
use menagerie::ir::verify::assert_well_formed;
use random_ir::{NATIVES, program};

const PROGRAMS: u64 = if cfg!(debug_assertions) { 1500 } else { 30_000 };

fn check(seed: u64) {
    let program = program(seed);
    assert_well_formed(&program, NATIVES);
    let ir = || print_function(&program, FuncId(0), Style::default());
    let code = emit(&program, false).unwrap_or_else(|e| panic!("seed {seed}: {e:?}\n{}", ir()));
    let text = listing(&code, &program.names);
    let verified = verify(code, &Limits::of(&program, NATIVES))
        .unwrap_or_else(|e| panic!("seed {seed}: {e:#?}\n{}\n{text}", ir()));
    let function = &program.funcs[0];
    for calm in [0, 5, 23, 60] {
        let args: Vec<u64> = (0..function.params.len() as u64).map(|n| n + calm).collect();
        let mut expected = World { calm, ..World::default() };
        let expected_end = run_ir(function, &args, &mut expected);
        let mut got = World { calm, counts: true, ..World::default() };
        let got_end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run_code(verified.code(), 0, &args, &mut got)
        }));
        let cut = expected_end == End::Cut || matches!(got_end, Ok(End::Cut));
        let common = expected.log.len().min(got.log.len());
        let same = match got_end {
            Err(_) => false,
            Ok(_) if cut => expected.log[..common] == got.log[..common],
            Ok(ref end) => *end == expected_end && expected.log == got.log,
        };
        assert!(
            same,
            "seed {seed}, calm {calm}: {expected_end:x?} became {got_end:x?} after {:?} of {:?} \
             effects\n{}\n{text}",
            got.log.len(),
            expected.log.len(),
            ir()
        );
    }
}

#[test]
fn bytecode_does_what_the_ir_does() {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    match first {
        Some(seed) => check(seed),
        None => (0..PROGRAMS).for_each(check),
    }
}

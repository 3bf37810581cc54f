//! The bytecode verifier: each rule, garbage, and that what it accepts runs safely; liveness.

#[path = "support/machine.rs"]
mod machine;
#[path = "support/random_ir.rs"]
mod random_ir;

use machine::{World, run_code};
use menagerie::bytecode::disasm::listing;
use menagerie::bytecode::emit::emit;
use menagerie::bytecode::liveness::FunctionLiveness;
use menagerie::bytecode::ops::{Instruction, Op};
use menagerie::bytecode::verify::{Limits, check, verify};
use menagerie::bytecode::{
    Code, Constant, FunctionCode, HandlerRange, MethodSite, SwitchTable, UpdateTable,
};
use menagerie::class::ClassId;
use menagerie::ir::FuncId;
use menagerie::lang::ast::Span;
use menagerie::names::{Interner, Name};
use menagerie::value::Value;
use proptest::prelude::*;
use random_ir::{NATIVES, program};

const PROGRAMS: u64 = if cfg!(debug_assertions) { 300 } else { 10_000 };

fn word(op: Op, a: u8, b: u8, c: u8, d: i32) -> u64 {
    Instruction { op, a, b, c, d }.encode()
}
const NIL: i32 = 16;
fn ret() -> u64 {
    word(Op::Return, 0, 1, 0, 0)
}

fn limits() -> Limits {
    Limits { natives: 2, names: 3, globals: 1, fields: vec![2, 3] }
}

/// Function 0 has the words, one parameter and four registers; function 1 has two parameters;
/// function 2 is a closure's, with one capture.
fn code(words: &[u64]) -> Code {
    let mut code = Code {
        constants: vec![Constant::Word(Value::NIL), Constant::Int(7), Constant::Func(FuncId(1))],
        method_sites: vec![MethodSite { name: Name(0), args: 1 }],
        updates: vec![UpdateTable { class: ClassId(65), slots: vec![0, 2] }],
        switches: vec![SwitchTable { min: 0, targets: vec![2], default: 3 }],
        globals: 1,
        ..Code::default()
    };
    let bodies = [
        (words.to_vec(), 1, 0),
        (vec![ret()], 2, 0),
        (vec![word(Op::GetCapture, 0, 1, 0, 0), ret()], 1, 1),
    ];
    for (words, params, captures) in bodies {
        let start = code.words.len() as u32;
        code.words.extend(words);
        code.functions.push(FunctionCode {
            name: Name(0),
            start,
            end: code.words.len() as u32,
            params,
            captures,
            registers: 4,
            handlers: vec![],
            span: Span::default(),
        });
    }
    code
}

fn messages(code: &Code) -> Vec<String> {
    check(code, &limits()).iter().map(ToString::to_string).collect()
}

fn accepts(words: &[u64]) {
    assert_eq!(messages(&code(words)), [""; 0]);
}
/// The words have this one error.
fn refuses(words: &[u64], message: &str) {
    assert_eq!(messages(&code(words)), [message]);
}
/// The word, followed by a return, has this error.
fn refuses_word(op: Op, [a, b, c]: [u8; 3], d: i32, message: &str) {
    refuses(&[word(op, a, b, c, d), ret()], &format!("f0 word 0 {message}"));
}

#[test]
fn every_op_is_known_and_complete() {
    accepts(&[word(Op::Move, 1, 0, 0, 0), word(Op::AddI, 0, 1, 0, -5), ret()]);
    refuses(&[Op::ALL.len() as u64, ret()], "f0 word 0 has an unknown op");
    refuses_word(Op::Halt, [0; 3], 0, "is for the VM only");
    let unused = "has an operand that its op does not have";
    refuses_word(Op::Move, [1, 0, 1], 0, unused);
    refuses_word(Op::Move, [1, 0, 0], 1, unused);
    refuses(&[word(Op::Move, 1, 0, 0, 0)], "f0 word 0 runs off the end of the function");
    refuses(&[word(Op::JumpTBack, 0, 0, 0, -1)], "f0 word 0 runs off the end of the function");
}

#[test]
fn registers_and_windows_lie_in_the_frame() {
    let register = "uses a register outside of the frame";
    refuses_word(Op::Move, [4, 0, 0], 0, register);
    refuses_word(Op::MulAdd, [0, 0, 0], 4, register);
    refuses_word(Op::MulAdd, [0, 0, 0], -1, register);
    let window = "has a window that leaves the frame";
    refuses_word(Op::MakeList, [0, 0, 5], 0, window);
    refuses_word(Op::CallNative, [4, 0, 0], 0, window);
    refuses_word(Op::Call, [0, 4, 0], 0, window);
    refuses(&[word(Op::Return, 0, 5, 0, 0)], "f0 word 0 clears more than the frame");
    accepts(&[word(Op::CallNative, 3, 0, 0, 0), ret()]);
}

#[test]
fn jumps_stay_in_the_function_and_poll_backward() {
    let forward = "jumps backward or out of the function";
    refuses_word(Op::Jump, [0; 3], 1, forward);
    refuses_word(Op::JumpT, [0; 3], -1, forward);
    let back = "polls, but jumps forward or out of the function";
    refuses_word(Op::JumpTBack, [0; 3], -2, back);
    refuses_word(Op::JumpTBack, [0; 3], 0, back);
    refuses_word(Op::JumpTBack, [0; 3], i32::MIN, back);
    accepts(&[word(Op::JumpTBack, 0, 0, 0, -1), ret()]);
    let switch = [word(Op::Switch, 0, 0, 0, 0), ret(), ret()];
    refuses(&switch, "f0 word 0 switches backward or out of the function");
    accepts(&[switch[0], ret(), ret(), ret()]);
    refuses_word(Op::Switch, [0; 3], 1, "has an unknown switch table");
}

#[test]
fn indices_are_in_range() {
    refuses_word(Op::LoadK, [0; 3], 3, "has an unknown constant");
    refuses_word(Op::GetGlobal, [0; 3], 1, "has an unknown global");
    refuses_word(Op::GetGlobal, [0; 3], -1, "has an unknown global");
    refuses_word(Op::CallNative, [0; 3], 2, "has an unknown builtin");
    refuses_word(Op::CallMethod, [0, 1, 0], 1, "has an unknown site");
    refuses_word(Op::CallDirect, [0; 3], 3, "has an unknown function");
    refuses_word(Op::UpdateRecord, [0, 0, 1], 1, "has an unknown update table");
    refuses_word(Op::GetFieldAny, [0; 3], 3, "has an unknown name");
    refuses_word(Op::GetField, [0; 3], 0xffff_0003u32 as i32, "has an unknown name");
    let cache = "has an inline cache that is not empty";
    refuses_word(Op::GetField, [0; 3], 64 << 16, cache);
    refuses_word(Op::GetField, [0, 0, 1], 0xffff_0000u32 as i32, cache);
    accepts(&[word(Op::GetField, 0, 0, 0, 0xffff_0000u32 as i32), ret()]);
    // An object's word, the internal marker, an unknown keyword.
    for forged in [0x1002, 64, 3 << 8 | 6 << 3] {
        refuses_word(Op::LoadV, [0; 3], forged, "makes a word that is no immediate");
    }
    accepts(&[word(Op::LoadV, 0, 0, 0, NIL), ret()]);
    let constant = "compares with a constant that is no immediate, or a number";
    refuses_word(Op::JumpIs, [0, 1, 0], 0, constant);
    refuses_word(Op::JumpIs, [0, 0, 1], 0, constant);
    accepts(&[word(Op::JumpIs, 0, 0, 0, 0), ret()]);
}

#[test]
fn calls_and_records_fit() {
    refuses_word(Op::CallDirect, [0, 1, 0], 1, "passes the wrong number of arguments");
    refuses_word(Op::CallDirect, [0, 1, 0], 2, "calls a closure directly");
    refuses_word(Op::Closure, [0, 0, 0], 2, "captures the wrong number of values");
    refuses_word(Op::Closure, [0, 0, 1], 1, "captures the wrong number of values");
    accepts(&[word(Op::Closure, 0, 0, 1, 2), ret()]);
    refuses(
        &[word(Op::Move, 1, 0, 0, 0), word(Op::CallMethod, 0, 2, 0, 0), ret()],
        "f0 word 1 passes another number of arguments than its site",
    );
    let record = "makes a record of an unknown class or with other fields";
    refuses_word(Op::MakeRecord, [0, 0, 1], 64, record);
    refuses_word(Op::MakeRecord, [0, 0, 1], 66, record);
    refuses_word(Op::UpdateRecord, [0, 0, 1], 0, "updates other fields");
    refuses_word(Op::MakeMap, [0, 0, 1], 0, "has a key without a value");
    refuses_word(Op::TestList, [0, 0, 2], 0, "has a flag that is neither 0 nor 1");
}

#[test]
fn registers_are_written_before_they_are_read() {
    let unwritten =
        |at: u32, r: u8| format!("f0 word {at} reads r{r}, which may not have been written");
    refuses(&[word(Op::Return, 1, 1, 0, 0)], &unwritten(0, 1));
    // On one path only.
    let words =
        [word(Op::JumpT, 0, 0, 0, 1), word(Op::LoadI, 1, 0, 0, 1), word(Op::Return, 1, 1, 0, 0)];
    refuses(&words, &unwritten(2, 1));
    // A window and what lies above it.
    let words = [
        word(Op::LoadI, 1, 0, 0, 1),
        word(Op::LoadI, 2, 0, 0, 1),
        word(Op::CallNative, 1, 0, 0, 0),
        word(Op::Add, 0, 1, 2, 0),
        ret(),
    ];
    refuses(&words, &unwritten(3, 2));
    let words = [word(Op::MoveLast, 1, 0, 0, 0), ret()];
    refuses(&words, &unwritten(1, 0));
    // The second turn of a loop.
    let words = [
        word(Op::MoveLast, 1, 0, 0, 0),
        word(Op::JumpTBack, 1, 0, 0, -2),
        word(Op::Return, 1, 1, 0, 0),
    ];
    refuses(&words, &unwritten(0, 0));
}

#[test]
fn captures_are_read_from_the_running_closure() {
    let with_body = |words: &[u64]| {
        let mut code = code(&[ret()]);
        code.words.truncate(code.functions[2].start as usize);
        code.words.extend(words);
        code.functions[2].end = code.words.len() as u32;
        messages(&code)
    };
    let other = ["f2 word 2 reads a capture of another closure"];
    assert_eq!(with_body(&[word(Op::GetCapture, 0, 0, 0, 0), ret()]), other);
    assert_eq!(
        with_body(&[word(Op::GetCapture, 0, 1, 1, 0), ret()]),
        ["f2 word 2 has an unknown capture"]
    );
    let overwritten = [word(Op::Move, 1, 0, 0, 0), word(Op::GetCapture, 0, 1, 0, 0), ret()];
    assert_eq!(with_body(&overwritten), ["f2 word 3 reads a capture of another closure"]);
    let moved = [word(Op::MoveLast, 2, 1, 0, 0), word(Op::GetCapture, 0, 2, 0, 0), ret()];
    assert_eq!(with_body(&moved), [""; 0]);
}

#[test]
fn handlers_find_what_their_ranges_find() {
    let words = [
        word(Op::LoadI, 1, 0, 0, 1),
        word(Op::CallNative, 2, 0, 0, 0),
        word(Op::LoadI, 3, 0, 0, 1),
        word(Op::CallNative, 2, 0, 0, 0),
        ret(),
        word(Op::Add, 0, 0, 1, 0),
        ret(),
    ];
    let protected = |start, end, target, register| {
        let mut code = code(&words);
        code.functions[0].handlers = vec![HandlerRange { start, end, target, register }];
        messages(&code)
    };
    assert_eq!(protected(1, 4, 5, 2), [""; 0]);
    assert_eq!(protected(1, 4, 5, 1), [""; 0]);
    assert_eq!(protected(0, 4, 5, 2), ["f0 word 5 reads r1, which may not have been written"]);
    assert_eq!(protected(1, 4, 7, 2), ["f0 has a handler outside of it"]);
    assert_eq!(protected(3, 3, 5, 2), ["f0 has a protected range outside of it"]);
    assert_eq!(protected(1, 9, 5, 2), ["f0 has a protected range outside of it"]);
    assert_eq!(protected(1, 4, 5, 4), ["f0 has a handler with a register outside of the frame"]);
    let nested = |ranges: &[(u32, u32)]| {
        let mut code = code(&words);
        let range = |&(start, end)| HandlerRange { start, end, target: 6, register: 0 };
        code.functions[0].handlers = ranges.iter().map(range).collect();
        messages(&code)
    };
    let wrong = ["f0 has protected ranges that are not nested, innermost first"];
    assert_eq!(nested(&[(1, 2), (0, 3), (3, 4)]), [""; 0]);
    assert_eq!(nested(&[(0, 3), (0, 3)]), [""; 0]);
    assert_eq!(nested(&[(0, 3), (1, 2)]), wrong);
    assert_eq!(nested(&[(0, 2), (1, 3)]), wrong);
}

#[test]
fn tables_are_checked() {
    let broken = |change: &dyn Fn(&mut Code)| {
        let mut code = code(&[ret()]);
        change(&mut code);
        messages(&code)
    };
    assert_eq!(broken(&|c| c.functions[0].end = 99)[0], "f0 ends behind the last word");
    assert_eq!(broken(&|c| c.functions[1].start = 0), ["f1 overlaps the function before"]);
    assert_eq!(broken(&|c| c.functions[1].registers = 1), ["f1 has parameters without registers"]);
    assert_eq!(broken(&|c| c.functions[1].registers = 256), ["f1 has more than 255 registers"]);
    assert_eq!(
        broken(&|c| c.entry = Some(FuncId(1))),
        ["the entry is no function without parameters"]
    );
    assert_eq!(broken(&|c| c.globals = 2), ["there are unknown globals"]);
    let constant = ["a constant is neither an immediate nor a function without captures"];
    assert_eq!(broken(&|c| c.constants.push(Constant::Func(FuncId(2)))), constant);
    let forged = Value::from_bits(0xdead_0002);
    assert_eq!(broken(&|c| c.constants.push(Constant::Word(forged))), constant);
    assert_eq!(broken(&|c| c.method_sites[0].name = Name(3)).len(), 1);
    assert_eq!(broken(&|c| c.updates[0].slots[1] = 3).len(), 1);
    assert_eq!(
        broken(&|c| c.spans = vec![(1, Span::default()); 2]),
        ["source places are not in order"]
    );
}

#[test]
fn liveness_of_a_call() {
    // r1 = native(r0, r0 as r2); return r0 + r1
    let words = [
        word(Op::Move, 1, 0, 0, 0),
        word(Op::Move, 2, 0, 0, 0),
        word(Op::CallNative, 1, 2, 0, 0),
        word(Op::Add, 0, 0, 1, 0),
        ret(),
    ];
    accepts(&words);
    let code = code(&words);
    let live = FunctionLiveness::new(&code, 0);
    let rows: Vec<Vec<u8>> =
        (0..5).map(|at| (0..4).filter(|&r| live.live_at(at, r)).collect()).collect();
    assert_eq!(rows, [vec![0], vec![0, 1], vec![0, 1, 2], vec![0, 1], vec![0]]);
    assert!(live.live_across_call(2, 0));
}

/// Random changes to good code: what is still accepted reads nothing that was not written, and
/// leaves neither the frame nor the function.
#[test]
fn accepted_code_is_safe_to_run() {
    let mut accepted = 0;
    for seed in 0..PROGRAMS {
        let program = program(seed);
        let good = emit(&program, false).expect("it fits");
        let limits = Limits::of(&program, NATIVES);
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |n: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 33) % n
        };
        for _ in 0..20 {
            let mut code = good.clone();
            let end = u64::from(code.functions[0].end);
            for _ in 0..1 + below(2) {
                let at = below(end) as usize;
                match below(4) {
                    0 => code.words[at] ^= 1 << below(64),
                    1 => code.words[at] = code.words[below(end) as usize],
                    2 => code.words[at] = code.words[at] & !0xff00 | below(8) << 8,
                    _ => code.words.swap(at, below(end) as usize),
                }
            }
            let text = listing(&good, &program.names);
            let Ok(verified) = verify(code, &limits) else { continue };
            accepted += 1;
            let args: Vec<u64> = (0..program.funcs[0].params.len() as u64).collect();
            for calm in [0, 9] {
                let mut world = World { calm, ..World::default() };
                let run = std::panic::AssertUnwindSafe(|| {
                    run_code(verified.code(), 0, &args, &mut world)
                });
                if std::panic::catch_unwind(run).is_err() {
                    let now = listing(verified.code(), &program.names);
                    panic!("seed {seed}\n{now}\nwas\n{text}");
                }
            }
        }
    }
    assert!(accepted > PROGRAMS, "only {accepted} changed programs were accepted");
}

/// Words that are often nearly right.
fn any_word() -> impl Strategy<Value = u64> {
    let small = prop_oneof![0u8..6, any::<u8>()];
    let d = prop_oneof![-4i32..8, any::<i32>(), Just(0xffff_0000u32 as i32)];
    let likely = (0..Op::ALL.len(), [small.clone(), small.clone(), small], d)
        .prop_map(|(op, [a, b, c], d)| word(Op::ALL[op], a, b, c, d));
    prop_oneof![9 => likely, 1 => any::<u64>()]
}

proptest! {
    #[test]
    fn garbage_is_refused_or_accepted(
        words in proptest::collection::vec(any_word(), 1..20),
        ranges in proptest::collection::vec((0u32..24, 0u32..24, 0u32..24, any::<u8>()), 0..4),
        starts in proptest::collection::vec(any::<u32>(), 0..3),
        registers in prop_oneof![0u16..8, any::<u16>()],
    ) {
        let mut code = code(&words);
        code.functions[0].registers = registers;
        code.functions[0].handlers = ranges
            .into_iter()
            .map(|(start, end, target, register)| HandlerRange { start, end, target, register })
            .collect();
        for (f, start) in code.functions.iter_mut().zip(starts) {
            f.end = f.end.wrapping_add(start % 3).wrapping_sub(1);
        }
        if check(&code, &limits()).is_empty() {
            listing(&code, &names());
            for f in 0..code.functions.len() {
                FunctionLiveness::new(&code, f);
            }
        }
    }
}

fn names() -> Interner {
    let mut names = Interner::default();
    for name in ["a", "b", "c"] {
        names.intern(name);
    }
    names
}

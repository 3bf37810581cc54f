//! The reference of the bytecode, docs/bytecode.md, generated from the op table.

use std::fmt::Write;

use super::ops::{Flow, Op, Role};

const HEAD: &str = "\
# Bytecode

Generated from the op table in `src/bytecode/ops.rs`; `UPDATE_EXPECT=1 cargo test bytecode::docs`
writes it anew. `menagerie dump --stage bytecode` lists a program's code.

One 64-bit word per instruction: `op:8 a:8 b:8 c:8 d:32`, low bits first. `a`, `b` and `c` are
registers, counts or small numbers, `d` is a signed number or an index.

**Frames.** A function has up to 255 registers, a window of its task's stack. It finds its arguments
in the first ones, and itself in the one after them if it is a closure. The arguments of a call are
put into the *top* of the caller's registers, from `a` on; that is where the callee's registers
begin, and where its result comes back. After the call everything else from `a` on is dead.

**Errors.** Each function has a table of protected ranges (first word, one past the last, handler,
register of the thrown value), innermost first.

**Polls.** Jumps backward and calls count a step and may end the task's slice. Before a collection
or a switch of tasks an instruction has either not begun or is done.

**Verification.** Code runs only after the verifier (`src/bytecode/verify.rs`) has proven its rules
V1 to V9; the interpreter checks none of that again.
";

/// How a role is written in the table of ops, and what it means.
fn role(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::None => ("", "not used, zero"),
        Role::Read => ("r", "a register that is read"),
        Role::Write => ("w", "a register that is written"),
        Role::ReadWrite => ("rw", "a register that is read, then written"),
        Role::Window => ("window", "the first of the registers that are read"),
        Role::WindowCallee => ("window+", "the same; the callee follows the counted ones"),
        Role::Count => ("count", "how long the window is, without a callee"),
        Role::Imm8 => ("i8", "a signed number"),
        Role::Imm16 => ("i16 in b, c", "a signed number, the low byte first"),
        Role::Const16 => ("const in b, c", "a constant's index; an immediate that is no number"),
        Role::Class16 => ("class in b, c", "a class"),
        Role::Slot => ("slot", "a slot's or element's number; inline caches write it"),
        Role::Flag => ("flag", "0 or 1"),
        Role::Frame => ("frame", "how many registers may hold references: a counting heap's work"),
        Role::Jump => ("forward", "words from the next one on"),
        Role::Back => ("back", "words from the next one on, negative; polls"),
        Role::Imm => ("i32", "a signed number"),
        Role::Word => ("word", "the low half of an immediate value's word; the high half is zero"),
        Role::Const => ("const", "a constant's index"),
        Role::Global => ("global", "a global's index"),
        Role::Func => ("function", "a function's index"),
        Role::Native => ("builtin", "a builtin function's index"),
        Role::Class => ("class", "a class"),
        Role::Site => ("site", "a method site's index: name and number of arguments"),
        Role::Field => ("cache", "inline cache: class << 16 | name, the class 0xffff when empty"),
        Role::NameRef => ("name", "a name's index"),
        Role::Switch => ("switch", "a switch table's index"),
        Role::Update => ("update", "an update table's index: class and slots"),
        Role::ReadD => ("r", "a register that is read"),
    }
}

fn flow(flow: Flow) -> &'static str {
    match flow {
        Flow::Next => "",
        Flow::Branch => "may jump",
        Flow::Stop => "never goes on",
        Flow::Call => "call",
    }
}

/// The whole document.
pub fn markdown() -> String {
    let mut out = HEAD.to_owned();
    _ = write!(out, "\n## Operands\n\n| operand | is |\n|---|---|\n");
    let mut seen = Vec::new();
    for used in Op::INFO.iter().flat_map(|info| info.roles) {
        let (name, meaning) = role(used);
        if used != Role::None && !seen.contains(&name) {
            seen.push(name);
            _ = writeln!(out, "| {name} | {} |", meaning.replace('|', "\\|"));
        }
    }
    let count = Op::ALL.len();
    _ = write!(
        out,
        "\n## The {count} ops\n\n| no. | op | a | b | c | d | flow | does |\n|{}\n",
        "---|".repeat(8)
    );
    for (number, info) in Op::INFO.iter().enumerate() {
        let [a, b, c, d] = info.roles.map(|r| role(r).0);
        let does = info.doc.replace('|', "\\|");
        let flow = flow(info.flow);
        _ = writeln!(out, "| {number} | {} | {a} | {b} | {c} | {d} | {flow} | {does} |", info.name);
    }
    out
}

#[test]
fn the_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bytecode.md");
    let now = markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &now).expect("the document is writable");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "docs/bytecode.md is stale: UPDATE_EXPECT=1 cargo test");
}

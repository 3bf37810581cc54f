//! Readable listings of bytecode, from the op table.
//!
//! ```text
//! fn f1 fib: params 1, registers 3
//!         JumpNotLtI    r0, 2, L1
//!         Return        r0, 1
//!     L1: AddI          r1, r0, -1
//!         CallDirect    [r1], f1 fib
//! ```
//!
//! A window is written `[r1..r3]` (both ends included; a callee is part of it); the result of a
//! call is in its first register. Protected ranges stand at the top, innermost first.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::graph::{for_each_target, window_len};
use super::ops::{Instruction, Role};
use super::{Code, Constant, FunctionCode};
use crate::ir::FuncId;
use crate::names::Interner;
use crate::value::{Kind, Value};

/// Lists all functions. Expects code that verifies (or comes from the emitter).
pub fn listing(code: &Code, names: &Interner) -> String {
    let mut out = String::new();
    for id in 0..code.functions.len() as u32 {
        if id > 0 {
            out.push('\n');
        }
        out.push_str(&function_listing(code, names, FuncId(id)));
    }
    out
}

/// Lists one function.
pub fn function_listing(code: &Code, names: &Interner, id: FuncId) -> String {
    let f = &code.functions[id.index()];
    let labels = labels(code, f);
    let lister = Lister { code, names, labels };
    let mut out = format!("fn f{} {}: params {}", id.0, names.text(f.name), f.params);
    if f.captures > 0 {
        _ = write!(out, ", captures {}", f.captures);
    }
    _ = writeln!(out, ", registers {}", f.registers);
    for h in &f.handlers {
        let [start, end, target] = [h.start, h.end, h.target].map(|at| lister.label(at));
        _ = writeln!(out, "    protected {start}..{end}: {target} with r{}", h.register);
    }
    for at in f.start..f.end {
        _ = writeln!(out, "{}", lister.line(at).trim_end());
    }
    if let Some(label) = lister.labels.get(&f.end) {
        _ = writeln!(out, "{:>6}:", format!("L{label}"));
    }
    out
}

/// One instruction as text, without its label: for messages and traces.
pub fn instruction_text(code: &Code, names: &Interner, at: u32) -> String {
    let lister = Lister { code, names, labels: BTreeMap::new() };
    lister.text(at)
}

/// Numbers for everything that is jumped to or that a protected range begins or ends at.
fn labels(code: &Code, f: &FunctionCode) -> BTreeMap<u32, usize> {
    let mut places = BTreeMap::new();
    for at in f.start..f.end {
        if let Some(i) = Instruction::decode(code.words[at as usize]) {
            for_each_target(code, at, i, &mut |to| _ = places.insert(to, 0));
        }
    }
    for h in &f.handlers {
        places.extend([h.start, h.end, h.target].map(|at| (at, 0)));
    }
    for (number, label) in (1..).zip(places.values_mut()) {
        *label = number;
    }
    places
}

struct Lister<'a> {
    code: &'a Code,
    names: &'a Interner,
    labels: BTreeMap<u32, usize>,
}

impl Lister<'_> {
    fn label(&self, at: u32) -> String {
        match self.labels.get(&at) {
            Some(number) => format!("L{number}"),
            None => format!("@{at}"),
        }
    }

    fn line(&self, at: u32) -> String {
        let label = match self.labels.get(&at) {
            Some(number) => format!("L{number}:"),
            None => String::new(),
        };
        format!("{label:>7} {}", self.text(at))
    }

    fn text(&self, at: u32) -> String {
        let word = self.code.words[at as usize];
        let Some(i) = Instruction::decode(word) else { return format!("unknown {word:#018x}") };
        let operands: Vec<String> =
            (0..4).filter_map(|n| self.operand(at, i, n)).filter(|text| !text.is_empty()).collect();
        format!("{:<13} {}", i.op.info().name, operands.join(", ")).trim_end().to_owned()
    }

    /// Operand `n`; what belongs to another operand is written there.
    fn operand(&self, at: u32, i: Instruction, n: usize) -> Option<String> {
        let (code, roles) = (self.code, i.op.info().roles);
        let byte = [i.a, i.b, i.c].get(n).copied().unwrap_or(0);
        let index = i.d as u32;
        Some(match roles[n] {
            Role::None | Role::Count => return None,
            Role::Read | Role::Write | Role::ReadWrite => format!("r{byte}"),
            Role::ReadD => format!("r{index}"),
            Role::Window | Role::WindowCallee => window(byte, window_len(i, n), n == 0),
            Role::Imm8 => (byte as i8).to_string(),
            Role::Imm16 => i.imm16().to_string(),
            Role::Const16 => self.constant(i.wide().into()),
            Role::Class16 => format!("c{}", i.wide()),
            Role::Slot if is_cache(roles[3]) => return None,
            Role::Slot | Role::Flag | Role::Frame => byte.to_string(),
            Role::Jump | Role::Back => self.label((i64::from(at) + 1 + i64::from(i.d)) as u32),
            Role::Imm => i.d.to_string(),
            Role::Word => value(Value::from_bits(index.into()), self.names),
            Role::Const => self.constant(index),
            Role::Global => format!("g{index}"),
            Role::Func => self.func(index),
            Role::Native => format!("n{index}"),
            Role::Class => format!("c{index}"),
            Role::Site => match code.method_sites.get(index as usize) {
                Some(site) => format!("m{index} .{}", self.names.text(site.name)),
                None => format!("m{index}"),
            },
            Role::Field => format!(".{}", self.names.text(crate::names::Name(index & 0xffff))),
            Role::NameRef => format!(".{}", self.names.text(crate::names::Name(index))),
            Role::Switch => self.switch(index),
            Role::Update => match code.updates.get(index as usize) {
                Some(table) => format!("c{} slots {:?}", table.class.0, table.slots),
                None => format!("u{index}"),
            },
        })
    }

    fn func(&self, index: u32) -> String {
        match self.code.functions.get(index as usize) {
            Some(f) => format!("f{index} {}", self.names.text(f.name)),
            None => format!("f{index}"),
        }
    }
    fn switch(&self, index: u32) -> String {
        let Some(table) = self.code.switches.get(index as usize) else {
            return format!("s{index}");
        };
        let targets: Vec<String> = table.targets.iter().map(|&at| self.label(at)).collect();
        let default = self.label(table.default);
        format!("{}.. [{}] else {default}", table.min, targets.join(" "))
    }
    fn constant(&self, index: u32) -> String {
        match self.code.constants.get(index as usize) {
            Some(Constant::Int(i)) => i.to_string(),
            Some(Constant::Float(f)) => format!("{f:?}"),
            Some(Constant::Word(v)) => value(*v, self.names),
            Some(Constant::Str(text)) => shortened(&format!("{text:?}")),
            Some(Constant::Func(id)) => self.func(id.0),
            None => format!("k{index}"),
        }
    }
}

/// Inline caches: what they hold is no part of the program.
fn is_cache(role: Role) -> bool {
    role == Role::Field
}

/// A call's empty window still has the result's register.
fn window(first: u8, len: usize, call: bool) -> String {
    match len {
        0 if call => format!("[] r{first}"),
        0 => "[]".to_owned(),
        1 => format!("[r{first}]"),
        _ => format!("[r{first}..r{}]", usize::from(first) + len - 1),
    }
}

const TEXT_MAX: usize = 40;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn value(v: Value, names: &Interner) -> String {
    match v.kind() {
        Kind::Nil => "nil".to_owned(),
        Kind::Bool(b) => b.to_string(),
        Kind::Int(i) => i.to_string(),
        Kind::Float(f) => format!("{f:?}"),
        Kind::Char(c) => format!("{c:?}"),
        Kind::Keyword(name) if (name.0 as usize) < names.len() => format!(":{}", names.text(name)),
        _ => format!("word {:#x}", v.bits()),
    }
}

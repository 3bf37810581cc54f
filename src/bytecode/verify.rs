//! The load-time verifier: the interpreter checks nothing that is proven here.
//!
//! Per word, from the roles of the op table:
//! - V1. The op exists, is none of the VM's own, and unused operands are zero.
//! - V2. Registers and windows (a call's callee and result included) lie in the function's frame.
//! - V3. Jumps stay in the function; only those that poll go backward, and they always do. Switch
//!   targets lie behind the switch.
//! - V4. Indices of constants, globals, functions, builtins, names, sites and tables are in range.
//!   Immediate words are no objects, and inline caches are empty.
//! - V5. Direct calls pass as many arguments as the function has parameters and go to functions
//!   without captures; closures capture what their function expects; records have all their fields.
//! - V9. `FrameEnter` is the first word of its function and nobody jumps there; `FrameLeave` stands
//!   before every word that leaves such a function, and nowhere else. Nobody jumps between the two, and
//!   no handler protects them.
//!
//! Per function:
//! - V6. No word but the last of a `Stop` op ends it; protected ranges are nested or disjoint,
//!   innermost first. (A handler may lie before its range or in it, so going there must poll.)
//! - V7. Registers are written before they are read, on every path (dataflow). After a call only
//!   its result is left of the window and what lies above; after a `MoveLast` the source is gone; a
//!   handler finds what every instruction that it protects finds.
//! - V8. `GetCapture` reads the running closure, and a capture that it has.

use super::graph::{Effects, Graph, RegSet, instruction, window_len};
use super::ops::{Flow, Instruction, Op, Role};
use super::{Code, Constant, FunctionCode};
use crate::class::ClassId;
use crate::ir::{FuncId, Program};
use crate::value::{Kind, Value};

/// What the code may refer to outside of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// How many builtin functions there are.
    pub natives: usize,
    /// How many names there are.
    pub names: usize,
    /// How many globals there are.
    pub globals: usize,
    /// Field counts of the record classes, from [`ClassId::FIRST_RECORD`] on.
    pub fields: Vec<usize>,
}

impl Limits {
    /// The limits of a program's own code.
    pub fn of(program: &Program, natives: usize) -> Limits {
        Limits {
            natives,
            names: program.names.len(),
            globals: program.globals.len(),
            fields: program.classes.iter().map(|class| class.fields.len()).collect(),
        }
    }
    fn fields_of(&self, class: u32) -> Option<usize> {
        let index = class.checked_sub(ClassId::FIRST_RECORD.into())?;
        self.fields.get(index as usize).copied()
    }
}

/// Code that keeps the rules: only the verifier makes it, and only it can be run.
#[derive(Clone, Debug)]
pub struct Verified(Code);

impl Verified {
    /// The code.
    pub fn code(&self) -> &Code {
        &self.0
    }
}

/// A broken rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The function, if it is in one.
    pub function: Option<FuncId>,
    /// The word, if it is one.
    pub word: Option<u32>,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(function) = self.function {
            write!(f, "f{} ", function.0)?;
        }
        if let Some(word) = self.word {
            write!(f, "word {word} ")?;
        }
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for VerifyError {}

/// Checks `code`. Never panics, whatever the words are.
///
/// # Errors
/// All broken rules that were found; what depends on a broken one is not looked at.
pub fn verify(code: Code, limits: &Limits) -> Result<Verified, Vec<VerifyError>> {
    let errors = check(&code, limits);
    if errors.is_empty() { Ok(Verified(code)) } else { Err(errors) }
}

/// The broken rules of `code`; empty when all is well.
pub fn check(code: &Code, limits: &Limits) -> Vec<VerifyError> {
    let mut checker = Checker { code, limits, errors: Vec::new(), function: None, word: None };
    checker.tables();
    if !checker.errors.is_empty() {
        return checker.errors;
    }
    for (f, id) in code.functions.iter().zip((0..).map(FuncId)) {
        checker.function = Some(id);
        let before = checker.errors.len();
        checker.words(f);
        checker.handlers(f);
        if checker.errors.len() == before {
            checker.frames(f);
            checker.registers(f);
        }
    }
    checker.errors
}

/// How many errors are reported.
const ERRORS_MAX: usize = 100;

struct Checker<'a> {
    code: &'a Code,
    limits: &'a Limits,
    errors: Vec<VerifyError>,
    function: Option<FuncId>,
    word: Option<u32>,
}

impl Checker<'_> {
    fn error(&mut self, message: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            let message = message.into();
            self.errors.push(VerifyError { function: self.function, word: self.word, message });
        }
    }
    fn expect(&mut self, holds: bool, message: &str) {
        if !holds {
            self.error(message);
        }
    }

    /// Whether the word stands for itself: no object, no internal marker.
    fn is_immediate(&self, v: Value) -> bool {
        // Objects first: looking at one follows its address.
        !v.is_object()
            && match v.kind() {
                Kind::Undefined | Kind::Object(_) => false,
                Kind::Keyword(name) | Kind::Symbol(name) => (name.0 as usize) < self.limits.names,
                _ => true,
            }
    }

    // ---- tables ----

    fn tables(&mut self) {
        let (code, limits) = (self.code, self.limits);
        let mut end = 0;
        for (f, id) in code.functions.iter().zip((0..).map(FuncId)) {
            self.function = Some(id);
            self.expect(f.start >= end, "overlaps the function before");
            self.expect(f.start < f.end, "has no words");
            self.expect(f.end as usize <= code.words.len(), "ends behind the last word");
            self.expect(f.registers <= 255, "has more than 255 registers");
            let entry = entry_registers(f);
            self.expect(entry <= f.registers.into(), "has parameters without registers");
            self.expect((f.name.0 as usize) < limits.names, "has an unknown name");
            end = f.end.max(end);
        }
        self.function = None;
        self.expect(code.globals as usize <= limits.globals, "there are unknown globals");
        if let Some(entry) = code.entry {
            let f = code.functions.get(entry.index());
            let fits = f.is_some_and(|f| f.params == 0 && f.captures == 0);
            self.expect(fits, "the entry is no function without parameters");
        }
        for constant in &code.constants {
            let fits = match constant {
                Constant::Word(v) => self.is_immediate(*v),
                Constant::Func(id) => {
                    code.functions.get(id.index()).is_some_and(|f| f.captures == 0)
                }
                Constant::Int(_) | Constant::Float(_) | Constant::Str(_) => true,
            };
            self.expect(fits, "a constant is neither an immediate nor a function without captures");
        }
        for site in &code.method_sites {
            let fits = (site.name.0 as usize) < limits.names && site.args > 0;
            self.expect(fits, "a method site has no known name or no receiver");
        }
        for table in &code.updates {
            let fields = limits.fields_of(table.class.0.into());
            let fits = fields.is_some_and(|n| table.slots.iter().all(|&slot| (slot as usize) < n));
            self.expect(fits, "an update table names an unknown class or slot");
        }
        let ascending = code.spans.windows(2).all(|pair| pair[0].0 < pair[1].0);
        self.expect(ascending, "source places are not in order");
    }

    // ---- words ----

    fn words(&mut self, f: &FunctionCode) {
        let mut last = None;
        for at in f.start..f.end {
            self.word = Some(at);
            last = Instruction::decode(self.code.words[at as usize]);
            match last {
                Some(i) if i.op != Op::Halt => self.instruction(f, at, i),
                Some(_) => self.error("is for the VM only"),
                None => self.error("has an unknown op"),
            }
        }
        let stops = last.is_some_and(|i| i.op.info().flow == Flow::Stop);
        self.expect(stops, "runs off the end of the function");
        self.word = None;
    }

    fn instruction(&mut self, f: &FunctionCode, at: u32, i: Instruction) {
        let roles = i.op.info().roles;
        // Roles that take two operands keep the second one from being checked.
        let wide = matches!(roles[1], Role::Imm16 | Role::Const16 | Role::Class16);
        for (n, role) in roles.into_iter().enumerate() {
            let byte = [i.a, i.b, i.c].get(n).copied();
            match byte {
                Some(_) if n == 2 && wide => {}
                Some(byte) => self.byte_operand(f, i, n, role, byte),
                None => self.word_operand(f, at, i, role),
            }
        }
        self.shape(f, i);
    }

    fn byte_operand(&mut self, f: &FunctionCode, i: Instruction, n: usize, role: Role, byte: u8) {
        let registers = usize::from(f.registers);
        match role {
            Role::None => self.expect(byte == 0, "has an operand that its op does not have"),
            Role::Read | Role::Write | Role::ReadWrite => {
                self.expect(usize::from(byte) < registers, "uses a register outside of the frame");
            }
            Role::Window | Role::WindowCallee => {
                let holds_result = i.op.info().flow == Flow::Call;
                let len = window_len(i, n).max(usize::from(holds_result));
                let end = usize::from(byte) + len;
                self.expect(end <= registers, "has a window that leaves the frame");
            }
            Role::Frame => {
                let fits = (1..=registers).contains(&usize::from(byte)) || registers == 0;
                self.expect(fits, "clears more than the frame");
            }
            Role::Flag => self.expect(byte <= 1, "has a flag that is neither 0 nor 1"),
            Role::Const16 => {
                let constant = self.code.constants.get(usize::from(i.wide()));
                let fits =
                    matches!(constant, Some(Constant::Word(v)) if !v.is_int() && !v.is_float());
                self.expect(fits, "compares with a constant that is no immediate, or a number");
            }
            _ => {}
        }
    }

    fn word_operand(&mut self, f: &FunctionCode, at: u32, i: Instruction, role: Role) {
        let code = self.code;
        let index = i.d as u32 as usize;
        let target = i64::from(at) + 1 + i64::from(i.d);
        match role {
            Role::None => self.expect(i.d == 0, "has an operand that its op does not have"),
            Role::Jump => {
                let fits = i.d >= 0 && target < f.end.into();
                self.expect(fits, "jumps backward or out of the function");
            }
            Role::Back => {
                let fits = i.d < 0 && target >= f.start.into();
                self.expect(fits, "polls, but jumps forward or out of the function");
            }
            Role::Flag => self.expect(index <= 1, "has a flag that is neither 0 nor 1"),
            Role::Word => {
                let v = Value::from_bits(i.d as u32 as u64);
                self.expect(self.is_immediate(v), "makes a word that is no immediate");
            }
            Role::Const => self.expect(index < code.constants.len(), "has an unknown constant"),
            Role::Global => self.expect(index < code.globals as usize, "has an unknown global"),
            Role::Func => self.expect(index < code.functions.len(), "has an unknown function"),
            Role::Native => self.expect(index < self.limits.natives, "has an unknown builtin"),
            Role::Class => self.expect(index <= ClassId::MAX.into(), "has an unknown class"),
            Role::Site => self.expect(index < code.method_sites.len(), "has an unknown site"),
            Role::Field => {
                self.expect(index >> 16 == 0xffff, "has an inline cache that is not empty");
                self.expect(i.c == 0, "has an inline cache that is not empty");
                self.expect(index & 0xffff < self.limits.names, "has an unknown name");
            }
            Role::NameRef => self.expect(index < self.limits.names, "has an unknown name"),
            Role::Switch => self.switch(f, at, index),
            Role::Update => self.expect(index < code.updates.len(), "has an unknown update table"),
            Role::ReadD => {
                let fits = index < f.registers.into();
                self.expect(fits, "uses a register outside of the frame");
            }
            _ => {}
        }
    }

    fn switch(&mut self, f: &FunctionCode, at: u32, index: usize) {
        let Some(table) = self.code.switches.get(index) else {
            return self.error("has an unknown switch table");
        };
        let fits = |&to: &u32| at < to && to < f.end;
        let all = table.targets.iter().chain([&table.default]).all(fits);
        self.expect(all, "switches backward or out of the function");
    }

    /// What goes beyond single operands.
    fn shape(&mut self, f: &FunctionCode, i: Instruction) {
        let code = self.code;
        let index = i.d as u32 as usize;
        match i.op {
            Op::CallDirect | Op::TailCallDirect => {
                let Some(callee) = code.functions.get(index) else { return };
                self.expect(callee.params == i.b, "passes the wrong number of arguments");
                self.expect(callee.captures == 0, "calls a closure directly");
            }
            Op::CallMethod | Op::TailCallMethod => {
                let Some(site) = code.method_sites.get(index) else { return };
                self.expect(site.args == i.b, "passes another number of arguments than its site");
            }
            Op::Closure | Op::ClosureLocal => {
                let Some(callee) = code.functions.get(index) else { return };
                self.expect(callee.captures == i.c, "captures the wrong number of values");
            }
            Op::FrameEnter => {
                self.expect(self.word == Some(f.start), "enters the frame once more");
            }
            Op::GetCapture => self.expect(i.c < f.captures, "has an unknown capture"),
            Op::MakeMap | Op::MapExtend => {
                self.expect(i.c.is_multiple_of(2), "has a key without a value");
            }
            Op::MakeRecord | Op::MakeRecordLocal => {
                let fits = self.limits.fields_of(i.d as u32) == Some(i.c.into());
                self.expect(fits, "makes a record of an unknown class or with other fields");
            }
            Op::UpdateRecord => {
                let Some(table) = code.updates.get(index) else { return };
                self.expect(table.slots.len() + 1 == i.c.into(), "updates other fields");
            }
            _ => {}
        }
    }

    // ---- frames ----

    /// V9, but for the place of `FrameEnter`.
    fn frames(&mut self, f: &FunctionCode) {
        let op = |at: u32| Op::of(self.code.words[at as usize]);
        let marked = op(f.start) == Some(Op::FrameEnter);
        let mut messages = Vec::new();
        for at in f.start..f.end {
            let leaves = at + 1 < f.end && op(at + 1).is_some_and(Op::leaves_frame);
            if (op(at) == Some(Op::FrameLeave)) != (marked && leaves) {
                messages.push((at, "leaves the frame, or does not, against V9"));
            }
        }
        if marked {
            let graph = Graph::new(self.code, f);
            for block in 0..graph.len() {
                let first = graph.words(block).start;
                if op(first).is_some_and(Op::leaves_frame) {
                    messages.push((first, "can be reached without its `FrameLeave`"));
                }
                graph.successors(self.code, block, |to| {
                    if to == 0 {
                        messages.push((f.start, "enters the frame, but is jumped to"));
                    }
                });
            }
            for h in &f.handlers {
                if h.target == f.start {
                    messages.push((f.start, "enters the frame, but handles errors"));
                }
                let fails = |&at: &u32| {
                    op(at).is_some_and(|op| op.leaves_frame() && op.info().roles[1] == Role::Count)
                };
                if let Some(at) = (h.start..h.end).find(fails) {
                    messages.push((at, "is protected, but its frame is gone"));
                }
            }
        }
        for (at, message) in messages {
            self.word = Some(at);
            self.error(message);
        }
        self.word = None;
    }

    // ---- protected ranges ----

    fn handlers(&mut self, f: &FunctionCode) {
        let before = self.errors.len();
        for h in &f.handlers {
            let inside = f.start <= h.start && h.start < h.end && h.end <= f.end;
            self.expect(inside, "has a protected range outside of it");
            let target = (f.start..f.end).contains(&h.target);
            self.expect(target, "has a handler outside of it");
            let register = u16::from(h.register) < f.registers;
            self.expect(register, "has a handler with a register outside of the frame");
        }
        if self.errors.len() > before {
            return;
        }
        // Outer ranges before inner ones: each must end before the innermost one around it does,
        // and come earlier in the table.
        let mut order: Vec<usize> = (0..f.handlers.len()).collect();
        order.sort_by_key(|&n| {
            let h = f.handlers[n];
            (h.start, std::cmp::Reverse(h.end), std::cmp::Reverse(n))
        });
        let mut around: Vec<usize> = Vec::new();
        for n in order {
            let h = f.handlers[n];
            while around.last().is_some_and(|&outer| f.handlers[outer].end <= h.start) {
                around.pop();
            }
            if let Some(&outer) = around.last() {
                let nested = h.end <= f.handlers[outer].end && n < outer;
                self.expect(nested, "has protected ranges that are not nested, innermost first");
            }
            around.push(n);
        }
    }

    // ---- registers ----

    fn registers(&mut self, f: &FunctionCode) {
        let graph = Graph::new(self.code, f);
        let states = states(self.code, f, &graph);
        for (block, state) in states.iter().enumerate() {
            let Some(mut state) = *state else { continue };
            for at in graph.words(block) {
                self.word = Some(at);
                let i = instruction(self.code, at);
                let effects = Effects::of(i);
                if let Some(r) = effects.reads.without(state.written).iter().next() {
                    self.error(format!("reads r{r}, which may not have been written"));
                }
                if i.op == Op::GetCapture {
                    self.expect(state.closure.has(i.b), "reads a capture of another closure");
                }
                state = state.after(i, effects);
            }
        }
        self.word = None;
    }
}

/// Parameters, and the closure if there is one.
fn entry_registers(f: &FunctionCode) -> usize {
    usize::from(f.params) + usize::from(f.captures > 0)
}

/// What is known about the registers at a point.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    /// Written on every path.
    written: RegSet,
    /// Hold the running closure.
    closure: RegSet,
}

impl State {
    fn after(self, i: Instruction, effects: Effects) -> State {
        let gone = effects.writes.union(effects.clobbers);
        let mut closure = self.closure.without(gone);
        if matches!(i.op, Op::Move | Op::MoveLast) && self.closure.has(i.b) {
            closure.add(i.a);
        }
        let written = self.written.without(effects.clobbers).union(effects.writes);
        State { written, closure }
    }
    /// What a handler finds when the instruction fails: a call has used its window.
    fn failed(self, i: Instruction, effects: Effects) -> State {
        if i.op.info().flow != Flow::Call {
            return self;
        }
        let gone = effects.clobbers;
        State { written: self.written.without(gone), closure: self.closure.without(gone) }
    }
    fn meet(self, other: State) -> State {
        State {
            written: self.written.intersection(other.written),
            closure: self.closure.intersection(other.closure),
        }
    }
}

/// By block: the state before its first word; `None` when it is never reached. Sweeps forward until
/// nothing changes: as often as loops nest.
fn states(code: &Code, f: &FunctionCode, graph: &Graph) -> Vec<Option<State>> {
    let mut states: Vec<Option<State>> = vec![None; graph.len()];
    let mut closure = RegSet::default();
    if f.captures > 0 {
        closure.add(f.params);
    }
    states[0] = Some(State { written: RegSet::below(entry_registers(f)), closure });
    let mut waiting = vec![false; graph.len()];
    waiting[0] = true;
    let mut again = true;
    while again {
        again = false;
        for block in 0..graph.len() {
            if !std::mem::take(&mut waiting[block]) {
                continue;
            }
            let Some(mut state) = states[block] else { continue };
            let mut failed = state;
            for at in graph.words(block) {
                let i = instruction(code, at);
                let effects = Effects::of(i);
                failed = failed.meet(state.failed(i, effects));
                state = state.after(i, effects);
            }
            let mut flow = |to: usize, state: State| {
                let met = states[to].map_or(state, |known| known.meet(state));
                if states[to] != Some(met) {
                    states[to] = Some(met);
                    waiting[to] = true;
                    again |= to <= block;
                }
            };
            if let Some(handler) = graph.handlers[block] {
                let h = f.handlers[handler as usize];
                failed.written.add(h.register);
                failed.closure.remove(h.register);
                flow(graph.block_at(h.target), failed);
            }
            graph.successors(code, block, |to| flow(to, state));
        }
    }
    states
}

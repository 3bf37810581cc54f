//! The writing half.

use std::fmt::{Display, Write};

use super::{BINARY, Style, UNARY, values_needed};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::ir::{Block, BlockId, Const, FuncId, Function, Lifetime, Op, Program, Terminator};
use crate::lang::ast::Span;
use crate::names::Name;

/// Prints `program`.
pub fn print(program: &Program, style: Style) -> String {
    let mut printer = Printer { program, style, out: String::new() };
    printer.program();
    printer.out
}

/// Prints one function of `program`.
pub fn print_function(program: &Program, function: FuncId, style: Style) -> String {
    let mut printer = Printer { program, style, out: String::new() };
    printer.function(function, &program.funcs[function.index()]);
    printer.out
}

struct Printer<'a> {
    program: &'a Program,
    style: Style,
    out: String,
}

/// Writing into a string cannot fail.
macro_rules! put {
    ($printer:expr, $($arg:tt)*) => {
        write!($printer.out, $($arg)*).expect("a string takes everything")
    };
}

impl Printer<'_> {
    fn program(&mut self) {
        let program = self.program;
        if self.style.names && !program.names.is_empty() {
            put!(self, "names");
            for n in 0..program.names.len() as u32 {
                put!(self, " {}", quoted(program.names.text(Name(n))));
            }
            put!(self, "\n");
        }
        for (class, n) in program.classes.iter().zip(u32::from(ClassId::FIRST_RECORD)..) {
            self.class(n, class);
        }
        for (n, &global) in program.globals.iter().enumerate() {
            put!(self, "global g{n} {}\n", self.name(global));
        }
        for &(class, name, function) in &program.methods {
            put!(self, "method {} {} {function}", class_text(class), self.name(name));
            self.note(&[self.function_note(function)]);
        }
        if let Some(entry) = program.entry {
            put!(self, "entry {entry}\n");
        }
        for (function, id) in program.funcs.iter().zip((0..).map(FuncId)) {
            put!(self, "\n");
            self.function(id, function);
        }
    }

    fn class(&mut self, number: u32, class: &RecordClass) {
        put!(self, "class c{number} ");
        match class.kind {
            RecordKind::Struct => put!(self, "struct"),
            RecordKind::Variant { of } => put!(self, "variant {}", self.name(of)),
            RecordKind::Dynamic => put!(self, "dynamic"),
        }
        let fields: Vec<_> = class.fields.iter().map(|&field| self.name(field)).collect();
        put!(self, " {} {{{}}}\n", self.name(class.name), fields.join(", "));
    }

    fn function(&mut self, id: FuncId, function: &Function) {
        put!(self, "fn {id} {}({})", self.name(function.name), list(&function.params));
        if function.captures > 0 {
            put!(self, " captures {}", function.captures);
        }
        if function.slot_count > 0 {
            put!(self, " slots {}", function.slot_count);
        }
        if function.value_count != values_needed(function) {
            put!(self, " values {}", function.value_count);
        }
        self.span(function.span);
        put!(self, " {{\n");
        for (block, id) in function.blocks.iter().zip((0..).map(BlockId)) {
            self.block(id, block);
        }
        put!(self, "}}\n");
    }

    fn block(&mut self, id: BlockId, block: &Block) {
        put!(self, "{id}");
        if !block.params.is_empty() {
            put!(self, "({})", list(&block.params));
        }
        if let Some(handler) = block.handler {
            put!(self, " handler {handler}");
        }
        put!(self, ":\n");
        for inst in &block.insts {
            put!(self, "  ");
            if let Some(result) = inst.result {
                put!(self, "{result} = ");
            }
            let text = self.op(&inst.op);
            put!(self, "{}{text}", lifetime(inst.lifetime));
            self.span(inst.span);
            self.note(&self.op_notes(&inst.op));
        }
        let text = self.term(&block.term);
        put!(self, "  {text}");
        self.span(block.term_span);
        let notes = match block.term {
            Terminator::TailCallDirect(function, _) => vec![self.function_note(function)],
            _ => vec![],
        };
        self.note(&notes);
    }

    fn span(&mut self, span: Span) {
        if self.style.spans && span != Span::default() {
            put!(self, " @{}:{}:{}", span.file, span.start, span.end);
        }
    }

    /// Ends the line.
    fn note(&mut self, notes: &[Option<String>]) {
        let notes: Vec<&str> = notes.iter().flatten().map(String::as_str).collect();
        if self.style.notes && !notes.is_empty() {
            put!(self, "  // {}", notes.join(", "));
        }
        put!(self, "\n");
    }

    fn op_notes(&self, op: &Op) -> Vec<Option<String>> {
        let name = |name: Option<&Name>| name.map(|&name| self.name(name));
        match op {
            Op::Const(Const::Func(function))
            | Op::Closure(function, _)
            | Op::CallDirect(function, _) => vec![self.function_note(*function)],
            Op::GlobalGet(global) | Op::GlobalSet(global, _) => {
                vec![name(self.program.globals.get(global.index()))]
            }
            Op::MakeRecord(class, _) | Op::UpdateRecord(class, ..) | Op::IsClass(_, class) => {
                vec![self.class_note(*class)]
            }
            _ => vec![],
        }
    }

    fn function_note(&self, function: FuncId) -> Option<String> {
        Some(self.name(self.program.funcs.get(function.index())?.name))
    }

    fn class_note(&self, class: ClassId) -> Option<String> {
        let builtin = ClassId::BUILTIN.iter().find(|&&(id, ..)| id == class);
        if let Some((_, _, source_name)) = builtin {
            return Some((*source_name).to_string());
        }
        let record = class.0.checked_sub(ClassId::FIRST_RECORD)?;
        Some(self.name(self.program.classes.get(usize::from(record))?.name))
    }

    fn name(&self, name: Name) -> String {
        if name.0 as usize >= self.program.names.len() {
            return format!("\"<name {}>\"", name.0);
        }
        let text = self.program.names.text(name);
        let mut bytes = text.bytes();
        let plain = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain { text.to_string() } else { quoted(text) }
    }

    fn constant(&self, constant: &Const) -> String {
        match constant {
            Const::Nil => "nil".to_string(),
            Const::Bool(value) => value.to_string(),
            Const::Int(value) => value.to_string(),
            Const::Float(value) if value.is_nan() => format!("nan_{:x}", value.to_bits()),
            Const::Float(value) => format!("{value:?}"),
            Const::Char(value) => format!("'{}'", escaped(*value, '\'')),
            Const::Keyword(name) => format!(":{}", self.name(*name)),
            Const::Str(text) => quoted(text),
            Const::Func(function) => function.to_string(),
        }
    }

    fn op(&self, op: &Op) -> String {
        match op {
            Op::Const(constant) => format!("const {}", self.constant(constant)),
            Op::Unary(op, a) => format!("{} {a}", mnemonic(&UNARY, *op)),
            Op::Binary(op, a, b) => format!("{} {a}, {b}", mnemonic(&BINARY, *op)),
            Op::GlobalGet(global) => format!("global_get {global}"),
            Op::GlobalSet(global, a) => format!("global_set {global}, {a}"),
            Op::SlotGet(slot) => format!("slot_get {slot}"),
            Op::SlotSet(slot, a) => format!("slot_set {slot}, {a}"),
            Op::CellNew(a) => format!("cell_new {a}"),
            Op::CellGet(a) => format!("cell_get {a}"),
            Op::CellSet(a, b) => format!("cell_set {a}, {b}"),
            Op::Closure(function, args) => format!("closure {function}({})", list(args)),
            Op::Capture(n) => format!("capture {n}"),
            Op::Call(a, args) => format!("call {a}({})", list(args)),
            Op::CallDirect(function, args) => format!("call_direct {function}({})", list(args)),
            Op::CallMethod(a, name, args) => {
                format!("call_method {a}.{}({})", self.name(*name), list(args))
            }
            Op::CallNative(native, args) => format!("call_native {native}({})", list(args)),
            Op::Field(a, name) => format!("field {a}.{}", self.name(*name)),
            Op::SetField(a, name, b) => format!("set_field {a}.{}, {b}", self.name(*name)),
            Op::Index(a, b) => format!("index {a}, {b}"),
            Op::SetIndex(a, b, c) => format!("set_index {a}, {b}, {c}"),
            Op::TupleField(a, n) => format!("tuple_field {a}, {n}"),
            Op::MakeTuple(args) => format!("tuple({})", list(args)),
            Op::MakeList(args) => format!("list({})", list(args)),
            Op::MakeMap(args) => format!("map({})", list(args)),
            Op::MakeSet(args) => format!("set({})", list(args)),
            Op::MakeRecord(class, args) => format!("record {}({})", class_text(*class), list(args)),
            Op::UpdateRecord(class, base, updates) => {
                let updates: Vec<_> =
                    updates.iter().map(|(slot, value)| format!("{slot}: {value}")).collect();
                format!("update {} {base} {{{}}}", class_text(*class), updates.join(", "))
            }
            Op::MakeRange { start, end, inclusive: false } => format!("range {start}, {end}"),
            Op::MakeRange { start, end, inclusive: true } => {
                format!("range_inclusive {start}, {end}")
            }
            Op::Concat(args) => format!("concat({})", list(args)),
            Op::IsClass(a, class) => format!("is_class {a}, {}", class_text(*class)),
            Op::IsTuple(a, len) => format!("is_tuple {a}, {len}"),
            Op::IsList { value, len, at_least: false } => format!("is_list {value}, {len}"),
            Op::IsList { value, len, at_least: true } => {
                format!("is_list_at_least {value}, {len}")
            }
            Op::Matches(a, b) => format!("matches {a}, {b}"),
            Op::Elem(a, n) => format!("elem {a}, {n}"),
            Op::ListElem { list, index, from_end: false } => format!("list_elem {list}, {index}"),
            Op::ListElem { list, index, from_end: true } => {
                format!("list_elem_from_end {list}, {index}")
            }
            Op::ListRest { list, before, after } => format!("list_rest {list}, {before}, {after}"),
            Op::IterStart(a) => format!("iter_start {a}"),
            Op::IterDone(a, b) => format!("iter_done {a}, {b}"),
            Op::IterGet(a, b) => format!("iter_get {a}, {b}"),
            Op::IterNext(a, b) => format!("iter_next {a}, {b}"),
            Op::Spawn(a, args) => format!("spawn {a}({})", list(args)),
            Op::Yield => "yield".to_string(),
            Op::RegionEnter => "region_enter".to_string(),
            Op::RegionLeave(a, b) => format!("region_leave {a}, {b}"),
        }
    }

    fn term(&self, term: &Terminator) -> String {
        match term {
            Terminator::Jump(target, args) if args.is_empty() => format!("jump {target}"),
            Terminator::Jump(target, args) => format!("jump {target}({})", list(args)),
            Terminator::Branch { cond, then, otherwise } => {
                format!("branch {cond}, {then}, {otherwise}")
            }
            Terminator::Switch { value, min, targets, default } => {
                format!("switch {value}, {min}, [{}], {default}", list(targets))
            }
            Terminator::Try { body, handler } => format!("try {body}, {handler}"),
            Terminator::Return(a) => format!("return {a}"),
            Terminator::TailCall(a, args) => format!("tail_call {a}({})", list(args)),
            Terminator::TailCallDirect(function, args) => {
                format!("tail_call_direct {function}({})", list(args))
            }
            Terminator::TailCallMethod(a, name, args) => {
                format!("tail_call_method {a}.{}({})", self.name(*name), list(args))
            }
            Terminator::Throw(a) => format!("throw {a}"),
            Terminator::Unreachable => "unreachable".to_string(),
        }
    }
}

fn mnemonic<T: PartialEq + Copy>(table: &[(T, &'static str)], op: T) -> &'static str {
    table.iter().find(|(entry, _)| *entry == op).expect("the table has every operator").1
}

/// What stands before an allocation.
fn lifetime(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Heap => "",
        Lifetime::Frame => "frame ",
        Lifetime::Region => "region ",
    }
}

fn class_text(class: ClassId) -> String {
    format!("c{}", class.0)
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    let body: String = text.chars().map(|c| escaped(c, '"')).collect();
    format!("\"{body}\"")
}

fn escaped(c: char, quote: char) -> String {
    match c {
        '\n' => "\\n".to_string(),
        '\\' => "\\\\".to_string(),
        _ if c == quote => format!("\\{c}"),
        _ if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => c.escape_unicode().to_string(),
        _ => c.to_string(),
    }
}

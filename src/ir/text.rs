//! The IR as text: printed for people and golden tests, parsed back for tests.
//!
//! ```text
//! class c64 struct Error { kind, message }
//! global g0 counter
//! method c64 describe f1
//! entry f0
//!
//! fn f0 main(v0) captures 1 slots 1 {
//! b0:
//!   v1 = const 1
//!   slot_set s0, v1
//!   try b1, b2
//! b1 handler b2:
//!   v2 = call_direct f1(v0, v1)
//!   jump b3(v2)
//! b2(v3):
//!   jump b3(v3)
//! b3(v4):
//!   return v4
//! }
//! ```
//!
//! A name that is no plain identifier is written as a string. Floats are written so that every bit
//! comes back (`1.5`, `-0.0`, `inf`, `nan_7ff8000000000000`). Line ends mean nothing; `//`
//! starts a comment. `values n` after `slots n` gives [`Function::value_count`] when it is more (or
//! less) than the highest value needs. `@file:start:end` after a function's head, an instruction or
//! a terminator is its span; a `names "a" "b"` line fixes the numbers of names. With both
//! ([`Style::EXACT`]) a parsed program is equal to the printed one, without them up to those.

use std::fmt::{Display, Write};

use super::{
    BinaryOp, Block, BlockId, Const, FuncId, Function, GlobalId, Inst, Lifetime, NativeId, Op,
    Program, SlotId, Terminator, UnaryOp, ValueId,
};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::lang::ast::Span;
use crate::names::{Interner, Name};

/// What [`print`] writes besides the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// Spans, where they are not all zero.
    pub spans: bool,
    /// The name table, so that names keep their numbers.
    pub names: bool,
    /// Comments that say what the classes, functions and globals of a line are called.
    pub notes: bool,
}

impl Style {
    /// Everything that parsing needs to give the same program again.
    pub const EXACT: Style = Style { spans: true, names: true, notes: false };
    /// For reading.
    pub const READABLE: Style = Style { spans: false, names: false, notes: true };
}

const BINARY: [(BinaryOp, &str); 17] = [
    (BinaryOp::Add, "add"),
    (BinaryOp::Sub, "sub"),
    (BinaryOp::Mul, "mul"),
    (BinaryOp::Div, "div"),
    (BinaryOp::Rem, "rem"),
    (BinaryOp::BitAnd, "bit_and"),
    (BinaryOp::BitOr, "bit_or"),
    (BinaryOp::BitXor, "bit_xor"),
    (BinaryOp::Shl, "shl"),
    (BinaryOp::Shr, "shr"),
    (BinaryOp::ShrLogical, "shr_logical"),
    (BinaryOp::Eq, "eq"),
    (BinaryOp::Ne, "ne"),
    (BinaryOp::Lt, "lt"),
    (BinaryOp::Le, "le"),
    (BinaryOp::Gt, "gt"),
    (BinaryOp::Ge, "ge"),
];

const UNARY: [(UnaryOp, &str); 3] =
    [(UnaryOp::Neg, "neg"), (UnaryOp::Not, "not"), (UnaryOp::BitNot, "bit_not")];

macro_rules! display_with_prefix {
    ($($type:ident $prefix:literal;)*) => {
        $(impl Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        })*
    };
}
display_with_prefix! {
    FuncId "f";
    BlockId "b";
    ValueId "v";
    GlobalId "g";
    SlotId "s";
    NativeId "n";
}

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

/// One more than the highest value that `function` defines or reads.
fn values_needed(function: &Function) -> u32 {
    let inner = function.blocks.iter().flat_map(|block| {
        let insts = block.insts.iter();
        let used = insts.flat_map(|inst| inst.op.operands().chain(inst.result));
        used.chain(block.params.iter().copied()).chain(block.term.operands())
    });
    let all = inner.chain(function.params.iter().copied());
    all.map(|value| value.0.saturating_add(1)).max().unwrap_or(0)
}

/// Why a text is no program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Counted from 1.
    pub line: u32,
    /// What was expected.
    pub message: String,
}

impl Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

type Parsed<T> = Result<T, ParseError>;

/// Parses what [`print`] wrote. Functions, blocks, classes and globals must be numbered in order;
/// whether the program makes sense is the verifier's question.
pub fn parse(text: &str) -> Parsed<Program> {
    let mut parser = Parser {
        rest: text,
        line: 1,
        token: Token::End,
        token_line: 1,
        names: Interner::default(),
    };
    parser.advance()?;
    parser.program()
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    Int(i64),
    Float(f64),
    Str(String),
    Char(char),
    Punct(char),
    End,
}

struct Parser<'a> {
    rest: &'a str,
    line: u32,
    /// The token at hand and the line it starts in.
    token: Token,
    token_line: u32,
    names: Interner,
}

impl Parser<'_> {
    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError { line: self.token_line, message: message.into() })
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        self.error(format!("expected {what}, found {:?}", self.token))
    }

    // ---- Lexer ------------------------------------------------------------------------------

    /// Moves on to the next token and returns the one before.
    fn advance(&mut self) -> Parsed<Token> {
        self.skip_blanks();
        self.token_line = self.line;
        let token = self.lex()?;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn skip_blanks(&mut self) {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.line += self.rest[..blanks].matches('\n').count() as u32;
            self.rest = &self.rest[blanks..];
            if !self.rest.starts_with("//") {
                return;
            }
            self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
        }
    }

    fn lex(&mut self) -> Parsed<Token> {
        let mut chars = self.rest.chars();
        let Some(first) = chars.next() else {
            return Ok(Token::End);
        };
        let second = chars.next().unwrap_or(' ');
        match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
                Ok(Token::Word(word.to_string()))
            }
            '0'..='9' => self.number(),
            '-' if second.is_ascii_digit() || self.rest.starts_with("-inf") => self.number(),
            '"' => Ok(Token::Str(self.quoted('"')?)),
            '\'' => {
                let text = self.quoted('\'')?;
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Ok(Token::Char(c)),
                    _ => self.error("a char literal holds one char"),
                }
            }
            _ => {
                self.rest = &self.rest[first.len_utf8()..];
                Ok(Token::Punct(first))
            }
        }
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Parsed<Token> {
        let text = self.rest;
        let is_exponent_sign = |n: usize| n > 0 && text[..n].ends_with('e');
        let end = text
            .char_indices()
            .find(|&(n, c)| match c {
                '-' | '+' => n > 0 && !is_exponent_sign(n),
                _ => !(c.is_ascii_alphanumeric() || c == '.'),
            })
            .map_or(text.len(), |(n, _)| n);
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        if let Ok(int) = word.parse() {
            return Ok(Token::Int(int));
        }
        match word.parse() {
            Ok(float) => Ok(Token::Float(float)),
            Err(_) => self.error(format!("`{word}` is no number")),
        }
    }

    fn quoted(&mut self, quote: char) -> Parsed<String> {
        let mut text = String::new();
        self.rest = &self.rest[1..];
        loop {
            match self.next_char() {
                None => return self.error("unfinished literal"),
                Some(c) if c == quote => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += u32::from(c == '\n');
        Some(c)
    }

    fn escape(&mut self) -> Parsed<char> {
        match self.next_char() {
            Some('n') => Ok('\n'),
            Some(c @ ('\\' | '"' | '\'')) => Ok(c),
            Some('u') => {
                let code = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let parsed = code.and_then(|(digits, rest)| {
                    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                    Some((c, rest))
                });
                match parsed {
                    Some((c, rest)) => {
                        self.rest = rest;
                        Ok(c)
                    }
                    None => self.error("bad \\u{…}"),
                }
            }
            _ => self.error("unknown escape"),
        }
    }

    // ---- Small things -----------------------------------------------------------------------

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(found) if found == word)
    }

    fn eat_word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn eat(&mut self, punct: char) -> Parsed<bool> {
        let found = self.token == Token::Punct(punct);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, punct: char) -> Parsed<()> {
        if self.eat(punct)? { Ok(()) } else { self.expected(&format!("`{punct}`")) }
    }

    fn word(&mut self) -> Parsed<String> {
        match self.advance()? {
            Token::Word(word) => Ok(word),
            other => self.error(format!("expected a word, found {other:?}")),
        }
    }

    fn int<T: TryFrom<i64>>(&mut self) -> Parsed<T> {
        let number = match &self.token {
            Token::Int(int) => T::try_from(*int).ok(),
            _ => None,
        };
        let Some(number) = number else {
            return self.expected("a number in range");
        };
        self.advance()?;
        Ok(number)
    }

    fn name(&mut self) -> Parsed<Name> {
        match self.advance()? {
            Token::Word(text) | Token::Str(text) => Ok(self.names.intern(&text)),
            other => self.error(format!("expected a name, found {other:?}")),
        }
    }

    /// The number of a word such as `v12`, when the token at hand is one.
    fn peek_id(&self, prefix: char) -> Option<u32> {
        let Token::Word(word) = &self.token else {
            return None;
        };
        word.strip_prefix(prefix)?.parse().ok()
    }

    fn id(&mut self, prefix: char) -> Parsed<u32> {
        let Some(number) = self.peek_id(prefix) else {
            return self.expected(&format!("`{prefix}` and a number"));
        };
        self.advance()?;
        Ok(number)
    }

    fn value(&mut self) -> Parsed<ValueId> {
        self.id('v').map(ValueId)
    }

    fn block_id(&mut self) -> Parsed<BlockId> {
        self.id('b').map(BlockId)
    }

    fn func(&mut self) -> Parsed<FuncId> {
        self.id('f').map(FuncId)
    }

    fn class_id(&mut self) -> Parsed<ClassId> {
        match u16::try_from(self.id('c')?) {
            Ok(number) => Ok(ClassId(number)),
            Err(_) => self.error("a class has 16 bits"),
        }
    }

    /// Items up to `close`, with commas between them; the opening bracket is eaten already.
    fn items<T>(&mut self, close: char, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        while !self.eat(close)? {
            items.push(item(self)?);
            if !self.eat(',')? {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn values(&mut self) -> Parsed<Vec<ValueId>> {
        self.expect('(')?;
        self.items(')', Self::value)
    }

    fn span(&mut self) -> Parsed<Span> {
        if !self.eat('@')? {
            return Ok(Span::default());
        }
        let file = self.int()?;
        self.expect(':')?;
        let start = self.int()?;
        self.expect(':')?;
        Ok(Span { file, start, end: self.int()? })
    }

    fn in_order(&self, what: &str, number: u32, next: usize) -> Parsed<()> {
        if number as usize == next {
            return Ok(());
        }
        self.error(format!("{what} number {number} where {next} comes next"))
    }

    // ---- Program, function, block -----------------------------------------------------------

    fn program(mut self) -> Parsed<Program> {
        let mut program = Program::default();
        if self.eat_word("names")? {
            while matches!(self.token, Token::Str(_)) {
                self.name()?;
            }
        }
        while self.token != Token::End {
            match self.word()?.as_str() {
                "class" => {
                    let number = self.id('c')?;
                    let next = program.classes.len() + usize::from(ClassId::FIRST_RECORD);
                    self.in_order("class", number, next)?;
                    program.classes.push(self.class()?);
                }
                "global" => {
                    let number = self.id('g')?;
                    self.in_order("global", number, program.globals.len())?;
                    program.globals.push(self.name()?);
                }
                "method" => {
                    let method = (self.class_id()?, self.name()?, self.func()?);
                    program.methods.push(method);
                }
                "entry" => program.entry = Some(self.func()?),
                "fn" => {
                    let number = self.func()?.0;
                    self.in_order("function", number, program.funcs.len())?;
                    program.funcs.push(self.function()?);
                }
                other => return self.error(format!("`{other}` starts nothing")),
            }
        }
        program.names = self.names;
        Ok(program)
    }

    fn class(&mut self) -> Parsed<RecordClass> {
        let kind = match self.word()?.as_str() {
            "struct" => RecordKind::Struct,
            "variant" => RecordKind::Variant { of: self.name()? },
            "dynamic" => RecordKind::Dynamic,
            other => return self.error(format!("`{other}` is no kind of class")),
        };
        let name = self.name()?;
        self.expect('{')?;
        Ok(RecordClass { name, kind, fields: self.items('}', Self::name)? })
    }

    fn function(&mut self) -> Parsed<Function> {
        let name = self.name()?;
        let params = self.values()?;
        let captures = if self.eat_word("captures")? { self.int()? } else { 0 };
        let slot_count = if self.eat_word("slots")? { self.int()? } else { 0 };
        let value_count = if self.eat_word("values")? { Some(self.int()?) } else { None };
        let span = self.span()?;
        let mut function =
            Function { name, params, captures, blocks: vec![], value_count: 0, slot_count, span };
        self.expect('{')?;
        while !self.eat('}')? {
            let number = self.block_id()?.0;
            self.in_order("block", number, function.blocks.len())?;
            let block = self.block()?;
            function.blocks.push(block);
        }
        function.value_count = value_count.unwrap_or_else(|| values_needed(&function));
        Ok(function)
    }

    fn block(&mut self) -> Parsed<Block> {
        let params = if self.token == Token::Punct('(') { self.values()? } else { vec![] };
        let handler = if self.eat_word("handler")? { Some(self.block_id()?) } else { None };
        self.expect(':')?;
        let mut insts = Vec::new();
        loop {
            let result = match self.peek_id('v') {
                Some(number) => {
                    self.advance()?;
                    self.expect('=')?;
                    Some(ValueId(number))
                }
                None => None,
            };
            let lifetime = if self.eat_word("frame")? {
                Lifetime::Frame
            } else if self.eat_word("region")? {
                Lifetime::Region
            } else {
                Lifetime::Heap
            };
            let word = self.word()?;
            if let Some(op) = self.op(&word)? {
                insts.push(Inst { result, op, span: self.span()?, lifetime });
                continue;
            }
            if result.is_some() {
                return self.error(format!("`{word}` is no instruction"));
            }
            let term = self.term(&word)?;
            return Ok(Block { params, insts, term, term_span: self.span()?, handler });
        }
    }

    // ---- Instructions -----------------------------------------------------------------------

    /// The operands after the mnemonic `word`; `None` when it is none.
    fn op(&mut self, word: &str) -> Parsed<Option<Op>> {
        if let Some(&(op, _)) = BINARY.iter().find(|(_, text)| *text == word) {
            let (a, b) = self.two()?;
            return Ok(Some(Op::Binary(op, a, b)));
        }
        if let Some(&(op, _)) = UNARY.iter().find(|(_, text)| *text == word) {
            return Ok(Some(Op::Unary(op, self.value()?)));
        }
        let op = match word {
            "const" => Op::Const(self.constant()?),
            "global_get" => Op::GlobalGet(GlobalId(self.id('g')?)),
            "global_set" => Op::GlobalSet(GlobalId(self.id('g')?), self.next_value()?),
            "slot_get" => Op::SlotGet(SlotId(self.id('s')?)),
            "slot_set" => Op::SlotSet(SlotId(self.id('s')?), self.next_value()?),
            "cell_new" => Op::CellNew(self.value()?),
            "cell_get" => Op::CellGet(self.value()?),
            "cell_set" => Op::CellSet(self.value()?, self.next_value()?),
            "closure" => Op::Closure(self.func()?, self.values()?),
            "capture" => Op::Capture(self.int()?),
            "call" => Op::Call(self.value()?, self.values()?),
            "call_direct" => Op::CallDirect(self.func()?, self.values()?),
            "call_method" => Op::CallMethod(self.value()?, self.member()?, self.values()?),
            "call_native" => Op::CallNative(NativeId(self.id('n')?), self.values()?),
            "field" => Op::Field(self.value()?, self.member()?),
            "set_field" => Op::SetField(self.value()?, self.member()?, self.next_value()?),
            "index" => Op::Index(self.value()?, self.next_value()?),
            "set_index" => Op::SetIndex(self.value()?, self.next_value()?, self.next_value()?),
            "tuple_field" => Op::TupleField(self.value()?, self.next_int()?),
            "tuple" => Op::MakeTuple(self.values()?),
            "list" => Op::MakeList(self.values()?),
            "map" => Op::MakeMap(self.values()?),
            "set" => Op::MakeSet(self.values()?),
            "record" => Op::MakeRecord(self.class_id()?, self.values()?),
            "update" => Op::UpdateRecord(self.class_id()?, self.value()?, self.updates()?),
            "range" | "range_inclusive" => {
                let (start, end) = self.two()?;
                Op::MakeRange { start, end, inclusive: word == "range_inclusive" }
            }
            "concat" => Op::Concat(self.values()?),
            "is_class" => {
                let value = self.value()?;
                self.expect(',')?;
                Op::IsClass(value, self.class_id()?)
            }
            "is_tuple" => Op::IsTuple(self.value()?, self.next_int()?),
            "is_list" | "is_list_at_least" => Op::IsList {
                value: self.value()?,
                len: self.next_int()?,
                at_least: word == "is_list_at_least",
            },
            "matches" => Op::Matches(self.value()?, self.next_value()?),
            "elem" => Op::Elem(self.value()?, self.next_int()?),
            "list_elem" | "list_elem_from_end" => Op::ListElem {
                list: self.value()?,
                index: self.next_int()?,
                from_end: word == "list_elem_from_end",
            },
            "list_rest" => Op::ListRest {
                list: self.value()?,
                before: self.next_int()?,
                after: self.next_int()?,
            },
            "iter_start" => Op::IterStart(self.value()?),
            "iter_done" => Op::IterDone(self.value()?, self.next_value()?),
            "iter_get" => Op::IterGet(self.value()?, self.next_value()?),
            "iter_next" => Op::IterNext(self.value()?, self.next_value()?),
            "spawn" => Op::Spawn(self.value()?, self.values()?),
            "yield" => Op::Yield,
            "region_enter" => Op::RegionEnter,
            "region_leave" => Op::RegionLeave(self.value()?, self.next_value()?),
            _ => return Ok(None),
        };
        Ok(Some(op))
    }

    fn two(&mut self) -> Parsed<(ValueId, ValueId)> {
        Ok((self.value()?, self.next_value()?))
    }

    /// `, v1`
    fn next_value(&mut self) -> Parsed<ValueId> {
        self.expect(',')?;
        self.value()
    }

    /// `, b1`
    fn next_block(&mut self) -> Parsed<BlockId> {
        self.expect(',')?;
        self.block_id()
    }

    /// `, 1`
    fn next_int<T: TryFrom<i64>>(&mut self) -> Parsed<T> {
        self.expect(',')?;
        self.int()
    }

    /// `.name`
    fn member(&mut self) -> Parsed<Name> {
        self.expect('.')?;
        self.name()
    }

    /// `{1: v2, 0: v3}`
    fn updates(&mut self) -> Parsed<Vec<(u32, ValueId)>> {
        self.expect('{')?;
        self.items('}', |parser| {
            let slot = parser.int()?;
            parser.expect(':')?;
            Ok((slot, parser.value()?))
        })
    }

    fn constant(&mut self) -> Parsed<Const> {
        if let Some(function) = self.peek_id('f') {
            self.advance()?;
            return Ok(Const::Func(FuncId(function)));
        }
        Ok(match self.advance()? {
            Token::Int(value) => Const::Int(value),
            Token::Float(value) => Const::Float(value),
            Token::Char(value) => Const::Char(value),
            Token::Str(text) => Const::Str(text.into()),
            Token::Punct(':') => Const::Keyword(self.name()?),
            Token::Word(word) => match word.as_str() {
                "nil" => Const::Nil,
                "true" => Const::Bool(true),
                "false" => Const::Bool(false),
                "inf" => Const::Float(f64::INFINITY),
                _ => match nan(&word) {
                    Some(value) => Const::Float(value),
                    None => return self.error(format!("`{word}` is no constant")),
                },
            },
            other => return self.error(format!("expected a constant, found {other:?}")),
        })
    }

    fn term(&mut self, word: &str) -> Parsed<Terminator> {
        Ok(match word {
            "jump" => {
                let target = self.block_id()?;
                let args = if self.token == Token::Punct('(') { self.values()? } else { vec![] };
                Terminator::Jump(target, args)
            }
            "branch" => Terminator::Branch {
                cond: self.value()?,
                then: self.next_block()?,
                otherwise: self.next_block()?,
            },
            "switch" => {
                let (value, min) = (self.value()?, self.next_int()?);
                self.expect(',')?;
                self.expect('[')?;
                let targets = self.items(']', Self::block_id)?;
                Terminator::Switch { value, min, targets, default: self.next_block()? }
            }
            "try" => Terminator::Try { body: self.block_id()?, handler: self.next_block()? },
            "return" => Terminator::Return(self.value()?),
            "tail_call" => Terminator::TailCall(self.value()?, self.values()?),
            "tail_call_direct" => Terminator::TailCallDirect(self.func()?, self.values()?),
            "tail_call_method" => {
                Terminator::TailCallMethod(self.value()?, self.member()?, self.values()?)
            }
            "throw" => Terminator::Throw(self.value()?),
            "unreachable" => Terminator::Unreachable,
            _ => return self.error(format!("`{word}` is no instruction")),
        })
    }
}

/// `nan_` and the bits in hexadecimal.
fn nan(word: &str) -> Option<f64> {
    let bits = u64::from_str_radix(word.strip_prefix("nan_")?, 16).ok()?;
    Some(f64::from_bits(bits)).filter(|value| value.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::arbitrary;
    use proptest::prelude::*;

    fn same(a: &Program, b: &Program) -> bool {
        let names = |p: &Program| -> Vec<String> {
            (0..p.names.len() as u32).map(|n| p.names.text(Name(n)).to_string()).collect()
        };
        a.funcs == b.funcs
            && a.entry == b.entry
            && a.classes == b.classes
            && a.methods == b.methods
            && a.globals == b.globals
            && names(a) == names(b)
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(program in arbitrary::program()) {
            let text = print(&program, Style::EXACT);
            let parsed = parse(&text);
            prop_assert!(parsed.is_ok(), "{:?} in\n{}", parsed.err(), text);
            prop_assert!(same(&program, &parsed.unwrap()), "{}", text);
        }

        #[test]
        fn every_style_parses_and_prints_again(program in arbitrary::program()) {
            let text = print(&program, Style::READABLE);
            let again = print(&parse(&text).unwrap(), Style::READABLE);
            prop_assert_eq!(text, again);
        }

        #[test]
        fn nothing_makes_the_parser_panic(
            text in "(fn f0 |class |v1 = |const |[ -~\n]{0,8}){0,12}",
        ) {
            let _ = parse(&text);
        }
    }

    /// Parses, prints, and compares with the text itself.
    fn check(text: &str) {
        match parse(text) {
            Ok(program) => assert_eq!(print(&program, Style::EXACT), text),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn golden() {
        check(
            r##"names "Error" "kind" "message" "Shape" "Circle" "r" "#" "a b" "main" "<closure>"
class c64 struct Error {kind, message}
class c65 variant Shape Circle {r}
class c66 dynamic "#" {"a b"}
global g0 main
method c65 r f1
entry f0

fn f0 main(v0) slots 1 @0:0:120 {
b0:
  v1 = const -9223372036854775808 @0:3:4
  v2 = const -0.0
  v3 = const nan_7ff8000000000001
  v4 = const -inf
  v5 = const 1e300
  v6 = const '\''
  v7 = const "a\"\n\u{7}\\é'"
  v8 = const :"a b"
  v9 = const f0
  slot_set s0, v1
  try b1, b2
b1 handler b2:
  v10 = call_method v1."a b"(v2, v3)
  v11 = update c65 v10 {0: v1}
  switch v10, -3, [b3, b3], b4 @0:5:9
b2(v12):
  throw v12
b3:
  v13 = record c66(v1)
  return v13
b4:
  set_field v10.r, v11
  tail_call_direct f1()
}

fn f1 "<closure>"() captures 2 values 7 {
b0:
  v0 = capture 1
  unreachable
}
"##,
        );
    }

    #[test]
    fn notes_say_what_is_meant() {
        let program = parse(
            "class c64 struct Error { kind, message } global g0 counter
             fn f0 main() { b0: v0 = global_get g0 v1 = is_class v0, c64 v2 = is_class v0, c36
             tail_call_direct f0() }",
        )
        .unwrap();
        let expected = "fn f0 main() {
b0:
  v0 = global_get g0  // counter
  v1 = is_class v0, c64  // Error
  v2 = is_class v0, c36  // Int
  tail_call_direct f0()  // main
}
";
        assert_eq!(print_function(&program, FuncId(0), Style::READABLE), expected);
    }

    #[test]
    fn errors_name_the_line() {
        let check = |text: &str, line: u32, part: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.line == line && error.message.contains(part), "{error}");
        };
        check("fn f1 main() {}", 1, "function number 1 where 0 comes next");
        check("fn f0 main() {\nb0:\n  frob v1\n}", 3, "`frob` is no instruction");
        check("fn f0 main() {\nb0:\n  v1 = return v0\n}", 3, "`return` is no instruction");
        check("fn f0 main() {\nb0:\n  return w0\n}", 3, "expected `v` and a number");
        check("class c64 struct A {x y}", 1, "expected `}`");
        check("// nothing\nbang", 2, "`bang` starts nothing");
        check("global g0 \"abc", 1, "unfinished literal");
    }
}

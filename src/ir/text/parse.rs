//! The reading half.

use std::fmt::Display;

use super::{BINARY, UNARY, values_needed};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::ir::{
    Block, BlockId, Const, FuncId, Function, GlobalId, Inst, Lifetime, NativeId, Op, Program,
    SlotId, Terminator, ValueId,
};
use crate::lang::ast::Span;
use crate::names::{Interner, Name};

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

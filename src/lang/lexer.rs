//! Text to tokens.
//!
//! The whole file is cut into a vector of tokens at once. Newlines are not tokens: each token
//! knows whether a line end came before it, and the parser decides whether that ends a statement.
//! Interpolated strings become `StrStart (StrText | InterpOpen … InterpClose)* StrEnd`; a stack of
//! open interpolations with the number of braces open in each makes nesting work without
//! recursion. A string literal stays on one line, so a missing quote spoils one line only.

use super::ast::Span;
use super::diagnostics::{Diagnostic, Sources};
use crate::names::{Interner, Name};
use unicode_ident::{is_xid_continue, is_xid_start};

mod literals;

/// Lexing and parsing give up on a file after this many diagnostics.
pub(super) const DIAGNOSTICS_MAX: usize = 256;

/// Words that are never names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kw {
    Let,
    Var,
    Fn,
    Struct,
    Enum,
    Impl,
    Module,
    Import,
    If,
    Else,
    While,
    Loop,
    For,
    In,
    Break,
    Continue,
    Return,
    Match,
    Throw,
    Try,
    Catch,
    Finally,
    Arena,
    Scope,
    Spawn,
    Yield,
    Nil,
    True,
    False,
}

/// The keyword table: the one place that spells them.
const KEYWORDS: [(&str, Kw); 29] = [
    ("let", Kw::Let),
    ("var", Kw::Var),
    ("fn", Kw::Fn),
    ("struct", Kw::Struct),
    ("enum", Kw::Enum),
    ("impl", Kw::Impl),
    ("module", Kw::Module),
    ("import", Kw::Import),
    ("if", Kw::If),
    ("else", Kw::Else),
    ("while", Kw::While),
    ("loop", Kw::Loop),
    ("for", Kw::For),
    ("in", Kw::In),
    ("break", Kw::Break),
    ("continue", Kw::Continue),
    ("return", Kw::Return),
    ("match", Kw::Match),
    ("throw", Kw::Throw),
    ("try", Kw::Try),
    ("catch", Kw::Catch),
    ("finally", Kw::Finally),
    ("arena", Kw::Arena),
    ("scope", Kw::Scope),
    ("spawn", Kw::Spawn),
    ("yield", Kw::Yield),
    ("nil", Kw::Nil),
    ("true", Kw::True),
    ("false", Kw::False),
];

/// Operators and brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum P {
    LParen,
    RParen,
    LBracket,
    RBracket,
    LBrace,
    RBrace,
    /// `%{`
    MapOpen,
    /// `%[`
    SetOpen,
    /// `#{`
    RecordOpen,
    Comma,
    Semi,
    Colon,
    PathSep,
    Dot,
    DotDot,
    DotDotEq,
    Arrow,
    FatArrow,
    Assign,
    PlusAssign,
    MinusAssign,
    StarAssign,
    SlashAssign,
    PercentAssign,
    AndAssign,
    OrAssign,
    CaretAssign,
    ShlAssign,
    ShrAssign,
    UShrAssign,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    And,
    Or,
    Caret,
    Shl,
    Shr,
    UShr,
    AndAnd,
    OrOr,
    Not,
    Tilde,
    EqEq,
    NotEq,
    Lt,
    Le,
    Gt,
    Ge,
    At,
}

/// Every operator; of two that begin alike, the longer comes first.
const PUNCTUATION: [(&str, P); 52] = [
    (">>>=", P::UShrAssign),
    (">>>", P::UShr),
    ("<<=", P::ShlAssign),
    (">>=", P::ShrAssign),
    ("..=", P::DotDotEq),
    ("%{", P::MapOpen),
    ("%[", P::SetOpen),
    ("#{", P::RecordOpen),
    ("::", P::PathSep),
    ("..", P::DotDot),
    ("->", P::Arrow),
    ("=>", P::FatArrow),
    ("+=", P::PlusAssign),
    ("-=", P::MinusAssign),
    ("*=", P::StarAssign),
    ("/=", P::SlashAssign),
    ("%=", P::PercentAssign),
    ("&=", P::AndAssign),
    ("|=", P::OrAssign),
    ("^=", P::CaretAssign),
    ("<<", P::Shl),
    (">>", P::Shr),
    ("&&", P::AndAnd),
    ("||", P::OrOr),
    ("==", P::EqEq),
    ("!=", P::NotEq),
    ("<=", P::Le),
    (">=", P::Ge),
    ("(", P::LParen),
    (")", P::RParen),
    ("[", P::LBracket),
    ("]", P::RBracket),
    ("{", P::LBrace),
    ("}", P::RBrace),
    (",", P::Comma),
    (";", P::Semi),
    (":", P::Colon),
    (".", P::Dot),
    ("=", P::Assign),
    ("+", P::Plus),
    ("-", P::Minus),
    ("*", P::Star),
    ("/", P::Slash),
    ("%", P::Percent),
    ("&", P::And),
    ("|", P::Or),
    ("^", P::Caret),
    ("!", P::Not),
    ("~", P::Tilde),
    ("<", P::Lt),
    (">", P::Gt),
    ("@", P::At),
];

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tok {
    /// A name that is not a keyword; `self` is one.
    Ident(Name),
    /// A keyword of the language.
    Kw(Kw),
    /// An operator or bracket.
    P(P),
    /// A decimal literal; the parser checks that it fits.
    Int(u64),
    /// A hexadecimal, octal or binary literal: the bit pattern of a 64-bit int.
    Bits(i64),
    /// A literal with a point or an exponent.
    Float(f64),
    /// `'a'`
    Char(char),
    /// `:name`
    Keyword(Name),
    /// A whole string without interpolation: an index for [`Tokens::string`].
    Str(u32),
    /// The opening quote of a string with interpolation.
    StrStart,
    /// Text inside such a string: an index for [`Tokens::string`].
    StrText(u32),
    /// `{` inside a string.
    InterpOpen,
    /// The `}` that ends it.
    InterpClose,
    /// The closing quote of a string with interpolation.
    StrEnd,
    /// Something that has already been reported.
    Unknown,
    /// The end of the file.
    Eof,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: Tok,
    /// Whether a line end stands between this token and the one before.
    pub newline_before: bool,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// The tokens of one file; the last one is always [`Tok::Eof`].
#[derive(Debug, Default)]
pub struct Tokens {
    /// In source order.
    pub tokens: Vec<Token>,
    strings: Vec<String>,
    /// What was wrong with the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Tokens {
    /// The text of a `Str` or `StrText` token, escapes resolved.
    pub fn string(&self, index: u32) -> &str {
        &self.strings[index as usize]
    }
}

/// The keyword or name that `word` is.
pub(super) fn word(word: &str, names: &mut Interner) -> Tok {
    match KEYWORDS.iter().find(|(text, _)| *text == word) {
        Some(&(_, keyword)) => Tok::Kw(keyword),
        None => Tok::Ident(names.intern(word)),
    }
}

/// Cuts a file into tokens. O(bytes), no recursion.
pub fn lex(sources: &Sources, file: u32, names: &mut Interner) -> Tokens {
    let mut lexer = Lexer {
        text: sources.text(file),
        file,
        at: 0,
        newline: false,
        interpolations: Vec::new(),
        names,
        out: Tokens::default(),
    };
    lexer.report_odd_characters();
    lexer.skip_byte_order_mark_and_shebang();
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    text: &'a str,
    file: u32,
    at: usize,
    /// A line end was passed since the last token.
    newline: bool,
    /// For every open interpolation: how many braces are open inside it.
    interpolations: Vec<u32>,
    names: &'a mut Interner,
    out: Tokens,
}

/// What ended a piece of string text.
enum StringEnd {
    Quote,
    Interpolation,
    /// Reported already; the string ends here.
    Broken,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        loop {
            self.skip_blank();
            let Some(next) = self.peek() else { break };
            if self.newline && !self.interpolations.is_empty() {
                self.report_broken_interpolation();
            }
            self.token(next);
            if self.out.diagnostics.len() >= DIAGNOSTICS_MAX {
                break;
            }
        }
        self.at = self.text.len();
        if !self.interpolations.is_empty() {
            self.report_broken_interpolation();
        }
        self.push(Tok::Eof, self.at);
    }

    fn token(&mut self, next: char) {
        match next {
            '"' => self.string_start(),
            '\'' => self.char_literal(),
            '0'..='9' => self.number(),
            'r' if self.text[self.at..].starts_with("r\"") => self.raw_string(),
            _ if next == '_' || is_xid_start(next) => self.word(),
            ':' if self.second().is_some_and(|c| c == '_' || is_xid_start(c)) => self.keyword(),
            _ => self.punctuation(next),
        }
    }

    // ---- small helpers ----

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn second(&self) -> Option<char> {
        self.text[self.at..].chars().nth(1)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Moves on while `keep` holds and returns what was passed.
    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn push(&mut self, kind: Tok, start: usize) {
        let token = Token {
            kind,
            newline_before: std::mem::take(&mut self.newline),
            start: start as u32,
            end: self.at as u32,
        };
        self.out.tokens.push(token);
    }

    fn push_text(&mut self, kind: fn(u32) -> Tok, text: String, start: usize) {
        self.out.strings.push(text);
        let index = u32::try_from(self.out.strings.len() - 1).expect("fewer strings than bytes");
        self.push(kind(index), start);
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: start as u32, end: end as u32 }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.out.diagnostics.push(diagnostic);
    }

    // ---- between tokens ----

    /// Control characters and characters that reorder text are errors wherever they stand, also
    /// in strings and comments: a reader must be able to trust what is on the screen.
    fn report_odd_characters(&mut self) {
        let mut rest = self.text.char_indices().peekable();
        while let Some((start, c)) = rest.next() {
            if !is_odd(c) || (c == '\u{feff}' && start == 0) {
                continue;
            }
            let mut end = start + c.len_utf8();
            while let Some((_, next)) = rest.next_if(|&(_, next)| next == c) {
                end += next.len_utf8();
            }
            let name = odd_character_name(c);
            let hint = format!("in a string it is written `\\u{{{:x}}}`", c as u32);
            let span = self.span(start, end);
            self.report(Diagnostic::error(span, format!("{name} in the file")).hint(hint));
            if self.out.diagnostics.len() >= DIAGNOSTICS_MAX / 2 {
                break;
            }
        }
    }

    fn skip_byte_order_mark_and_shebang(&mut self) {
        self.eat('\u{feff}');
        if self.text[self.at..].starts_with("#!") {
            self.take_while(|c| c != '\n');
        }
    }

    fn skip_blank(&mut self) {
        while let Some(next) = self.peek() {
            let rest = &self.text[self.at..];
            if next == '\n' {
                self.newline = true;
                self.at += 1;
            } else if matches!(next, ' ' | '\t' | '\r') || is_odd(next) {
                self.at += next.len_utf8();
            } else if rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if rest.starts_with("/*") {
                self.block_comment();
            } else {
                break;
            }
        }
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut depth = 0u32;
        while self.at < bytes.len() {
            let two = (bytes[self.at], bytes.get(self.at + 1));
            self.newline |= two.0 == b'\n';
            match two {
                (b'/', Some(b'*')) => depth += 1,
                (b'*', Some(b'/')) => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
        let span = self.span(start, start + 2);
        self.report(
            Diagnostic::error(span, "this comment is never closed")
                .hint("comments nest: every `/*` needs its `*/`"),
        );
    }

    // ---- words and operators ----

    fn word(&mut self) {
        let start = self.at;
        let text = self.take_while(is_xid_continue);
        let kind = word(text, self.names);
        self.push(kind, start);
    }

    fn keyword(&mut self) {
        let start = self.at;
        self.at += 1;
        let text = self.take_while(is_xid_continue);
        let name = self.names.intern(text);
        self.push(Tok::Keyword(name), start);
    }

    fn punctuation(&mut self, next: char) {
        let rest = &self.text[self.at..];
        let start = self.at;
        let Some(&(text, p)) = PUNCTUATION.iter().find(|(text, _)| rest.starts_with(text)) else {
            return self.unknown(next);
        };
        self.at += text.len();
        if matches!(p, P::EqEq | P::NotEq) && self.peek() == Some('=') {
            self.at += 1;
            let span = self.span(start, self.at);
            let message = format!("there is no `{text}=` operator");
            self.report(Diagnostic::error(span, message).hint(format!("use `{text}`")));
        }
        match self.brace_in_interpolation(p) {
            true => self.end_interpolation(start),
            false => self.push(Tok::P(p), start),
        }
    }

    /// Counts braces inside an interpolation; true when `p` is the brace that ends it.
    fn brace_in_interpolation(&mut self, p: P) -> bool {
        let Some(open) = self.interpolations.last_mut() else { return false };
        match p {
            P::LBrace | P::MapOpen | P::RecordOpen => *open += 1,
            P::RBrace if *open == 0 => return true,
            P::RBrace => *open -= 1,
            _ => {}
        }
        false
    }

    fn end_interpolation(&mut self, start: usize) {
        self.interpolations.pop();
        self.push(Tok::InterpClose, start);
        self.string_rest();
    }

    #[cold]
    fn unknown(&mut self, c: char) {
        let start = self.at;
        self.at += c.len_utf8();
        let span = self.span(start, self.at);
        let message = if c == '`' {
            "a backquote means nothing in Mena".to_owned()
        } else if c.is_ascii_graphic() {
            format!("`{c}` means nothing in Mena")
        } else {
            format!("unexpected character {} ({})", visible(c), code(c))
        };
        let diagnostic = Diagnostic::error(span, message);
        let diagnostic = match unknown_hint(c) {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        };
        self.report(diagnostic);
        if !c.is_whitespace() {
            self.push(Tok::Unknown, start);
        }
    }
}

/// Control characters, bidirectional overrides, odd line ends.
fn is_odd(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || c == '\u{feff}'
}

fn odd_character_name(c: char) -> String {
    match c {
        '\0' => "NUL byte".to_owned(),
        '\u{2028}' | '\u{2029}' => format!("Unicode line separator ({})", code(c)),
        '\u{feff}' => "byte order mark".to_owned(),
        _ if c.is_control() => format!("control character ({})", code(c)),
        _ => format!("character that changes the direction of text ({})", code(c)),
    }
}

fn code(c: char) -> String {
    format!("U+{:04X}", c as u32)
}

fn visible(c: char) -> String {
    if c.is_whitespace() { "that looks like a space".to_owned() } else { format!("`{c}`") }
}

fn unknown_hint(c: char) -> Option<&'static str> {
    match c {
        '?' => Some("a choice is written `if a { b } else { c }`"),
        '#' => Some("comments begin with `//`, records with `#{`"),
        '“' | '”' | '„' => Some("strings are written with plain `\"` quotes"),
        '‘' | '’' => Some("characters are written with plain `'` quotes"),
        '−' | '–' | '—' => Some("minus is written `-`"),
        '`' => Some("strings are written with `\"`; `\"{x}\"` puts in a value"),
        '$' => Some("names have no prefix; in a string write `{x}`"),
        '\\' => Some("a line goes on after an operator, a comma or inside brackets"),
        _ if c.is_whitespace() => Some("replace it by a plain space"),
        _ => None,
    }
}

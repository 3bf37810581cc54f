//! Tokens to tree: recursive descent, with an operator stack for binary operators.
//!
//! Invariants:
//! 1. Host recursion is bounded: every cycle of parsing functions passes through
//!    [`Parser::enter`], which refuses to go deeper than [`NESTING_MAX`].
//! 2. The tree is bounded too: a long chain (`a + a + …`, `a.b().c()…`, `else if …`) nests to the
//!    left without recursion here, but every later pass and `Drop` recurse over it. The parser
//!    keeps the height of what it has built and gives up at [`HEIGHT_MAX`].
//! 3. A failed construct returns [`Failed`] up to the nearest statement, item or match arm, which
//!    skips to its end and goes on; [`Failed`] is returned only after a diagnostic was reported.
//! 4. No place is reported twice, and after giving up nothing is reported at all.
//!
//! `items.rs`, `expressions.rs` and `patterns.rs` hold the grammar; this file holds the machinery.

mod expressions;
mod items;
mod patterns;
mod select;
#[cfg(test)]
mod tests;

use super::ast::{Expr, ExprKind, Ident, Module, Span};
use super::diagnostics::{Diagnostic, Sources};
use super::lexer::{self, DIAGNOSTICS_MAX, Kw, P, Tok, Token, Tokens};
use crate::names::{Interner, Name};

/// How deep blocks, brackets, closures and patterns may nest.
pub const NESTING_MAX: u32 = 200;
/// How high a syntax tree may grow: the bound later passes may rely on.
pub const HEIGHT_MAX: u32 = 500;
/// How much of a long name is quoted in a message, in characters.
const QUOTE_CHARS_MAX: usize = 40;

/// Parses one file. The module is complete where the text is; what was wrong is in the
/// diagnostics, sorted by place, and stands as `Error` nodes in the tree.
pub fn parse(sources: &Sources, file: u32, names: &mut Interner) -> (Module, Vec<Diagnostic>) {
    let mut tokens = lexer::lex(sources, file, names);
    let lexical = std::mem::take(&mut tokens.diagnostics);
    let mut parser = Parser {
        text: sources.text(file),
        file,
        tokens,
        position: 0,
        names,
        diagnostics: Vec::new(),
        context: Context { newlines: true, structs: true },
        open: Vec::new(),
        depth: 0,
        heights: vec![0],
        last_error: None,
        gave_up: false,
        suspect: None,
        start: 0,
        line_may_go_on: false,
        declared: Vec::new(),
    };
    let module = parser.file();
    let mut diagnostics = lexical;
    diagnostics.extend(parser.diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    (module, diagnostics)
}

/// A construct could not be parsed, and that has been reported.
#[derive(Debug)]
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// What the surroundings allow.
#[derive(Debug, Clone, Copy)]
struct Context {
    /// A line end ends a statement (not inside brackets).
    newlines: bool,
    /// A struct literal may stand here (not in a condition).
    structs: bool,
}

impl Context {
    const BRACKETS: Context = Context { newlines: false, structs: true };
    const BLOCK: Context = Context { newlines: true, structs: true };
}

/// What to return to after a failed construct.
#[derive(Debug, Clone, Copy)]
struct Mark {
    context: Context,
    open: usize,
}

struct Parser<'a> {
    text: &'a str,
    file: u32,
    tokens: Tokens,
    /// The token to look at next.
    position: usize,
    names: &'a mut Interner,
    diagnostics: Vec<Diagnostic>,
    context: Context,
    /// The open brackets: the positions of their tokens.
    open: Vec<usize>,
    /// How many levels have been entered.
    depth: u32,
    /// For every level, and the operand being parsed in it, the height of the tree built so far.
    heights: Vec<u32>,
    /// The position of the last error: one token is reported once.
    last_error: Option<usize>,
    gave_up: bool,
    /// The first `{` whose `}` does not stand where the indentation says.
    suspect: Option<usize>,
    /// Where the statement, item or arm being parsed begins.
    start: usize,
    /// The statement before ended at a line end, so that the next line may look like its rest.
    line_may_go_on: bool,
    /// Reserved words that the file uses as names of its own.
    declared: Vec<Tok>,
}

impl Parser<'_> {
    // ---- looking at tokens ----

    fn token(&self) -> Token {
        self.tokens.tokens[self.position]
    }

    fn kind(&self) -> Tok {
        self.token().kind
    }

    /// The token `n` further on.
    fn ahead(&self, n: usize) -> Token {
        let last = self.tokens.tokens.len() - 1;
        self.tokens.tokens[(self.position + n).min(last)]
    }

    fn at(&self, p: P) -> bool {
        self.kind() == Tok::P(p)
    }

    fn at_kw(&self, keyword: Kw) -> bool {
        self.kind() == Tok::Kw(keyword)
    }

    fn at_end(&self) -> bool {
        self.kind() == Tok::Eof
    }

    /// Whether a line end stands before the next token and means something here.
    fn at_line_end(&self) -> bool {
        self.context.newlines && self.token().newline_before
    }

    /// Whether the next token is `p` and continues the line.
    fn at_same_line(&self, p: P) -> bool {
        self.at(p) && !self.at_line_end()
    }

    fn token_span(&self, token: Token) -> Span {
        Span { file: self.file, start: token.start, end: token.end }
    }

    fn span(&self) -> Span {
        self.token_span(self.token())
    }

    /// The span of the token before.
    fn previous_span(&self) -> Span {
        match self.position {
            0 => Span { file: self.file, start: 0, end: 0 },
            n => self.token_span(self.tokens.tokens[n - 1]),
        }
    }

    /// From the start of `from` to the end of the last token.
    fn span_from(&self, from: Span) -> Span {
        from.to(self.previous_span())
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn text_of(&self, name: Name) -> &str {
        self.names.text(name)
    }

    // ---- taking tokens ----

    fn bump(&mut self) -> Span {
        let span = self.span();
        if self.position + 1 < self.tokens.tokens.len() {
            self.position += 1;
        }
        span
    }

    fn eat(&mut self, p: P) -> bool {
        let found = self.at(p);
        if found {
            self.bump();
        }
        found
    }

    fn eat_kw(&mut self, keyword: Kw) -> bool {
        let found = self.at_kw(keyword);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, p: P, expected: &str) -> Parsed<Span> {
        if self.at(p) {
            return Ok(self.bump());
        }
        Err(self.unexpected(expected))
    }

    /// `:`, also when the lexer took it and the word after it for a `:keyword`.
    fn expect_colon(&mut self) -> Parsed<()> {
        let token = self.token();
        let Tok::Keyword(_) = token.kind else {
            return self.expect(P::Colon, "`:`").map(|_| ());
        };
        let text = &self.text[token.start as usize + 1..token.end as usize];
        let kind = lexer::word(text, self.names);
        let rest = Token { kind, start: token.start + 1, newline_before: false, ..token };
        self.tokens.tokens[self.position] = rest;
        Ok(())
    }

    /// A name; a keyword in its place is reported and taken for one.
    fn name(&mut self, what: &str) -> Parsed<Ident> {
        let span = self.span();
        let name = match self.kind() {
            Tok::Ident(name) => name,
            Tok::Kw(_) if !self.at_line_end() => {
                let word = self.slice(span).to_owned();
                let message = format!("`{word}` is a keyword and cannot be {what}");
                self.report(Diagnostic::error(span, message).hint("choose another name"));
                self.names.intern(&word)
            }
            _ => return Err(self.unexpected(what)),
        };
        self.bump();
        Ok(Ident { name, span })
    }

    /// A name that is being declared: `_` and `self` are not.
    fn new_name(&mut self, what: &str) -> Parsed<Ident> {
        let name = self.name(what)?;
        if matches!(self.text_of(name.name), "_" | "self") {
            let word = self.text_of(name.name).to_owned();
            self.report(Diagnostic::error(name.span, format!("`{word}` cannot be {what}")));
        }
        Ok(name)
    }

    // ---- brackets and lists ----

    /// Takes an opening bracket.
    fn open(&mut self) -> Span {
        self.open.push(self.position);
        self.bump()
    }

    /// Takes the closing bracket `p` of the innermost open one.
    fn close(&mut self, p: P, expected: &str) -> Parsed<()> {
        if !self.at(p) {
            return Err(self.unclosed(expected));
        }
        self.check_indentation();
        self.open.pop();
        self.bump();
        Ok(())
    }

    /// `open item, item, … close`; the opening bracket is the next token. A line end means
    /// nothing inside.
    fn list<T>(&mut self, closer: P, item: fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.list_and_comma(closer, item).map(|(items, _)| items)
    }

    /// Like [`Parser::list`]; says also whether a comma followed the last item.
    fn list_and_comma<T>(
        &mut self,
        closer: P,
        item: fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, bool)> {
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.open();
        let mut items = Vec::new();
        let mut comma = false;
        while !self.at(closer) {
            items.push(item(self)?);
            comma = self.eat(P::Comma);
            if !comma {
                break;
            }
        }
        self.close(closer, if comma { "" } else { "`,` or " })?;
        self.context = outer;
        Ok((items, comma))
    }

    /// Remembers the first block whose closing brace is indented unlike the line that opened it:
    /// if a brace is missing at the end, that block is where to look.
    fn check_indentation(&mut self) {
        let Some(&opener) = self.open.last() else { return };
        let (open, close) = (self.tokens.tokens[opener], self.token());
        let is_brace = close.kind == Tok::P(P::RBrace) && close.newline_before;
        if is_brace && self.suspect.is_none() && self.indent(open) != self.indent(close) {
            self.suspect = Some(opener);
        }
    }

    /// The indentation of the line that holds the token, in bytes.
    fn indent(&self, token: Token) -> usize {
        let before = &self.text[..token.start as usize];
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        // A line is looked at only as far as its indentation, so a long line costs nothing.
        let rest = &self.text[line..];
        rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }

    // ---- nesting ----

    /// Goes one level deeper; every cycle of the grammar does.
    fn enter(&mut self) -> Parsed<()> {
        if self.depth == NESTING_MAX {
            return Err(self.too_deep("this is nested too deeply", NESTING_MAX));
        }
        self.depth += 1;
        self.heights.push(0);
        Ok(())
    }

    /// Comes back from a level, also after a failure: what was built there is a child of what is
    /// being built here.
    fn leave(&mut self) {
        self.depth -= 1;
        let height = self.heights.pop().unwrap_or(0) + 1;
        self.raise(height);
    }

    /// The tree being built has at least this height.
    fn raise(&mut self, height: u32) {
        let top = self.heights.len() - 1;
        self.heights[top] = self.heights[top].max(height);
    }

    /// Puts one node on top of the tree being built.
    fn grow(&mut self) -> Parsed<()> {
        let top = self.heights.len() - 1;
        self.raise_checked(self.heights[top] + 1)
    }

    fn raise_checked(&mut self, height: u32) -> Parsed<()> {
        self.raise(height);
        match height > HEIGHT_MAX {
            true => Err(self.too_deep("this chain is too long", HEIGHT_MAX)),
            false => Ok(()),
        }
    }

    #[cold]
    fn too_deep(&mut self, message: &str, limit: u32) -> Failed {
        let span = self.span();
        let hint = format!("the limit is {limit}; give parts of it a name with `let`");
        self.report(Diagnostic::error(span, message).hint(hint));
        self.give_up();
        Failed
    }

    // ---- errors ----

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.gave_up {
            return;
        }
        self.diagnostics.push(diagnostic);
        if self.diagnostics.len() >= DIAGNOSTICS_MAX {
            self.give_up();
        }
    }

    /// Skips the rest of the file without a word.
    fn give_up(&mut self) {
        self.gave_up = true;
        self.position = self.tokens.tokens.len() - 1;
    }

    /// Reports that something else was expected here.
    fn unexpected(&mut self, expected: &str) -> Failed {
        self.unexpected_hint(expected, None)
    }

    #[cold]
    fn unexpected_hint(&mut self, expected: &str, hint: Option<&str>) -> Failed {
        if self.at_end()
            && let Some(&innermost) = self.open.last()
        {
            return self.unclosed_at_end(innermost);
        }
        if self.first_error_here() {
            let message = format!("expected {expected}, found {}", self.found());
            let diagnostic = Diagnostic::error(self.found_span(), message);
            self.report(match hint {
                Some(hint) => diagnostic.hint(hint),
                None => diagnostic,
            });
        }
        Failed
    }

    /// Whether nothing has been reported about the next token yet, nor by the lexer about what
    /// stands before it.
    fn first_error_here(&mut self) -> bool {
        let seen = self.last_error.replace(self.position) == Some(self.position);
        let before = self.position.checked_sub(1).map(|at| self.tokens.tokens[at].kind);
        !seen && self.kind() != Tok::Unknown && before != Some(Tok::Unknown)
    }

    /// Reports a bracket that is not closed, and names it.
    #[cold]
    fn unclosed(&mut self, expected: &str) -> Failed {
        let innermost = self.open.last().copied().unwrap_or(0);
        if self.at_end() {
            return self.unclosed_at_end(innermost);
        }
        if self.first_error_here() {
            let open = self.token_span(self.tokens.tokens[innermost]);
            let open_text = self.slice(open);
            let closer = closing(open_text);
            let note = format!("this `{open_text}` is not closed");
            let message = format!("expected {expected}`{closer}`, found {}", self.found());
            let diagnostic = Diagnostic::error(self.found_span(), message).note_at(open, note);
            self.report(match self.at(P::FatArrow) {
                true => diagnostic.hint("a closure is written `|a, b| expression`"),
                false => diagnostic,
            });
        }
        Failed
    }

    /// At the end of the file everything that is open is unclosed, so one message is enough.
    #[cold]
    fn unclosed_at_end(&mut self, innermost: usize) -> Failed {
        let opener = self.tokens.tokens[self.suspect.unwrap_or(innermost)];
        let message = format!("this `{}` is never closed", self.slice(self.token_span(opener)));
        let mut diagnostic = Diagnostic::error(self.token_span(opener), message);
        if self.suspect.is_some() {
            let hint = "by the indentation, a `}` is missing in this block";
            diagnostic = diagnostic.hint(hint);
        }
        self.report(diagnostic);
        self.give_up();
        Failed
    }

    /// The next token in words.
    fn found(&self) -> String {
        if self.at_end() {
            return "the end of the file".to_owned();
        }
        if self.misses_rest_of_line() {
            return "the end of the line".to_owned();
        }
        match self.kind() {
            Tok::Str(_) | Tok::StrStart => "a string".to_owned(),
            Tok::StrText(_) | Tok::StrEnd => "the end of the string".to_owned(),
            _ => self.quote(self.span()),
        }
    }

    /// Whether something was expected before the line end.
    fn misses_rest_of_line(&self) -> bool {
        self.at_line_end() && self.position != self.start
    }

    /// Where [`Parser::found`] is.
    fn found_span(&self) -> Span {
        if !self.misses_rest_of_line() && !self.at_end() {
            return self.span();
        }
        let end = self.previous_span().end;
        Span { file: self.file, start: end, end }
    }

    /// Source text in backquotes, not too long.
    fn quote(&self, span: Span) -> String {
        let text = self.slice(span);
        match text.char_indices().nth(QUOTE_CHARS_MAX) {
            None => format!("`{text}`"),
            Some((end, _)) => format!("`{}…`", &text[..end]),
        }
    }

    /// Reports syntax that is reserved for a construct to come.
    #[cold]
    fn not_supported(&mut self, span: Span, what: &str) {
        self.report(Diagnostic::error(span, format!("`{what}` is not supported yet")));
    }

    fn error_expr(&self, span: Span) -> Expr {
        Expr { kind: ExprKind::Error, span }
    }

    // ---- recovery ----

    fn mark(&self) -> Mark {
        Mark { context: self.context, open: self.open.len() }
    }

    /// Runs `parse`; when it fails, skips to the end of the statement.
    fn recovering<T>(&mut self, parse: fn(&mut Self) -> Parsed<T>) -> Option<T> {
        let mark = self.mark();
        let start = self.position;
        self.start = start;
        let result = parse(self);
        if result.is_err() {
            self.context = mark.context;
            self.synchronise(mark.open, start);
        }
        result.ok()
    }

    /// Skips to where the next statement may begin: after a `;`, at a new line or before the `}`
    /// of the enclosing block, all outside the brackets that were opened since `base`.
    fn synchronise(&mut self, base: usize, start: usize) {
        while !self.at_end() {
            let inside = self.open.len() > base;
            let kind = self.kind();
            if is_opener(kind) {
                self.open.push(self.position);
            } else if is_closer(kind) {
                if self.skip_closer(base) {
                    break;
                }
                continue;
            } else if kind == Tok::P(P::Semi) && !inside {
                self.bump();
                break;
            } else if self.token().newline_before
                && self.position > start
                && (!inside || self.at_forgotten_bracket())
            {
                break;
            }
            self.bump();
        }
        self.open.truncate(base);
    }

    /// A closing bracket while skipping; true when it ends the enclosing block.
    fn skip_closer(&mut self, base: usize) -> bool {
        let kind = self.kind();
        let brace = kind == Tok::P(P::RBrace);
        while self.open.len() > base {
            let opener = self.tokens.tokens[self.open[self.open.len() - 1]].kind;
            if closes(opener, kind) {
                self.open.pop();
                self.bump();
                return false;
            }
            if !brace {
                break;
            }
            self.open.pop();
        }
        if !brace {
            self.bump();
        }
        brace
    }

    /// A line that begins like a statement while only `(` or `[` is open: the bracket was
    /// forgotten.
    fn at_forgotten_bracket(&self) -> bool {
        let innermost = self.open.last().map(|&opener| self.tokens.tokens[opener].kind);
        let starts = matches!(
            self.kind(),
            Tok::Kw(Kw::Let | Kw::Var | Kw::Fn | Kw::Struct | Kw::Enum | Kw::Impl | Kw::Module)
        );
        starts && matches!(innermost, Some(Tok::P(P::LParen | P::LBracket | P::SetOpen)))
    }
}

fn is_opener(kind: Tok) -> bool {
    matches!(
        kind,
        Tok::P(P::LParen | P::LBracket | P::LBrace | P::MapOpen | P::SetOpen | P::RecordOpen)
            | Tok::InterpOpen
    )
}

fn is_closer(kind: Tok) -> bool {
    matches!(kind, Tok::P(P::RParen | P::RBracket | P::RBrace) | Tok::InterpClose)
}

fn closes(opener: Tok, closer: Tok) -> bool {
    match closer {
        Tok::P(P::RParen) => opener == Tok::P(P::LParen),
        Tok::P(P::RBracket) => matches!(opener, Tok::P(P::LBracket | P::SetOpen)),
        Tok::P(P::RBrace) => matches!(opener, Tok::P(P::LBrace | P::MapOpen | P::RecordOpen)),
        _ => opener == Tok::InterpOpen,
    }
}

/// The closing bracket for an opening one.
fn closing(opener: &str) -> &'static str {
    match opener {
        "(" => ")",
        "[" | "%[" => "]",
        "|" => "|",
        _ => "}",
    }
}

/// Whether a name is one of a struct, enum or variant.
fn is_capitalised(text: &str) -> bool {
    text.trim_start_matches('_').chars().next().is_some_and(char::is_uppercase)
}

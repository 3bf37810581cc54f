//! Files, items and statements.

use super::{Context, Failed, Parsed, Parser, is_capitalised};
use crate::lang::ast::{
    Expr, ExprKind, FnDecl, Ident, Item, Module, Path, Span, Stmt, VariantDecl,
};
use crate::lang::diagnostics::Diagnostic;
use crate::lang::lexer::{Kw, P, Tok};

/// A parsing function that [`Parser::item`] or [`Parser::statement`] chooses. One call through a
/// pointer and results on the heap keep the frames on the recursion cycle small.
type Rule<'a, T> = fn(&mut Parser<'a>) -> Parsed<T>;

/// A statement, and whether it ends with its own `}`.
type Statement = (Box<Stmt>, bool);

impl<'a> Parser<'a> {
    /// A whole file.
    pub(super) fn file(&mut self) -> Module {
        let mut items = self.items();
        while !self.at_end() {
            let span = self.bump();
            let diagnostic = Diagnostic::error(span, "unexpected `}`");
            self.report(diagnostic.hint("there is no open `{` for it"));
            items.extend(self.items());
        }
        Module { items }
    }

    /// Items up to a `}` or the end of the file.
    fn items(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        self.line_may_go_on = false;
        while !self.at_end() {
            if self.eat(P::Semi) {
                continue;
            }
            if self.at(P::RBrace) {
                break;
            }
            items.extend(self.recovering(Self::item).map(|item| *item));
        }
        items
    }

    /// An item with the line end or `;` after it.
    fn item(&mut self) -> Parsed<Box<Item>> {
        self.line_may_go_on &= !matches!(self.kind(), Tok::Kw(_));
        let rule: Rule<'a, Box<Item>> = match self.kind() {
            Tok::Kw(Kw::Fn) => Self::fn_item,
            Tok::Kw(Kw::Struct) => Self::struct_item,
            Tok::Kw(Kw::Enum) => Self::enum_item,
            Tok::Kw(Kw::Impl) => Self::impl_item,
            Tok::Kw(Kw::Module) => Self::module_item,
            Tok::Kw(Kw::Import) => Self::import_item,
            _ => Self::statement_item,
        };
        rule(self)
    }

    fn fn_item(&mut self) -> Parsed<Box<Item>> {
        Ok(Box::new(Item::Fn(self.fn_decl(false)?)))
    }

    fn statement_item(&mut self) -> Parsed<Box<Item>> {
        let (stmt, _) = self.terminated_statement()?;
        Ok(Box::new(Item::Stmt(*stmt)))
    }

    // ---- statements ----

    /// The statements of a block up to its `}`, and its value.
    pub(super) fn statements(&mut self) -> (Vec<Stmt>, Option<Box<Expr>>) {
        let mut stmts = Vec::new();
        let mut value = false;
        self.line_may_go_on = false;
        while !self.at(P::RBrace) && !self.at_end() {
            if self.eat(P::Semi) {
                continue;
            }
            value = self.next_statement(&mut stmts);
        }
        let tail = if value { split_tail(&mut stmts) } else { None };
        (stmts, tail)
    }

    /// Adds the next statement; true when no `;` follows it.
    fn next_statement(&mut self, stmts: &mut Vec<Stmt>) -> bool {
        let start = self.position;
        let Some((stmt, value)) = self.recovering(Self::terminated_statement) else {
            stmts.push(Stmt::Expr(self.error_expr(self.span_of(start))));
            return true;
        };
        stmts.push(*stmt);
        value
    }

    fn span_of(&self, position: usize) -> Span {
        self.token_span(self.tokens.tokens[position])
    }

    /// A statement and whether no `;` follows it.
    fn terminated_statement(&mut self) -> Parsed<Statement> {
        let first = self.token();
        let is_new_line = self.line_may_go_on && first.newline_before;
        let (stmt, block_like) = self.statement()?;
        let semicolon = self.statement_end(block_like)?;
        self.line_may_go_on = !semicolon && !block_like;
        let is_tail = !semicolon && self.at(P::RBrace);
        if is_new_line && !is_tail {
            self.warn_if_continuation(first.kind, &stmt);
        }
        Ok((stmt, !semicolon))
    }

    /// A value that nobody uses, on a line that begins with an operator: the programmer may
    /// believe that it goes on from the line before.
    fn warn_if_continuation(&mut self, first: Tok, stmt: &Stmt) {
        let Stmt::Expr(expr) = stmt else { return };
        let message = match first {
            Tok::P(P::Or | P::OrOr) => "this closure is never called",
            Tok::P(P::Minus) => "this value is not used",
            _ => return,
        };
        let hint = "if the line goes on from the one before, end that one with the operator";
        self.report(Diagnostic::warning(expr.span, message).hint(hint));
    }

    /// Takes the end of a statement; true when it is a `;`.
    fn statement_end(&mut self, block_like: bool) -> Parsed<bool> {
        if self.eat(P::Semi) {
            return Ok(true);
        }
        if block_like || self.at_line_end() || self.at(P::RBrace) || self.at_end() {
            return Ok(false);
        }
        Err(self.no_statement_end())
    }

    #[cold]
    fn no_statement_end(&mut self) -> Failed {
        if self.at(P::At) {
            let span = self.span();
            self.not_supported(span, "f @ t");
            return Failed;
        }
        let hint = self.statement_hint();
        self.unexpected_hint("the end of the statement", hint)
    }

    fn statement_hint(&self) -> Option<&'static str> {
        self.foreign_word_hint().or(match self.kind() {
            Tok::P(P::RParen | P::RBracket) => Some("nothing is open that this would close"),
            Tok::P(P::FatArrow) => Some("a closure is written `|a, b| expression`"),
            Tok::P(P::LBrace) => Some("a struct literal needs a capitalised name"),
            Tok::P(P::Colon) => Some("there are no type annotations and no labels"),
            _ => None,
        })
    }

    /// What people who know other languages may have meant by the next word or the one before.
    pub(super) fn foreign_word_hint(&self) -> Option<&'static str> {
        let word = |span: Span| match self.slice(span) {
            "and" => Some("write `&&`"),
            "or" => Some("write `||`"),
            "not" => Some("write `!`"),
            "const" | "mut" | "int" | "auto" => Some("variables are declared by `let` or `var`"),
            "function" | "func" | "fun" | "def" => Some("functions are declared by `fn`"),
            "class" | "type" | "interface" | "trait" => {
                Some("data is declared by `struct` and `enum`, methods by `impl`")
            }
            "elif" | "elsif" | "elseif" => Some("write `else if`"),
            "switch" | "case" => Some("write `match value { pattern => result }`"),
            "new" => Some("write `Point { x: 1 }` for a struct, `Circle(1)` for a variant"),
            "async" | "await" | "go" => {
                Some("tasks are started by `spawn` and awaited by `join()`")
            }
            "pub" | "public" | "private" | "static" | "export" => {
                Some("everything is public; leave the word out")
            }
            "use" | "include" | "require" | "from" => Some("a file is loaded by `import name`"),
            "do" | "unless" | "until" => Some("loops are `while`, `loop` and `for`"),
            "raise" => Some("errors are raised by `throw`"),
            "except" | "rescue" => Some("errors are caught by `catch`"),
            "del" | "delete" => Some("elements are removed by `remove(key)`"),
            "as" => Some("conversions are functions: `int(x)`, `float(x)`, `str(x)`"),
            _ => None,
        };
        word(self.span()).or_else(|| word(self.previous_span()))
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let rule: Rule<'a, Statement> = match self.kind() {
            Tok::Kw(Kw::Let) => Self::let_statement,
            Tok::Kw(Kw::Var) => Self::var_statement,
            Tok::Kw(Kw::Fn) if matches!(self.ahead(1).kind, Tok::Ident(_) | Tok::Kw(_)) => {
                Self::fn_statement
            }
            Tok::Kw(Kw::Struct | Kw::Enum | Kw::Impl | Kw::Module | Kw::Import) => {
                Self::misplaced_item
            }
            Tok::Ident(_) if self.at_reserved_statement() => Self::reserved_statement,
            _ => Self::expr_statement,
        };
        rule(self)
    }

    fn fn_statement(&mut self) -> Parsed<Statement> {
        Ok((Box::new(Stmt::Fn(self.fn_decl(false)?)), true))
    }

    fn expr_statement(&mut self) -> Parsed<Statement> {
        let (expr, block_like) = self.statement_expr()?;
        Ok((Box::new(Stmt::Expr(*expr)), block_like))
    }

    /// An expression as a statement or the body of a match arm: one that ends with a block is
    /// complete at its `}`, unless a method is called on it.
    pub(super) fn statement_expr(&mut self) -> Parsed<(Box<Expr>, bool)> {
        let block_like = matches!(
            self.kind(),
            Tok::P(P::LBrace)
                | Tok::Kw(
                    Kw::If
                        | Kw::While
                        | Kw::Loop
                        | Kw::For
                        | Kw::Match
                        | Kw::Try
                        | Kw::Arena
                        | Kw::Scope
                )
        );
        if !block_like {
            return Ok((self.expr_or_assignment()?, false));
        }
        self.enter()?;
        let result = self.block_like_expr();
        self.leave();
        result
    }

    fn block_like_expr(&mut self) -> Parsed<(Box<Expr>, bool)> {
        let expr = self.primary()?;
        if !self.at(P::Dot) {
            return Ok((expr, true));
        }
        let expr = self.postfix(expr)?;
        let expr = self.operators(Some(expr))?;
        Ok((self.assignment_rest(expr)?, false))
    }

    /// `struct` and its like inside a function.
    #[cold]
    fn misplaced_item(&mut self) -> Parsed<Statement> {
        let span = self.span();
        let word = self.slice(span).to_owned();
        let message = format!("`{word}` belongs at the top level of a file or module");
        self.report(Diagnostic::error(span, message).hint("move it out of the function"));
        self.item()?;
        let error = self.error_expr(self.span_from(span));
        Ok((Box::new(Stmt::Expr(error)), true))
    }

    fn let_statement(&mut self) -> Parsed<Statement> {
        self.bump();
        if self.at_foreign_mut() {
            self.bump();
        }
        let pattern = self.irrefutable_pattern()?;
        self.skip_annotation();
        self.expect_value("a `let` needs a value")?;
        let value = self.expr()?;
        Ok((Box::new(Stmt::Let { pattern, value: *value }), false))
    }

    fn at_foreign_mut(&mut self) -> bool {
        let found = self.slice(self.span()) == "mut" && matches!(self.ahead(1).kind, Tok::Ident(_));
        if found {
            let diagnostic = Diagnostic::error(self.span(), "there is no `mut`");
            self.report(diagnostic.hint("`var x = …` declares a variable that can change"));
        }
        found
    }

    fn var_statement(&mut self) -> Parsed<Statement> {
        self.bump();
        if matches!(self.kind(), Tok::P(P::LParen | P::LBracket)) {
            let hint = "take the value apart with `let`, then copy what changes into a `var`";
            return Err(self.unexpected_hint("a name", Some(hint)));
        }
        let name = self.new_name("a variable name")?;
        self.skip_annotation();
        self.expect_value("a `var` needs a first value")?;
        let value = self.expr()?;
        Ok((Box::new(Stmt::Var { name, value: *value }), false))
    }

    fn expect_value(&mut self, hint: &str) -> Parsed<()> {
        match self.at_same_line(P::Assign) {
            true => {
                self.bump();
                Ok(())
            }
            false => Err(self.unexpected_hint("`=`", Some(hint))),
        }
    }

    /// `: type` after a name.
    fn skip_annotation(&mut self) {
        if !matches!(self.kind(), Tok::P(P::Colon) | Tok::Keyword(_)) || self.at_line_end() {
            return;
        }
        let diagnostic = Diagnostic::error(self.span(), "there are no type annotations");
        self.report(diagnostic.hint("leave it out: a variable holds values of any type"));
        while matches!(
            self.kind(),
            Tok::P(P::Colon | P::PathSep | P::Lt | P::Gt | P::And)
                | Tok::Ident(_)
                | Tok::Keyword(_)
        ) && !self.at_line_end()
        {
            self.bump();
        }
    }

    // ---- reserved statements ----

    /// Statements to come, recognised by their first word and what follows it.
    fn at_reserved_statement(&self) -> bool {
        let next = self.ahead(1);
        if next.newline_before {
            return false;
        }
        match (self.slice(self.span()), next.kind) {
            ("state", Tok::Ident(_)) => true,
            ("def", Tok::Ident(_)) => self.ahead(2).kind == Tok::P(P::Assign),
            ("pure", Tok::Kw(Kw::Fn)) => true,
            ("extern", Tok::Str(_)) => true,
            _ => false,
        }
    }

    #[cold]
    fn reserved_statement(&mut self) -> Parsed<Statement> {
        let span = self.span();
        let word = self.slice(span).to_owned();
        let what = if word == "pure" { "pure fn" } else { &word };
        self.not_supported(span, what);
        self.bump();
        let block_like = match word.as_str() {
            "pure" => return self.fn_statement(),
            "extern" => {
                self.bump();
                if self.at(P::LBrace) {
                    self.skip_balanced();
                }
                true
            }
            _ => {
                self.bump();
                self.expect_value("it needs a value")?;
                self.expr()?;
                false
            }
        };
        let error = self.error_expr(self.span_from(span));
        Ok((Box::new(Stmt::Expr(error)), block_like))
    }

    // ---- functions ----

    fn fn_decl(&mut self, method: bool) -> Parsed<FnDecl> {
        let start = self.bump();
        let name = self.new_name("a function name")?;
        if !self.at(P::LParen) {
            return Err(self.unexpected_hint("`(`", Some("parameters go between parentheses")));
        }
        let (params, destructured) = self.params(method)?;
        self.skip_effects();
        self.skip_return_type();
        if self.at_same_line(P::Assign) || self.at_same_line(P::FatArrow) {
            return Err(self.unexpected_hint("`{`", Some("the body of a function is a block")));
        }
        let mut body = self.block()?;
        body.stmts.splice(0..0, destructured);
        Ok(FnDecl { name, params, body, span: self.span_from(start) })
    }

    fn params(&mut self, method: bool) -> Parsed<(Vec<Ident>, Vec<Stmt>)> {
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.open();
        let mut params = Vec::new();
        let mut destructured = Vec::new();
        while !self.at(P::RParen) {
            let index = params.len();
            params.push(self.param(index, method && index == 0, &mut destructured)?);
            if !self.eat(P::Comma) {
                break;
            }
        }
        self.close(P::RParen, "`,` or ")?;
        self.context = outer;
        Ok((params, destructured))
    }

    /// One parameter. A pattern becomes a parameter without a name that is taken apart by a `let`
    /// at the start of the body.
    pub(super) fn param(
        &mut self,
        index: usize,
        receiver: bool,
        destructured: &mut Vec<Stmt>,
    ) -> Parsed<Ident> {
        let span = self.span();
        let name = match self.kind() {
            Tok::P(P::LParen | P::LBracket) => self.pattern_param(index, destructured)?,
            Tok::P(P::DotDot) => {
                let hint = "a function takes a fixed number of arguments; pass a list";
                return Err(self.unexpected_hint("a parameter name", Some(hint)));
            }
            _ if self.slice(span) == "self" => self.self_param(receiver)?,
            _ => {
                if self.at_foreign_mut() {
                    self.bump();
                }
                self.name("a parameter name")?
            }
        };
        self.skip_annotation();
        self.skip_default_and_refinement()?;
        Ok(name)
    }

    fn self_param(&mut self, receiver: bool) -> Parsed<Ident> {
        let name = self.name("a parameter name")?;
        if !receiver {
            let message = "`self` is the first parameter of a method";
            let diagnostic = Diagnostic::error(name.span, message);
            self.report(diagnostic.hint("methods stand in an `impl`"));
        }
        Ok(name)
    }

    fn pattern_param(&mut self, index: usize, destructured: &mut Vec<Stmt>) -> Parsed<Ident> {
        let start = self.span();
        let mut pattern = self.param_pattern()?;
        self.make_irrefutable(&mut pattern);
        let span = self.span_from(start);
        // No user can write this name.
        let name = Ident { name: self.names.intern(&format!("({index})")), span };
        let path = Path { parts: vec![name] };
        let value = Expr { kind: ExprKind::Path(path), span };
        destructured.push(Stmt::Let { pattern, value });
        Ok(name)
    }

    fn skip_default_and_refinement(&mut self) -> Parsed<()> {
        if self.at(P::Assign) {
            let hint = "parameters have no default values; test for `nil` in the body";
            return Err(self.unexpected_hint("`,`", Some(hint)));
        }
        if self.slice(self.span()) == "where" {
            let span = self.bump();
            self.not_supported(span, "where");
            self.expr()?;
        }
        Ok(())
    }

    /// `![io, budget(10)]` after the parameters.
    fn skip_effects(&mut self) {
        if self.at(P::Not) && self.ahead(1).kind == Tok::P(P::LBracket) {
            let span = self.bump();
            self.skip_balanced();
            let span = self.span_from(span);
            self.not_supported(span, "![…]");
        }
    }

    /// `-> type` after the parameters.
    fn skip_return_type(&mut self) {
        if !self.at(P::Arrow) {
            return;
        }
        let diagnostic = Diagnostic::error(self.span(), "there are no type annotations");
        self.report(diagnostic.hint("leave it out: a function returns values of any type"));
        while !self.at(P::LBrace) && !self.at_end() && !self.token().newline_before {
            self.bump();
        }
    }

    // ---- the other items ----

    fn struct_item(&mut self) -> Parsed<Box<Item>> {
        self.bump();
        let name = self.type_name("a struct name")?;
        if !self.at(P::LBrace) {
            let hint = "fields go between braces: `struct Point { x, y }`";
            return Err(self.unexpected_hint("`{`", Some(hint)));
        }
        let fields = self.list(P::RBrace, Self::field_decl)?;
        Ok(Box::new(Item::Struct { name, fields }))
    }

    fn field_decl(&mut self) -> Parsed<Ident> {
        let name = self.new_name("a field name")?;
        self.skip_annotation();
        Ok(name)
    }

    /// The name of a struct, enum or variant: patterns and literals know it by its capital.
    fn type_name(&mut self, what: &str) -> Parsed<Ident> {
        let name = self.new_name(what)?;
        if !is_capitalised(self.text_of(name.name)) {
            let message = format!("{what} begins with a capital letter");
            self.report(Diagnostic::error(name.span, message));
        }
        Ok(name)
    }

    fn enum_item(&mut self) -> Parsed<Box<Item>> {
        self.bump();
        let name = self.type_name("an enum name")?;
        if !self.at(P::LBrace) {
            let hint = "variants go between braces: `enum Shape { Circle(r), Empty }`";
            return Err(self.unexpected_hint("`{`", Some(hint)));
        }
        let variants = self.list(P::RBrace, Self::variant)?;
        Ok(Box::new(Item::Enum { name, variants }))
    }

    fn variant(&mut self) -> Parsed<VariantDecl> {
        let name = self.type_name("a variant name")?;
        let fields = match self.kind() {
            Tok::P(P::LParen) => self.list(P::RParen, Self::field_decl)?,
            Tok::P(P::LBrace) => {
                let hint = "a variant has arguments in parentheses: `Circle(r)`";
                return Err(self.unexpected_hint("`(` or `,`", Some(hint)));
            }
            _ => Vec::new(),
        };
        Ok(VariantDecl { name, fields })
    }

    fn impl_item(&mut self) -> Parsed<Box<Item>> {
        self.bump();
        let target = self.type_name("the name of a struct or enum")?;
        let base = match self.kind() {
            Tok::P(P::Colon) | Tok::Keyword(_) => {
                self.expect_colon()?;
                Some(self.type_name("the name of a struct or enum")?)
            }
            _ => None,
        };
        if self.at_kw(Kw::For) {
            let hint = "there are no traits: methods are found by name";
            return Err(self.unexpected_hint("`{`", Some(hint)));
        }
        let methods = self.impl_body()?;
        Ok(Box::new(Item::Impl { target, base, methods }))
    }

    fn impl_body(&mut self) -> Parsed<Vec<FnDecl>> {
        if !self.at(P::LBrace) {
            return Err(self.unexpected("`{`"));
        }
        let outer = std::mem::replace(&mut self.context, Context::BLOCK);
        self.open();
        let mut methods = Vec::new();
        while !self.at(P::RBrace) && !self.at_end() {
            if self.eat(P::Semi) || self.eat(P::Comma) {
                continue;
            }
            methods.extend(self.recovering(Self::method));
        }
        self.close(P::RBrace, "")?;
        self.context = outer;
        Ok(methods)
    }

    fn method(&mut self) -> Parsed<FnDecl> {
        if !self.at_kw(Kw::Fn) {
            let hint = self.statement_hint().unwrap_or("an `impl` holds functions only");
            return Err(self.unexpected_hint("`fn`", Some(hint)));
        }
        self.fn_decl(true)
    }

    fn module_item(&mut self) -> Parsed<Box<Item>> {
        self.bump();
        let name = self.new_name("a module name")?;
        if !self.at(P::LBrace) {
            let hint = "a module is written `module m { … }`; a file is loaded by `import`";
            return Err(self.unexpected_hint("`{`", Some(hint)));
        }
        self.enter()?;
        let result = self.module_body();
        self.leave();
        Ok(Box::new(Item::Module { name, body: result? }))
    }

    fn module_body(&mut self) -> Parsed<Module> {
        let outer = std::mem::replace(&mut self.context, Context::BLOCK);
        self.open();
        let items = self.items();
        self.close(P::RBrace, "")?;
        self.context = outer;
        Ok(Module { items })
    }

    fn import_item(&mut self) -> Parsed<Box<Item>> {
        self.bump();
        if matches!(self.kind(), Tok::Str(_) | Tok::StrStart) {
            let hint = "write the name without quotes and without `.mena`";
            return Err(self.unexpected_hint("a module name", Some(hint)));
        }
        let name = self.new_name("a module name")?;
        self.statement_end(false)?;
        Ok(Box::new(Item::Import { name }))
    }
}

/// Takes the last statement of a block for its value.
fn split_tail(stmts: &mut Vec<Stmt>) -> Option<Box<Expr>> {
    match stmts.pop() {
        Some(Stmt::Expr(tail)) => Some(Box::new(tail)),
        last => {
            stmts.extend(last);
            None
        }
    }
}

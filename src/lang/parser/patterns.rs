//! Patterns.

use super::{Context, Parsed, Parser, is_capitalised};
use crate::lang::ast::{Ident, Path, Pattern, PatternKind, Span};
use crate::lang::diagnostics::Diagnostic;
use crate::lang::lexer::{Kw, P, Tok};

/// A parsing function for one kind of pattern.
type Rule<'a> = fn(&mut Parser<'a>) -> Parsed<Pattern>;

impl<'a> Parser<'a> {
    /// A pattern with its alternatives: `a | b`.
    pub(super) fn pattern(&mut self) -> Parsed<Pattern> {
        self.enter()?;
        let result = self.alternatives();
        self.leave();
        result
    }

    fn alternatives(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        self.eat(P::Or);
        let first = self.single_pattern()?;
        if !self.at(P::Or) && !self.at(P::OrOr) {
            return Ok(first);
        }
        let mut patterns = vec![first];
        while self.at(P::Or) || self.at(P::OrOr) {
            if self.at(P::OrOr) {
                let diagnostic = Diagnostic::error(self.span(), "patterns are joined by `|`");
                self.report(diagnostic.hint("write `a | b`; a condition goes after `if`"));
            }
            self.bump();
            patterns.push(self.single_pattern()?);
        }
        Ok(Pattern { kind: PatternKind::Or(patterns), span: self.span_from(start) })
    }

    fn single_pattern(&mut self) -> Parsed<Pattern> {
        let rule: Rule<'a> = match self.kind() {
            Tok::Ident(_) => Self::name_pattern,
            Tok::Int(_) | Tok::Bits(_) | Tok::P(P::Minus) => Self::number_pattern,
            Tok::P(P::LParen) => Self::tuple_pattern,
            Tok::P(P::LBracket) => Self::list_pattern,
            Tok::Unknown => Self::unknown_pattern,
            _ => Self::literal_pattern,
        };
        rule(self)
    }

    fn unknown_pattern(&mut self) -> Parsed<Pattern> {
        Ok(Pattern { kind: PatternKind::Error, span: self.bump() })
    }

    fn literal_pattern(&mut self) -> Parsed<Pattern> {
        let kind = match self.kind() {
            Tok::Float(x) => PatternKind::Float(x),
            Tok::Char(c) => PatternKind::Char(c),
            Tok::Keyword(name) => PatternKind::Keyword(name),
            Tok::Str(text) => PatternKind::Str(self.tokens.string(text).to_owned()),
            Tok::Kw(Kw::Nil) => PatternKind::Nil,
            Tok::Kw(Kw::True) => PatternKind::Bool(true),
            Tok::Kw(Kw::False) => PatternKind::Bool(false),
            _ => {
                let hint = self.pattern_hint();
                return Err(self.unexpected_hint("a pattern", hint));
            }
        };
        let span = self.bump();
        self.check_no_range();
        Ok(Pattern { kind, span })
    }

    fn pattern_hint(&self) -> Option<&'static str> {
        match self.kind() {
            Tok::StrStart => Some("a string in a pattern has no `{…}`; compare in a guard"),
            Tok::P(P::DotDot) => Some("`..` stands inside a list or struct pattern"),
            Tok::P(P::DotDotEq) => Some("a range in a pattern needs a start"),
            Tok::P(P::MapOpen | P::SetOpen | P::RecordOpen) => {
                Some("maps, sets and records are taken apart with `get` and `.`, not by patterns")
            }
            Tok::Kw(Kw::If) => Some("a guard follows a pattern: `n if n > 0 => …`"),
            Tok::Kw(Kw::Else) => Some("the arm for everything else is `_ => …`"),
            Tok::Kw(_) => Some("a keyword cannot be a variable"),
            _ => None,
        }
    }

    // ---- numbers ----

    fn number_pattern(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        if self.at(P::Minus)
            && let Tok::Float(x) = self.ahead(1).kind
        {
            self.bump();
            self.bump();
            self.check_no_range();
            return Ok(Pattern { kind: PatternKind::Float(-x), span: self.span_from(start) });
        }
        let first = self.pattern_int()?;
        let inclusive = self.at(P::DotDotEq);
        if !inclusive && !self.at(P::DotDot) {
            return Ok(Pattern { kind: PatternKind::Int(first), span: self.span_from(start) });
        }
        self.bump();
        let end = self.pattern_int()?;
        let span = self.span_from(start);
        self.check_range(first, end, inclusive, span);
        Ok(Pattern { kind: PatternKind::Range { start: first, end, inclusive }, span })
    }

    fn check_range(&mut self, start: i64, end: i64, inclusive: bool, span: Span) {
        let empty = if inclusive { start > end } else { start >= end };
        if empty {
            self.report(Diagnostic::error(span, "this range is empty: nothing matches it"));
        }
    }

    fn pattern_int(&mut self) -> Parsed<i64> {
        let start = self.span();
        let negative = self.eat(P::Minus);
        let value = match self.kind() {
            Tok::Int(n) if negative && n <= i64::MIN.unsigned_abs() => {
                Some((n as i64).wrapping_neg())
            }
            Tok::Int(n) if !negative => i64::try_from(n).ok(),
            Tok::Int(_) => None,
            Tok::Bits(n) if negative => n.checked_neg(),
            Tok::Bits(n) => Some(n),
            _ => return Err(self.unexpected("an int")),
        };
        self.bump();
        if value.is_none() {
            self.report_large_int(self.span_from(start));
        }
        Ok(value.unwrap_or(0))
    }

    /// Only ints make ranges.
    fn check_no_range(&mut self) {
        if self.at(P::DotDot) || self.at(P::DotDotEq) {
            let diagnostic = Diagnostic::error(self.span(), "a range in a pattern is one of ints");
            self.report(diagnostic.hint("compare in a guard: `c if c >= 'a' && c <= 'z' => …`"));
            self.bump();
            self.bump();
        }
    }

    // ---- names ----

    fn name_pattern(&mut self) -> Parsed<Pattern> {
        let path = self.path()?;
        let name = path.last();
        let single = path.parts.len() == 1;
        let kind = if single && self.text_of(name.name) == "_" {
            PatternKind::Wildcard
        } else if is_capitalised(self.text_of(name.name)) {
            return self.constructor_pattern(path);
        } else if single {
            self.binding(name)
        } else {
            self.report_lower_case_variant(&path);
            PatternKind::Error
        };
        Ok(Pattern { kind, span: path.span() })
    }

    fn binding(&mut self, name: Ident) -> PatternKind {
        let word = self.text_of(name.name).to_owned();
        if word == "self" {
            self.report(Diagnostic::error(name.span, "`self` cannot be bound by a pattern"));
        } else if self.at_same_line(P::LParen) {
            self.report_lower_case_variant(&Path { parts: vec![name] });
            self.skip_balanced();
            return PatternKind::Error;
        } else if self.at(P::At) {
            self.report_at_pattern();
        }
        PatternKind::Bind(name)
    }

    #[cold]
    fn report_lower_case_variant(&mut self, path: &Path) {
        let diagnostic = Diagnostic::error(path.span(), "this names no variant");
        self.report(diagnostic.hint("the name of a variant begins with a capital letter"));
    }

    #[cold]
    fn report_at_pattern(&mut self) {
        let diagnostic =
            Diagnostic::error(self.span(), "a pattern cannot both bind and look inside");
        self.report(diagnostic.hint("bind a name and `match` on it again"));
        self.last_error = Some(self.position);
    }

    /// A variant or struct.
    fn constructor_pattern(&mut self, path: Path) -> Parsed<Pattern> {
        let start = path.span();
        let kind = if self.at_same_line(P::LParen) {
            let args = self.list(P::RParen, Self::pattern)?;
            PatternKind::Variant { path, args }
        } else if self.at_same_line(P::LBrace) && !self.at_catch_block() {
            let fields = self.struct_pattern_fields()?;
            PatternKind::Struct { path, fields }
        } else {
            PatternKind::Variant { path, args: Vec::new() }
        };
        Ok(Pattern { kind, span: self.span_from(start) })
    }

    /// In `catch Empty { … }` the `{` begins the block: no other `{` follows its `}`.
    fn at_catch_block(&self) -> bool {
        if self.context.structs {
            return false;
        }
        let mut depth = 0usize;
        for (at, token) in self.tokens.tokens[self.position..].iter().enumerate() {
            if super::is_opener(token.kind) {
                depth += 1;
            } else if super::is_closer(token.kind) {
                depth -= 1;
            }
            if depth == 0 {
                let next = self.ahead(at + 1);
                let goes_on = matches!(next.kind, Tok::P(P::LBrace | P::Or) | Tok::Kw(Kw::If));
                return !goes_on || next.newline_before;
            }
        }
        true
    }

    fn struct_pattern_fields(&mut self) -> Parsed<Vec<(Ident, Pattern)>> {
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.open();
        let mut fields = Vec::new();
        while !self.at(P::RBrace) {
            if self.eat(P::DotDot) {
                self.eat(P::Comma);
                break;
            }
            fields.push(self.field_pattern()?);
            if !self.eat(P::Comma) {
                break;
            }
        }
        self.close(P::RBrace, "`,` or ")?;
        self.context = outer;
        Ok(fields)
    }

    /// `name: pattern`, or `name` for `name: name`.
    fn field_pattern(&mut self) -> Parsed<(Ident, Pattern)> {
        let name = self.name("a field name")?;
        if matches!(self.kind(), Tok::P(P::Comma | P::RBrace)) {
            return Ok((name, Pattern { kind: PatternKind::Bind(name), span: name.span }));
        }
        self.expect_colon()?;
        Ok((name, self.pattern()?))
    }

    // ---- tuples and lists ----

    /// A parameter that is taken apart: a tuple or list.
    pub(super) fn param_pattern(&mut self) -> Parsed<Pattern> {
        self.enter()?;
        let result = self.single_pattern();
        self.leave();
        result
    }

    fn tuple_pattern(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        let (mut items, comma) = self.list_and_comma(P::RParen, Self::pattern)?;
        let span = self.span_from(start);
        if items.len() == 1 && !comma {
            return Ok(Pattern { kind: items.remove(0).kind, span });
        }
        Ok(Pattern { kind: PatternKind::Tuple(items), span })
    }

    fn list_pattern(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        let outer = std::mem::replace(&mut self.context, Context::BRACKETS);
        self.open();
        let (mut before, mut rest, mut after) = (Vec::new(), None, Vec::new());
        while !self.at(P::RBracket) {
            if self.at(P::DotDot) {
                self.rest_pattern(&mut rest)?;
            } else {
                let item = self.pattern()?;
                if rest.is_none() { before.push(item) } else { after.push(item) }
            }
            if !self.eat(P::Comma) {
                break;
            }
        }
        self.close(P::RBracket, "`,` or ")?;
        self.context = outer;
        let span = self.span_from(start);
        Ok(Pattern { kind: PatternKind::List { before, rest, after }, span })
    }

    /// `..`, `..rest` or `.._` in a list pattern.
    fn rest_pattern(&mut self, rest: &mut Option<Option<Ident>>) -> Parsed<()> {
        let dots = self.bump();
        let name = match self.kind() {
            Tok::Ident(_) => Some(self.name("a name for the rest")?),
            _ => None,
        };
        let name = name.filter(|name| self.text_of(name.name) != "_");
        if rest.replace(name).is_some() {
            self.report(Diagnostic::error(dots, "a list pattern has one `..` at most"));
        }
        Ok(())
    }

    // ---- patterns that always match ----

    /// The pattern of `let`, `for` and parameters. A bare name binds whatever its case.
    pub(super) fn irrefutable_pattern(&mut self) -> Parsed<Pattern> {
        let mut pattern = self.pattern()?;
        self.make_irrefutable(&mut pattern);
        Ok(pattern)
    }

    pub(super) fn make_irrefutable(&mut self, pattern: &mut Pattern) {
        let mut todo = vec![pattern];
        while let Some(pattern) = todo.pop() {
            if let Some(name) = bare_name(pattern) {
                pattern.kind = PatternKind::Bind(name);
            }
            match &mut pattern.kind {
                PatternKind::Wildcard | PatternKind::Bind(_) | PatternKind::Error => {}
                PatternKind::Tuple(items) => todo.extend(items),
                PatternKind::List { before, after, .. } => {
                    todo.extend(before);
                    todo.extend(after);
                }
                PatternKind::Struct { fields, .. } => {
                    todo.extend(fields.iter_mut().map(|(_, pattern)| pattern));
                }
                _ => self.report_refutable(pattern.span),
            }
        }
    }

    #[cold]
    fn report_refutable(&mut self, span: Span) {
        let diagnostic = Diagnostic::error(span, "this pattern can fail to match");
        self.report(diagnostic.hint("use `match`, which has an arm for every case"));
    }
}

/// The name of a variant pattern that is nothing but a name.
fn bare_name(pattern: &Pattern) -> Option<Ident> {
    match &pattern.kind {
        PatternKind::Variant { path, args } if args.is_empty() && path.parts.len() == 1 => {
            // `None()` was written with parentheses: that is no bare name.
            (pattern.span == path.span()).then(|| path.last())
        }
        _ => None,
    }
}

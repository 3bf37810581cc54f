//! Numbers, characters and strings.

use super::*;

impl<'a> Lexer<'a> {
    // ---- numbers ----

    pub(super) fn number(&mut self) {
        let start = self.at;
        // `t.0.1` is two accesses, not the float 0.1.
        let after_dot = self.out.tokens.last().is_some_and(|last| last.kind == Tok::P(P::Dot));
        let radix = match &self.text.as_bytes()[start..] {
            [b'0', b'x' | b'X', ..] => 16,
            [b'0', b'b' | b'B', ..] => 2,
            [b'0', b'o' | b'O', ..] => 8,
            _ => 10,
        };
        let kind = match radix {
            10 if after_dot => self.decimal_digits(start),
            10 => self.decimal(start),
            _ => self.radix_literal(start, radix),
        };
        let suffix = self.take_while(is_xid_continue);
        let kind = match kind {
            Ok(kind) if suffix.is_empty() => kind,
            Ok(_) => self.bad_number(start, "a number cannot be followed by letters", None),
            Err((message, hint)) => self.bad_number(start, message, Some(hint)),
        };
        self.push(kind, start);
    }

    #[cold]
    fn bad_number(&mut self, start: usize, message: &str, hint: Option<&str>) -> Tok {
        let diagnostic = Diagnostic::error(self.span(start, self.at), message);
        self.report(match hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        });
        Tok::Unknown
    }

    fn digits(&self, start: usize) -> String {
        self.text[start..self.at].chars().filter(|&c| c != '_').collect()
    }

    fn decimal_digits(&mut self, start: usize) -> Result<Tok, (&'static str, &'static str)> {
        self.take_while(|c| c.is_ascii_digit() || c == '_');
        let digits = self.digits(start);
        digits.parse().map(Tok::Int).map_err(|_| TOO_LARGE)
    }

    pub(super) fn decimal(&mut self, start: usize) -> Result<Tok, (&'static str, &'static str)> {
        let whole = self.decimal_digits(start);
        let fraction = self.fraction();
        let exponent = self.exponent();
        if !fraction && !exponent {
            return whole;
        }
        match self.digits(start).parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Tok::Float(value)),
            _ => Err(("this number is too large for a float", "the largest is about 1.8e308")),
        }
    }

    /// `.` counts only when a digit follows: `1..2` is a range and `1.abs()` a call.
    fn fraction(&mut self) -> bool {
        let found = self.peek() == Some('.') && self.second().is_some_and(|c| c.is_ascii_digit());
        if found {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit() || c == '_');
        }
        found
    }

    pub(super) fn exponent(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        let sign = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
        let found = matches!(rest.first(), Some(b'e' | b'E'))
            && rest.get(1 + sign).is_some_and(u8::is_ascii_digit);
        if found {
            self.at += 1 + sign;
            self.take_while(|c| c.is_ascii_digit() || c == '_');
        }
        found
    }

    fn radix_literal(
        &mut self,
        start: usize,
        radix: u32,
    ) -> Result<Tok, (&'static str, &'static str)> {
        self.at += 2;
        self.take_while(|c| c.is_digit(radix) || c == '_');
        let digits = self.digits(start + 2);
        if digits.is_empty() {
            return Err(("this number has no digits", "write them after the prefix, as in `0xff`"));
        }
        match u64::from_str_radix(&digits, radix) {
            Ok(bits) => Ok(Tok::Bits(bits as i64)),
            Err(_) => Err(("this number has more than 64 bits", "an int has 64 bits")),
        }
    }

    // ---- characters and strings ----

    pub(super) fn char_literal(&mut self) {
        let start = self.at;
        self.at += 1;
        let value = match self.peek() {
            None | Some('\n') => None,
            Some('\'') => return self.bad_char(start, "a character literal cannot be empty"),
            Some('\\') => self.escape(),
            Some(c) => {
                self.at += c.len_utf8();
                Some(c)
            }
        };
        match value {
            Some(c) if self.eat('\'') => self.push(Tok::Char(c), start),
            _ => self.bad_char(start, "a character literal is one character between quotes"),
        }
    }

    /// Skips to the closing quote if there is one nearby, so that one mistake is one message.
    #[cold]
    fn bad_char(&mut self, start: usize, message: &str) {
        let rest = &self.text[self.at..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        if let Some(close) = line.find('\'').filter(|_| !line.starts_with(char::is_whitespace)) {
            self.at += close + 1;
        }
        let span = self.span(start, self.at);
        self.report(Diagnostic::error(span, message).hint("strings are written with `\"`"));
        self.push(Tok::Unknown, start);
    }

    pub(super) fn string_start(&mut self) {
        let start = self.at;
        self.at += 1;
        let (text, end) = self.string_text();
        match end {
            StringEnd::Quote => self.push_text(Tok::Str, text, start),
            StringEnd::Broken => {
                self.push(Tok::Unknown, start);
                self.abandon_interpolations();
            }
            StringEnd::Interpolation => {
                let open = self.at;
                self.at = start + 1;
                self.push(Tok::StrStart, start);
                self.at = open - 1;
                self.push_piece(text, start + 1);
                self.open_interpolation();
            }
        }
    }

    /// The string after an interpolation.
    pub(super) fn string_rest(&mut self) {
        let start = self.at;
        let (text, end) = self.string_text();
        let after = self.at;
        match end {
            StringEnd::Quote => {
                self.at = after - 1;
                self.push_piece(text, start);
                self.at = after;
                self.push(Tok::StrEnd, after - 1);
            }
            StringEnd::Broken => {
                self.push_piece(text, start);
                self.push(Tok::StrEnd, after);
                self.abandon_interpolations();
            }
            StringEnd::Interpolation => {
                self.at = after - 1;
                self.push_piece(text, start);
                self.open_interpolation();
            }
        }
    }

    fn push_piece(&mut self, text: String, start: usize) {
        if !text.is_empty() {
            self.push_text(Tok::StrText, text, start);
        }
    }

    fn open_interpolation(&mut self) {
        let start = self.at;
        self.at += 1;
        self.push(Tok::InterpOpen, start);
        self.interpolations.push(0);
    }

    /// Text up to and including the quote or brace that ends it.
    fn string_text(&mut self) -> (String, StringEnd) {
        let start = self.at;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| !matches!(c, '"' | '{' | '}' | '\\' | '\n')));
            match self.peek() {
                None | Some('\n') => {
                    self.report_open_string(start);
                    return (text, StringEnd::Broken);
                }
                Some('"') => {
                    self.at += 1;
                    return (text, StringEnd::Quote);
                }
                Some('\\') => text.extend(self.escape()),
                Some(brace) => {
                    self.at += 1;
                    if !self.eat(brace) && brace == '{' {
                        return (text, StringEnd::Interpolation);
                    }
                    self.check_closing_brace(brace);
                    text.push(brace);
                }
            }
        }
    }

    fn check_closing_brace(&mut self, brace: char) {
        let doubled = self.text[..self.at].ends_with("}}") || brace == '{';
        if !doubled {
            let span = self.span(self.at - 1, self.at);
            let message = "a `}` in a string has no `{`";
            self.report(Diagnostic::error(span, message).hint("a plain brace is written `}}`"));
        }
    }

    #[cold]
    fn report_open_string(&mut self, start: usize) {
        let inside = !self.interpolations.is_empty();
        let span = self.span(start - 1, self.at);
        let hint = if inside {
            "inside a string `{` begins an expression; a plain brace is written `{{`"
        } else {
            "a string ends on its line: write `\\n` for a line end, or use r\"…\""
        };
        self.report(Diagnostic::error(span, "this string is never closed").hint(hint));
    }

    #[cold]
    pub(super) fn report_broken_interpolation(&mut self) {
        let opens = |token: &&Token| token.kind == Tok::InterpOpen;
        let open = self.out.tokens.iter().rev().find(opens).map_or(0, |token| token.start);
        let span = self.span(open as usize, open as usize + 1);
        self.abandon_interpolations();
        let message = "this `{` in a string is not closed on its line";
        self.report(Diagnostic::error(span, message).hint("a plain brace is written `{{`"));
    }

    /// Closes every open string, so that the parser meets balanced tokens.
    fn abandon_interpolations(&mut self) {
        let end = self.out.tokens.last().map_or(0, |token| token.end);
        for _ in std::mem::take(&mut self.interpolations) {
            for kind in [Tok::InterpClose, Tok::StrEnd] {
                let token = Token { kind, newline_before: false, start: end, end };
                self.out.tokens.push(token);
            }
        }
    }

    pub(super) fn raw_string(&mut self) {
        let start = self.at;
        self.at += 2;
        let rest = &self.text[self.at..];
        let Some(len) = rest.find('"') else {
            let span = self.span(start, start + 2);
            self.report(Diagnostic::error(span, "this raw string is never closed"));
            self.at = self.text.len();
            return self.push(Tok::Unknown, start);
        };
        self.at += len + 1;
        self.push_text(Tok::Str, rest[..len].to_owned(), start);
    }

    /// A `\` and what follows; `None` when it was reported.
    fn escape(&mut self) -> Option<char> {
        let start = self.at;
        self.at += 1;
        let c = self.peek().filter(|&c| c != '\n');
        self.at += c.map_or(0, char::len_utf8);
        match c {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('0') => Some('\0'),
            Some(c @ ('\\' | '"' | '\'' | '{' | '}')) => Some(c),
            Some('u') => self.unicode_escape(start),
            _ => {
                let span = self.span(start, self.at);
                let hint = "known escapes: \\n \\t \\r \\0 \\\\ \\\" \\' \\{ \\u{1f600}";
                self.report(Diagnostic::error(span, "unknown escape").hint(hint));
                None
            }
        }
    }

    fn unicode_escape(&mut self, start: usize) -> Option<char> {
        let digits = match self.eat('{') {
            true => self.take_while(|c| c.is_ascii_hexdigit()),
            false => "",
        };
        let closed = self.eat('}');
        let value = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        if closed && value.is_some() {
            return value;
        }
        let span = self.span(start, self.at);
        let hint = "write the code point in hexadecimal, as in `\\u{1f600}`";
        self.report(Diagnostic::error(span, "this is no Unicode character").hint(hint));
        None
    }
}

const TOO_LARGE: (&str, &str) =
    ("this number is too large for an int", "the largest int is 9223372036854775807");

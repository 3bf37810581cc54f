//! Source files and the messages about them.
//!
//! Every stage of the compiler, and the VM for uncaught errors, reports through [`Diagnostic`];
//! [`render`] turns a batch of them into text. Only the lines a message points at are handed to
//! the renderer, each cut to a window around the place, so a message about a one-megabyte line is
//! as short as any other.

use super::ast::Span;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;
use std::ops::Range;

/// How many errors one run prints before it says "… and N more".
pub const ERROR_LIMIT: usize = 20;
/// The longest piece of a source line that is shown, in bytes.
const WINDOW_BYTES: usize = 100;
/// The longest message, label, hint or note that is shown, in characters.
const TEXT_CHARS_MAX: usize = 400;
/// Two places at most this many lines apart are shown in one excerpt.
const EXCERPT_LINES_MAX: u32 = 8;
/// Stands for the cut-off part of a long line.
const ELLIPSIS: &str = "…";

/// One source file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    name: String,
    text: String,
    /// The byte offset at which each line starts; never empty.
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// The name the user knows the file by.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The number of the line that holds byte `offset`, from 0. O(log lines).
    fn line_index(&self, offset: u32) -> u32 {
        (self.line_starts.partition_point(|&start| start <= offset) - 1) as u32
    }
    /// The bytes of a line, without its end.
    fn line_range(&self, line: u32) -> Range<usize> {
        let start = self.line_starts[line as usize] as usize;
        let next = self.line_starts.get(line as usize + 1);
        let end = next.map_or(self.text.len(), |&next| next as usize);
        start..start + self.text[start..end].trim_end_matches(['\n', '\r']).len()
    }
    /// The nearest character boundary at or before `offset`.
    fn boundary(&self, offset: u32) -> usize {
        floor_char_boundary(&self.text, offset as usize)
    }
}

/// Every file of a program. A file's id is its index and the `file` of its spans.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// No files yet.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a file and returns its id. The text must be shorter than 4 GiB.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> u32 {
        let text = text.into();
        assert!(u32::try_from(text.len()).is_ok(), "a source file of 4 GiB or more");
        let line_starts = line_starts(&text);
        self.files.push(SourceFile { name: name.into(), text, line_starts });
        u32::try_from(self.files.len() - 1).expect("fewer than 2^32 files")
    }

    /// Adds a file as it was read from disk.
    ///
    /// # Errors
    /// A file that is not UTF-8 gives a diagnostic that names the place. The file is added all the
    /// same, with U+FFFD in place of the bad bytes, so that the diagnostic can be rendered.
    pub fn add_bytes(&mut self, name: impl Into<String>, bytes: &[u8]) -> Result<u32, Diagnostic> {
        let name = name.into();
        if u32::try_from(bytes.len().saturating_mul(3)).is_err() {
            let file = self.add(name, "");
            return Err(Diagnostic::error(
                Span { file, start: 0, end: 0 },
                "the file is too large",
            ));
        }
        let Err(error) = std::str::from_utf8(bytes) else {
            return Ok(self.add(name, String::from_utf8_lossy(bytes)));
        };
        let offset = error.valid_up_to();
        let file = self.add(name, String::from_utf8_lossy(bytes));
        // Everything before the first bad byte is the same in the lossy text.
        let start = offset as u32;
        let span = Span { file, start, end: start + char::REPLACEMENT_CHARACTER.len_utf8() as u32 };
        let (line, _) = self.line_column(file, start);
        let byte = bytes[offset];
        let message = format!("the file is not UTF-8: byte {byte:#04x} at offset {offset}");
        Err(Diagnostic::error(span, message)
            .label(format!("line {line}"))
            .hint("save the file in the UTF-8 encoding"))
    }

    /// The file with this id.
    ///
    /// # Panics
    /// When no such file has been added.
    pub fn file(&self, file: u32) -> &SourceFile {
        &self.files[file as usize]
    }

    /// All files, in the order they were added.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a file.
    pub fn text(&self, file: u32) -> &str {
        self.file(file).text()
    }

    /// The text a span covers.
    pub fn slice(&self, span: Span) -> &str {
        &self.text(span.file)[span.start as usize..span.end as usize]
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, file: u32, offset: u32) -> (u32, u32) {
        let source = self.file(file);
        let offset = source.boundary(offset);
        let line = source.line_index(offset as u32);
        let start = source.line_starts[line as usize] as usize;
        (line + 1, source.text[start..offset].chars().count() as u32 + 1)
    }

    /// `name:line:column` of the start of a span.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.line_column(span.file, span.start);
        format!("{}:{line}:{column}", self.file(span.file).name)
    }
}

/// The nearest character boundary at or before `offset`.
fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn line_starts(text: &str) -> Vec<u32> {
    let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect()
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The program does not run.
    Error,
    /// The program runs; it may not do what it seems to.
    Warning,
}

/// An additional remark, with or without a place of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What to know.
    pub message: String,
    /// Shown under the source line when present.
    pub span: Option<Span>,
}

/// One message about a place in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words under the marked place.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Further remarks.
    pub notes: Vec<Note>,
}

impl Diagnostic {
    /// An error at `span`.
    #[must_use]
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, span, message.into())
    }
    /// A warning at `span`.
    #[must_use]
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, span, message.into())
    }
    fn new(severity: Severity, span: Span, message: String) -> Diagnostic {
        Diagnostic { severity, message, span, label: None, hint: None, notes: Vec::new() }
    }
    /// Puts a few words under the marked place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }
    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }
    /// Adds a remark without a place.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>) -> Diagnostic {
        self.notes.push(Note { message: message.into(), span: None });
        self
    }
    /// Adds a remark about another place.
    #[must_use]
    pub fn note_at(mut self, span: Span, message: impl Into<String>) -> Diagnostic {
        self.notes.push(Note { message: message.into(), span: Some(span) });
        self
    }
    /// Whether the program must not run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// How to print diagnostics.
#[derive(Debug, Clone, Copy)]
pub struct RenderOptions {
    /// Use terminal colours.
    pub color: bool,
    /// Print at most this many diagnostics.
    pub limit: usize,
}

impl Default for RenderOptions {
    fn default() -> RenderOptions {
        RenderOptions { color: false, limit: ERROR_LIMIT }
    }
}

/// The diagnostics as text: one block each, a blank line between them, and a last line that says
/// how many were left out. Errors come before warnings when some must be left out.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], options: RenderOptions) -> String {
    let mut chosen: Vec<&Diagnostic> = diagnostics.iter().collect();
    if chosen.len() > options.limit {
        chosen.sort_by_key(|diagnostic| diagnostic.severity);
        chosen.truncate(options.limit);
    }
    let mut out = String::new();
    for diagnostic in &chosen {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&render_one(sources, diagnostic, options.color));
        out.push('\n');
    }
    let more = diagnostics.len() - chosen.len();
    if more > 0 {
        let _ = writeln!(out, "\n… and {more} more");
    }
    out
}

/// One diagnostic as text, without a newline at the end.
pub fn render_one(sources: &Sources, diagnostic: &Diagnostic, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(clip(&diagnostic.message)));
    let main = Mark {
        span: diagnostic.span,
        label: diagnostic.label.as_deref(),
        kind: AnnotationKind::Primary,
    };
    let (beside, apart): (Vec<Mark>, Vec<Mark>) = diagnostic
        .notes
        .iter()
        .filter_map(Mark::from_note)
        .partition(|mark| near(sources, main.span, mark.span));
    group = group.element(excerpt(sources, std::iter::once(&main).chain(&beside)));
    for mark in &apart {
        group = group.element(excerpt(sources, std::iter::once(mark)));
    }
    for note in diagnostic.notes.iter().filter(|note| note.span.is_none()) {
        group = group.element(Level::NOTE.message(clip(&note.message)));
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(clip(hint)));
    }
    let places = std::iter::once(&main).chain(&apart).map(|mark| mark.span);
    places.fold(renderer.render(&[group]), |text, span| correct_column(sources, span, &text))
}

/// The renderer counts columns in the excerpt; in a line that was cut, the real one is larger.
fn correct_column(sources: &Sources, span: Span, rendered: &str) -> String {
    let source = sources.file(span.file);
    let focus = source.boundary(span.start);
    let line = source.line_index(span.start);
    let window = Window::new(source, source.line_range(line), focus);
    let cut = &source.text[window.line.start..window.shown.start.min(focus)];
    let (_, column) = sources.line_column(span.file, span.start);
    let shift = cut.chars().count() - window.prefix().chars().count();
    if shift == 0 {
        return rendered.to_owned();
    }
    let place = format!("{}:{}:", clip(&source.name), line + 1);
    let (shown, real) = (column as usize - shift, column);
    rendered.replacen(&format!("{place}{shown}"), &format!("{place}{real}"), 1)
}

/// A place to underline.
struct Mark<'a> {
    span: Span,
    label: Option<&'a str>,
    kind: AnnotationKind,
}

impl Mark<'_> {
    fn from_note(note: &Note) -> Option<Mark<'_>> {
        let label = Some(note.message.as_str());
        note.span.map(|span| Mark { span, label, kind: AnnotationKind::Context })
    }
}

/// Whether two places fit into one excerpt.
fn near(sources: &Sources, a: Span, b: Span) -> bool {
    if a.file != b.file {
        return false;
    }
    let source = sources.file(a.file);
    source.line_index(a.start).abs_diff(source.line_index(b.start)) <= EXCERPT_LINES_MAX
}

/// The lines from the first to the last mark (all in one file), each cut to a window.
fn excerpt<'m>(
    sources: &Sources,
    marks: impl Iterator<Item = &'m Mark<'m>>,
) -> Snippet<'static, Annotation<'static>> {
    let mut marks: Vec<&Mark> = marks.collect();
    marks.sort_by_key(|mark| mark.span.start);
    let source = sources.file(marks[0].span.file);
    let first = source.line_index(marks[0].span.start);
    let last = source.line_index(marks[marks.len() - 1].span.start);
    let mut text = String::new();
    let mut annotations = Vec::new();
    for line in first..=last {
        let range = source.line_range(line);
        let here: Vec<&&Mark> =
            marks.iter().filter(|mark| source.line_index(mark.span.start) == line).collect();
        let focus = here.first().map_or(range.start, |mark| source.boundary(mark.span.start));
        let window = Window::new(source, range, focus);
        for mark in here {
            let span = window.place(source, mark.span, text.len());
            annotations.push(mark.kind.span(span).label(mark.label.map(clip)));
        }
        window.write(source, &mut text);
    }
    Snippet::source(text)
        .path(clip(&source.name))
        .line_start(first as usize + 1)
        .annotations(annotations)
}

/// The part of a line that is shown.
struct Window {
    line: Range<usize>,
    shown: Range<usize>,
}

impl Window {
    /// The window of at most [`WINDOW_BYTES`] around `focus`, a third of it before.
    fn new(source: &SourceFile, line: Range<usize>, focus: usize) -> Window {
        if line.len() <= WINDOW_BYTES {
            return Window { shown: line.clone(), line };
        }
        let start = focus.saturating_sub(WINDOW_BYTES / 3).max(line.start);
        let start = start.min(line.end - WINDOW_BYTES);
        let end = floor_char_boundary(&source.text, start + WINDOW_BYTES);
        Window { shown: floor_char_boundary(&source.text, start)..end, line }
    }

    /// What stands before the shown part.
    fn prefix(&self) -> &'static str {
        if self.shown.start > self.line.start { ELLIPSIS } else { "" }
    }

    /// Where the visible part of `span` lies in the excerpt, if this line begins at `base` of it.
    fn place(&self, source: &SourceFile, span: Span, base: usize) -> Range<usize> {
        let inside = |at: u32| source.boundary(at).clamp(self.shown.start, self.shown.end);
        let base = base + self.prefix().len();
        let (start, end) = (inside(span.start), inside(span.end.max(span.start)));
        base + start - self.shown.start..base + end - self.shown.start
    }

    fn write(&self, source: &SourceFile, out: &mut String) {
        out.push_str(self.prefix());
        out.push_str(&source.text[self.shown.clone()]);
        if self.shown.end < self.line.end {
            out.push_str(ELLIPSIS);
        }
        out.push('\n');
    }
}

/// The text, cut to a length that fits a screen.
fn clip(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}{ELLIPSIS}", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, span: Range<u32>, expected: &[&str]) {
        let mut sources = Sources::new();
        let file = sources.add("test.mena", text);
        let span = Span { file, start: span.start, end: span.end };
        let diagnostic = Diagnostic::error(span, "wrong").label("here").hint("do it right");
        let rendered = render_one(&sources, &diagnostic, false);
        assert_eq!(rendered.lines().map(str::trim_end).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn other_places_are_shown_beside_or_below() {
        let mut sources = Sources::new();
        let one = sources
            .add("one.mena", format!("fn f() {{\n  a\n}}\n{}fn f() {{}}\n", "\n".repeat(20)));
        let two = sources.add("two.mena", "let b = f()");
        let span = |file, start, end| Span { file, start, end };
        let diagnostic = Diagnostic::error(span(one, 38, 39), "`f` is declared twice")
            .note_at(span(one, 3, 4), "first here")
            .note_at(span(two, 8, 9), "used here")
            .note_at(span(one, 35, 37), "with `fn`")
            .note("names are unique in a module");
        let expected = "\
error: `f` is declared twice
  --> one.mena:24:4
   |
24 | fn f() {}
   | -- ^
   | |
   | with `fn`
   |
  ::: one.mena:1:4
   |
 1 | fn f() {
   |    - first here
   |
  ::: two.mena:1:9
   |
 1 | let b = f()
   |         - used here
   |
   = note: names are unique in a module";
        assert_eq!(render_one(&sources, &diagnostic, false), expected);
    }

    #[test]
    fn errors_come_first_when_some_are_left_out() {
        let mut sources = Sources::new();
        let file = sources.add("test.mena", "ab");
        let at = Span { file, start: 0, end: 1 };
        let diagnostics = [Diagnostic::warning(at, "weak"), Diagnostic::error(at, "strong")];
        let text = render(&sources, &diagnostics, RenderOptions { color: false, limit: 1 });
        assert!(text.starts_with("error: strong"), "{text}");
        assert!(text.ends_with("\n… and 1 more\n"), "{text}");
        assert!(has_errors(&diagnostics));
    }

    #[test]
    fn a_long_line_is_cut_and_keeps_its_column() {
        let text = format!("{}oh no{}\n", "a ".repeat(500_000), " b".repeat(500_000));
        check(
            &text,
            1_000_000..1_000_002,
            &[
                "error: wrong",
                " --> test.mena:1:1000001",
                "  |",
                &format!("1 | …{}oh no{}…", " a".repeat(16) + " ", " b".repeat(31)),
                &format!("  | {}^^ here", " ".repeat(34)),
                "  |",
                "  = help: do it right",
            ],
        );
    }

    #[test]
    fn a_place_is_underlined_with_label_and_hint() {
        check(
            "let a = 1\nlet b = oh no\n",
            18..20,
            &[
                "error: wrong",
                " --> test.mena:2:9",
                "  |",
                "2 | let b = oh no",
                "  |         ^^ here",
                "  |",
                "  = help: do it right",
            ],
        );
    }
}

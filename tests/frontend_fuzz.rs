//! The front end meets every input without a panic, within a small stack, and says something
//! about it when it is not a program.

use menagerie::check::property_cases;
use menagerie::lang::diagnostics::{Diagnostic, RenderOptions, Sources, has_errors, render};
use menagerie::lang::parser::{HEIGHT_MAX, parse};
use menagerie::lang::pretty::module_text;
use menagerie::names::Interner;
use proptest::prelude::*;
use std::path::Path;

/// The smallest host stack the front end must do with.
const STACK_BYTES: usize = 1 << 20;
/// How many brackets, words or operators are stacked up.
const DEPTH: usize = 100_000;

/// Runs the front end on `bytes` as a tool would, and checks what must hold for every input.
fn check_bytes(bytes: &[u8]) {
    let mut sources = Sources::new();
    match sources.add_bytes("fuzz.mena", bytes) {
        Ok(file) => check_file(&sources, file),
        Err(diagnostic) => check_diagnostics(&sources, &[diagnostic]),
    }
}

fn check_file(sources: &Sources, file: u32) {
    let mut names = Interner::default();
    let (module, diagnostics) = parse(sources, file, &mut names);
    check_diagnostics(sources, &diagnostics);
    let tree = module_text(&module, &names);
    if !has_errors(&diagnostics) {
        assert!(!tree.contains("<error>"), "an error node without an error");
        let (again, _) = parse(sources, file, &mut names);
        assert_eq!(module, again, "parsing twice gives the same tree");
    }
    check_spans(sources.text(file), &format!("{module:?}"));
}

fn check_diagnostics(sources: &Sources, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        check_spans(sources.text(0), &format!("{diagnostic:?}"));
        assert!(diagnostic.message.len() < 300, "a long message");
    }
    for color in [false, true] {
        let text = render(sources, diagnostics, RenderOptions { color, limit: 20 });
        assert!(text.len() < 64 << 10, "{} bytes are printed", text.len());
    }
}

/// Every `Span { file, start, end }` in a debug print lies in the text, on character boundaries.
fn check_spans(text: &str, debug: &str) {
    for span in debug.split("start: ").skip(1) {
        let mut numbers = span.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        let mut next = || numbers.next().and_then(|n| n.parse::<usize>().ok());
        // `start: Expr` is the start of a range expression, no span.
        if !span.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let (start, end) = (next().unwrap(), next().unwrap());
        assert!(start <= end && end <= text.len(), "{start}..{end} of {}", text.len());
        assert!(text.is_char_boundary(start), "{start} cuts a character");
        assert!(text.is_char_boundary(end), "{end} cuts a character");
    }
}

/// Runs `check_bytes` where the stack is small.
fn check_on_small_stack(bytes: Vec<u8>) {
    let run = move || {
        let mut sources = Sources::new();
        let Ok(file) = sources.add_bytes("deep.mena", &bytes) else { return };
        let mut names = Interner::default();
        let (module, diagnostics) = parse(&sources, file, &mut names);
        let tree = module_text(&module, &names);
        assert!(has_errors(&diagnostics) || !tree.contains("<error>"));
        check_diagnostics(&sources, &diagnostics);
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
    thread.expect("a thread can be started").join().expect("no panic");
}

// ---- deep, long and odd input ----

/// What can be stacked: an opening part, a middle, a closing part.
const STACKS: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{", "1", "}"),
    ("%[", "1", "]"),
    ("%{1: ", "1", "}"),
    ("#{ a: ", "1", "}"),
    ("P { x: ", "1", " }"),
    ("P { ..", "p", " }"),
    ("f(", "1", ")"),
    ("a[", "1", "]"),
    ("a.b(", "1", ")"),
    ("\"{", "1", "}\""),
    ("|a| ", "1", ""),
    ("|| ", "1", ""),
    ("-", "1", ""),
    ("!", "1", ""),
    ("1 + (", "1", ")"),
    ("1 + -", "1", ""),
    ("if a { ", "1", " }"),
    ("if ", "a", " { }"),
    ("if a { } else ", "{ }", ""),
    ("while ", "a", " { }"),
    ("while a { ", "1", " }"),
    ("loop { ", "1", " }"),
    ("for i in ", "a", " { }"),
    ("for i in a { ", "1", " }"),
    ("match 1 { 1 => ", "1", " }"),
    ("match ", "1", " { }"),
    ("try { ", "1", " } catch e { }"),
    ("try { } catch e { ", "1", " }"),
    ("try { } finally { ", "1", " }"),
    ("arena { ", "1", " }"),
    ("scope { ", "1", " }"),
    ("spawn { ", "1", " }"),
    ("spawn ", "f()", ""),
    ("perform ", "f()", ""),
    ("throw ", "1", ""),
    ("return ", "1", ""),
    ("break ", "1", ""),
    ("x = ", "1", ""),
    ("let x = ", "1", ""),
    ("1 + ", "1", ""),
    ("1 * 2 + ", "1", ""),
    ("a && ", "b", ""),
    ("a == ", "b", ""),
    ("a..", "b", ""),
    ("a.b().c().", "d", ""),
    ("a.", "b", ""),
    ("a::", "b", ""),
    ("fn f() { ", "1", " }"),
    ("impl P { fn f() { ", "1", " } }"),
    ("module m { ", "1", " }"),
    ("struct P { ", "x", " }"),
    ("/*", "", "*/"),
    ("'", "a", "'"),
    ("\"", "a", "\""),
    (",", "", ""),
    (";", "", ""),
    ("@", "", ""),
    ("\0", "", ""),
    ("0x", "", ""),
    ("é", "", "𝒳"),
    ("\n", "", "\n"),
    ("else ", "", ""),
    ("\u{202e} ", "", ""),
];

/// Patterns that can be stacked, in a place where a pattern is expected.
const PATTERN_STACKS: &[(&str, &str, &str)] = &[
    ("(", "a", ")"),
    ("[", "a", "]"),
    ("[..,", "a", "]"),
    ("C(", "a", ")"),
    ("P { x: ", "a", " }"),
    ("a | ", "b", ""),
    ("-", "1", ""),
];

#[test]
fn stacked_up() {
    for (open, middle, close) in STACKS {
        let (opens, closes) = (open.repeat(DEPTH), close.repeat(DEPTH));
        for program in [
            format!("{opens}{middle}{closes}"),
            format!("fn f() {{ {opens}{middle}{closes} }}"),
            opens.clone(),
            closes.clone(),
            format!("{open}\n").repeat(DEPTH),
        ] {
            check_on_small_stack(program.into_bytes());
        }
    }
}

#[test]
fn stacked_up_patterns() {
    for (open, middle, close) in PATTERN_STACKS {
        let (opens, closes) = (open.repeat(DEPTH), close.repeat(DEPTH));
        for program in [
            format!("match x {{ {opens}{middle}{closes} => 1 }}"),
            format!("let {opens}{middle}{closes} = 1"),
            format!("|{opens}{middle}{closes}| 1"),
            format!("try {{ }} catch {opens}{middle}{closes} {{ }}"),
            format!("match x {{ {opens}"),
        ] {
            check_on_small_stack(program.into_bytes());
        }
    }
}

/// Just inside the limits: the deepest trees that later passes will meet.
#[test]
fn as_deep_as_allowed() {
    let limit = HEIGHT_MAX as usize - 2;
    for (open, middle, close) in STACKS {
        for depth in [90, 180, limit] {
            let program = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            check_on_small_stack(program.into_bytes());
        }
    }
}

#[test]
fn a_line_of_a_megabyte() {
    let list = format!("let xs = [{}]\nlet y = = 1", "1, ".repeat(350_000));
    let string = format!("let s = \"{}\" 5", "é".repeat(500_000));
    let word = format!("let {} = 1 1", "a".repeat(1 << 20));
    let bad = format!("let xs = [{} = ]", "1, ".repeat(350_000));
    let unclosed = format!("let s = \"{}", "x".repeat(1 << 20));
    for program in [list, string, word, bad, unclosed] {
        check_on_small_stack(program.into_bytes());
    }
}

#[test]
fn odd_bytes() {
    for bytes in [
        &b""[..],
        b"\xff",
        b"\0",
        b"\0\0\0",
        b"let x = 1\0",
        b"\"\0\"",
        b"//\0",
        b"\xef\xbb\xbflet x = 1",
        b"\xef\xbb",
        b"let \xc0\x80",
        b"\xed\xa0\x80",
        b"\r\r\n\r",
        b"\"\\",
        b"'\\",
        b"'",
        b"\"{",
        b"\"{\"",
        b"r\"",
        b"#!",
        b"/*",
        b"/*/",
        b"1.",
        b"1e",
        b"1e+",
        b":",
        b"::",
        b"-",
        b"\"\\u{",
        b"\xe2\x80\xa8",
    ] {
        check_bytes(bytes);
    }
}

// ---- random input ----

const WORDS: &[&str] = &[
    "let",
    "var",
    "fn",
    "struct",
    "enum",
    "impl",
    "module",
    "import",
    "if",
    "else",
    "while",
    "loop",
    "for",
    "in",
    "break",
    "continue",
    "return",
    "match",
    "throw",
    "try",
    "catch",
    "finally",
    "arena",
    "scope",
    "spawn",
    "yield",
    "nil",
    "true",
    "false",
    "self",
    "state",
    "perform",
    "eval",
    "select",
    "where",
    "pure",
    "extern",
    "def",
    "x",
    "y",
    "f",
    "Point",
    "Empty",
    "_",
    "1",
    "2.5",
    "0xff",
    "9223372036854775808",
    "'a'",
    "\"s\"",
    "\"a{",
    "}b\"",
    "\"",
    "{{",
    ":k",
    "r\"q\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "%{",
    "%[",
    "#{",
    ",",
    ";",
    ":",
    "::",
    ".",
    "..",
    "..=",
    "=>",
    "->",
    "=",
    "+=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "<<",
    ">>>",
    "&&",
    "||",
    "!",
    "~",
    "==",
    "<",
    "@",
    "\n",
    "\n",
    "\n",
    "// c\n",
    "/* c */",
    "é",
    "?",
];

fn soup() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS);
    let gap = prop::sample::select(&["", " ", " "][..]);
    prop::collection::vec((word, gap), 0..120)
        .prop_map(|parts| parts.iter().flat_map(|(word, gap)| [*word, *gap]).collect())
}

/// A program that uses every construct: what mutations start from.
const SEED: &str = include_str!("support/frontend_seed.mena");

/// The seed and, where they are present, the workloads.
fn programs() -> Vec<String> {
    let mut programs = vec![SEED.to_owned()];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/workloads");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "mena") {
                programs.extend(std::fs::read_to_string(path));
            }
        }
    }
    programs
}

#[derive(Debug, Clone)]
enum Mutation {
    Delete { at: f64, len: usize },
    Insert { at: f64, word: &'static str },
    Replace { at: f64, word: &'static str },
    Move { from: f64, to: f64, len: usize },
    Cut { at: f64 },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let word = || prop::sample::select(WORDS);
    let place = || 0.0..1.0f64;
    prop_oneof![
        (place(), 1..40usize).prop_map(|(at, len)| Mutation::Delete { at, len }),
        (place(), word()).prop_map(|(at, word)| Mutation::Insert { at, word }),
        (place(), word()).prop_map(|(at, word)| Mutation::Replace { at, word }),
        (place(), place(), 1..80usize).prop_map(|(from, to, len)| Mutation::Move { from, to, len }),
        place().prop_map(|at| Mutation::Cut { at }),
    ]
}

fn place(text: &[u8], at: f64) -> usize {
    (at * text.len() as f64) as usize
}

fn piece(text: &[u8], at: usize, len: usize) -> std::ops::Range<usize> {
    at.min(text.len())..(at + len).min(text.len())
}

fn mutate(text: &mut Vec<u8>, mutation: &Mutation) {
    match *mutation {
        Mutation::Delete { at, len } => {
            let range = piece(text, place(text, at), len);
            text.drain(range);
        }
        Mutation::Insert { at, word } => {
            let at = place(text, at);
            text.splice(at..at, word.bytes());
        }
        Mutation::Replace { at, word } => {
            let range = piece(text, place(text, at), word.len());
            text.splice(range, word.bytes());
        }
        Mutation::Move { from, to, len } => {
            let range = piece(text, place(text, from), len);
            let moved: Vec<u8> = text.drain(range).collect();
            let to = place(text, to);
            text.splice(to..to, moved);
        }
        Mutation::Cut { at } => {
            let at = place(text, at);
            text.truncate(at);
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    let cases = property_cases(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn token_soup(text in soup()) {
        check_bytes(text.as_bytes());
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_bytes(&bytes);
    }

    #[test]
    fn random_characters(chars in prop::collection::vec(any::<char>(), 0..200)) {
        check_bytes(chars.into_iter().collect::<String>().as_bytes());
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn mutated_programs(
        program in prop::sample::select(programs()),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut text = program.into_bytes();
        for mutation in &mutations {
            mutate(&mut text, mutation);
        }
        check_bytes(&text);
    }
}

#[test]
fn every_program_parses() {
    for program in programs() {
        let mut sources = Sources::new();
        let file = sources.add("program.mena", program);
        let (_, diagnostics) = parse(&sources, file, &mut Interner::default());
        let text = render(&sources, &diagnostics, RenderOptions::default());
        assert!(!has_errors(&diagnostics), "{text}\n{}", sources.text(file));
    }
}

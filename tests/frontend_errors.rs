//! The messages of the front end, compared with a committed file.
//!
//! `tests/support/frontend_errors.txt` holds the cases: `=== name`, the program, `--- output`, what
//! is printed. `UPDATE_EXPECT=1 cargo test --test frontend_errors` rewrites the outputs.

use menagerie::lang::diagnostics::{RenderOptions, Sources, render};
use menagerie::lang::parser::parse;
use menagerie::names::Interner;
use std::fmt::Write as _;
use std::path::PathBuf;

const CASE: &str = "=== ";
const OUTPUT: &str = "--- output";

struct Case {
    name: String,
    program: String,
    output: String,
}

fn golden_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/frontend_errors.txt")
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_output = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(CASE) {
            in_output = false;
            let (program, output) = (String::new(), String::new());
            cases.push(Case { name: name.to_owned(), program, output });
        } else if line == OUTPUT {
            in_output = true;
        } else if let Some(case) = cases.last_mut() {
            let part = if in_output { &mut case.output } else { &mut case.program };
            part.push_str(line);
            part.push('\n');
        }
    }
    cases
}

fn messages(program: &str) -> String {
    let mut sources = Sources::new();
    // The last line of a program has no line end, so that a case can end anywhere.
    let file = sources.add("bad.mena", program.trim_end_matches('\n'));
    let (_, diagnostics) = parse(&sources, file, &mut Interner::default());
    let text = render(&sources, &diagnostics, RenderOptions::default());
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn messages_are_as_committed() {
    let text = std::fs::read_to_string(golden_file()).expect("the golden file");
    let cases = cases(&text);
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return rewrite(&cases);
    }
    for case in &cases {
        let Case { name, program, output } = case;
        assert_eq!(messages(program).trim_end(), output.trim_end(), "{name}:\n{program}");
        assert!(!output.is_empty(), "{name} prints nothing");
    }
}

fn rewrite(cases: &[Case]) {
    let mut text = String::new();
    for Case { name, program, .. } in cases {
        let output = messages(program);
        let _ = write!(text, "{CASE}{name}\n{program}{OUTPUT}\n{output}");
        text.truncate(text.trim_end().len());
        text.push_str("\n\n");
    }
    std::fs::write(golden_file(), text).expect("the golden file can be written");
}

#[test]
fn at_most_twenty_are_printed() {
    let out = messages(&"let = 1\n".repeat(30));
    assert_eq!(out.matches("error:").count(), 20);
    assert!(out.ends_with("… and 10 more\n"), "{out}");
}

#[test]
fn colours_on_request_only() {
    let mut sources = Sources::new();
    let file = sources.add("bad.mena", "let = 1");
    let (_, diagnostics) = parse(&sources, file, &mut Interner::default());
    let with = |color| render(&sources, &diagnostics, RenderOptions { color, limit: 20 });
    assert!(!with(false).contains('\u{1b}'));
    assert!(with(true).contains('\u{1b}'));
}

#[test]
fn invalid_utf8_names_the_place() {
    let mut sources = Sources::new();
    let error = sources.add_bytes("bad.mena", b"let a = 1\nlet b = \"\xff\"\n").unwrap_err();
    let text = render(&sources, &[error], RenderOptions::default());
    assert!(text.starts_with("error: the file is not UTF-8: byte 0xff at offset 19\n"), "{text}");
    assert!(text.contains("--> bad.mena:2:10"), "{text}");
}

#[test]
fn a_file_of_bytes_is_added() {
    let mut sources = Sources::new();
    let file = sources.add_bytes("good.mena", "let ä = 1\nä".as_bytes()).unwrap();
    assert_eq!(sources.text(file), "let ä = 1\nä");
    assert_eq!(sources.line_column(file, 6), (1, 6));
    assert_eq!(sources.line_column(file, 11), (2, 1));
    assert_eq!(sources.file(file).name(), "good.mena");
}

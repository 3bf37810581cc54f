//! The examples of `docs/language.md` parse. (What they print is checked where they are run.)

use menagerie::lang::diagnostics::{RenderOptions, Sources, has_errors, render};
use menagerie::lang::parser::parse;
use menagerie::names::Interner;

struct Example {
    line: usize,
    info: String,
    text: String,
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for (index, line) in page.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                let (info, text) = (info.trim().to_owned(), String::new());
                examples.push(Example { line: index + 2, info, text });
            }
        } else if inside && let Some(example) = examples.last_mut() {
            example.text.push_str(line);
            example.text.push('\n');
        }
    }
    examples
}

#[test]
fn examples_parse() {
    let page = include_str!("../docs/language.md");
    let examples = examples(page);
    assert!(examples.len() > 40, "only {} examples", examples.len());
    for example in examples.iter().filter(|example| example.info == "mena") {
        let mut sources = Sources::new();
        let file = sources.add(format!("docs/language.md:{}", example.line), &*example.text);
        let (_, diagnostics) = parse(&sources, file, &mut Interner::default());
        assert!(
            diagnostics.is_empty(),
            "{}",
            render(&sources, &diagnostics, RenderOptions::default())
        );
        let says = ["// expect: ", "// expect-error: "];
        let expects = says.iter().any(|word| example.text.contains(word));
        assert!(expects, "line {}: the example expects nothing", example.line);
    }
}

/// The examples of syntax that is refused are refused by the parser, the others by name
/// resolution.
#[test]
fn refused_examples_do_not_crash() {
    let page = include_str!("../docs/language.md");
    let refused =
        examples(page).into_iter().filter(|example| example.info.contains("compile-error"));
    let mut errors = 0;
    for example in refused {
        let mut sources = Sources::new();
        let file = sources.add("example", example.text);
        let (_, diagnostics) = parse(&sources, file, &mut Interner::default());
        errors += usize::from(has_errors(&diagnostics));
    }
    assert!(errors >= 4, "{errors} examples are refused by the parser");
}

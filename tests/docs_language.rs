//! Every example of `docs/language.md` is compiled, run on every heap and on the oracle, and compared
//! with its `// expect:` lines; the refused ones with their `// expect-compile-error:` lines.

mod common;

use std::path::{Path, PathBuf};

use common::{How, Workload, compile, heaps, run_oracle};
use menagerie::interp::Engine;

/// A fenced block: what follows the fence, and its text.
struct Example {
    info: String,
    program: Workload,
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for (index, line) in include_str!("../docs/language.md").lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                let path = PathBuf::from(format!("docs/language.md:{}", index + 2));
                let program = Workload { path, source: String::new() };
                examples.push(Example { info: info.trim().to_owned(), program });
            }
        } else if inside && let Some(example) = examples.last_mut() {
            example.program.source.push_str(line);
            example.program.source.push('\n');
        }
    }
    assert!(!inside, "docs/language.md: the last block is not closed");
    examples
}

/// The examples that are programs.
fn programs() -> Vec<Workload> {
    let all = examples().into_iter().filter(|e| e.info == "mena").map(|e| e.program);
    let programs: Vec<_> = all
        .map(|mut program| {
            // Examples expect at the end of a line, too: each comment gets a line of its own.
            program.source = program.source.replace("// expect", "\n// expect");
            program
        })
        .collect();
    assert!(programs.len() >= 40, "only {} examples", programs.len());
    programs
}

#[test]
fn every_block_says_what_it_is() {
    for Example { info, program } in examples() {
        let known = ["mena", "mena compile-error", "text"].contains(&info.as_str());
        assert!(known, "{}: what is a block of `{info}`?", program.path.display());
    }
}

#[test]
fn examples_print_what_they_say_on_every_heap_and_engine() {
    for program in programs() {
        let says_something = !program.expected().is_empty() || program.expected_error().is_some();
        assert!(says_something, "{}: the example expects nothing", program.path.display());
        for heap in heaps() {
            for &engine in Engine::ALL {
                program.check(How { engine, ..How::on(heap) });
            }
            program.check(How::stressed(heap));
        }
    }
}

#[test]
fn examples_print_what_they_say_on_the_oracle() {
    for program in programs() {
        let outcome = run_oracle(&program.path, &program.source, &How::on("oracle"));
        program.compare(&outcome, "oracle");
    }
}

#[test]
fn refused_examples_give_the_errors_that_they_say() {
    let all = examples();
    let refused: Vec<_> = all.iter().filter(|e| e.info == "mena compile-error").collect();
    assert!(refused.len() >= 8, "only {} refused examples", refused.len());
    for Example { program, .. } in refused {
        let place = program.path.display();
        let said: Vec<_> = program
            .source
            .lines()
            .filter_map(|line| line.split_once("// expect-compile-error: "))
            .map(|(_, message)| message)
            .collect();
        assert!(!said.is_empty(), "{place}: add `// expect-compile-error: message`");
        let Err(text) = compile(Path::new("example.mena"), &program.source) else {
            panic!("{place}: it compiles");
        };
        let errors: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
        assert_eq!(errors, said, "{place}:\n{text}");
    }
}

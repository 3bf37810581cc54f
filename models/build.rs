//! Writes the mutants: each protocol's source with the edits of `mutants.rs`, a table of all variants,
//! and a test for each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "mutants.rs"]
mod mutants;
use mutants::{Mutant, PROTOCOLS, Protocol};

fn main() {
    println!("cargo::rerun-if-changed=mutants.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    let mut modules = String::new();
    let mut table = String::new();
    let mut tests = String::new();
    for protocol in PROTOCOLS {
        let name = protocol.name;
        let source = here.join("..").join(protocol.source);
        println!("cargo::rerun-if-changed={}", source.display());
        for model in protocol.models {
            table.push_str(&variant(name, model, None, &format!("crate::{name}::model::{model}")));
            test(&mut tests, &format!("{name}_{model}"), &format!("holds(\"{name}::{model}\")"));
        }
        let text = fs::read_to_string(&source).unwrap_or_else(|e| {
            panic!("{}: {e}; correct `source` in models/mutants.rs", protocol.source)
        });
        let model = here.join(format!("src/{name}/model.rs"));
        let _ = writeln!(modules, "mod {name} {{");
        for mutant in protocol.mutants {
            let file = out.join(format!("{name}_{}.rs", mutant.name));
            fs::write(&file, mutate(protocol, mutant, &text)).expect("OUT_DIR can be written");
            module(&mut modules, mutant.name, &file, &model);
            let function = format!("{name}::{}::model::{}", mutant.name, mutant.model);
            table.push_str(&variant(name, mutant.model, Some(mutant), &function));
            test(
                &mut tests,
                &format!("{name}_mutant_{}", mutant.name),
                &format!("is_killed(\"{name}::{}\", \"{}\")", mutant.model, mutant.name),
            );
        }
        modules.push_str("}\n");
    }
    let text =
        format!("{modules}\n/// All of them.\npub static VARIANTS: &[Variant] = &[\n{table}];\n");
    fs::write(out.join("variants.rs"), text).expect("OUT_DIR can be written");
    fs::write(out.join("tests.rs"), tests).expect("OUT_DIR can be written");
}

/// The source with the mutant's edits.
fn mutate(protocol: &Protocol, mutant: &Mutant, source: &str) -> String {
    let mut text = source.to_owned();
    for (old, new) in mutant.edits {
        let times = text.matches(old).count();
        assert!(
            times == 1,
            "mutant `{}` of {}: the text below occurs {times} times instead of once. The source has \
             changed: make the same mistake in the new text, in models/mutants.rs.\n{old}",
            mutant.name,
            protocol.source,
        );
        text = text.replacen(old, new, 1);
    }
    text
}

/// The module of a mutant: its source, and the models of its protocol compiled against it.
fn module(modules: &mut String, name: &str, protocol: &Path, model: &Path) {
    let (protocol, model) = (protocol.display().to_string(), model.display().to_string());
    let _ = write!(
        modules,
        "    #[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]\n    \
         pub(super) mod {name} {{\n        \
         #[path = {protocol:?}]\n        pub mod protocol;\n        \
         #[path = {model:?}]\n        pub mod model;\n    }}\n"
    );
}

fn variant(protocol: &str, model: &str, mutant: Option<&Mutant>, function: &str) -> String {
    let (name, failure) = (mutant.map(|m| m.name), mutant.map_or("", |m| m.failure));
    format!(
        "    Variant {{ model: \"{protocol}::{model}\", mutant: {name:?}, failure: {failure:?}, \
         run: {function} }},\n"
    )
}

fn test(tests: &mut String, name: &str, body: &str) {
    let _ = write!(tests, "#[test]\nfn {name}() {{\n    {body};\n}}\n");
}

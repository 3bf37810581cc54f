//! Copies the core's sources, puts shuttle's threads in the place of the system's, and writes the
//! mistakes of `mistakes.rs` into the copy. All are in one build: `WRONG` in an edit becomes a question,
//! whether that mistake is to be made, and the answer is no unless the program says otherwise.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "mistakes.rs"]
mod mistakes;
use mistakes::MISTAKES;

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    let (from, to) = (here.join("../../src"), out.join("core"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=mistakes.rs");
    println!("cargo::rerun-if-changed=src/native.rs");
    println!("cargo::rerun-if-changed={}", from.display());
    println!("cargo::rustc-check-cfg=cfg(tail_calls)");
    if to.exists() {
        fs::remove_dir_all(&to).expect("OUT_DIR can be written");
    }
    copy(&from, &to);
    fs::copy(here.join("src/native.rs"), to.join("sync/native.rs")).expect("a source");
    for mistake in MISTAKES {
        for &(file, right, wrong) in mistake.edits {
            edit(&to.join(file), |text| {
                let times = text.matches(right).count();
                assert!(
                    times == 1,
                    "mistake `{}` in src/{file}: the text below occurs {times} times instead of once. \
                     The source has changed: make the same mistake in the new text, in \
                     schedules/core/mistakes.rs.\n{right}",
                    mistake.name,
                );
                let asked = format!("crate::sync::native::mistaken({:?})", mistake.name);
                text.replacen(right, &wrong.replace("WRONG", &asked), 1)
            });
        }
    }
    // Who includes a file has said what it is.
    edit(&to.join("lib.rs"), |text| {
        let code = text.lines().filter(|line| !line.starts_with("//!"));
        code.map(|line| format!("{line}\n")).collect()
    });
    // A macro that is exported from an included file could not be named by its path.
    edit(&to.join("bytecode/ops.rs"), |text| {
        text.replacen("#[macro_export]\n", "", 1) + "pub(crate) use for_each_op;\n"
    });
    edit(&to.join("lib.rs"), |text| text + "pub(crate) use bytecode::ops::for_each_op;\n");
    edit(&to.join("sync.rs"), |text| text.replacen("mod native;", "pub mod native;", 1));
    let names: String =
        MISTAKES.iter().map(|m| format!("({:?}, {:?}), ", m.name, m.program)).collect();
    let table = format!(
        "/// Mistakes, and the programs that show them.\npub const MISTAKES: &[(&str, &str)] = &[{names}];\n"
    );
    fs::write(out.join("mistakes.rs"), table).expect("OUT_DIR can be written");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("OUT_DIR can be written");
    for entry in fs::read_dir(from).expect("the core's sources") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("OUT_DIR can be written");
        }
    }
}

fn edit(file: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| {
        panic!("{}: {e}; correct the path in schedules/core/mistakes.rs", file.display())
    });
    fs::write(file, change(text)).expect("OUT_DIR can be written");
}

//! Puts the measured programs into the binary, so that an installed `menagerie` has them too.
//! Writes a table of (id, source) that `src/catalogue/mod.rs` includes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The folders of measured programs, in the order of the catalogue.
const FAMILIES: [&str; 5] = ["awfy", "memory", "forkjoin", "actors", "latency"];

fn main() {
    let root = Path::new(&var("CARGO_MANIFEST_DIR")).join("workloads");
    let mut table =
        format!("const FAMILIES: &[&str] = &{FAMILIES:?};\nconst EMBEDDED: &[(&str, &str)] = &[\n");
    for family in FAMILIES {
        println!("cargo::rerun-if-changed={}", root.join(family).display());
        for path in programs(&root.join(family)) {
            let stem = path.file_stem().expect("a file has a name").to_string_lossy();
            let _ = writeln!(table, "({:?}, include_str!({path:?})),", format!("{family}/{stem}"));
        }
    }
    table.push_str("];\n");
    let out = Path::new(&var("OUT_DIR")).join("workloads.rs");
    std::fs::write(&out, table).unwrap_or_else(|e| panic!("cannot write {}: {e}", out.display()));
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|e| panic!("{name}: {e}; cargo sets it"))
}

/// The programs of a folder, by name.
fn programs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
    let paths = entries.map(|e| e.expect("an entry").path());
    let mut found: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "mena")).collect();
    found.sort();
    found
}

//! What the house rules say and a machine can see: no unfinished business, headers of strategies,
//! unsafe code and dependencies as the README lists them, files of a readable length.
//!
//! Each check names the file, the line and the remedy, and each has seen something to check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use menagerie_strategies::{HEAPS, SCHEDULERS};

/// Longer files are split.
const LINES_MAX: usize = 1200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the repository, their paths from its root, in order.
fn files_below(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}")) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
                found.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no files in {folder}");
    found
}

const CODE: [&str; 7] =
    ["src", "strategies/src", "experiments", "models", "schedules", "tests", "benches"];

fn rust_files() -> Vec<PathBuf> {
    CODE.iter().flat_map(|folder| files_below(folder, &["rs"])).collect()
}

fn text_of(path: &Path) -> String {
    read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A table of the README's section: the first column of each row.
fn readme_column(section: &str) -> Vec<String> {
    let readme = text_of(Path::new("README.md"));
    let (_, rest) = readme.split_once(&format!("\n## {section}\n")).expect("the section");
    let section = rest.split("\n## ").next().expect("a part");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    // Two rows of heading: the names, and the dashes, which begin without a blank.
    rows.skip(1).filter_map(|row| Some(row.split_once(" |")?.0.to_owned())).collect()
}

/// Fails with all complaints at once.
fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    // In two pieces, so that this file does not complain about itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ign", "ore"),
    ];
    let mut files = rust_files();
    files.extend(files_below("docs", &["md"]));
    files.extend(files_below("experiments/workloads", &["mena"]));
    let mut complaints = Vec::new();
    for path in files {
        for (index, line) in text_of(&path).lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{}: `{word}`: do it", path.display(), index + 1));
            }
        }
    }
    report(&complaints);
}

#[test]
fn files_have_a_readable_length() {
    let long = |path: PathBuf| {
        let lines = text_of(&path).lines().count();
        let name = path.display();
        (lines > LINES_MAX).then(|| format!("{name}: {lines} lines: split it at {LINES_MAX}"))
    };
    report(&rust_files().into_iter().filter_map(long).collect::<Vec<_>>());
}

/// Whether code, not a comment, has the keyword.
fn is_unsafe(text: &str) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or(""));
    code.into_iter().any(|line| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.into_iter().any(|word| word == "unsafe")
    })
}

#[test]
fn unsafe_code_is_in_the_inventory() {
    let column = readme_column("Unsafe code");
    let places: Vec<_> = column.iter().flat_map(|cell| cell.split(", ")).collect();
    let places: Vec<_> = places.iter().map(|place| place.trim_matches('`')).collect();
    let mut used = BTreeSet::new();
    let mut complaints = Vec::new();
    for path in rust_files() {
        if path == Path::new("tests/tidy.rs") || !is_unsafe(&text_of(&path)) {
            continue;
        }
        let covers = |place: &&&str| {
            let is_folder = place.ends_with('/');
            if is_folder { path.starts_with(place) } else { path == Path::new(place) }
        };
        match places.iter().find(covers) {
            Some(place) => _ = used.insert(*place),
            None => complaints.push(format!(
                "{}: unsafe code outside of the places in README.md, \"Unsafe code\": move it to \
                 a part that encapsulates it, or add its row",
                path.display()
            )),
        }
    }
    let stale = places.iter().filter(|place| !used.contains(*place));
    complaints.extend(stale.map(|p| format!("README.md: no unsafe code in `{p}`: remove it")));
    assert!(used.len() > 5, "only {used:?}");
    report(&complaints);
}

/// The strategies' files of a folder, and the names that their headers begin with.
fn strategies(folder: &str) -> BTreeMap<String, PathBuf> {
    let files = files_below(&format!("strategies/src/{folder}"), &["rs"]);
    let strategies = files.into_iter().filter(|path| !path.ends_with("mod.rs"));
    strategies
        .map(|path| {
            let text = text_of(&path);
            let name = text.strip_prefix("//! `").and_then(|rest| rest.split('`').next());
            let name = name.unwrap_or_else(|| {
                panic!("{}: its header begins with //! `name`: the idea", path.display())
            });
            (name.to_owned(), path)
        })
        .collect()
}

#[test]
fn strategies_open_with_invariants_and_their_source() {
    let mut complaints = Vec::new();
    for (_, path) in strategies("heaps").into_iter().chain(strategies("schedulers")) {
        let text = text_of(&path);
        let header: Vec<_> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let has = |start: &str| header.iter().any(|line| line.trim_start().starts_with(start));
        let wanted = [
            ("Invariants", "a section `Invariants`"),
            ("- I1.", "a first invariant, `- I1. …`"),
            ("Costs:", "what an operation costs, `Costs: …`"),
            ("Source:", "the paper it follows and where it departs, `Source: …`"),
        ];
        for (start, what) in wanted {
            if !has(start) {
                complaints.push(format!("{}: its header lacks {what}", path.display()));
            }
        }
    }
    report(&complaints);
}

#[test]
fn the_registry_has_every_strategy_and_no_other() {
    let names = |folder| strategies(folder).into_keys().collect::<BTreeSet<_>>();
    let heaps = HEAPS.iter().map(|(info, _)| info.name.to_owned()).collect();
    let schedulers = SCHEDULERS.iter().map(|(info, _)| info.name.to_owned()).collect();
    assert_eq!(
        names("heaps"),
        heaps,
        "strategies/src/heaps, and `heaps!` in strategies/src/lib.rs"
    );
    assert_eq!(
        names("schedulers"),
        schedulers,
        "strategies/src/schedulers, and `schedulers!` in strategies/src/lib.rs"
    );
}

/// The names in the dependency tables of a Cargo.toml.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text_of(Path::new(manifest)).lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
        } else if inside
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['=', '.'])
        {
            found.push(name.trim().to_owned());
        }
    }
    assert!(!found.is_empty(), "{manifest}: no dependencies");
    found
}

#[test]
fn dependencies_have_a_line_in_the_readme() {
    let column = readme_column("Dependencies");
    let listed: BTreeSet<_> = column.iter().flat_map(|cell| cell.split(", ")).collect();
    let manifests = [
        "Cargo.toml",
        "strategies/Cargo.toml",
        "experiments/Cargo.toml",
        "models/Cargo.toml",
        "schedules/Cargo.toml",
        "schedules/core/Cargo.toml",
    ];
    let all: Vec<_> = manifests.into_iter().flat_map(dependencies).collect();
    let foreign: BTreeSet<_> =
        all.iter().map(String::as_str).filter(|name| !name.starts_with("menagerie")).collect();
    let missing = foreign.difference(&listed).map(|name| {
        format!("{name}: say in README.md, \"Dependencies\", what it is for, or do without")
    });
    let stale = listed.difference(&foreign).map(|name| {
        format!("README.md, \"Dependencies\": nothing depends on {name}: remove its line")
    });
    let code: String = rust_files().iter().map(|path| text_of(path)).collect();
    let unused = foreign.iter().filter(|name| {
        let name = name.replace('-', "_");
        !code.contains(&format!("{name}::")) && !code.contains(&format!("use {name} as "))
    });
    let unused = unused.map(|name| format!("{name}: no code names it: do without"));
    report(&missing.chain(stale).chain(unused).collect::<Vec<_>>());
}

#[test]
fn every_source_file_is_part_of_its_crate() {
    let mut complaints = Vec::new();
    for folder in ["src", "strategies/src", "experiments/src"] {
        for path in files_below(folder, &["rs"]) {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            if ["lib", "main"].contains(&name.as_str()) {
                continue;
            }
            let folder = path.parent().expect("a folder");
            // The module that declares it: `mod.rs` stands for its folder.
            let (name, folder) = match name.as_str() {
                "mod" => (
                    folder.file_name().expect("a name").to_string_lossy().into_owned(),
                    folder.parent().expect("a folder"),
                ),
                _ => (name, folder),
            };
            let parents = ["mod.rs", "lib.rs", "main.rs"].map(|file| folder.join(file));
            let beside = folder.with_extension("rs");
            let declared = parents.iter().chain([&beside]).any(|parent| {
                let text = read_to_string(root().join(parent)).unwrap_or_default();
                text.lines().any(|line| line.ends_with(&format!("mod {name};")))
            });
            if !declared {
                complaints.push(format!("{}: no module declares it: remove it", path.display()));
            }
        }
    }
    report(&complaints);
}

/// The ids of `docs/coverage.md`: a family and how many it has.
const FAMILIES: [(&str, usize); 10] = [
    ("N", 46),
    ("M", 55),
    ("L", 78),
    ("E", 35),
    ("S", 44),
    ("DN", 17),
    ("DM", 20),
    ("DL", 22),
    ("DE", 10),
    ("DS", 7),
];

/// Why a place that should show something does not: there is no such test or program.
fn missing_test(reference: &str) -> Option<String> {
    if reference.ends_with(".mena") {
        let path = root().join("experiments/workloads/language").join(reference);
        return (!path.is_file()).then(|| format!("there is no program `{reference}`"));
    }
    let Some((file, name)) = reference.split_once("::") else {
        return Some(format!("`{reference}` is neither a program nor a test"));
    };
    let text = read_to_string(root().join(file)).unwrap_or_default();
    // Tests that a macro makes have their attribute in it, too; quickcheck's has none.
    let is_test = text.split_once(&format!("fn {name}(")).is_some_and(|(before, _)| {
        let attributes = before.trim_end().rsplit("\n\n").next().unwrap_or_default();
        attributes.contains("#[test]") && attributes.lines().all(|l| l.trim().starts_with("#["))
            || before.trim_end().ends_with("#[test]")
            || before.rsplit_once("quickcheck! {").is_some_and(|(_, own)| !own.contains("\n}"))
    });
    // The models' build script writes a test for each model that is listed.
    let is_model = file.starts_with("models/")
        && text.contains(&format!("pub fn {name}()"))
        && text_of(Path::new("models/mutants.rs"))
            .lines()
            .any(|line| line.contains("models: &[") && line.contains(&format!("\"{name}\"")));
    (!is_test && !is_model).then(|| format!("there is no test `{name}` in `{file}`"))
}

#[test]
fn coverage_names_tests_that_exist_for_every_id() {
    let page = text_of(Path::new("docs/coverage.md"));
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    let (mut shown, mut open, mut excluded) = (0, 0, 0);
    for row in page.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [id, _, by] = cells[..] else { panic!("docs/coverage.md: three columns: {row}") };
        if id == "id" {
            continue;
        }
        if !seen.insert(id) {
            complaints.push(format!("docs/coverage.md: {id} has two rows"));
        }
        if by.starts_with("**open**: ") {
            open += 1;
        } else if by.starts_with("**excluded**: ") {
            excluded += 1;
        } else {
            shown += 1;
            for reference in by.split(", ") {
                let missing = missing_test(reference.trim_matches('`'));
                complaints.extend(missing.map(|m| format!("docs/coverage.md: {id}: {m}")));
            }
        }
    }
    for (family, count) in FAMILIES {
        let ids = (1..=count).map(|number| format!("{family}{number}"));
        let missing = ids.filter(|id| !seen.remove(id.as_str()));
        complaints.extend(missing.map(|id| format!("docs/coverage.md: {id} has no row")));
    }
    complaints.extend(seen.iter().map(|id| format!("docs/coverage.md: what is {id}?")));
    let sum = format!("Shown: {shown}. Open: {open}. Excluded: {excluded}.");
    if !page.contains(&sum) {
        complaints.push(format!("docs/coverage.md: the sums are: {sum}"));
    }
    report(&complaints);
}

#[test]
fn programs_named_after_a_defect_are_in_the_coverage() {
    let page = text_of(Path::new("docs/coverage.md"));
    let programs = files_below("experiments/workloads/language/defects", &["mena"]);
    let name = |path: &PathBuf| format!("defects/{}", path.file_name().unwrap().to_string_lossy());
    let absent = programs.iter().map(name).filter(|name| !page.contains(&format!("`{name}`")));
    report(
        &absent.map(|name| format!("docs/coverage.md does not name {name}")).collect::<Vec<_>>(),
    );
}

#[test]
fn pages_name_files_that_exist() {
    let mut files = files_below("docs", &["md"]);
    files.extend(["README.md", "experiments/workloads/README.md"].map(PathBuf::from));
    let mut complaints = Vec::new();
    let mut named = 0;
    for page in files {
        for (index, line) in text_of(&page).lines().enumerate() {
            // Every second piece is code.
            for code in line.split('`').skip(1).step_by(2) {
                let path = code.split([' ', ':']).next().unwrap_or("");
                let is_path = ["src/", "tests/", "scripts/", "benches/", "docs/", "strategies/"]
                    .iter()
                    .any(|folder| path.starts_with(folder));
                if !is_path || path.contains(['<', '*', '…', '{']) {
                    continue;
                }
                named += 1;
                if !root().join(path).exists() {
                    complaints.push(format!(
                        "{}:{}: there is no `{path}`",
                        page.display(),
                        index + 1
                    ));
                }
            }
        }
    }
    assert!(named > 50, "only {named} paths are named");
    report(&complaints);
}

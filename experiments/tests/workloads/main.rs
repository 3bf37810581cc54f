//! The measured programs: every one, at the small size, on every heap and scheduler, prints what
//! its header says; the headers are complete and true; the page is up to date.

use std::path::Path;

use menagerie::interp::Engine;
use menagerie::report::Ending;
use menagerie::sched::{SchedulerConfig, SchedulerInfo};
use menagerie::vm::VmConfig;
use menagerie_experiments::catalogue::{Catalogue, Size, page};
use menagerie_strategies::{HEAPS, SCHEDULERS, hole};

mod claims;
mod run;

use run::{Compiled, compile};

/// Runs a program at the small size on one combination, in virtual time where the scheduler has
/// it, and checks its output.
fn check(compiled: &Compiled<'_>, heap: &str, scheduler: &SchedulerInfo, workers: usize) {
    let w = compiled.workload;
    let on = format!("{} on {heap} × {}, {workers} workers", w.id, scheduler.name);
    let config = VmConfig {
        scheduler: SchedulerConfig { workers, parameters: Vec::new() },
        // A slow op leaves a frame on the host's stack until the slice ends when the tail engine is
        // built with debug assertions, and slices of `inline` may be long.
        engine: if cfg!(debug_assertions) { Engine::Loop } else { Engine::default() },
        virtual_time: scheduler.virtual_time,
        ..VmConfig::default()
    };
    let ran = compiled.run((heap, scheduler.name), &config, w.params_at(Size::Small));
    assert!(matches!(ran.ending, Ending::Finished), "{on}: {:?}", ran.ending);
    assert_eq!(ran.output, *w.expected.of(Size::Small), "{on}");
}

fn on_everything(family: &str) {
    let catalogue = Catalogue::embedded();
    assert!(catalogue.of_family(family).count() > 0, "no programs in {family}");
    for workload in catalogue.of_family(family) {
        let compiled = compile(workload);
        for (heap, _) in HEAPS {
            for (scheduler, _) in SCHEDULERS {
                if hole(heap.name, scheduler.name).is_some() {
                    continue;
                }
                let most = if scheduler.parallel && workload.is_concurrent() { 2 } else { 1 };
                for workers in 1..=most {
                    check(&compiled, heap.name, scheduler, workers);
                }
            }
        }
    }
}

mod small_programs_print_what_they_say_on_every_heap_and_scheduler {
    #[test]
    fn awfy() {
        super::on_everything("awfy");
    }
    #[test]
    fn memory() {
        super::on_everything("memory");
    }
    #[test]
    fn forkjoin() {
        super::on_everything("forkjoin");
    }
    #[test]
    fn actors() {
        super::on_everything("actors");
    }
    #[test]
    fn latency() {
        super::on_everything("latency");
    }
}

/// What in a program's text shows that it uses a part of the language. (`scope` and `par_map` make
/// tasks, too, but none of these programs without `spawn` or `par_map`.)
const SIGNS: &[(&str, &[&str])] = &[
    ("tasks", &["spawn ", "par_map(", "actor("]),
    ("channels", &["channel("]),
    ("select", &["select {"]),
    ("mutexes", &["mutex("]),
    ("actors", &["actor("]),
    ("clock", &["clock_ns("]),
    ("sleep", &["sleep("]),
];

#[test]
fn headers_say_what_the_programs_use() {
    let mut complaints = Vec::new();
    for w in Catalogue::embedded().iter() {
        let is_comment = |line: &&str| !line.trim_start().starts_with("//");
        let code: String = w.text.lines().filter(is_comment).collect::<Vec<_>>().join("\n");
        for (word, signs) in SIGNS {
            let used = signs.iter().any(|sign| code.contains(sign));
            if used != w.uses.iter().any(|u| u == word) {
                let verb = if used { "lacks" } else { "names" };
                complaints.push(format!("{}: `uses` {verb} {word}, against its code", w.id));
            }
        }
        let read = w.params.iter().filter(|p| !code.contains(&format!("param(\"{}\"", p.name)));
        complaints.extend(read.map(|p| format!("{}: never reads parameter {}", w.id, p.name)));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// A default in the program that is not the header's would be measured by nobody.
#[test]
fn defaults_in_programs_are_those_of_their_headers() {
    for w in Catalogue::embedded().iter() {
        for p in &w.params {
            let call = format!("param(\"{}\", {})", p.name, p.values.of(Size::Default));
            assert!(w.text.contains(&call), "{}: no `{call}` in the program", w.id);
        }
    }
}

#[test]
fn the_programs_in_the_binary_are_those_of_the_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
    let embedded = Catalogue::embedded();
    let folder = Catalogue::read(&root).unwrap();
    let texts =
        |c: &Catalogue| c.iter().map(|w| (w.id.clone(), w.text.clone())).collect::<Vec<_>>();
    assert_eq!(texts(&embedded), texts(&folder));
    assert!(embedded.get("awfy/storage").is_some() && embedded.get("storage").is_none());
}

#[test]
fn folders_without_programs_and_wrong_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let none = Catalogue::read(folder.path()).unwrap_err();
    assert!(none.contains("it needs one of the folders awfy, memory"), "{none}");
    std::fs::create_dir(folder.path().join("memory")).unwrap();
    for name in ["one", "two"] {
        let path = folder.path().join("memory").join(name).with_extension("mena");
        std::fs::write(path, "// first line\n// stress: all\nfn main() {}\n").unwrap();
    }
    let all = Catalogue::read(folder.path()).unwrap_err();
    for place in ["one.mena:1: the first line", "one.mena:2: unknown key `stress`", "two.mena:1: "]
    {
        assert!(all.contains(place), "{place} is not in:\n{all}");
    }
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/workloads.md");
    let now = page(&Catalogue::embedded());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let remedy = "UPDATE_EXPECT=1 cargo test -p menagerie-experiments --test workloads";
    assert!(committed == now, "docs/workloads.md is stale: {remedy}");
}

//! The conformance suite of heaps: every registered heap, without an interpreter.
//!
//! [`model`] drives a heap through its mutator and keeps a model of the graph beside it; whatever the
//! heap does, the two must stay the same. A newly registered heap is tested without a change here.

mod barriers;
mod broken;
mod exhaustion;
mod frames;
mod graphs;
mod model;
mod mutants;
mod own_heap;
mod pins;
mod random;
mod regions;
mod weak;

use menagerie::heap::{CheckOptions, Factory, Heap, HeapConfig, HeapInfo, Sizer};
use menagerie_strategies::{HEAPS, factory};

/// A heap under test, with one choice of parameters.
struct Case {
    name: String,
    info: HeapInfo,
    config: HeapConfig,
}

impl Case {
    fn with(&self, f: impl FnOnce(&mut HeapConfig)) -> HeapConfig {
        let mut config = self.config.clone();
        f(&mut config);
        config
    }
}

/// The registered heaps, and the one of the guide.
fn heaps() -> impl Iterator<Item = (HeapInfo, Option<Factory>)> {
    let registered = HEAPS.iter().map(|&(info, _)| (info, factory(info.name)));
    registered.chain([(own_heap::Own::INFO, Some(Factory::of::<own_heap::Own>()))])
}

/// All heaps with all their parameters, 256 MiB, collecting as late as possible, poisoning.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (info, wrapped) in heaps() {
        for parameters in variants(info.name) {
            let shown: Vec<_> = parameters.iter().map(|(n, v)| format!(" {n}={v}")).collect();
            let config = HeapConfig {
                limit_bytes: 256 << 20,
                sizer: Sizer::Fixed,
                parameters,
                poison: true,
                checks: CheckOptions::default(),
                wrapped,
            };
            cases.push(Case { name: format!("{}{}", info.name, shown.concat()), info, config });
        }
    }
    cases
}

fn collecting_cases() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.info.collects)
}

/// The choices of parameters that are tested, by heap.
fn variants(heap: &str) -> Vec<Vec<(String, String)>> {
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    match heap {
        "mark-sweep" => {
            let mut variants =
                ["blocks", "mimalloc", "system"].map(|v| one("allocator", v)).to_vec();
            variants.push(one("sizer", "membalancer"));
            variants.push(one("gc-threads", "3"));
            variants
        }
        "semispace" => vec![Vec::new(), one("sizer", "membalancer:0.1")],
        "arena" => {
            let mut variants = ["0", "64KiB", "16MiB"].map(|v| one("regions", v)).to_vec();
            variants.push(one("frames", "0"));
            variants.push(one("frame-words", "9"));
            variants
        }
        "generational" => {
            let mut variants = ["4KiB", "1MiB"].map(|v| one("nursery", v)).to_vec();
            variants.push(one("gc-threads", "2"));
            variants
        }
        "rc" | "arc" => {
            vec![Vec::new(), [one("cycle-threshold", "100"), one("cycle-budget", "3")].concat()]
        }
        _ => vec![Vec::new()],
    }
}

/// The sizers under which every property must hold.
const SIZERS: [Sizer; 3] = [
    Sizer::Fixed,
    Sizer::Growable { min_bytes: 0, factor: 1.0 },
    Sizer::Growable { min_bytes: 64 << 10, factor: 1.5 },
];

#[test]
fn every_parameter_is_a_declared_one() {
    for case in cases() {
        case.config.check(&case.info).unwrap();
        assert!(case.config.wrapped.is_some(), "{}", case.name);
    }
}

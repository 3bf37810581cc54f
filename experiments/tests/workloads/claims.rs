//! What the catalogue says that programs stress, measured.

use menagerie::heap::{CheckOptions, HeapConfig};
use menagerie::report::Ending;
use menagerie::vm::VmConfig;
use menagerie_experiments::catalogue::{Catalogue, Size};
use menagerie_strategies::{HEAPS, hole};

use crate::run::{Ran, compile};

/// Runs a program at its default size but for these parameters.
fn run(id: &str, heap: &str, params: &[(&str, u64)], config: HeapConfig) -> Ran {
    let catalogue = Catalogue::embedded();
    let workload = catalogue.get(id).expect("a workload of the catalogue");
    let mut all = workload.params_at(Size::Default);
    for (name, value) in params {
        assert!(all.insert((*name).to_owned(), value.to_string()).is_some(), "{id} has no {name}");
    }
    let config = VmConfig { heap: config, ..VmConfig::default() };
    compile(workload).run((heap, "green"), &config, all)
}

fn with(parameters: &[(&str, &str)]) -> HeapConfig {
    let parameters = parameters.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
    HeapConfig { parameters, ..HeapConfig::default() }
}

/// The share of all bytes that a copying nursery had to copy: what did not die young.
fn survival(id: &str, params: &[(&str, u64)]) -> f64 {
    let ran = run(id, "generational", params, with(&[("nursery", "64KiB")]));
    assert!(matches!(ran.ending, Ending::Finished), "{id}: {:?}", ran.ending);
    ran.stats.copied_bytes as f64 / ran.stats.usage.allocated_bytes as f64
}

#[test]
fn what_is_tagged_generational_dies_young_and_a_deep_list_does_not() {
    let young = [
        ("memory/lifetime", vec![("n", 300_000)]),
        ("memory/binarytrees", vec![("n", 10)]),
        ("memory/gcbench", vec![("n", 12)]),
        ("memory/words", vec![("n", 100_000)]),
    ];
    let catalogue = Catalogue::embedded();
    for workload in catalogue.tagged("generational") {
        let params = young.iter().find(|(id, _)| *id == workload.id);
        let (id, params) = params.unwrap_or_else(|| panic!("{} is not measured here", workload.id));
        let survival = survival(id, params);
        assert!(survival < 0.4, "{id}: {survival}");
    }
    let all_live = survival("memory/deeplist", &[("n", 100_000), ("repetitions", 2)]);
    assert!(all_live > 0.9, "deeplist: {all_live}");
}

#[test]
fn cycles_defeats_plain_counting_and_trees_do_not() {
    let ending = |id, n, cycles| {
        let config = HeapConfig { limit_bytes: 8 << 20, ..with(&[("cycles", cycles)]) };
        run(id, "rc", &[("n", n)], config).ending
    };
    let rings = 40_000; // 640,000 nodes of four words: 20 MB.
    let plain = ending("memory/cycles", rings, "off");
    assert_eq!(plain.error_kind(), Some("OutOfMemory"), "{plain:?}");
    let traced = ending("memory/cycles", rings, "on");
    assert!(matches!(traced, Ending::Finished), "{traced:?}");
    let trees = ending("memory/binarytrees", 10, "off");
    assert!(matches!(trees, Ending::Finished), "{trees:?}");
}

#[test]
fn subtrees_of_uts_differ_by_orders_of_magnitude() {
    let nodes = |seed| -> f64 {
        let ran = run("forkjoin/uts", "mark-sweep", &[("n", 1), ("seed", seed)], with(&[]));
        let count = ran.output[0].split(' ').nth(1).expect("the number of nodes");
        count.parse().expect("a number")
    };
    let counts: Vec<f64> = (1..=60).map(nodes).collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let largest = counts.iter().copied().fold(0.0, f64::max);
    let single = counts.iter().filter(|&&n| n == 2.0).count();
    assert!(largest > 10.0 * mean, "the largest has {largest}, all {mean} on average");
    assert!(single > 40, "{single} of 60 have no children");
}

/// Counted on `mark-sweep`: (operations of that name) / (allocations).
fn per_allocation(id: &str, params: &[(&str, u64)], counter: &str) -> f64 {
    let checks = CheckOptions { count: true, ..CheckOptions::default() };
    let ran = run(id, "mark-sweep", params, HeapConfig { checks, ..HeapConfig::default() });
    let counted = |name: &str| {
        let found = ran.stats.counters.iter().find(|(n, _)| *n == name);
        found.unwrap_or_else(|| panic!("no counter {name}")).1 as f64
    };
    counted(counter) / counted("allocations")
}

#[test]
fn objects_of_large_are_large_and_those_of_churn_are_between() {
    let bytes = |id, params: &[(&str, u64)]| per_allocation(id, params, "allocated_bytes");
    let large = bytes("memory/large", &[("n", 300)]);
    let churn = bytes("memory/churn", &[("n", 20_000)]);
    let small = bytes("memory/cycles", &[("n", 1_000)]);
    assert!(
        large > 100_000.0 && (100.0..1000.0).contains(&churn) && small < 64.0,
        "{large} {churn}"
    );
}

#[test]
fn mutate_stores_far_more_often_than_it_allocates() {
    let stores = |id, params: &[(&str, u64)]| per_allocation(id, params, "stores");
    let mutate = stores("memory/mutate", &[("n", 200_000)]);
    let lifetime = stores("memory/lifetime", &[("n", 100_000)]);
    assert!(mutate > 3.0 * lifetime, "{mutate} {lifetime}");
}

/// A marker or a release that recursed would overflow.
#[test]
fn a_million_deep_is_no_problem_for_any_heap() {
    for (heap, _) in HEAPS.iter().filter(|(heap, _)| hole(heap.name, "green").is_none()) {
        let ran = run("memory/deeplist", heap.name, &[("repetitions", 1)], HeapConfig::default());
        assert_eq!(ran.output, ["deeplist 496500"], "{}: {:?}", heap.name, ran.ending);
    }
}

//! What a minor collection visits does not depend on how many tasks wait: shown by a heap that counts the
//! root words that `generational` looks at.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use menagerie::event::NullSink;
use menagerie::heap::{
    Cause, Collection, Dirty, Heap, HeapConfig, HeapError, HeapInfo, Liveness, Roots, Usage,
};
use menagerie::object::Obj;
use menagerie::sched::SchedulerConfig;
use menagerie::value::Value;
use menagerie::vm::{Vm, VmConfig};
use menagerie::world::World;
use menagerie_strategies::heaps::generational::Generational;
use menagerie_strategies::schedulers::green::Green;

mod common;

thread_local! {
    /// Root words and objects traced, of every collection, full ones apart.
    static SEEN: RefCell<[Vec<(usize, u64)>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// `generational`, observed.
#[derive(Debug)]
struct Observed(Generational);

struct Counting<'a> {
    roots: &'a mut dyn Roots,
    words: Rc<RefCell<usize>>,
}

impl Roots for Counting<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        let words = self.words.clone();
        self.roots.slices(&mut |slice, dirty| {
            *words.borrow_mut() += slice.len();
            f(slice, dirty);
        });
    }
    fn recent(&mut self, f: &mut dyn FnMut(&mut [Value])) {
        let words = self.words.clone();
        self.roots.recent(&mut |slice| {
            *words.borrow_mut() += slice.len();
            f(slice);
        });
    }
    fn weak(&mut self, live: &mut dyn Liveness) -> bool {
        self.roots.weak(live)
    }
    fn weak_values(&mut self, f: &mut dyn FnMut(Obj)) {
        self.roots.weak_values(f);
    }
}

// SAFETY: the wrapped heap's work; roots are handed on as they are.
unsafe impl Heap for Observed {
    type Mutator = <Generational as Heap>::Mutator;
    const INFO: HeapInfo = Generational::INFO;

    fn new(config: &HeapConfig) -> Result<Self, HeapError> {
        Generational::new(config).map(Observed)
    }
    fn mutator(&self) -> Self::Mutator {
        self.0.mutator()
    }
    fn collect(&self, roots: &mut dyn Roots, why: Cause) -> Collection {
        let words = Rc::default();
        let collection = self.0.collect(&mut Counting { roots, words: Rc::clone(&words) }, why);
        let seen = (*words.borrow(), collection.traced_objects);
        SEEN.with_borrow_mut(|all| all[usize::from(collection.minor)].push(seen));
        collection
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
}

/// Root words and objects of most minor collections, how often that was, and the words of the largest full
/// one, with so many tasks that wait.
fn run(tasks: usize) -> ((usize, u64), usize, usize) {
    let file = "experiments/workloads/language/tasks_parked_while_collecting.mena";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = std::fs::read_to_string(&path).expect("the program");
    let compiled = common::compile(&path, &source).expect("a correct program");
    let mut world = World::new(compiled.program);
    world.output = menagerie::output::Output::immediate(std::io::sink(), std::io::sink());
    let params = [("tasks", tasks), ("rounds", 200_000)];
    world.params = params.map(|(name, n)| (name.to_owned(), n.to_string())).into();
    let config = VmConfig {
        heap: HeapConfig {
            parameters: vec![("nursery".to_owned(), "256KiB".to_owned())],
            ..HeapConfig::default()
        },
        scheduler: SchedulerConfig { workers: 1, parameters: Vec::new() },
        ..VmConfig::default()
    };
    SEEN.with_borrow_mut(|seen| *seen = Default::default());
    let vm = Vm::<Observed, Green, NullSink>::new(&config, compiled.code, world, NullSink);
    let ending = vm.expect("a good configuration").run();
    assert_eq!(ending, menagerie::report::Ending::Finished);
    let [full, minor] = SEEN.take();
    let mut often = BTreeMap::new();
    minor.into_iter().for_each(|seen| *often.entry(seen).or_insert(0) += 1);
    let (usual, times) = often.into_iter().max_by_key(|&(_, times)| times).expect("collections");
    (usual, times, full.into_iter().map(|(words, _)| words).max().expect("gc()"))
}

#[test]
fn a_minor_collection_visits_as_much_with_ten_thousand_waiting_tasks_as_with_ten() {
    let (few, times_few, full_few) = run(10);
    let (many, times_many, full_many) = run(10_000);
    assert!(times_few >= 20 && times_many >= 20, "{times_few}, {times_many} of the same");
    assert_eq!(few, many, "root words and objects of a minor collection");
    // A full one visits every task: the words are counted.
    assert!(full_many > full_few + 10_000, "{full_few}, {full_many} words");
}

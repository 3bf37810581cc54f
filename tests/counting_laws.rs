//! Laws of counting, on random graphs: counts are exact, what is reached stays, all else goes, cycles of
//! every shape included.

use menagerie::check::counted::Counted;
use menagerie::heap::{
    Cause, CheckOptions, Dirty, Heap, HeapConfig, Liveness, Mutator, Roots, Safepoint,
};
use menagerie::object::{Obj, ObjectKind, ObjectLayout};
use menagerie::sync::ManyThreads;
use menagerie::value::Value;
use menagerie_strategies::heaps::{mark_sweep::MarkSweep, rc::Rc};
use quickcheck::{Arbitrary, Gen, quickcheck};

const SLOTS: usize = 3;
const LAYOUT: ObjectLayout = ObjectLayout::new(ObjectKind::Tuple, SLOTS as u32);

/// Objects, the references written between them, in order (later ones overwrite), and which of them a
/// register holds in the end.
#[derive(Clone, Debug)]
struct Graph {
    held: Vec<bool>,
    /// From, slot, to.
    edges: Vec<(usize, usize, usize)>,
}

impl Arbitrary for Graph {
    fn arbitrary(g: &mut Gen) -> Graph {
        let held: Vec<bool> = Arbitrary::arbitrary(g);
        let wild: Vec<(usize, usize, usize)> = Arbitrary::arbitrary(g);
        let edges = if held.is_empty() { Vec::new() } else { wild };
        Graph { edges: edges.into_iter().map(|e| within(e, held.len())).collect(), held }
    }
    fn shrink(&self) -> Box<dyn Iterator<Item = Graph>> {
        let Graph { held, edges } = self.clone();
        let fewer = edges.shrink().map({
            let held = held.clone();
            move |edges| Graph {
                edges: edges.into_iter().map(|e| within(e, held.len())).collect(),
                held: held.clone(),
            }
        });
        let last = held.len().saturating_sub(1);
        let unused = edges.iter().all(|&(from, _, to)| from != last && to != last);
        let smaller = (!held.is_empty() && (unused || edges.is_empty()))
            .then(|| Graph { held: held[..last].to_vec(), edges: edges.clone() });
        Box::new(fewer.chain(smaller))
    }
}

fn within((from, slot, to): (usize, usize, usize), nodes: usize) -> (usize, usize, usize) {
    (from % nodes, slot % SLOTS, to % nodes)
}

impl Graph {
    /// What refers to nothing older than itself: no cycles.
    fn without_cycles(mut self) -> Graph {
        self.edges.retain(|&(from, _, to)| from > to);
        self
    }
    /// The slots in the end.
    fn slots(&self) -> Vec<[Option<usize>; SLOTS]> {
        let mut slots = vec![[None; SLOTS]; self.held.len()];
        for &(from, slot, to) in &self.edges {
            slots[from][slot] = Some(to);
        }
        slots
    }
    fn reached(&self) -> Vec<bool> {
        let slots = self.slots();
        let mut reached = self.held.clone();
        let mut work: Vec<_> = (0..reached.len()).filter(|&n| reached[n]).collect();
        while let Some(n) = work.pop() {
            for to in slots[n].into_iter().flatten() {
                if !std::mem::replace(&mut reached[to], true) {
                    work.push(to);
                }
            }
        }
        reached
    }
    /// References to an object, from those that are reached and from its register.
    fn references(&self, n: usize) -> u64 {
        let reached = self.reached();
        let slots = self.slots().into_iter().zip(reached).filter(|(_, reached)| *reached);
        let from_slots = slots.flat_map(|(slots, _)| slots).filter(|&to| to == Some(n)).count();
        from_slots as u64 + u64::from(self.held[n])
    }
}

/// A heap with one mutator; the roots are a register for each object.
struct Machine<H: Heap> {
    mutator: H::Mutator,
    heap: H,
    registers: Vec<Value>,
    objects: Vec<Obj>,
}

struct Registers<'a>(&'a mut [Value]);
impl Roots for Registers<'_> {
    fn slices(&mut self, f: &mut dyn FnMut(&mut [Value], Dirty)) {
        f(self.0, Dirty::Yes);
    }
    fn weak(&mut self, _: &mut dyn Liveness) -> bool {
        false
    }
}

impl<H: Heap> Machine<H> {
    /// With all objects in registers, and the graph between them.
    fn new(graph: &Graph) -> Machine<H> {
        Self::with(graph, &[])
    }
    fn with(graph: &Graph, parameters: &[(&str, &str)]) -> Machine<H> {
        let parameters = parameters.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        let checks = CheckOptions { count: true, ..CheckOptions::default() };
        let config = HeapConfig {
            limit_bytes: 16 << 20,
            poison: true,
            checks,
            parameters,
            ..HeapConfig::default()
        };
        let heap = H::new(&config).unwrap();
        let mut mutator = heap.mutator();
        let mut registers = vec![Value::NIL; graph.held.len()];
        let mut objects = Vec::new();
        for register in &mut registers {
            let mut stop = |_: Cause| panic!("there is room for a few objects");
            let o = mutator.try_alloc(LAYOUT).unwrap_or_else(|| {
                mutator.alloc_slow(LAYOUT, &mut Safepoint::new(&mut stop)).unwrap()
            });
            (0..SLOTS).for_each(|i| mutator.init(o, i, Value::NIL));
            mutator.set(register, Value::object(o));
            objects.push(o);
        }
        let mut machine = Machine { mutator, heap, registers, objects };
        for &(from, slot, to) in &graph.edges {
            let v = Value::object(machine.objects[to]);
            machine.mutator.store(machine.objects[from], slot, v);
            machine.drain();
        }
        machine
    }
    fn drain(&mut self) {
        if self.mutator.unsettled() {
            self.mutator.drain();
        }
    }
    /// Drops the registers that the graph does not hold.
    fn let_go(mut self, graph: &Graph) -> Machine<H> {
        for (register, held) in self.registers.iter_mut().zip(&graph.held) {
            if !held {
                self.mutator.clear(std::slice::from_mut(register));
            }
        }
        self.drain();
        self
    }
    fn collect(mut self) -> Machine<H> {
        self.mutator.flush();
        self.heap.collect(&mut Registers(&mut self.registers), Cause::Explicit);
        self
    }
    fn used_bytes(&mut self) -> usize {
        self.mutator.flush();
        self.heap.usage().used_bytes
    }
    fn count(&self, n: usize) -> u64 {
        self.heap.reference_count(self.objects[n]).expect("it counts")
    }
}

fn counts_are_exact<H: Heap>(graph: Graph) -> bool {
    let machine = Machine::<H>::new(&graph).let_go(&graph).collect();
    let mut reached = graph.reached().into_iter().enumerate().filter(|(_, reached)| *reached);
    reached.all(|(n, _)| machine.count(n) == graph.references(n))
}
fn what_is_reached_stays<H: Heap>(graph: Graph) -> bool {
    let mut machine = Machine::<H>::new(&graph).let_go(&graph).collect();
    graph.slots().iter().zip(graph.reached()).enumerate().filter(|(_, (_, r))| *r).all(
        |(n, (slots, _))| {
            let o = machine.objects[n];
            (0..SLOTS).all(|i| {
                let want = slots[i].map_or(Value::NIL, |to| Value::object(machine.objects[to]));
                machine.mutator.load(o, i) == want
            })
        },
    )
}
fn all_else_goes<H: Heap>(graph: Graph) -> bool {
    let reached = graph.reached().into_iter().filter(|&r| r).count();
    Machine::<H>::new(&graph).let_go(&graph).collect().used_bytes() == reached * LAYOUT.size()
}
fn nothing_is_left_at_the_end<H: Heap>(graph: Graph) -> bool {
    let nobody = Graph { held: vec![false; graph.held.len()], ..graph.clone() };
    Machine::<H>::new(&graph).let_go(&graph).let_go(&nobody).collect().used_bytes() == 0
}
/// Without cycles counting alone frees, at once. (Nobody looks for cycles: the memory of a dead object
/// that is a candidate awaits the next collection.)
fn no_cycle_needs_no_collection(graph: Graph) -> bool {
    let graph = graph.without_cycles();
    let reached = graph.reached().into_iter().filter(|&r| r).count();
    let machine = Machine::<Rc>::with(&graph, &[("cycles", "off")]);
    machine.let_go(&graph).used_bytes() == reached * LAYOUT.size()
}

/// What `--count` says of count operations.
fn operations<H: Heap>() -> (u64, u64) {
    let graph = Graph { held: vec![true, false], edges: vec![(0, 0, 1), (0, 0, 1), (0, 1, 0)] };
    // Two registers written; three slots, the second time one that held a reference; one cleared.
    let machine = Machine::<Counted<H>>::new(&graph).let_go(&graph);
    let counters = machine.heap.counters();
    let counter = |name| counters.iter().find(|(n, _)| *n == name).expect("a counter").1;
    (counter("increments"), counter("decrements"))
}

#[test]
fn count_operations_are_counted() {
    assert_eq!(operations::<Rc>(), (2 + 3, 1 + 1));
    assert_eq!(operations::<Arc>(), (2 + 3, 1 + 1));
    assert_eq!(operations::<MarkSweep>(), (0, 0), "a heap that does not count");
}

type Arc = Rc<ManyThreads>;

quickcheck! {
    fn dn1_rc_counts_are_exact(graph: Graph) -> bool { counts_are_exact::<Rc>(graph) }
    fn dn1_arc_counts_are_exact(graph: Graph) -> bool { counts_are_exact::<Arc>(graph) }
    fn rc_keeps_what_is_reached(graph: Graph) -> bool { what_is_reached_stays::<Rc>(graph) }
    fn arc_keeps_what_is_reached(graph: Graph) -> bool { what_is_reached_stays::<Arc>(graph) }
    fn rc_frees_every_shape_of_cycle(graph: Graph) -> bool { all_else_goes::<Rc>(graph) }
    fn arc_frees_every_shape_of_cycle(graph: Graph) -> bool { all_else_goes::<Arc>(graph) }
    fn rc_leaves_nothing(graph: Graph) -> bool { nothing_is_left_at_the_end::<Rc>(graph) }
    fn arc_leaves_nothing(graph: Graph) -> bool { nothing_is_left_at_the_end::<Arc>(graph) }
    fn rc_needs_no_collection_without_cycles(graph: Graph) -> bool {
        no_cycle_needs_no_collection(graph)
    }
}

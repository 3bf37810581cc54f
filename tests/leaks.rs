//! When a program has ended and every root is dropped, nothing is left on the heap: no count was
//! lost, no cycle kept, no root forgotten.

mod common;

use common::{Workload, compile, workloads};
use menagerie::event::NullSink;
use menagerie::heap::{Heap, HeapConfig};
use menagerie::input::Input;
use menagerie::output::Output;
use menagerie::sched::SchedulerConfig;
use menagerie::sync::ManyThreads;
use menagerie::vm::{Vm, VmConfig};
use menagerie::world::World;
use menagerie_strategies::heaps::{
    arena::Arena, generational::Generational, hybrid::Hybrid, mark_sweep::MarkSweep, rc::Rc,
    semispace::SemiSpace,
};
use menagerie_strategies::schedulers::green::Green;

/// Runs a program and gives the bytes of objects that are left when its roots are gone.
fn left_over<H: Heap>(workload: &Workload, parameters: &[(&str, &str)]) -> usize {
    let compiled = compile(&workload.path, &workload.source).expect("a correct program");
    let mut world = World::new(compiled.program);
    world.output = Output::immediate(std::io::sink(), std::io::sink());
    world.input = Input::new(std::io::empty());
    world.params = workload.small_params().into_iter().collect();
    let mut how = common::How::on(H::INFO.name);
    workload.adjust(&mut how);
    let parameters = parameters.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
    let config = VmConfig {
        heap: HeapConfig { limit_bytes: how.limit_bytes, parameters, ..HeapConfig::default() },
        scheduler: SchedulerConfig { workers: 1, parameters: Vec::new() },
        step_limit: how.step_limit,
        virtual_time: true,
        ..VmConfig::default()
    };
    let mut vm = Vm::<H, Green, NullSink>::new(&config, compiled.code, world, NullSink).unwrap();
    vm.run();
    vm.drop_roots().used_bytes
}

fn nothing_is_left<H: Heap>(parameters: &[(&str, &str)]) {
    let mut leaks = Vec::new();
    for folder in ["language", "awfy", "memory", "forkjoin", "actors", "latency"] {
        for workload in workloads(folder) {
            let left = left_over::<H>(&workload, parameters);
            if left != 0 {
                leaks.push(format!(
                    "{} on {}: {left} bytes",
                    workload.path.display(),
                    H::INFO.name
                ));
            }
        }
    }
    assert!(leaks.is_empty(), "{parameters:?}:\n{}", leaks.join("\n"));
}

#[test]
fn rc_has_freed_everything() {
    nothing_is_left::<Rc>(&[]);
}
#[test]
fn arc_has_freed_everything() {
    nothing_is_left::<Rc<ManyThreads>>(&[]);
}
#[test]
fn tracing_heaps_find_nothing_alive() {
    nothing_is_left::<MarkSweep>(&[]);
    nothing_is_left::<SemiSpace>(&[]);
    nothing_is_left::<Generational>(&[("nursery", "16KiB")]);
}
#[test]
fn regions_leave_nothing() {
    nothing_is_left::<Arena<MarkSweep>>(&[("regions", "64KiB")]);
    nothing_is_left::<Hybrid>(&[]);
}

#[test]
fn without_cycle_collection_cycles_leak_and_nothing_else() {
    for workload in workloads("language") {
        let left = left_over::<Rc>(&workload, &[("cycles", "off")]);
        if workload.path.ends_with("dn1_cycles.mena") {
            assert!(left > 0, "cycles=off must leak the cycles of {}", workload.path.display());
        }
        if workload.path.ends_with("strings.mena") {
            assert_eq!(left, 0, "no cycle in {}", workload.path.display());
        }
    }
}

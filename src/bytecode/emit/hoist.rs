//! Constants that are loaded in loops move out of them.

use std::ops::Range;

use rustc_hash::FxHashMap as HashMap;

use super::lir::{LInst, LTerm, Lir, Load, VReg};
use super::select::Shape;
use crate::bytecode::ops::Op;
use crate::ir::BlockId;

/// How many constants are kept in registers around one outermost loop.
const HOISTED_MAX: usize = 24;

/// Takes the loads of constants out of loops: the most used of each outermost loop are loaded once,
/// at the end of the block that dominates the loop (its home).
pub(super) fn hoist_constants(lir: &mut Lir, shape: &Shape) {
    let homes: Vec<Option<BlockId>> =
        (0..lir.blocks.len() as u32).map(|n| home(BlockId(n), shape)).collect();
    let chosen = choose(lir, &homes);
    if chosen.is_empty() {
        return;
    }
    let slots = lir.slots.clone();
    let mut registers: HashMap<(BlockId, Load), VReg> = HashMap::default();
    for (home, load) in chosen {
        let register = lir.vregs;
        lir.vregs += 1;
        registers.insert((home, load), register);
        let block = &mut lir.blocks[home.index()];
        let inst = LInst::new(load.op, [register, 0, 0, load.d as u32], block.term_span);
        block.insts.push(inst);
    }
    let mut rename: HashMap<VReg, VReg> = HashMap::default();
    for (block, home) in lir.blocks.iter_mut().zip(&homes) {
        let Some(home) = home else { continue };
        block.insts.retain(|inst| {
            let load = constant_load(inst, &slots);
            let register = load.and_then(|load| registers.get(&(*home, load)));
            if let Some(&register) = register {
                rename.insert(inst.x[0], register);
            }
            register.is_none()
        });
    }
    rename_registers(lir, &rename);
}

/// Where constants of the outermost loop around `block` are loaded.
fn home(block: BlockId, shape: &Shape) -> Option<BlockId> {
    let mut header = shape.loops.innermost(block)?;
    while let Some(outer) = shape.loops.outer(header) {
        header = outer;
    }
    shape.dominators.immediate(header)
}

/// The constants that an instruction of a loop only loads. Slots are variables.
fn constant_load(inst: &LInst, slots: &Range<VReg>) -> Option<Load> {
    let loads = matches!(inst.op, Op::LoadK | Op::LoadI | Op::LoadV);
    (loads && !slots.contains(&inst.x[0])).then(|| Load { op: inst.op, d: inst.x[3] as i32 })
}

/// The most used constants of each home.
fn choose(lir: &Lir, homes: &[Option<BlockId>]) -> Vec<(BlockId, Load)> {
    let mut uses: HashMap<(BlockId, Load), u64> = HashMap::default();
    for (block, home) in lir.blocks.iter().zip(homes) {
        let Some(home) = home else { continue };
        for load in block.insts.iter().filter_map(|inst| constant_load(inst, &lir.slots)) {
            *uses.entry((*home, load)).or_default() += u64::from(block.weight);
        }
    }
    let mut ranked: Vec<_> = uses.into_iter().collect();
    ranked.sort_unstable_by_key(|&((home, load), n)| (home, u64::MAX - n, load.op as u8, load.d));
    let mut chosen = Vec::new();
    let (mut home, mut count) = (None, 0);
    for ((of, load), _) in ranked {
        if home != Some(of) {
            (home, count) = (Some(of), 0);
        }
        count += 1;
        if count <= HOISTED_MAX {
            chosen.push((of, load));
        }
    }
    chosen
}

fn rename_registers(lir: &mut Lir, rename: &HashMap<VReg, VReg>) {
    let fix = |inst: &mut LInst| {
        for n in inst.reads() {
            if let Some(&to) = rename.get(&inst.x[n]) {
                inst.x[n] = to;
            }
        }
    };
    for block in &mut lir.blocks {
        block.insts.iter_mut().for_each(fix);
        match &mut block.term {
            LTerm::Branch { test: inst, .. } | LTerm::Exit(inst) => fix(inst),
            LTerm::Switch { value, .. } => *value = *rename.get(value).unwrap_or(value),
            LTerm::Jump(..) => {}
        }
    }
}

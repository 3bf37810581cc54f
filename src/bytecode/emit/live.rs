//! Liveness of virtual registers: what is live into each block, and where each register is read
//! for the last time.
//!
//! Block by block from each use up to the definition (Boissinot, Brandner et al., "Computing
//! Liveness Sets for SSA-Form Programs", 2011): the cost is the size of the result, and more than
//! [`LIVE_MAX`] at once is an error, so long scripts take linear time. What is live into a handler
//! is live throughout every block that names it (rule R2).

use super::lir::{DEAD_RESULT, LBlock, LInst, LTerm, Lir, Source, VReg};
use super::select::Shape;
use crate::ir::BlockId;

/// More live values than this are not counted any further.
const LIVE_MAX: usize = 2000;

/// The result of the analysis.
pub(super) struct Liveness {
    /// By block: registers live into it (parameters and slots aside).
    pub(super) into: Vec<Vec<VReg>>,
    /// By register: whether it is read at all.
    pub(super) used: Vec<bool>,
    /// The most registers that are needed at once, windows of calls included.
    pub(super) pressure: usize,
}

impl Liveness {
    /// Analyses `lir` and marks last reads and dead results in it. The error is the number of
    /// values that are live at once.
    pub(super) fn new(lir: &mut Lir, shape: &Shape) -> Result<Liveness, usize> {
        let count = lir.vregs as usize;
        let mut liveness = Liveness {
            into: vec![Vec::new(); lir.blocks.len()],
            used: vec![false; count],
            pressure: 0,
        };
        liveness.find_live_in(lir, shape)?;
        let mut scan = Scan { live: vec![false; count], list: Vec::new(), count: 0 };
        for &block in shape.cfg.reverse_postorder() {
            liveness.scan(lir, block, &mut scan);
        }
        liveness.pressure += lir.slots.len();
        Ok(liveness)
    }

    fn find_live_in(&mut self, lir: &Lir, shape: &Shape) -> Result<(), usize> {
        let order = shape.cfg.reverse_postorder();
        let mut home = vec![None; lir.vregs as usize];
        for &v in &lir.entry {
            home[v as usize] = Some(BlockId(0));
        }
        for &id in order {
            let block = &lir.blocks[id.index()];
            let results = block.insts.iter().filter_map(LInst::result);
            for v in block.params.iter().copied().chain(results) {
                home[v as usize] = Some(id);
            }
        }
        // Reads of what another block defines, by register.
        let mut reads: Vec<(VReg, BlockId)> = Vec::new();
        let mut last_reader = vec![None; lir.vregs as usize];
        for &id in order {
            for_each_read(lir, &lir.blocks[id.index()], |v| {
                self.used[v as usize] = true;
                if !lir.is_slot(v)
                    && home[v as usize] != Some(id)
                    && last_reader[v as usize].replace(id) != Some(id)
                {
                    reads.push((v, id));
                }
            });
        }
        reads.sort_unstable();
        let mut work = Vec::new();
        for (v, reader) in reads {
            work.push(reader);
            while let Some(at) = work.pop() {
                let into = &mut self.into[at.index()];
                if home[v as usize] == Some(at) || into.last() == Some(&v) {
                    continue;
                }
                into.push(v);
                if into.len() > LIVE_MAX {
                    return Err(into.len());
                }
                let cfg = &shape.cfg;
                let above = cfg.predecessors(at).iter().chain(cfg.protected_by(at));
                work.extend(above.copied().filter(|&block| cfg.is_reachable(block)));
            }
        }
        Ok(())
    }

    /// Walks a block backward.
    fn scan(&mut self, lir: &mut Lir, id: BlockId, scan: &mut Scan) {
        scan.clear();
        let Lir { blocks, args, windows, slots, .. } = lir;
        let block = &mut blocks[id.index()];
        for to in block.successors() {
            self.into[to.index()].iter().for_each(|&v| scan.add(v));
        }
        if let LTerm::Jump(_, range) = &block.term {
            // The handler does not matter here: copies do not raise, and the jump counts as its
            // target's.
            scan.args(&mut args[range.start as usize..range.end as usize], slots, &[]);
        }
        if let Some(handler) = block.handler {
            self.into[handler.index()].iter().for_each(|&v| scan.add(v));
        }
        match &mut block.term {
            LTerm::Jump(..) => {}
            LTerm::Branch { test, .. } => scan.reads(test, slots),
            LTerm::Switch { value, .. } => scan.read(*value, slots),
            LTerm::Exit(inst) => {
                if let Some(window) = windows.get(inst.window as usize) {
                    let range = window.args.start as usize..window.args.end as usize;
                    self.pressure = self.pressure.max(scan.count + range.len());
                    scan.args(&mut args[range], slots, &[]);
                }
                scan.reads(inst, slots);
            }
        }
        for inst in block.insts.iter_mut().rev() {
            self.pressure = self.pressure.max(scan.count);
            if let Some(v) = inst.result()
                && !slots.contains(&v)
                && !scan.remove(v)
            {
                inst.last |= DEAD_RESULT;
                self.pressure = self.pressure.max(scan.count + 1);
            }
            let reads: Vec<VReg> = match inst.window {
                super::lir::NO_WINDOW => Vec::new(),
                _ => inst.reads().map(|n| inst.x[n]).collect(),
            };
            if let Some(window) = windows.get(inst.window as usize) {
                let range = window.args.start as usize..window.args.end as usize;
                self.pressure = self.pressure.max(scan.count + range.len());
                let before = scan.list.len();
                scan.args(&mut args[range], slots, &reads);
                debug_assert!(scan.list.len() >= before);
            }
            scan.reads(inst, slots);
        }
        self.pressure = self.pressure.max(scan.count + block.params.len());
    }
}

/// The set of live registers during a walk.
struct Scan {
    live: Vec<bool>,
    /// Whatever was added, to clear `live` quickly.
    list: Vec<VReg>,
    count: usize,
}

impl Scan {
    fn clear(&mut self) {
        for v in self.list.drain(..) {
            self.live[v as usize] = false;
        }
        self.count = 0;
    }
    fn add(&mut self, v: VReg) {
        if !std::mem::replace(&mut self.live[v as usize], true) {
            self.list.push(v);
            self.count += 1;
        }
    }
    fn remove(&mut self, v: VReg) -> bool {
        let was = std::mem::replace(&mut self.live[v as usize], false);
        self.count -= usize::from(was);
        was
    }
    fn read(&mut self, v: VReg, slots: &std::ops::Range<VReg>) {
        if !slots.contains(&v) {
            self.add(v);
        }
    }
    fn reads(&mut self, inst: &mut LInst, slots: &std::ops::Range<VReg>) {
        for n in inst.reads() {
            if !slots.contains(&inst.x[n]) && !self.live[inst.x[n] as usize] {
                inst.last |= 1 << n;
            }
        }
        for n in inst.reads() {
            self.read(inst.x[n], slots);
        }
    }
    /// `keep`: registers that the instruction itself reads after the arguments are in place.
    fn args(&mut self, args: &mut [super::lir::Arg], slots: &std::ops::Range<VReg>, keep: &[VReg]) {
        for arg in args.iter_mut() {
            if let Source::Reg(v) = arg.source {
                arg.last = !slots.contains(&v) && !self.live[v as usize] && !keep.contains(&v);
            }
        }
        for arg in args {
            if let Source::Reg(v) = arg.source {
                self.read(v, slots);
            }
        }
    }
}

/// Visits every register that a block reads.
fn for_each_read(lir: &Lir, block: &LBlock, mut visit: impl FnMut(VReg)) {
    let args = |range: &std::ops::Range<u32>, visit: &mut dyn FnMut(VReg)| {
        for arg in &lir.args[range.start as usize..range.end as usize] {
            if let Source::Reg(v) = arg.source {
                visit(v);
            }
        }
    };
    let inst = |inst: &LInst, visit: &mut dyn FnMut(VReg)| {
        inst.reads().for_each(|n| visit(inst.x[n]));
        if let Some(window) = lir.windows.get(inst.window as usize) {
            args(&window.args, visit);
        }
    };
    block.insts.iter().for_each(|i| inst(i, &mut visit));
    match &block.term {
        LTerm::Branch { test: i, .. } | LTerm::Exit(i) => inst(i, &mut visit),
        LTerm::Switch { value, .. } => visit(*value),
        LTerm::Jump(_, range) => args(range, &mut visit),
    }
}

//! Parallel copies: all sources are read before any destination is written.

use super::lir::Load;
use crate::bytecode::ops::Op;

/// One of the copies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub(super) to: u8,
    pub(super) from: From,
    /// Whether the source register is dead afterwards.
    pub(super) last: bool,
}

/// Where its value comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum From {
    Register(u8),
    Constant(Load),
}

/// A step: the op (a move or load) with its `a`, `b` and `d`.
pub(super) type Step = (Op, u8, u8, i32);

/// Puts copies in an order; `spare` gives a register that is free here, for cycles.
pub(super) fn sequence(copies: &[Copy], mut spare: impl FnMut() -> u8, mut step: impl FnMut(Step)) {
    // How often each register is still to be read, and who writes it.
    let mut reads = [0u32; 256];
    let mut writer = [None; 256];
    let mut pending: Vec<(u8, u8, bool)> = Vec::new();
    for copy in copies {
        let From::Register(from) = copy.from else { continue };
        // What stays in its register is read for ever.
        reads[from as usize] += 1;
        if from != copy.to {
            writer[copy.to as usize] = Some(pending.len());
            pending.push((copy.to, from, copy.last));
        }
    }
    let mut ready: Vec<usize> =
        (0..pending.len()).filter(|&n| reads[pending[n].0 as usize] == 0).collect();
    ready.reverse();
    let mut done = vec![false; pending.len()];
    let mut oldest = 0;
    loop {
        while let Some(n) = ready.pop() {
            let (to, from, last) = pending[n];
            done[n] = true;
            reads[from as usize] -= 1;
            let freed = reads[from as usize] == 0;
            step((if last && freed { Op::MoveLast } else { Op::Move }, to, from, 0));
            if freed
                && let Some(next) = writer[from as usize]
                && !done[next]
            {
                ready.push(next);
            }
        }
        while done.get(oldest) == Some(&true) {
            oldest += 1;
        }
        let Some(&(_, from, last)) = pending.get(oldest) else { break };
        // Only cycles are left, in which every register is read once. Save one register.
        let saved = spare();
        step((if last { Op::MoveLast } else { Op::Move }, saved, from, 0));
        reads[saved as usize] += 1;
        reads[from as usize] -= 1;
        pending[oldest].1 = saved;
        pending[oldest].2 = true;
        ready.extend(writer[from as usize]);
    }
    for copy in copies {
        if let From::Constant(load) = copy.from {
            step((load.op, copy.to, 0, load.d));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPARE: u8 = 40;

    /// Runs the steps on registers that hold their own numbers.
    fn run(copies: &[Copy]) -> Vec<Option<i32>> {
        let mut registers: Vec<Option<i32>> = (0..64).map(Some).collect();
        sequence(
            copies,
            || SPARE,
            |(op, a, b, d)| match op {
                Op::Move => registers[a as usize] = registers[b as usize],
                Op::MoveLast => registers[a as usize] = registers[b as usize].take(),
                _ => registers[a as usize] = Some(d),
            },
        );
        registers
    }

    fn register(to: u8, from: u8, last: bool) -> Copy {
        Copy { to, from: From::Register(from), last }
    }

    #[test]
    fn a_swap_takes_three_steps() {
        let mut steps = Vec::new();
        let copies = [register(0, 1, true), register(1, 0, true)];
        sequence(&copies, || SPARE, |s| steps.push((s.0, s.1, s.2)));
        let last = Op::MoveLast;
        assert_eq!(steps, [(last, SPARE, 1), (last, 1, 0), (last, 0, SPARE)]);
    }

    proptest! {
        #[test]
        fn destinations_get_the_old_values(
            from in proptest::collection::vec((0u8..12, any::<bool>(), any::<bool>()), 0..12),
            order in Just((0u8..12).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let copies: Vec<Copy> = from.iter().zip(&order).map(|(&(from, last, constant), &to)| {
                let load = Load { op: Op::LoadI, d: -1 };
                let from = if constant { From::Constant(load) } else { From::Register(from) };
                Copy { to, from, last }
            }).collect();
            // A register is dead only if all its readers agree and it is not a destination.
            let copies: Vec<Copy> = copies.iter().map(|c| {
                let agree = copies.iter().all(|d| d.from != c.from || d.last);
                Copy { last: c.last && agree, ..*c }
            }).collect();
            let after = run(&copies);
            for copy in &copies {
                let expected = match copy.from {
                    From::Register(from) => Some(i32::from(from)),
                    From::Constant(load) => Some(load.d),
                };
                prop_assert_eq!(after[copy.to as usize], expected);
            }
        }
    }
}

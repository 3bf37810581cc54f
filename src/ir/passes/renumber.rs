//! Numbers values anew, without gaps, in the order of the text: function parameters, then block by
//! block. Later stages keep tables by value, so gaps cost memory.

use super::super::{Function, Program, ValueId};

/// Renumbers the values of every function.
pub fn run(program: &mut Program) {
    program.funcs.iter_mut().for_each(renumber);
}

fn renumber(function: &mut Function) {
    let mut number: Vec<Option<ValueId>> = vec![None; function.value_count as usize];
    let mut count = 0;
    let mut define = |value: &mut ValueId| {
        number[value.index()] = Some(ValueId(count));
        *value = ValueId(count);
        count += 1;
    };
    function.params.iter_mut().for_each(&mut define);
    for block in &mut function.blocks {
        block.params.iter_mut().for_each(&mut define);
        block.insts.iter_mut().filter_map(|inst| inst.result.as_mut()).for_each(&mut define);
    }
    function.value_count = count;
    let of = |value: ValueId| number[value.index()].expect("operands are defined (R1)");
    for block in &mut function.blocks {
        block.insts.iter_mut().for_each(|inst| inst.op.map_operands(of));
        block.term.map_operands(of);
    }
}

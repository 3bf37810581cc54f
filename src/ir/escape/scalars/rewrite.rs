//! Dissolves groups: fields become values of their own.
//!
//! - A group that is never written: every value of it becomes one value per field. A parameter
//!   becomes a parameter per field.
//! - A group that is written: its fields become frame slots (rule R5 of the IR), which hold those
//!   of the one value that is alive (G4). `passes::slots` makes values of them where it can.

use rustc_hash::FxHashMap as HashMap;

use super::groups::{Group, Shape};
use crate::class::ClassId;
use crate::ir::passes::Replacements;
use crate::ir::{BinaryOp, Const, Function, Inst, Op, Program, SlotId, Terminator, ValueId};
use crate::lang::ast::Span;

/// What has become of a value.
#[derive(Clone, Copy)]
enum Fields {
    /// The number of the first of its fields, which are consecutive values.
    Values(u32),
    /// The first of its fields' slots, which are consecutive.
    Slots(u32),
}

/// Dissolves the groups, which [`super::groups::find`] has found in this function. Tells `dissolved`
/// of every allocation that is gone.
pub(super) fn dissolve(
    program: &Program,
    function: &mut Function,
    groups: &[Group],
    dissolved: &mut dyn FnMut(&Inst),
) {
    let mut rewriter = Rewriter { program, objects: HashMap::default(), loads: Vec::new() };
    for group in groups {
        let len = group.shape.len(program);
        let mut slots = None;
        for &member in &group.members {
            let fields = if group.is_written {
                Fields::Slots(*slots.get_or_insert_with(|| take(&mut function.slot_count, len)))
            } else {
                Fields::Values(take(&mut function.value_count, len))
            };
            rewriter.objects.insert(member, (group.shape, fields));
        }
    }
    let mut replacements = Replacements::none(function);
    rewriter.parameters(function);
    for block in &mut function.blocks {
        let insts = std::mem::take(&mut block.insts);
        for inst in insts {
            rewriter.inst(inst, &mut replacements, &mut block.insts, dissolved);
        }
    }
    // What was read from fields is what is there; only now is it known what that stands for.
    for &(result, field) in &rewriter.loads {
        replacements.replace(result, field);
    }
    replacements.apply(function);
}

fn take(count: &mut u32, len: u32) -> u32 {
    *count += len;
    *count - len
}

struct Rewriter<'a> {
    program: &'a Program,
    objects: HashMap<ValueId, (Shape, Fields)>,
    /// (what is read, the field that it is)
    loads: Vec<(ValueId, ValueId)>,
}

impl Rewriter<'_> {
    fn len(&self, shape: Shape) -> u32 {
        shape.len(self.program)
    }

    /// Parameters of blocks, and what jumps pass for them.
    fn parameters(&self, function: &mut Function) {
        for block in &mut function.blocks {
            let params = std::mem::take(&mut block.params);
            block.params = params.into_iter().flat_map(|param| self.expanded(param)).collect();
            if let Terminator::Jump(_, args) = &mut block.term {
                let all = std::mem::take(args);
                *args = all.into_iter().flat_map(|arg| self.expanded(arg)).collect();
            }
        }
    }

    /// What is passed in the place of a value.
    fn expanded(&self, value: ValueId) -> Vec<ValueId> {
        match self.objects.get(&value) {
            None => vec![value],
            Some((_, Fields::Slots(_))) => Vec::new(),
            Some(&(shape, Fields::Values(first))) => {
                (0..self.len(shape)).map(|n| ValueId(first + n)).collect()
            }
        }
    }

    fn inst(
        &mut self,
        mut inst: Inst,
        replacements: &mut Replacements,
        out: &mut Vec<Inst>,
        dissolved: &mut dyn FnMut(&Inst),
    ) {
        if let Some(result) = inst.result
            && let Some(&(shape, fields)) = self.objects.get(&result)
        {
            dissolved(&inst);
            return self.allocation(&inst, shape, fields, replacements, out);
        }
        let used = inst.op.operands().find_map(|value| self.objects.get(&value).copied());
        if let Some((shape, fields)) = used {
            match self.access(&inst, shape, fields, replacements, out) {
                Some(op) => inst.op = op,
                None => return,
            }
        }
        out.push(inst);
    }

    /// What an instruction becomes that looks at a dissolved object or writes to it (G3); `None` when
    /// its result is a value that there is already.
    fn access(
        &mut self,
        inst: &Inst,
        shape: Shape,
        fields: Fields,
        replacements: &mut Replacements,
        out: &mut Vec<Inst>,
    ) -> Option<Op> {
        let is = |is| Some(Op::Const(Const::Bool(is)));
        match &inst.op {
            // The copy is an object still. Its class is known, so nothing here can raise.
            Op::UpdateRecord(class, _, updates) => {
                let mut parts = self.read_all(shape, fields, inst.span, replacements, out);
                updates.iter().for_each(|&(n, value)| parts[n as usize] = value);
                Some(Op::MakeRecord(*class, parts))
            }
            Op::Field(..) | Op::Elem(..) | Op::TupleField(..) | Op::CellGet(_) => {
                let n = self.number(&inst.op, shape);
                match fields {
                    Fields::Slots(first) => Some(Op::SlotGet(SlotId(first + n))),
                    Fields::Values(first) => {
                        let field = ValueId(first + n);
                        self.loads.extend(inst.result.map(|result| (result, field)));
                        None
                    }
                }
            }
            Op::SetField(_, _, value) | Op::CellSet(_, value) => {
                let Fields::Slots(first) = fields else { unreachable!("it is written to") };
                let n = self.number(&inst.op, shape);
                Some(Op::SlotSet(SlotId(first + n), *value))
            }
            Op::IsClass(_, class) => match shape {
                Shape::Record(of) => is(of == *class),
                Shape::Tuple(_) => is(*class == ClassId::TUPLE),
                Shape::Cell => unreachable!("a cell is no value of the language (G3)"),
            },
            Op::IsTuple(_, len) => is(shape == Shape::Tuple(*len)),
            Op::IsList { .. } => is(false),
            // The other one is a constant.
            Op::Binary(op @ (BinaryOp::Eq | BinaryOp::Ne), ..) => is(*op == BinaryOp::Ne),
            op => unreachable!("{op:?} shows the object (G3)"),
        }
    }

    /// The number of the field that an access means (G3: it is there).
    fn number(&self, op: &Op, shape: Shape) -> u32 {
        match op {
            Op::Field(_, name) | Op::SetField(_, name, _) => {
                shape.field(self.program, *name).expect("G3: a field of that name")
            }
            Op::Elem(_, n) | Op::TupleField(_, n) => *n,
            _ => 0,
        }
    }

    fn allocation(
        &mut self,
        inst: &Inst,
        shape: Shape,
        fields: Fields,
        replacements: &mut Replacements,
        out: &mut Vec<Inst>,
    ) {
        let parts = match &inst.op {
            Op::MakeRecord(_, parts) | Op::MakeTuple(parts) => parts.clone(),
            Op::CellNew(part) => vec![*part],
            Op::UpdateRecord(_, base, updates) => {
                let mut parts = match self.objects.get(base).copied() {
                    Some((shape, fields)) => {
                        self.read_all(shape, fields, inst.span, replacements, out)
                    }
                    None => (0..self.len(shape))
                        .map(|n| read(Op::Elem(*base, n), inst.span, replacements, out))
                        .collect(),
                };
                for &(n, value) in updates {
                    parts[n as usize] = value;
                }
                parts
            }
            _ => unreachable!("no allocation of a group"),
        };
        for (part, n) in parts.into_iter().zip(0..) {
            match fields {
                Fields::Values(first) => self.loads.push((ValueId(first + n), part)),
                Fields::Slots(first) => {
                    let op = Op::SlotSet(SlotId(first + n), part);
                    out.push(Inst::new(None, op, inst.span));
                }
            }
        }
    }

    /// All fields of a dissolved object, as values.
    fn read_all(
        &self,
        shape: Shape,
        fields: Fields,
        span: Span,
        replacements: &mut Replacements,
        out: &mut Vec<Inst>,
    ) -> Vec<ValueId> {
        let len = self.len(shape);
        match fields {
            Fields::Values(first) => (0..len).map(|n| ValueId(first + n)).collect(),
            Fields::Slots(first) => (0..len)
                .map(|n| read(Op::SlotGet(SlotId(first + n)), span, replacements, out))
                .collect(),
        }
    }
}

/// One more instruction; its result.
fn read(op: Op, span: Span, replacements: &mut Replacements, out: &mut Vec<Inst>) -> ValueId {
    let value = replacements.add();
    out.push(Inst::new(Some(value), op, span));
    value
}

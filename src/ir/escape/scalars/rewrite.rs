//! Dissolves groups: fields become values of their own.
//!
//! - A group that is never written: every value of it becomes one value per field. A parameter
//!   becomes a parameter per field.
//! - A group that is written: its fields become frame slots (rule R5 of the IR), which hold those
//!   of the one value that is alive (G4). `passes::slots` makes values of them where it can.

use rustc_hash::FxHashMap as HashMap;

use super::groups::{Group, Shape};
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
    let constants = constants(function);
    rewriter.parameters(function);
    for block in &mut function.blocks {
        let insts = std::mem::take(&mut block.insts);
        for inst in insts {
            rewriter.inst(inst, &constants, &mut replacements, &mut block.insts, dissolved);
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

/// By value: whether it is a constant.
fn constants(function: &Function) -> Vec<bool> {
    let mut constants = vec![false; function.value_count as usize];
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let Some(result) = inst.result {
            constants[result.index()] = matches!(inst.op, Op::Const(_));
        }
    }
    constants
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
        constants: &[bool],
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
        let object = |value: &ValueId| self.objects.get(value).copied();
        match &inst.op {
            // A base that stays an object: its class is known, so nothing here can raise.
            Op::UpdateRecord(class, base, updates) => {
                if let Some((shape, fields)) = object(base) {
                    let mut parts = self.read_all(shape, fields, inst.span, replacements, out);
                    for &(n, value) in updates {
                        parts[n as usize] = value;
                    }
                    inst.op = Op::MakeRecord(*class, parts);
                }
            }
            Op::Field(base, _)
            | Op::Elem(base, _)
            | Op::TupleField(base, _)
            | Op::CellGet(base) => {
                if let Some((shape, fields)) = object(base) {
                    let n = self.number(&inst.op, shape);
                    let Some(result) = inst.result else { return };
                    match fields {
                        Fields::Values(first) => {
                            return self.loads.push((result, ValueId(first + n)));
                        }
                        Fields::Slots(first) => inst.op = Op::SlotGet(SlotId(first + n)),
                    }
                }
            }
            Op::SetField(base, _, value) | Op::CellSet(base, value) => {
                if let Some((shape, fields)) = object(base) {
                    let Fields::Slots(first) = fields else { unreachable!("it is written to") };
                    let n = self.number(&inst.op, shape);
                    inst.op = Op::SlotSet(SlotId(first + n), *value);
                }
            }
            Op::IsClass(value, class) => {
                if let Some((shape, _)) = object(value) {
                    let is = match shape {
                        Shape::Record(of) => of == *class,
                        Shape::Tuple(_) => crate::class::ClassId::TUPLE == *class,
                        Shape::Cell => unreachable!("a cell is no value of the language (G3)"),
                    };
                    inst.op = Op::Const(Const::Bool(is));
                }
            }
            Op::IsTuple(value, len) => {
                if let Some((shape, _)) = object(value) {
                    inst.op = Op::Const(Const::Bool(shape == Shape::Tuple(*len)));
                }
            }
            Op::IsList { value, .. } => {
                if object(value).is_some() {
                    inst.op = Op::Const(Const::Bool(false));
                }
            }
            Op::Binary(op @ (BinaryOp::Eq | BinaryOp::Ne), a, b) => {
                if object(a).is_some() || object(b).is_some() {
                    let other = if object(a).is_some() { b } else { a };
                    assert!(constants[other.index()], "G3: compared with a constant");
                    inst.op = Op::Const(Const::Bool(*op == BinaryOp::Ne));
                }
            }
            _ => {}
        }
        out.push(inst);
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
                    out.push(Inst { result: None, op, span: inst.span });
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
    out.push(Inst { result: Some(value), op, span });
    value
}

//! Which objects can be dissolved: *groups* of values that are one object, or one of several, and
//! of which the function sees every use.
//!
//! A group is the results of some allocations and the block parameters to which they are passed.
//! - G1. Everything that is passed to a parameter of the group is of the group, and no parameter is
//!   a thrown value.
//! - G2. All its allocations make objects of one [`Shape`].
//! - G3. Every use looks at the object (its class, a field) or writes a field that is there. No use
//!   shows which object it is, and no use can raise an error.
//! - G4. In a group that is written to, no two of its values are alive at a time: so whoever writes
//!   through one name need not know who else sees the object.

use crate::class::ClassId;
use crate::ir::dominance::Cfg;
use crate::ir::liveness::Liveness;
use crate::ir::{BinaryOp, BlockId, Const, Function, Op, Program, Terminator, ValueId};
use crate::names::Name;

/// More values than this are not tried for G4 (the test is quadratic).
const WRITTEN_VALUES_MAX: usize = 64;

/// What kind of object: how many fields, and what they are called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Record(ClassId),
    Tuple(u32),
    Cell,
}

impl Shape {
    fn of(op: &Op) -> Option<Shape> {
        Some(match op {
            Op::MakeRecord(class, _) | Op::UpdateRecord(class, ..) => Shape::Record(*class),
            Op::MakeTuple(parts) => Shape::Tuple(parts.len() as u32),
            Op::CellNew(_) => Shape::Cell,
            _ => return None,
        })
    }

    pub(super) fn len(self, program: &Program) -> u32 {
        match self {
            Shape::Record(class) => fields(program, class).len() as u32,
            Shape::Tuple(len) => len,
            Shape::Cell => 1,
        }
    }

    /// The number of a field, if there is one of that name.
    pub(super) fn field(self, program: &Program, name: Name) -> Option<u32> {
        let Shape::Record(class) = self else { return None };
        fields(program, class).iter().position(|&field| field == name).map(|n| n as u32)
    }
}

fn fields(program: &Program, class: ClassId) -> &[Name] {
    &program.classes[usize::from(class.0 - ClassId::FIRST_RECORD)].fields
}

/// A group that can be dissolved.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) shape: Shape,
    pub(super) members: Vec<ValueId>,
    /// Whether a field is ever written.
    pub(super) is_written: bool,
}

/// The groups of a function that can be dissolved, in the order of their first values.
pub(super) fn find(program: &Program, function: &Function) -> Vec<Group> {
    let mut finder = Finder::new(program, function);
    finder.members();
    finder.passed_values();
    finder.shapes();
    finder.uses();
    finder.bases();
    finder.interference();
    finder.into_groups()
}

/// By value: what it surely is, if it is one of some allocations of this function (G1, G2).
pub(super) fn known_shapes(program: &Program, function: &Function) -> Vec<Option<Shape>> {
    let mut finder = Finder::new(program, function);
    finder.members();
    finder.passed_values();
    finder.shapes();
    let shape = |value| {
        let root = finder.find(value).filter(|root| !finder.is_bad[root.index()])?;
        finder.shape[root.index()]
    };
    (0..function.value_count).map(ValueId).map(shape).collect()
}

struct Finder<'a> {
    program: &'a Program,
    function: &'a Function,
    definitions: Vec<Option<&'a Op>>,
    /// By value: the way to the representative of its group; `None` outside of groups.
    group: Vec<Option<ValueId>>,
    /// By representative.
    shape: Vec<Option<Shape>>,
    is_bad: Vec<bool>,
    is_written: Vec<bool>,
}

impl<'a> Finder<'a> {
    fn new(program: &'a Program, function: &'a Function) -> Finder<'a> {
        let count = function.value_count as usize;
        let mut definitions = vec![None; count];
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            if let Some(value) = inst.result {
                definitions[value.index()] = Some(&inst.op);
            }
        }
        Finder {
            program,
            function,
            definitions,
            group: vec![None; count],
            shape: vec![None; count],
            is_bad: vec![false; count],
            is_written: vec![false; count],
        }
    }

    fn find(&mut self, value: ValueId) -> Option<ValueId> {
        let mut at = value;
        loop {
            let up = self.group[at.index()]?;
            if up == at {
                return Some(at);
            }
            self.group[at.index()] = self.group[up.index()];
            at = up;
        }
    }

    fn spoil(&mut self, value: ValueId) {
        if let Some(root) = self.find(value) {
            self.is_bad[root.index()] = true;
        }
    }

    /// What is passed to block parameters: (argument, parameter).
    fn passed(&self) -> impl Iterator<Item = (ValueId, ValueId)> + 'a {
        let function = self.function;
        function.blocks.iter().flat_map(move |block| {
            let (args, params): (&[_], &[_]) = match &block.term {
                Terminator::Jump(target, args) => (args, &function.blocks[target.index()].params),
                _ => (&[], &[]),
            };
            args.iter().copied().zip(params.iter().copied())
        })
    }

    fn members(&mut self) {
        let mut passed: Vec<(ValueId, ValueId)> = self.passed().collect();
        passed.sort_unstable();
        let mut work = Vec::new();
        for (definition, value) in self.definitions.iter().zip((0..).map(ValueId)) {
            if definition.and_then(Shape::of).is_some() {
                self.group[value.index()] = Some(value);
                work.push(value);
            }
        }
        while let Some(value) = work.pop() {
            let from = passed.partition_point(|&(arg, _)| arg < value);
            for &(_, param) in passed[from..].iter().take_while(|&&(arg, _)| arg == value) {
                if self.group[param.index()].is_none() {
                    self.group[param.index()] = Some(param);
                    work.push(param);
                }
                let (a, b) = (self.find(value), self.find(param));
                let (a, b) = (a.expect("a member"), b.expect("a member"));
                self.group[b.index()] = Some(a);
            }
        }
    }

    /// G1.
    fn passed_values(&mut self) {
        for (arg, param) in self.passed() {
            if self.find(arg).is_none() {
                self.spoil(param);
            }
        }
        let handlers = self.function.blocks.iter().filter_map(|block| block.handler);
        for handler in handlers {
            for &param in &self.function.blocks[handler.index()].params {
                self.spoil(param);
            }
        }
    }

    /// G2.
    fn shapes(&mut self) {
        for value in (0..self.function.value_count).map(ValueId) {
            let Some(shape) = self.definitions[value.index()].and_then(Shape::of) else { continue };
            let root = self.find(value).expect("allocations are members");
            let known = *self.shape[root.index()].get_or_insert(shape);
            self.is_bad[root.index()] |= known != shape;
        }
    }

    /// G3.
    fn uses(&mut self) {
        for block in &self.function.blocks {
            for inst in &block.insts {
                for operand in inst.op.operands() {
                    let Some(root) = self.find(operand) else { continue };
                    let shape = self.shape[root.index()].expect("a group has an allocation");
                    if !self.fits(&inst.op, operand, shape) {
                        self.is_bad[root.index()] = true;
                    }
                    let writes = matches!(&inst.op, Op::SetField(..) | Op::CellSet(..));
                    self.is_written[root.index()] |= writes;
                }
            }
            if !matches!(block.term, Terminator::Jump(..)) {
                block.term.operands().for_each(|operand| self.spoil(operand));
            }
        }
    }

    /// Whether the instruction does no more with the object than look at it or write a field.
    fn fits(&self, op: &Op, object: ValueId, shape: Shape) -> bool {
        let len = shape.len(self.program);
        match op {
            Op::Field(_, name) => shape.field(self.program, *name).is_some(),
            Op::SetField(_, name, value) => {
                *value != object && shape.field(self.program, *name).is_some()
            }
            Op::Elem(_, n) => shape != Shape::Cell && *n < len,
            Op::TupleField(_, n) => matches!(shape, Shape::Tuple(_)) && *n < len,
            Op::CellGet(_) => shape == Shape::Cell,
            Op::CellSet(_, value) => *value != object && shape == Shape::Cell,
            Op::IsClass(..) | Op::IsTuple(..) | Op::IsList { .. } => shape != Shape::Cell,
            Op::UpdateRecord(class, _, updates) => {
                shape == Shape::Record(*class) && updates.iter().all(|&(_, value)| value != object)
            }
            Op::Binary(BinaryOp::Eq | BinaryOp::Ne, a, b) => {
                let other = if *a == object { *b } else { *a };
                shape != Shape::Cell && self.is_simple_constant(other)
            }
            _ => false,
        }
    }

    fn is_simple_constant(&self, value: ValueId) -> bool {
        let definition = self.definitions[value.index()];
        matches!(definition, Some(Op::Const(c)) if !matches!(c, Const::Func(_)))
    }

    /// An update raises an error when its base is of another class: here that must be ruled out.
    fn bases(&mut self) {
        let updates: Vec<(ValueId, ClassId, ValueId)> = (0..)
            .map(ValueId)
            .zip(&self.definitions)
            .filter_map(|(value, op)| match op {
                Some(Op::UpdateRecord(class, base, _)) => Some((value, *class, *base)),
                _ => None,
            })
            .collect();
        let mut changed = true;
        while changed {
            changed = false;
            for &(value, class, base) in &updates {
                let root = self.find(value).expect("allocations are members");
                if !self.is_bad[root.index()] && !self.is_surely(base, class) {
                    self.is_bad[root.index()] = true;
                    changed = true;
                }
            }
        }
    }

    fn is_surely(&mut self, value: ValueId, class: ClassId) -> bool {
        let shape = Some(Shape::Record(class));
        let is_made_so = self.definitions[value.index()].and_then(Shape::of) == shape;
        is_made_so
            || self
                .find(value)
                .is_some_and(|root| !self.is_bad[root.index()] && self.shape[root.index()] == shape)
    }

    /// G4.
    fn interference(&mut self) {
        let mut live = None;
        for group in self.written() {
            if group.len() == 1 {
                continue;
            }
            let function = self.function;
            let live = live.get_or_insert_with(|| Live::new(function));
            if group.len() > WRITTEN_VALUES_MAX || live.interfere(&group) {
                self.spoil(group[0]);
            }
        }
    }

    /// The members of good groups that are written to.
    fn written(&mut self) -> Vec<Vec<ValueId>> {
        let groups = self.by_root();
        let is_written = |group: &Vec<ValueId>| {
            let root = self.find(group[0]).expect("a member");
            self.is_written[root.index()] && !self.is_bad[root.index()]
        };
        groups.into_iter().filter(is_written).collect()
    }

    /// All groups, each by its values in order.
    fn by_root(&mut self) -> Vec<Vec<ValueId>> {
        let mut index = vec![None; self.group.len()];
        let mut groups: Vec<Vec<ValueId>> = Vec::new();
        for value in (0..self.function.value_count).map(ValueId) {
            let Some(root) = self.find(value) else { continue };
            let group = *index[root.index()].get_or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(value);
        }
        groups
    }

    fn into_groups(mut self) -> Vec<Group> {
        let mut groups = Vec::new();
        for members in self.by_root() {
            let root = self.find(members[0]).expect("a member");
            if !self.is_bad[root.index()] {
                let shape = self.shape[root.index()].expect("a group has an allocation");
                let is_written = self.is_written[root.index()];
                groups.push(Group { shape, members, is_written });
            }
        }
        groups
    }
}

/// Where values are defined and until when they are needed.
struct Live<'a> {
    function: &'a Function,
    liveness: Liveness,
    /// By value: the block, and how many of its instructions come before.
    definition: Vec<Option<(BlockId, usize)>>,
}

impl<'a> Live<'a> {
    fn new(function: &'a Function) -> Live<'a> {
        let liveness = Liveness::new(function, &Cfg::new(function));
        let mut definition = vec![None; function.value_count as usize];
        for (block, id) in function.blocks.iter().zip((0..).map(BlockId)) {
            for param in &block.params {
                definition[param.index()] = Some((id, 0));
            }
            for (inst, n) in block.insts.iter().zip(1..) {
                if let Some(result) = inst.result {
                    definition[result.index()] = Some((id, n));
                }
            }
        }
        Live { function, liveness, definition }
    }

    /// Whether any of these values is still needed where another of them is defined.
    fn interfere(&self, values: &[ValueId]) -> bool {
        values.iter().any(|&defined| {
            let (block, after) = self.definition[defined.index()].expect("members are defined");
            values.iter().any(|&other| other != defined && self.is_needed(other, block, after))
        })
    }

    /// Whether `value` is needed after the first `after` instructions of `block`.
    fn is_needed(&self, value: ValueId, block: BlockId, after: usize) -> bool {
        let (home, defined) = self.definition[value.index()].expect("members are defined");
        if home == block && defined > after {
            return false;
        }
        let is_defined_beside = home == block && after == 0 && defined == 0;
        let rest = &self.function.blocks[block.index()];
        is_defined_beside
            || self.liveness.is_live_out(value, block)
            || rest.insts[after..].iter().any(|inst| inst.op.operands().any(|v| v == value))
            || rest.term.operands().any(|v| v == value)
    }
}

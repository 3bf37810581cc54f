//! Computes what is known: operators on constants, tests of constants, branches on constants.
//!
//! Only results that the run would give in any case: an operation that would raise stays and
//! raises, NaNs are left to the machine, ints are not compared with floats, and nothing that
//! allocates (joining strings) is done ahead of time.

use std::cmp::Ordering;

use super::super::dominance::Cfg;
use super::super::{
    BinaryOp, BlockId, Const, FuncId, Function, Op, Program, Terminator, UnaryOp, ValueId,
};
use crate::class::ClassId;

/// Folds constants in every function.
pub fn run(program: &mut Program) {
    let arity = |function: &Function| (function.captures == 0).then_some(function.params.len());
    let arities: Vec<Option<usize>> = program.funcs.iter().map(arity).collect();
    for function in &mut program.funcs {
        fold_function(function, &arities);
    }
}

struct Known<'a> {
    /// By value: the constant it is.
    constants: Vec<Option<Const>>,
    /// By function: how many arguments it takes, if it captures nothing.
    arities: &'a [Option<usize>],
}

/// In reverse postorder, every definition comes before its uses.
fn fold_function(function: &mut Function, arities: &[Option<usize>]) {
    let cfg = Cfg::new(function);
    let constants = vec![None; function.value_count as usize];
    let mut known = Known { constants, arities };
    for &block in cfg.reverse_postorder() {
        let block = &mut function.blocks[block.index()];
        for inst in &mut block.insts {
            if let Some(op) = known.op(&inst.op) {
                inst.op = op;
            }
            if let (Some(result), Op::Const(constant)) = (inst.result, &inst.op) {
                known.constants[result.index()] = Some(constant.clone());
            }
        }
        if let Some(term) = known.term(&block.term) {
            block.term = term;
        }
    }
}

impl Known<'_> {
    fn get(&self, value: ValueId) -> Option<&Const> {
        self.constants[value.index()].as_ref()
    }

    /// What is simpler than `op`, if anything is.
    fn op(&self, op: &Op) -> Option<Op> {
        let constant = match op {
            Op::Unary(op, a) => unary(*op, self.get(*a)?)?,
            Op::Binary(op, a, b) => binary(*op, self.get(*a)?, self.get(*b)?)?,
            Op::Matches(a, b) => Const::Bool(equal(self.get(*a)?, self.get(*b)?)?),
            Op::IsClass(a, class) => Const::Bool(class_of(self.get(*a)?) == *class),
            Op::IsTuple(a, _) | Op::IsList { value: a, .. } => {
                self.get(*a)?;
                Const::Bool(false)
            }
            Op::Call(callee, args) => {
                return Some(Op::CallDirect(self.callee(*callee, args)?, args.clone()));
            }
            _ => return None,
        };
        Some(Op::Const(constant))
    }

    /// The function that `callee` is, when the number of arguments is right.
    fn callee(&self, callee: ValueId, args: &[ValueId]) -> Option<FuncId> {
        let Const::Func(function) = *self.get(callee)? else {
            return None;
        };
        (self.arities[function.index()] == Some(args.len())).then_some(function)
    }

    fn term(&self, term: &Terminator) -> Option<Terminator> {
        let target = match term {
            Terminator::Branch { then, otherwise, .. } if then == otherwise => *then,
            Terminator::Branch { cond, then, otherwise } => {
                if truth(self.get(*cond)?) {
                    *then
                } else {
                    *otherwise
                }
            }
            Terminator::Switch { targets, default, .. }
                if targets.iter().all(|target| target == default) =>
            {
                *default
            }
            Terminator::Switch { value, min, targets, default } => {
                switch_target(self.get(*value)?, *min, targets).unwrap_or(*default)
            }
            Terminator::TailCall(callee, args) => {
                let function = self.callee(*callee, args)?;
                return Some(Terminator::TailCallDirect(function, args.clone()));
            }
            _ => return None,
        };
        Some(Terminator::Jump(target, vec![]))
    }
}

fn switch_target(value: &Const, min: i64, targets: &[BlockId]) -> Option<BlockId> {
    let Const::Int(value) = value else {
        return None;
    };
    let index = usize::try_from(value.checked_sub(min)?).ok()?;
    targets.get(index).copied()
}

/// `nil` and `false` are false, everything else is true.
pub(super) fn truth(value: &Const) -> bool {
    !matches!(value, Const::Nil | Const::Bool(false))
}

fn class_of(value: &Const) -> ClassId {
    match value {
        Const::Nil => ClassId::NIL,
        Const::Bool(_) => ClassId::BOOL,
        Const::Int(_) => ClassId::INT,
        Const::Float(_) => ClassId::FLOAT,
        Const::Char(_) => ClassId::CHAR,
        Const::Keyword(_) => ClassId::KEYWORD,
        Const::Str(_) => ClassId::STRING,
        Const::Func(_) => ClassId::CLOSURE,
    }
}

fn unary(op: UnaryOp, a: &Const) -> Option<Const> {
    match (op, a) {
        (UnaryOp::Not, a) => Some(Const::Bool(!truth(a))),
        (UnaryOp::Neg, Const::Int(a)) => a.checked_neg().map(Const::Int),
        (UnaryOp::Neg, Const::Float(a)) => float(-a),
        (UnaryOp::BitNot, Const::Int(a)) => Some(Const::Int(!a)),
        _ => None,
    }
}

/// A NaN's bits depend on the machine.
fn float(value: f64) -> Option<Const> {
    (!value.is_nan()).then_some(Const::Float(value))
}

fn binary(op: BinaryOp, a: &Const, b: &Const) -> Option<Const> {
    match op {
        BinaryOp::Eq => return Some(Const::Bool(equal(a, b)?)),
        BinaryOp::Ne => return Some(Const::Bool(!equal(a, b)?)),
        BinaryOp::Lt => return Some(Const::Bool(order(a, b)? == Ordering::Less)),
        BinaryOp::Le => return Some(Const::Bool(order(a, b)? != Ordering::Greater)),
        BinaryOp::Gt => return Some(Const::Bool(order(a, b)? == Ordering::Greater)),
        BinaryOp::Ge => return Some(Const::Bool(order(a, b)? != Ordering::Less)),
        _ => {}
    }
    match (a, b) {
        (Const::Int(a), Const::Int(b)) => int_arithmetic(op, *a, *b).map(Const::Int),
        (Const::Float(a), Const::Float(b)) => float_arithmetic(op, *a, *b),
        (Const::Int(a), Const::Float(b)) => float_arithmetic(op, *a as f64, *b),
        (Const::Float(a), Const::Int(b)) => float_arithmetic(op, *a, *b as f64),
        _ => None,
    }
}

fn int_arithmetic(op: BinaryOp, a: i64, b: i64) -> Option<i64> {
    let distance = u32::try_from(b).ok().filter(|&distance| distance < 64);
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div => a.checked_div(b),
        BinaryOp::Rem => a.checked_rem(b),
        BinaryOp::BitAnd => Some(a & b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
        BinaryOp::Shl => Some(a << distance?),
        BinaryOp::Shr => Some(a >> distance?),
        BinaryOp::ShrLogical => Some(((a as u64) >> distance?) as i64),
        _ => None,
    }
}

fn float_arithmetic(op: BinaryOp, a: f64, b: f64) -> Option<Const> {
    match op {
        BinaryOp::Add => float(a + b),
        BinaryOp::Sub => float(a - b),
        BinaryOp::Mul => float(a * b),
        BinaryOp::Div => float(a / b),
        BinaryOp::Rem => float(a % b),
        _ => None,
    }
}

/// `None` when it is better asked at run time.
fn equal(a: &Const, b: &Const) -> Option<bool> {
    match (a, b) {
        (Const::Float(a), Const::Float(b)) => Some(a == b),
        (Const::Int(_), Const::Float(_)) | (Const::Float(_), Const::Int(_)) => None,
        (Const::Func(_), Const::Func(_)) => None,
        _ => Some(a == b),
    }
}

/// Only where `<` is defined.
fn order(a: &Const, b: &Const) -> Option<Ordering> {
    match (a, b) {
        (Const::Int(a), Const::Int(b)) => Some(a.cmp(b)),
        (Const::Float(a), Const::Float(b)) => a.partial_cmp(b),
        (Const::Char(a), Const::Char(b)) => Some(a.cmp(b)),
        (Const::Str(a), Const::Str(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

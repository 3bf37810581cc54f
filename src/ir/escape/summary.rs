//! What a call of a function does with its arguments, and the fixpoint over the call graph.
//!
//! A summary speaks of *inputs*: the parameters, then the captured variables. It says which of them
//! escape for good, and what flows where: into the result, and into what other inputs contain.
//! A caller that replays it sees what the callee's body would have shown it, with everything below
//! the first level of a structure taken as one.
//!
//! Summaries start out saying nothing and only ever say more, so the worklist comes to an end, in
//! recursion too; callees come first, so that it comes soon.

use std::collections::VecDeque;

use rustc_hash::FxHashMap as HashMap;

use super::effects::{self, Effect};
use super::function;
use super::reason::{Reason, Why};
use crate::builtins::METHODS;
use crate::class::ClassId;
use crate::ir::{Const, FuncId, Function, Op, Program, Terminator};
use crate::lang::ast::Span;
use crate::names::Name;

/// More inputs than this are not told apart: their function lets everything out.
pub(super) const INPUTS_MAX: usize = 31;
/// After so many visits a function is taken to let everything out. The fixpoint needs about as many
/// as calls are nested in a cycle; this bounds the time for programs made to be slow.
const VISITS_MAX: u32 = 40;

/// A set of inputs and of their contents.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Inputs(pub(super) u64);

impl Inputs {
    pub(super) fn add(&mut self, input: usize, of_content: bool) {
        self.0 |= 1 << (2 * input + usize::from(of_content));
    }

    pub(super) fn remove(&mut self, input: usize, of_content: bool) {
        self.0 &= !(1 << (2 * input + usize::from(of_content)));
    }

    /// (input, whether it is its content)
    pub(super) fn iter(self) -> impl Iterator<Item = (usize, bool)> {
        (0..64).filter(move |bit| self.0 >> bit & 1 == 1).map(|bit| (bit / 2, bit % 2 == 1))
    }
}

/// One input.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Input {
    /// Why it escapes for good.
    pub(super) escapes: Option<Why>,
    /// Why what is in it does.
    pub(super) content_escapes: Option<Why>,
    /// What is put into it.
    pub(super) filled_from: Inputs,
    /// Whether anything is.
    pub(super) is_filled: bool,
}

/// What a call of a function does.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Summary {
    /// Parameters, then captured variables.
    pub(super) inputs: Vec<Input>,
    /// What may be the result.
    pub(super) result_from: Inputs,
    /// What may be in it.
    pub(super) result_filled_from: Inputs,
    /// Why what is in the result is also reached from elsewhere.
    pub(super) result_content_escapes: Option<Why>,
}

impl Summary {
    /// What a function says that lets everything out.
    pub(super) fn of_anything(function: &Function) -> Summary {
        let why = Some(Why::new(Reason::TooLarge, function.span));
        let input = Input { escapes: why, content_escapes: why, ..Input::default() };
        let inputs = vec![input; function.params.len() + function.captures as usize];
        Summary { inputs, result_content_escapes: why, ..Summary::default() }
    }

    /// The places of blame are for people: they do not keep the fixpoint going.
    fn says_the_same_as(&self, other: &Summary) -> bool {
        let facts = |input: &Input| {
            let Input { escapes, content_escapes, filled_from, is_filled } = *input;
            (escapes.is_some(), content_escapes.is_some(), filled_from, is_filled)
        };
        self.inputs.iter().map(facts).eq(other.inputs.iter().map(facts))
            && self.result_from == other.result_from
            && self.result_filled_from == other.result_filled_from
            && self.result_content_escapes.is_some() == other.result_content_escapes.is_some()
    }
}

/// What a method call may end up in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Callee {
    Mena(FuncId),
    Builtin(Effect),
}

/// The methods of a program: by name and number of arguments (the receiver included), each with the
/// class it belongs to.
#[derive(Debug)]
pub(super) struct Methods(HashMap<(Name, usize), Vec<(ClassId, Callee)>>);

impl Methods {
    pub(super) fn new(program: &Program) -> Methods {
        let mut methods: HashMap<(Name, usize), Vec<(ClassId, Callee)>> = HashMap::default();
        for &(class, name, f) in &program.methods {
            let count = program.funcs[f.index()].params.len();
            methods.entry((name, count)).or_default().push((class, Callee::Mena(f)));
        }
        let mut names: HashMap<&str, Vec<usize>> = HashMap::default();
        for (n, method) in METHODS.iter().enumerate() {
            names.entry(method.name).or_default().push(n);
        }
        // Only what the program's calls may mean: the builtins' own arities are ranges.
        for (name, count) in method_calls(program) {
            let builtins = names.get(program.names.text(name)).into_iter().flatten();
            for method in builtins.map(|&n| &METHODS[n]) {
                let (min, max) = (usize::from(method.min_args), usize::from(method.max_args));
                if count >= min && (count <= max || method.max_args == u8::MAX) {
                    let callee = Callee::Builtin(effects::of_method(method));
                    methods.entry((name, count)).or_default().push((method.class, callee));
                }
            }
        }
        for candidates in methods.values_mut() {
            let mut seen = Vec::new();
            candidates.retain(|candidate| {
                let is_new = !seen.contains(candidate);
                seen.push(*candidate);
                is_new
            });
        }
        Methods(methods)
    }

    /// What a call may end up in, when the receiver is of this class if one is known. A call that
    /// finds nothing raises an error and does nothing else.
    pub(super) fn callees(
        &self,
        name: Name,
        count: usize,
        class: Option<ClassId>,
    ) -> impl Iterator<Item = Callee> + '_ {
        let candidates = self.0.get(&(name, count)).map_or(&[][..], Vec::as_slice);
        let fits = move |&&(of, _): &&(ClassId, Callee)| class.is_none_or(|class| class == of);
        candidates.iter().filter(fits).map(|&(_, callee)| callee)
    }
}

/// Every pair of a name and a number of arguments that the program calls, once.
fn method_calls(program: &Program) -> Vec<(Name, usize)> {
    let mut calls = Vec::new();
    for block in program.funcs.iter().flat_map(|function| &function.blocks) {
        for inst in &block.insts {
            if let Op::CallMethod(_, name, args) = &inst.op {
                calls.push((*name, args.len() + 1));
            }
        }
        if let Terminator::TailCallMethod(_, name, args) = &block.term {
            calls.push((*name, args.len() + 1));
        }
    }
    calls.sort_unstable();
    calls.dedup();
    calls
}

/// The summaries of all functions.
#[derive(Debug)]
pub(super) struct Summaries {
    pub(super) methods: Methods,
    of: Vec<Summary>,
}

impl Summaries {
    pub(super) fn of(&self, function: FuncId) -> &Summary {
        &self.of[function.index()]
    }

    /// Computes those of `roots` and of everything that they call.
    pub(super) fn new(program: &Program, roots: &[FuncId]) -> Summaries {
        let methods = Methods::new(program);
        let empty = |function: &Function| {
            let count = function.params.len() + function.captures as usize;
            Summary { inputs: vec![Input::default(); count], ..Summary::default() }
        };
        let mut summaries = Summaries { of: program.funcs.iter().map(empty).collect(), methods };
        let mut callees: Vec<Vec<FuncId>> = vec![Vec::new(); program.funcs.len()];
        let mut is_wanted = vec![false; program.funcs.len()];
        let mut unseen = roots.to_vec();
        while let Some(f) = unseen.pop() {
            if !std::mem::replace(&mut is_wanted[f.index()], true) {
                callees[f.index()] = summaries.callees_of(&program.funcs[f.index()]);
                unseen.extend_from_slice(&callees[f.index()]);
            }
        }
        let mut callers = vec![Vec::new(); callees.len()];
        for (list, caller) in callees.iter().zip((0..).map(FuncId)) {
            list.iter().for_each(|callee| callers[callee.index()].push(caller));
        }
        let mut work: VecDeque<FuncId> = callees_first(&callees).into();
        work.retain(|f| is_wanted[f.index()]);
        let mut waits = vec![true; callees.len()];
        let mut visits = vec![0; callees.len()];
        while let Some(f) = work.pop_front() {
            waits[f.index()] = false;
            visits[f.index()] += 1;
            let function = &program.funcs[f.index()];
            let inputs = summaries.of(f).inputs.len();
            let summary = if inputs > INPUTS_MAX || visits[f.index()] > VISITS_MAX {
                Summary::of_anything(function)
            } else {
                function::summarise(program, &summaries, function)
            };
            if summary.says_the_same_as(summaries.of(f)) {
                continue;
            }
            summaries.of[f.index()] = summary;
            for &caller in &callers[f.index()] {
                if !std::mem::replace(&mut waits[caller.index()], true) {
                    work.push_back(caller);
                }
            }
        }
        summaries
    }

    /// The functions whose summaries this one's depends on, each once.
    fn callees_of(&self, function: &Function) -> Vec<FuncId> {
        let mut callees = Vec::new();
        let methods = |callees: &mut Vec<FuncId>, name, count| {
            callees.extend(self.methods.callees(name, count, None).filter_map(|c| match c {
                Callee::Mena(f) => Some(f),
                Callee::Builtin(_) => None,
            }));
        };
        for block in &function.blocks {
            for inst in &block.insts {
                match &inst.op {
                    Op::Closure(f, _) | Op::CallDirect(f, _) | Op::Const(Const::Func(f)) => {
                        callees.push(*f);
                    }
                    Op::CallMethod(_, name, args) => methods(&mut callees, *name, args.len() + 1),
                    _ => {}
                }
            }
            match &block.term {
                Terminator::TailCallDirect(f, _) => callees.push(*f),
                Terminator::TailCallMethod(_, name, args) => {
                    methods(&mut callees, *name, args.len() + 1);
                }
                _ => {}
            }
        }
        callees.sort_unstable();
        callees.dedup();
        callees
    }
}

/// All functions, callees before their callers as far as there is no recursion.
fn callees_first(callees: &[Vec<FuncId>]) -> Vec<FuncId> {
    let mut order = Vec::new();
    let mut seen = vec![false; callees.len()];
    let mut stack = Vec::new();
    for start in (0..callees.len() as u32).map(FuncId) {
        if !std::mem::replace(&mut seen[start.index()], true) {
            stack.push((start, 0));
        }
        while let Some((f, next)) = stack.last_mut() {
            let Some(&callee) = callees[f.index()].get(*next) else {
                order.push(*f);
                stack.pop();
                continue;
            };
            *next += 1;
            if !std::mem::replace(&mut seen[callee.index()], true) {
                stack.push((callee, 0));
            }
        }
    }
    order
}

/// A place that nobody wrote.
pub(super) const NOWHERE: Span = Span { file: 0, start: 0, end: 0 };

//! The flow graph of one function, and what is read off it: its summary and its sites' verdicts.

use super::effects::{self, Effect};
use super::graph::{Escapes, Graph, Node, Step, is_reached};
use super::reason::{Reason, Why};
use super::regions::Regions;
use super::summary::{Callee, Input, Inputs, NOWHERE, Summaries, Summary};
use super::{Site, SiteKind, Verdict};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::builtins::FUNCTIONS;
use crate::class::ClassId;
use crate::ir::{Block, Const, FuncId, Function, Inst, Op, Program, SlotId, Terminator, ValueId};
use crate::lang::ast::Span;
use crate::names::Name;

/// What a call of the function does.
pub(super) fn summarise(program: &Program, summaries: &Summaries, function: &Function) -> Summary {
    let mut body = Body::new(program, summaries, function);
    let escapes = body.graph.spread(&[&body.escapes]);
    let inputs = (0..body.inputs.len()).map(|n| body.input(&escapes, n)).collect();
    let content = body.graph.content(body.result);
    Summary {
        inputs,
        result_from: body.inputs_reaching(body.result),
        result_filled_from: body.inputs_reaching(content),
        result_content_escapes: escapes.of(content),
    }
}

/// The allocation sites of a function, in order, with their verdicts.
pub(super) fn sites(program: &Program, summaries: &Summaries, id: FuncId) -> Vec<Site> {
    let function = &program.funcs[id.index()];
    let mut body = Body::new(program, summaries, function);
    let mut reached = Vec::new();
    for (n, &input) in body.inputs.iter().enumerate() {
        let is_param = n < function.params.len();
        let reason = if is_param { Reason::Argument } else { Reason::CapturedVariable };
        reached.push((body.graph.content(input), Why::new(reason, NOWHERE)));
    }
    // The plainest reasons first.
    let escapes = body.graph.spread(&[&body.leaves, &body.escapes, &reached]);
    let mut sites = Vec::new();
    let regions = Regions::new(function);
    let mut of_region: HashMap<ValueId, Escapes> = HashMap::default();
    for &token in &regions.tokens {
        let outside = body.outside(&regions, token);
        let seeds: [&[_]; 4] = [&body.leaves, &body.escapes, &reached, &outside];
        of_region.insert(token, body.graph.spread(&seeds));
    }
    regions.places(function, |block, n, open| {
        let Some(inst) = function.blocks[block.index()].insts.get(n) else { return };
        let Some(kind) = SiteKind::of(&inst.op) else { return };
        let node = inst.result.map(|value| body.value(value));
        let region = open.last();
        let why = match region {
            Some(_) if !regions.are_known() => Some(Why::new(Reason::UnknownRegion, inst.span)),
            Some(token) => node.and_then(|node| of_region[token].of(node)),
            None => node.and_then(|node| escapes.of(node)),
        };
        let verdict = match (why, region) {
            (Some(_), _) => Verdict::Heap,
            (None, Some(_)) => Verdict::Region,
            (None, None) => Verdict::Frame,
        };
        let inst_number = n as u32;
        let (inst, span) = (inst_number, inst.span);
        let is_held = false;
        sites.push(Site { function: id, block, inst, kind, span, verdict, why, is_held });
    });
    body.find_held(&mut sites);
    sites
}

/// Whether the result may be a new object that can hold others. (A callee's are not looked for.)
fn makes_containers(op: &Op) -> bool {
    matches!(op, Op::CallNative(..)) || SiteKind::of(op).is_some()
}

/// A function's body as a flow graph.
struct Body<'a> {
    program: &'a Program,
    summaries: &'a Summaries,
    function: &'a Function,
    /// By value: what computes it.
    definitions: Vec<Option<&'a Op>>,
    /// Nodes: the values, the slots, and then whatever comes.
    graph: Graph,
    /// Parameters and captured variables.
    inputs: Vec<Node>,
    result: Node,
    /// What escapes for good.
    escapes: Vec<(Node, Why)>,
    /// What outlives the frame, if it was made in it.
    leaves: Vec<(Node, Why)>,
}

impl<'a> Body<'a> {
    fn new(program: &'a Program, summaries: &'a Summaries, function: &'a Function) -> Body<'a> {
        let mut graph = Graph::new(function.value_count + function.slot_count);
        let mut inputs: Vec<Node> = function.params.iter().map(|p| graph.node(p.0)).collect();
        inputs.extend((0..function.captures).map(|_| graph.add()));
        let result = graph.add();
        inputs.iter().for_each(|&input| graph.collapse(input));
        graph.collapse(result);
        let mut definitions = vec![None; function.value_count as usize];
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            if let Some(value) = inst.result {
                definitions[value.index()] = Some(&inst.op);
            }
        }
        let (escapes, leaves) = (Vec::new(), Vec::new());
        let mut body = Body {
            program,
            summaries,
            function,
            definitions,
            graph,
            inputs,
            result,
            escapes,
            leaves,
        };
        body.caught();
        for block in &function.blocks {
            block.insts.iter().for_each(|inst| body.inst(inst));
            body.term(block);
        }
        body
    }

    fn value(&self, value: ValueId) -> Node {
        self.graph.node(value.0)
    }

    fn values(&self, values: &[ValueId]) -> Vec<Node> {
        values.iter().map(|&value| self.value(value)).collect()
    }

    /// What outlives a region, if it was made in it: everything that is defined or used where the
    /// region is not open.
    fn outside(&self, regions: &Regions, token: ValueId) -> Vec<(Node, Why)> {
        let mut seeds = Vec::new();
        let slot = |slot: &SlotId| self.graph.node(self.function.value_count + slot.0);
        regions.places(self.function, |id, n, open| {
            let block = &self.function.blocks[id.index()];
            let is_open = open.contains(&token);
            let Some(inst) = block.insts.get(n) else {
                if !is_open {
                    let why = Why::new(Reason::OutsideRegion, block.term_span);
                    seeds.extend(block.term.operands().map(|value| (self.value(value), why)));
                    seeds.extend(block.params.iter().map(|&value| (self.value(value), why)));
                }
                return;
            };
            let is_end = matches!(inst.op, Op::RegionLeave(of, _) if of == token);
            if is_open && !is_end {
                return;
            }
            let reason = if is_end { Reason::RegionValue } else { Reason::OutsideRegion };
            let why = Why::new(reason, inst.span);
            let values = inst.op.operands().chain(inst.result);
            seeds.extend(values.map(|value| (self.value(value), why)));
            if let Op::SlotGet(of) | Op::SlotSet(of, _) = &inst.op {
                seeds.push((slot(of), why));
            }
            if n == 0 {
                seeds.extend(block.params.iter().map(|&value| (self.value(value), why)));
            }
        });
        seeds
    }

    /// Whose objects are put into objects that no frame can hold.
    fn find_held(&mut self, sites: &mut [Site]) {
        let function = self.function;
        let inst = |site: &Site| &function.blocks[site.block.index()].insts[site.inst as usize];
        let in_frame: HashSet<ValueId> = sites
            .iter()
            .filter(|site| site.verdict != Verdict::Heap && inst(site).op.may_be_local())
            .filter_map(|site| inst(site).result)
            .collect();
        let mut contents = Vec::new();
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            let Some(value) = inst.result else { continue };
            if makes_containers(&inst.op) && !in_frame.contains(&value) {
                let node = self.value(value);
                contents.push(self.graph.content(node));
            }
        }
        let held = self.graph.reaching_any(contents);
        for site in sites {
            let node = inst(site).result.map(|value| self.value(value));
            site.is_held = node.is_some_and(|node| is_reached(&held, node));
        }
    }

    // ---- What is read off -------------------------------------------------------------------

    fn input(&mut self, escapes: &Escapes, n: usize) -> Input {
        let node = self.inputs[n];
        let content = self.graph.content(node);
        Input {
            escapes: escapes.of(node),
            content_escapes: escapes.of(content),
            filled_from: {
                let mut from = self.inputs_reaching(content);
                from.remove(n, true);
                from
            },
            is_filled: self.graph.is_filled(node),
        }
    }

    /// The inputs, and the contents of inputs, that may come to `target`.
    fn inputs_reaching(&mut self, target: Node) -> Inputs {
        let reached = self.graph.reaching(target);
        let mut from = Inputs::default();
        for n in 0..self.inputs.len() {
            let content = self.graph.content(self.inputs[n]);
            if is_reached(&reached, self.inputs[n]) {
                from.add(n, false);
            }
            if is_reached(&reached, content) {
                from.add(n, true);
            }
        }
        from
    }

    // ---- Edges ------------------------------------------------------------------------------

    /// What a handler gets may be anything.
    fn caught(&mut self) {
        let mut handlers: Vec<_> = self.function.blocks.iter().filter_map(|b| b.handler).collect();
        handlers.sort_unstable();
        handlers.dedup();
        for handler in handlers {
            for &param in &self.function.blocks[handler.index()].params {
                self.has_shared_content(self.value(param), Why::new(Reason::Caught, NOWHERE));
            }
        }
    }

    /// What is in the node is also reached from elsewhere.
    fn has_shared_content(&mut self, node: Node, why: Why) {
        let content = self.graph.content(node);
        self.escapes.push((content, why));
    }

    fn escape(&mut self, value: ValueId, reason: Reason, span: Span) {
        self.escapes.push((self.value(value), Why::new(reason, span)));
    }

    fn put(&mut self, part: ValueId, whole: ValueId, reason: Reason, span: Span) {
        self.graph.put(self.value(part), self.value(whole), reason, span);
    }

    fn put_all(&mut self, parts: &[ValueId], result: Node, span: Span) {
        for part in self.values(parts) {
            self.graph.put(part, result, Reason::Part, span);
        }
    }

    fn inst(&mut self, inst: &'a Inst) {
        let span = inst.span;
        let result = match inst.result {
            Some(value) => self.value(value),
            None if inst.op.has_result() => self.graph.add(),
            None => return self.store(&inst.op, span),
        };
        match &inst.op {
            Op::Const(_)
            | Op::Unary(..)
            | Op::Binary(..)
            | Op::MakeRange { .. }
            | Op::Concat(_)
            | Op::IsClass(..)
            | Op::IsTuple(..)
            | Op::IsList { .. }
            | Op::Matches(..)
            | Op::IterDone(..)
            | Op::Yield
            | Op::RegionEnter => {}
            Op::GlobalGet(global) => {
                self.has_shared_content(result, Why::new(Reason::FromGlobal(*global), span));
            }
            Op::SlotGet(slot) => {
                let slot = self.graph.node(self.function.value_count + slot.0);
                self.graph.flow(slot, result);
            }
            Op::Capture(n) => {
                let input = self.inputs[self.function.params.len() + *n as usize];
                self.graph.flow(input, result);
            }
            Op::CellNew(part) => self.put_all(&[*part], result, span),
            Op::MakeTuple(parts)
            | Op::MakeList(parts)
            | Op::MakeMap(parts)
            | Op::MakeSet(parts)
            | Op::MakeRecord(_, parts) => self.put_all(parts, result, span),
            Op::UpdateRecord(_, base, parts) => {
                self.copy_content(*base, result, span);
                parts.iter().for_each(|&(_, part)| self.put_all(&[part], result, span));
            }
            Op::ListRest { list, .. } => self.copy_content(*list, result, span),
            Op::CellGet(whole)
            | Op::Field(whole, _)
            | Op::Index(whole, _)
            | Op::TupleField(whole, _)
            | Op::Elem(whole, _)
            | Op::ListElem { list: whole, .. } => self.graph.take(self.value(*whole), result),
            // The position in a cons list is a cell of it; the others are numbers, or a place of
            // their own for what a channel gives, which has escaped when it was sent.
            Op::IterStart(source) => self.graph.flow(self.value(*source), result),
            Op::IterNext(_, at) => {
                self.graph.flow(self.value(*at), result);
                self.graph.take(self.value(*at), result);
            }
            Op::IterGet(source, at) => {
                self.graph.take(self.value(*source), result);
                self.graph.take(self.value(*at), result);
                // An entry of a map is a new tuple.
                self.copy_content(*source, result, span);
            }
            Op::Closure(f, captures) => self.closure(*f, captures, result, span),
            Op::Call(callee, args) => self.call(*callee, args, result, span),
            Op::CallDirect(f, args) => self.call_direct(*f, args, result, span),
            Op::CallMethod(receiver, name, args) => {
                self.call_method(*receiver, *name, args, result, span);
            }
            Op::CallNative(native, args) => {
                let effect =
                    FUNCTIONS.get(native.index()).map_or(Effect::Keeps, effects::of_function);
                let why = match effect {
                    Effect::Watches => Reason::Watched,
                    _ => Reason::Builtin(*native),
                };
                let args = self.values(args);
                self.builtin(effect, why, &args, result, span);
            }
            Op::Spawn(callee, args) => {
                self.escape(*callee, Reason::Task, span);
                args.iter().for_each(|&arg| self.escape(arg, Reason::Task, span));
                self.has_shared_content(result, Why::new(Reason::FromCall, span));
            }
            Op::RegionLeave(_, value) => self.graph.flow(self.value(*value), result),
            Op::GlobalSet(..)
            | Op::SlotSet(..)
            | Op::CellSet(..)
            | Op::SetField(..)
            | Op::SetIndex(..) => unreachable!("they have no result"),
        }
    }

    /// Instructions without a result.
    fn store(&mut self, op: &Op, span: Span) {
        match op {
            Op::GlobalSet(global, value) => self.escape(*value, Reason::Global(*global), span),
            Op::SlotSet(slot, value) => {
                let slot = self.graph.node(self.function.value_count + slot.0);
                self.graph.flow(self.value(*value), slot);
            }
            Op::CellSet(cell, value) => self.put(*value, *cell, Reason::Variable, span),
            Op::SetField(whole, name, value) => {
                self.put(*value, *whole, Reason::Field(*name), span);
            }
            Op::SetIndex(whole, index, value) => {
                self.put(*index, *whole, Reason::Element, span);
                self.put(*value, *whole, Reason::Element, span);
            }
            _ => unreachable!("it has a result"),
        }
    }

    /// What is in `from` is put into the new object `result`, too.
    fn copy_content(&mut self, from: ValueId, result: Node, span: Span) {
        let content = self.graph.content(self.value(from));
        self.graph.put(content, result, Reason::Part, span);
    }

    fn term(&mut self, block: &'a Block) {
        let span = block.term_span;
        match &block.term {
            Terminator::Jump(target, args) => {
                let params = &self.function.blocks[target.index()].params;
                for (&arg, &param) in args.iter().zip(params) {
                    self.graph.flow(self.value(arg), self.value(param));
                }
            }
            Terminator::Return(value) => {
                self.leaves.push((self.value(*value), Why::new(Reason::Returned, span)));
                self.graph.flow(self.value(*value), self.result);
            }
            Terminator::Throw(value) => self.escape(*value, Reason::Thrown, span),
            Terminator::TailCall(callee, args) => {
                self.passed_on(&[*callee], span);
                self.passed_on(args, span);
                self.call(*callee, args, self.result, span);
            }
            Terminator::TailCallDirect(f, args) => {
                self.passed_on(args, span);
                self.call_direct(*f, args, self.result, span);
            }
            Terminator::TailCallMethod(receiver, name, args) => {
                self.passed_on(&[*receiver], span);
                self.passed_on(args, span);
                let result = self.graph.add();
                self.leaves.push((result, Why::new(Reason::Returned, span)));
                self.graph.flow(result, self.result);
                self.call_method(*receiver, *name, args, result, span);
            }
            Terminator::Branch { .. }
            | Terminator::Switch { .. }
            | Terminator::Try { .. }
            | Terminator::Unreachable => {}
        }
    }

    /// A tail call ends the frame before the callee looks at its arguments; so does one that turns out to be
    /// a builtin's, and one that fails because the receiver has no such method.
    fn passed_on(&mut self, values: &[ValueId], span: Span) {
        for value in self.values(values) {
            self.leaves.push((value, Why::new(Reason::TailCall, span)));
        }
    }

    // ---- Calls ------------------------------------------------------------------------------

    fn call(&mut self, callee: ValueId, args: &[ValueId], result: Node, span: Span) {
        match self.definitions[callee.index()] {
            Some(Op::Closure(f, captures)) if self.takes(*f, args.len()) => {
                let inputs = [self.values(args), self.values(captures)].concat();
                self.replay(self.summaries.of(*f), |n| Reason::Call(*f, n), &inputs, result, span);
            }
            Some(Op::Const(Const::Func(f))) if self.takes(*f, args.len()) => {
                self.call_direct(*f, args, result, span);
            }
            _ => {
                args.iter().for_each(|&arg| self.escape(arg, Reason::UnknownCall, span));
                self.has_shared_content(result, Why::new(Reason::FromCall, span));
            }
        }
    }

    fn takes(&self, f: FuncId, count: usize) -> bool {
        self.program.funcs[f.index()].params.len() == count
    }

    fn call_direct(&mut self, f: FuncId, args: &[ValueId], result: Node, span: Span) {
        let args = self.values(args);
        self.replay(self.summaries.of(f), |n| Reason::Call(f, n), &args, result, span);
    }

    fn call_method(
        &mut self,
        receiver: ValueId,
        name: Name,
        args: &[ValueId],
        result: Node,
        span: Span,
    ) {
        let class = self.class(receiver);
        let args = [self.values(&[receiver]), self.values(args)].concat();
        let summaries = self.summaries;
        for callee in summaries.methods.callees(name, args.len(), class) {
            match callee {
                Callee::Mena(f) => {
                    let reason = |n| match class {
                        Some(_) => Reason::Call(f, n),
                        None => Reason::Method(name),
                    };
                    self.replay(summaries.of(f), reason, &args, result, span);
                }
                Callee::Builtin(effect) => {
                    self.builtin(effect, Reason::Method(name), &args, result, span);
                }
            }
        }
    }

    /// The class of a value, if the instruction that makes it tells.
    fn class(&self, value: ValueId) -> Option<ClassId> {
        match self.definitions[value.index()]? {
            Op::MakeRecord(class, _) | Op::UpdateRecord(class, ..) => Some(*class),
            Op::MakeTuple(_) => Some(ClassId::TUPLE),
            Op::MakeList(_) | Op::ListRest { .. } => Some(ClassId::LIST),
            Op::MakeMap(_) => Some(ClassId::MAP),
            Op::MakeSet(_) => Some(ClassId::SET),
            Op::MakeRange { .. } => Some(ClassId::RANGE),
            Op::Closure(..) | Op::Const(Const::Func(_)) => Some(ClassId::CLOSURE),
            Op::Concat(_) | Op::Const(Const::Str(_)) => Some(ClassId::STRING),
            _ => None,
        }
    }

    fn builtin(&mut self, effect: Effect, reason: Reason, args: &[Node], result: Node, span: Span) {
        let why = Why::new(reason, span);
        let (first, others) = args.split_at(args.len().min(1));
        match effect {
            Effect::Reads => {}
            Effect::Contains => {
                args.iter().for_each(|&arg| self.graph.put(arg, result, Reason::Part, span));
            }
            Effect::Chooses => args.iter().for_each(|&arg| self.graph.flow(arg, result)),
            Effect::Takes => {
                first.iter().for_each(|&whole| self.graph.take(whole, result));
                others.iter().for_each(|&other| self.graph.flow(other, result));
            }
            Effect::Adds => {
                for &whole in first {
                    self.graph.take(whole, result);
                    for &part in others {
                        self.graph.put(part, whole, Reason::Element, span);
                    }
                }
            }
            Effect::Copies => {
                self.graph.collapse(result);
                for &arg in args {
                    let content = self.graph.content(arg);
                    self.graph.put(content, result, Reason::Part, span);
                }
            }
            Effect::Mixes => {
                for &arg in args {
                    self.graph.collapse(arg);
                    self.graph.flow(arg, result);
                    self.graph.take(arg, result);
                    let content = self.graph.content(arg);
                    self.graph.put(content, result, Reason::Part, span);
                }
            }
            Effect::Brings => self.has_shared_content(result, why),
            Effect::Watches | Effect::Keeps => {
                self.escapes.extend(args.iter().map(|&arg| (arg, why)));
                self.has_shared_content(result, why);
            }
        }
    }

    /// Whoever gets the closure may call it, with anything, so what its body does with the captured
    /// variables happens here.
    fn closure(&mut self, f: FuncId, captures: &[ValueId], closure: Node, span: Span) {
        let summary = self.summaries.of(f);
        let params = self.program.funcs[f.index()].params.len();
        let captured = &summary.inputs[params..];
        let captures = self.values(captures);
        let why = Why::new(Reason::Capture(f), span);
        // What ends up where only the caller knows.
        let mut out = Inputs(summary.result_from.0 | summary.result_filled_from.0);
        summary.inputs[..params].iter().for_each(|param| out.0 |= param.filled_from.0);
        for (input, of_content) in out.iter().filter(|&(input, _)| input >= params) {
            let capture = captures[input - params];
            let node = if of_content { self.graph.content(capture) } else { capture };
            self.escapes.push((node, why));
            self.graph.collapse(capture);
        }
        for (input, &capture) in captured.iter().zip(&captures) {
            self.graph.put(capture, closure, Reason::Part, span);
            if input.escapes.is_some() {
                self.escapes.push((capture, why));
            }
            if input.is_filled {
                self.fill_with_new(capture);
            }
            if input.content_escapes.is_some() {
                self.graph.collapse(capture);
            }
            let content = self.graph.content(capture);
            let from_caller = input.filled_from.iter().any(|(from, _)| from < params);
            if input.content_escapes.is_some() || from_caller {
                self.escapes.push((content, why));
            }
            for (from, of_content) in input.filled_from.iter().filter(|&(from, _)| from >= params) {
                let from = captures[from - params];
                let from = if of_content { self.graph.content(from) } else { from };
                self.graph.edge(from, content, Step::Into(Reason::Variable, span));
            }
        }
    }

    /// What the summary says happens to these arguments.
    fn replay(
        &mut self,
        summary: &Summary,
        reason: impl Fn(u32) -> Reason,
        args: &[Node],
        result: Node,
        span: Span,
    ) {
        for ((input, &arg), n) in summary.inputs.iter().zip(args).zip(0..) {
            let why = Why::new(reason(n), span);
            if input.escapes.is_some() {
                self.escapes.push((arg, why));
            }
            if input.content_escapes.is_some() {
                self.graph.collapse(arg);
            }
            let content = self.graph.content(arg);
            if input.is_filled {
                self.fill_with_new(arg);
            }
            if input.content_escapes.is_some() {
                self.escapes.push((content, why));
            }
            self.fill(content, input.filled_from, args, Step::Into(Reason::Element, span));
        }
        self.graph.collapse(result);
        let content = self.graph.content(result);
        self.fill(result, summary.result_from, args, Step::Is);
        let part = Step::Into(Reason::Element, span);
        self.fill(content, summary.result_filled_from, args, part);
        if summary.result_content_escapes.is_some() {
            self.escapes.push((content, Why::new(Reason::FromCall, span)));
        }
    }

    /// Something new, of any shape, is put into the node; so is what may be reached from there.
    fn fill_with_new(&mut self, node: Node) {
        let new = self.graph.add();
        self.graph.collapse(node);
        let content = self.graph.content(node);
        self.graph.flow(new, content);
    }

    fn fill(&mut self, target: Node, from: Inputs, args: &[Node], step: Step) {
        for (input, of_content) in from.iter() {
            let mut node = args[input];
            if of_content {
                self.graph.collapse(node);
                node = self.graph.content(node);
            }
            self.graph.edge(node, target, step);
        }
    }
}

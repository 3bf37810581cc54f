//! Is a program well formed? Rules R1–R6 of the [module](super) and every index in range.
//!
//! Never panics, whatever the program: what is out of range is reported, and the questions that
//! need it are not asked. What is checked beyond the rules' letter: operands of cell and region
//! instructions are not plainly something else, calls inside a protected region are no tail calls,
//! direct calls and closures fit their function. In unreachable blocks only numbers are checked.

use std::fmt;

use rustc_hash::FxHashMap as HashMap;

use super::dominance::{Cfg, Dominators};
use super::{
    Block, BlockId, Const, FuncId, Function, Inst, Lifetime, Op, Program, Terminator, ValueId,
};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::names::Name;

/// One broken rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The function, unless it is about the program's tables.
    pub function: Option<FuncId>,
    /// The block, unless it is about the whole function.
    pub block: Option<BlockId>,
    /// The instruction's index in the block; one past the last is the terminator.
    pub inst: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = self.function {
            write!(f, "{function}")?;
        }
        if let Some(block) = self.block {
            write!(f, " {block}")?;
        }
        if let Some(inst) = self.inst {
            write!(f, " #{inst}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for VerifyError {}

/// Checks `program`, which may call the builtins numbered below `natives`. Empty when all is well.
pub fn verify(program: &Program, natives: usize) -> Vec<VerifyError> {
    let mut checker = Checker { program, natives, place: Place::default(), errors: Vec::new() };
    checker.tables();
    for (function, id) in program.funcs.iter().zip((0..).map(FuncId)) {
        checker.place = Place { function: Some(id), ..Place::default() };
        checker.function(function);
    }
    checker.errors
}

/// Panics with all errors and the program's text if it is not well formed: for tests.
///
/// # Panics
/// When [`verify`] finds anything.
pub fn assert_well_formed(program: &Program, natives: usize) {
    let errors = verify(program, natives);
    if !errors.is_empty() {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = super::text::print(program, super::text::Style::READABLE);
        panic!("{}\nin\n{text}", lines.join("\n"));
    }
}

#[derive(Clone, Copy, Default)]
struct Place {
    function: Option<FuncId>,
    block: Option<BlockId>,
    inst: Option<usize>,
}

struct Checker<'a> {
    program: &'a Program,
    natives: usize,
    place: Place,
    errors: Vec<VerifyError>,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
struct Definition<'a> {
    block: BlockId,
    /// The first instruction that may read it.
    readable_from: usize,
    /// What computes it; `None` for parameters.
    op: Option<&'a Op>,
}

/// A map, for a malformed function may name any number.
type Definitions<'a> = HashMap<ValueId, Definition<'a>>;

impl<'a> Checker<'a> {
    fn report(&mut self, message: impl Into<String>) {
        let Place { function, block, inst } = self.place;
        self.errors.push(VerifyError { function, block, inst, message: message.into() });
    }

    fn require(&mut self, condition: bool, message: impl FnOnce() -> String) {
        if !condition {
            self.report(message());
        }
    }

    // ---- The program's tables ---------------------------------------------------------------

    fn tables(&mut self) {
        let program = self.program;
        for class in &program.classes {
            self.record_class(class);
        }
        let error_is_first = program.classes.first().is_some_and(|class| self.is_error(class));
        self.require(error_is_first, || "the first class is not Error { kind, message }".into());
        let room = usize::from(ClassId::MAX - ClassId::FIRST_RECORD) + 1;
        self.require(program.classes.len() <= room, || "more classes than numbers".into());
        for &global in &program.globals {
            self.name(global);
        }
        for &(class, name, function) in &program.methods {
            self.class(class);
            self.name(name);
            if let Some(function) = self.plain_function(function) {
                self.require(!function.params.is_empty(), || "a method without self".into());
            }
        }
        if let Some(entry) = program.entry.and_then(|entry| self.plain_function(entry)) {
            self.require(entry.params.is_empty(), || "the entry takes parameters".into());
        }
    }

    fn record_class(&mut self, class: &RecordClass) {
        self.name(class.name);
        if let RecordKind::Variant { of } = class.kind {
            self.name(of);
        }
        for &field in &class.fields {
            self.name(field);
        }
    }

    fn is_error(&self, class: &RecordClass) -> bool {
        let names = &self.program.names;
        let is = |name: Name, text: &str| names.get(text) == Some(name);
        is(class.name, "Error")
            && class.kind == RecordKind::Struct
            && matches!(class.fields[..], [a, b] if is(a, "kind") && is(b, "message"))
    }

    fn name(&mut self, name: Name) {
        let count = self.program.names.len();
        self.require((name.0 as usize) < count, || format!("name {} of {count}", name.0));
    }

    fn any_function(&mut self, id: FuncId) -> Option<&'a Function> {
        let function = self.program.funcs.get(id.index());
        self.require(function.is_some(), || format!("there is no {id}"));
        function
    }

    /// A function without captures.
    fn plain_function(&mut self, id: FuncId) -> Option<&'a Function> {
        let function = self.any_function(id)?;
        self.require(function.captures == 0, || format!("{id} has captures: make a closure"));
        Some(function)
    }

    fn direct_call(&mut self, id: FuncId, arg_count: usize) {
        if let Some(function) = self.plain_function(id) {
            let takes = function.params.len();
            self.require(takes == arg_count, || {
                format!("{id} takes {takes} arguments, not {arg_count}")
            });
        }
    }

    fn record(&mut self, id: ClassId) -> Option<&'a RecordClass> {
        let index = id.0.checked_sub(ClassId::FIRST_RECORD).map(usize::from);
        let class = index.and_then(|index| self.program.classes.get(index));
        self.require(class.is_some(), || format!("c{} is no record class", id.0));
        class
    }

    fn class(&mut self, id: ClassId) {
        if id.is_record() {
            self.record(id);
        } else {
            let known = ClassId::BUILTIN.iter().any(|&(builtin, ..)| builtin == id);
            self.require(known, || format!("c{} is no class", id.0));
        }
    }

    // ---- One function -----------------------------------------------------------------------

    fn function(&mut self, function: &'a Function) {
        self.name(function.name);
        let Some(entry) = function.blocks.first() else {
            return self.report("a function needs a block");
        };
        self.require(entry.params.is_empty(), || "the entry block has parameters (R4)".into());
        self.require(entry.handler.is_none(), || "the entry block has a handler (R4)".into());
        let definitions = self.definitions(function);
        let mut targets_exist = true;
        for (block, id) in blocks(function) {
            self.place.block = Some(id);
            for (n, inst) in block.insts.iter().enumerate() {
                self.place.inst = Some(n);
                self.inst(function, inst);
                let may_live_so = inst.lifetime == Lifetime::Heap || inst.op.may_be_local();
                self.require(may_live_so, || "a lifetime of what is no allocation (R7)".into());
                self.cells_and_regions(&definitions, &inst.op);
            }
            self.place.inst = Some(block.insts.len());
            self.term(block);
            targets_exist &= self.targets(function, block);
        }
        if targets_exist {
            self.graph(function, &definitions);
        }
    }

    /// R1, and that values are below `value_count`.
    fn definitions(&mut self, function: &'a Function) -> Definitions<'a> {
        let mut definitions = HashMap::default();
        let at_start = |block| Definition { block, readable_from: 0, op: None };
        for &param in &function.params {
            self.define(function, &mut definitions, param, at_start(BlockId(0)));
        }
        for (block, id) in blocks(function) {
            self.place.block = Some(id);
            for &param in &block.params {
                self.define(function, &mut definitions, param, at_start(id));
            }
            for (n, inst) in block.insts.iter().enumerate() {
                self.place.inst = Some(n);
                if let Some(result) = inst.result {
                    let definition =
                        Definition { block: id, readable_from: n + 1, op: Some(&inst.op) };
                    self.define(function, &mut definitions, result, definition);
                }
            }
            self.place.inst = None;
        }
        self.place.block = None;
        definitions
    }

    fn define(
        &mut self,
        function: &Function,
        definitions: &mut Definitions<'a>,
        value: ValueId,
        definition: Definition<'a>,
    ) {
        if value.0 >= function.value_count {
            return self.report(format!("{value} of {} values", function.value_count));
        }
        if definitions.insert(value, definition).is_some() {
            self.report(format!("{value} is defined twice (R1)"));
        }
    }

    // ---- Instructions -----------------------------------------------------------------------

    fn inst(&mut self, function: &Function, inst: &Inst) {
        if inst.result.is_some() {
            self.require(inst.op.has_result(), || "this instruction has no result".into());
        }
        match &inst.op {
            Op::Const(Const::Func(callee)) => {
                self.plain_function(*callee);
            }
            Op::Const(Const::Keyword(name))
            | Op::CallMethod(_, name, _)
            | Op::Field(_, name)
            | Op::SetField(_, name, _) => self.name(*name),
            Op::GlobalGet(global) | Op::GlobalSet(global, _) => {
                let count = self.program.globals.len();
                self.require(global.index() < count, || format!("{global} of {count} globals"));
            }
            Op::SlotGet(slot) | Op::SlotSet(slot, _) => {
                let count = function.slot_count;
                self.require(slot.0 < count, || format!("{slot} of {count} slots (R6)"));
            }
            Op::Capture(n) => {
                let count = function.captures;
                self.require(*n < count, || format!("capture {n} of {count}"));
            }
            Op::Closure(callee, captures) => {
                if let Some(callee) = self.any_function(*callee) {
                    let (wants, gets) = (callee.captures as usize, captures.len());
                    self.require(wants == gets, || {
                        format!("the function captures {wants} values, not {gets}")
                    });
                }
            }
            Op::CallDirect(callee, args) => self.direct_call(*callee, args.len()),
            Op::CallNative(native, _) => {
                let count = self.natives;
                self.require(native.index() < count, || format!("{native} of {count} builtins"));
            }
            Op::MakeMap(items) => {
                self.require(items.len() % 2 == 0, || "a key without a value".into());
            }
            Op::MakeRecord(class, fields) => {
                if let Some(class) = self.record(*class) {
                    let (wants, gets) = (class.fields.len(), fields.len());
                    self.require(wants == gets, || format!("{gets} of {wants} fields"));
                }
            }
            Op::UpdateRecord(class, _, updates) => {
                let count = self.record(*class).map_or(usize::MAX, |class| class.fields.len());
                for (slot, _) in updates {
                    let known = (*slot as usize) < count;
                    self.require(known, || format!("field {slot} of {count}"));
                }
            }
            Op::IsClass(_, class) => self.class(*class),
            _ => {}
        }
    }

    /// The operand that has to be a cell or a region's token is one, as far as one can see: it may
    /// have come through a block parameter or a slot.
    fn cells_and_regions(&mut self, definitions: &Definitions<'a>, op: &Op) {
        let source = |value: &ValueId| definitions.get(value)?.op;
        match op {
            Op::CellGet(cell) | Op::CellSet(cell, _) => {
                let is_cell = source(cell).is_none_or(|op| {
                    matches!(op, Op::CellNew(_) | Op::Capture(_) | Op::SlotGet(_))
                });
                self.require(is_cell, || format!("{cell} is no cell (R5)"));
            }
            Op::RegionLeave(token, _) => {
                let is_token =
                    source(token).is_none_or(|op| matches!(op, Op::RegionEnter | Op::SlotGet(_)));
                self.require(is_token, || format!("{token} is no region"));
            }
            _ => {}
        }
    }

    fn term(&mut self, block: &Block) {
        match &block.term {
            Terminator::TailCallDirect(callee, args) => self.direct_call(*callee, args.len()),
            Terminator::TailCallMethod(_, name, _) => self.name(*name),
            _ => {}
        }
        let is_tail_call = matches!(
            block.term,
            Terminator::TailCall(..)
                | Terminator::TailCallDirect(..)
                | Terminator::TailCallMethod(..)
        );
        self.require(!is_tail_call || block.handler.is_none(), || {
            "a tail call would leave its handler behind".into()
        });
    }

    /// The blocks named exist and have the parameters that R3 says. Whether they all exist.
    fn targets(&mut self, function: &Function, block: &Block) -> bool {
        let mut exist = true;
        let mut parameters = |checker: &mut Self, target: BlockId, count: usize, edge: &str| {
            let Some(target_block) = function.blocks.get(target.index()) else {
                checker.report(format!("there is no {target}"));
                exist = false;
                return;
            };
            let takes = target_block.params.len();
            checker.require(takes == count, || {
                format!("{edge} to {target}, which takes {takes} arguments, gives {count} (R3)")
            });
        };
        match &block.term {
            Terminator::Jump(target, args) => parameters(self, *target, args.len(), "a jump"),
            Terminator::Try { body, handler } => {
                parameters(self, *body, 0, "a try");
                parameters(self, *handler, 1, "a throw");
            }
            term => {
                for target in term.successors() {
                    parameters(self, target, 0, "a branch");
                }
            }
        }
        if let Some(handler) = block.handler {
            parameters(self, handler, 1, "a throw");
        }
        exist
    }

    // ---- The graph --------------------------------------------------------------------------

    fn graph(&mut self, function: &Function, definitions: &Definitions<'a>) {
        let cfg = Cfg::new(function);
        let dominators = Dominators::new(&cfg);
        let regions = self.regions(function, &cfg);
        self.place = Place { block: Some(BlockId(0)), inst: None, ..self.place };
        let has_no_predecessor = cfg.predecessors(BlockId(0)).is_empty();
        self.require(has_no_predecessor, || "the entry block is jumped to (R4)".into());
        for (block, id) in blocks(function) {
            self.place.block = Some(id);
            for (n, inst) in block.insts.iter().enumerate() {
                self.place.inst = Some(n);
                let operands = inst.op.operands();
                operands.for_each(|value| self.operand(definitions, &cfg, &dominators, value));
            }
            self.place.inst = Some(block.insts.len());
            let operands = block.term.operands();
            operands.for_each(|value| self.operand(definitions, &cfg, &dominators, value));
            if cfg.is_reachable(id) {
                self.edges_keep_to_regions(function, &regions, block);
            }
        }
    }

    /// R2 for a use of `value` at the place at hand.
    fn operand(
        &mut self,
        definitions: &Definitions<'a>,
        cfg: &Cfg,
        dominators: &Dominators,
        value: ValueId,
    ) {
        let Some(definition) = definitions.get(&value) else {
            return self.report(format!("{value} is not defined (R1)"));
        };
        let (Some(block), Some(inst)) = (self.place.block, self.place.inst) else {
            return;
        };
        let is_before = if definition.block == block {
            definition.readable_from <= inst
        } else {
            dominators.dominates(definition.block, block)
        };
        self.require(is_before || !cfg.is_reachable(block), || {
            format!("{value} is used where its definition does not come first (R2)")
        });
    }

    /// For every handler: the handler of the block with its `Try`, which is the region around.
    fn regions(&mut self, function: &Function, cfg: &Cfg) -> Vec<Option<Option<BlockId>>> {
        let mut around = vec![None; function.blocks.len()];
        for (block, id) in blocks(function).filter(|&(_, id)| cfg.is_reachable(id)) {
            let Terminator::Try { handler, .. } = block.term else {
                continue;
            };
            let before: Option<Option<BlockId>> = around[handler.index()].replace(block.handler);
            self.place = Place { block: Some(id), inst: Some(block.insts.len()), ..self.place };
            self.require(before.is_none_or(|before| before == block.handler), || {
                format!("{handler} is the handler of tries in different regions (R4)")
            });
        }
        around
    }

    /// R4: no edge enters a region, except that of `Try` to its body.
    fn edges_keep_to_regions(
        &mut self,
        function: &Function,
        around: &[Option<Option<BlockId>>],
        block: &Block,
    ) {
        let handler_of = |target: BlockId| function.blocks[target.index()].handler;
        let body = match block.term {
            Terminator::Try { body, handler } => {
                let names_it = handler_of(body) == Some(handler);
                self.require(names_it, || {
                    format!("{body} is the body of a try but does not name {handler} (R4)")
                });
                Some(body)
            }
            _ => None,
        };
        for target in block.term.successors().filter(|&target| Some(target) != body) {
            let inside = handler_of(target);
            // From the innermost region outwards; a malformed function may go round in circles.
            let mut region = block.handler;
            let mut left = around.len();
            while region != inside && left > 0 {
                let Some(handler) = region else { break };
                region = around[handler.index()].flatten();
                left -= 1;
            }
            self.require(region == inside, || {
                format!("an edge to {target} enters a region without a try (R4)")
            });
        }
    }
}

fn blocks(function: &Function) -> impl Iterator<Item = (&Block, BlockId)> {
    function.blocks.iter().zip((0..).map(BlockId))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{arbitrary, text};
    use proptest::prelude::*;

    const HEAD: &str = "class c64 struct Error { kind, message }\n";

    /// The messages for a program (after [`HEAD`]) with two builtins.
    fn messages(code: &str) -> Vec<String> {
        let program = text::parse(&format!("{HEAD}{code}")).unwrap_or_else(|e| panic!("{e}"));
        verify(&program, 2).iter().map(ToString::to_string).collect()
    }

    /// The one message about function 0 with this body.
    fn check(body: &str, expected: &str) {
        check_program(&format!("fn f0 main() {{ {body} }}"), expected);
    }

    fn check_program(code: &str, expected: &str) {
        assert_eq!(messages(code), [expected], "{code}");
    }

    #[test]
    fn a_well_formed_program_passes() {
        let none: [&str; 0] = [];
        // Blocks 7 and 8 leave one region and both; 12 is a loop.
        let code = "
            class c65 struct Point { x, y }
            global g0 total
            method c65 norm f1
            method c36 twice f1
            entry f0
            fn f0 main() slots 1 {
            b0: v0 = const 1 slot_set s0, v0 try b1, b4
            b1 handler b4: v1 = call_native n1(v0, v0) try b2, b3
            b2 handler b3: v2 = call_direct f1(v1) branch v2, b8, b7
            b3(v3) handler b4: jump b5(v3)
            b4(v4): jump b5(v4)
            b5(v5): v6 = record c65(v5, v0) v7 = update c65 v6 {1: v5} jump b6
            b6: switch v7, -1, [b9, b9], b10
            b7 handler b3: jump b11
            b8 handler b3: jump b5(v2)
            b9: v8 = closure f2(v5) tail_call v8()
            b10: v9 = cell_new v0 v10 = cell_get v9 jump b12
            b11 handler b4: jump b5(v0)
            b12: branch v10, b12, b13
            b13: return v7
            }
            fn f1 norm(v0) { b0: return v0 }
            fn f2 \"<closure>\"() captures 1 { b0: v0 = capture 0 tail_call_direct f1(v0) }";
        assert_eq!(messages(code), none);
    }

    #[test]
    fn r1_one_definition() {
        check("b0: v0 = const 1 v0 = const 2 return v0", "f0 b0 #1: v0 is defined twice (R1)");
        check("b0: jump b1 b1: return v0", "f0 b1 #0: v0 is not defined (R1)");
        check_program("fn f0 main(v0, v0) { b0: return v0 }", "f0: v0 is defined twice (R1)");
        check_program(
            "fn f0 main() values 1 { b0: v0 = const 1 v1 = const 1 return v0 }",
            "f0 b0 #1: v1 of 1 values",
        );
        check(
            "b0: v0 = const 1 jump b1(v0) b1(v1): v1 = const 2 unreachable",
            "f0 b1 #0: v1 is defined twice (R1)",
        );
    }

    #[test]
    fn r2_definitions_come_first() {
        let late = "v0 is used where its definition does not come first (R2)";
        check("b0: v1 = neg v0 v0 = const 1 return v0", &format!("f0 b0 #0: {late}"));
        check("b0: v0 = neg v0 return v0", &format!("f0 b0 #0: {late}"));
        check(
            "b0: v1 = const 1 branch v1, b1, b2 b1: v0 = const 1 jump b3 b2: jump b3
             b3: return v0",
            &format!("f0 b3 #0: {late}"),
        );
        // A handler sees what was defined before its try, and nothing of the body.
        check(
            "b0: try b1, b2 b1 handler b2: v0 = const 1 return v0 b2(v1): return v0",
            &format!("f0 b2 #0: {late}"),
        );
        let none: [&str; 0] = [];
        let unreachable = "fn f0 main() { b0: v0 = const 1 return v0 b1: v1 = neg v2 jump b2
            b2: v2 = const 1 return v1 }";
        assert_eq!(messages(unreachable), none);
    }

    #[test]
    fn r3_arguments_and_parameters() {
        check(
            "b0: jump b1 b1(v0): return v0",
            "f0 b0 #0: a jump to b1, which takes 1 arguments, gives 0 (R3)",
        );
        check(
            "b0: v0 = const 1 jump b1(v0) b1: return v0",
            "f0 b0 #1: a jump to b1, which takes 0 arguments, gives 1 (R3)",
        );
        check(
            "b0: v0 = const 1 branch v0, b1, b2 b1: return v0 b2(v1): return v1",
            "f0 b0 #1: a branch to b2, which takes 1 arguments, gives 0 (R3)",
        );
        check(
            "b0: v0 = const 1 switch v0, 0, [b1], b2 b1(v1): return v1 b2: return v0",
            "f0 b0 #1: a branch to b1, which takes 1 arguments, gives 0 (R3)",
        );
        check(
            "b0: try b1, b2 b1(v0) handler b2: return v0 b2(v1): return v1",
            "f0 b0 #0: a try to b1, which takes 1 arguments, gives 0 (R3)",
        );
        let two =
            messages("fn f0 main() { b0: try b1, b2 b1 handler b2: unreachable b2: unreachable }");
        assert_eq!(
            two,
            [
                "f0 b0 #0: a throw to b2, which takes 0 arguments, gives 1 (R3)",
                "f0 b1 #0: a throw to b2, which takes 0 arguments, gives 1 (R3)",
            ]
        );
    }

    #[test]
    fn r4_regions_and_the_entry() {
        check("b0: jump b0", "f0 b0: the entry block is jumped to (R4)");
        check("b0(v0): return v0", "f0: the entry block has parameters (R4)");
        check_program("fn f0 main() { }", "f0: a function needs a block");
        check(
            "b0 handler b1: unreachable b1(v0): return v0",
            "f0: the entry block has a handler (R4)",
        );
        check(
            "b0: try b1, b2 b1: unreachable b2(v0): return v0",
            "f0 b0 #0: b1 is the body of a try but does not name b2 (R4)",
        );
        check(
            "b0: v0 = const 1 branch v0, b1, b2 b1: try b2, b3 b2 handler b3: return v0
             b3(v1): return v1",
            "f0 b0 #1: an edge to b2 enters a region without a try (R4)",
        );
        // The handler of the outer try runs outside of it; it must not slip back in.
        check(
            "b0: try b1, b2 b1 handler b2: unreachable b2(v0): jump b3
             b3 handler b2: return v0",
            "f0 b2 #0: an edge to b3 enters a region without a try (R4)",
        );
        check(
            "b0: try b1, b4 b1 handler b4: v9 = const 1 branch v9, b2, b3
             b2 handler b4: try b5, b6
             b3 handler b4: jump b7
             b4(v0): return v0
             b5 handler b6: return v9
             b6(v1): return v1
             b7: try b8, b6
             b8 handler b6: return v9",
            "f0 b7 #0: b6 is the handler of tries in different regions (R4)",
        );
    }

    #[test]
    fn r5_cells_and_regions_are_what_they_are() {
        check("b0: v0 = const 1 v1 = cell_get v0 return v1", "f0 b0 #1: v0 is no cell (R5)");
        check("b0: v0 = const 1 cell_set v0, v0 return v0", "f0 b0 #1: v0 is no cell (R5)");
        check("b0: v0 = const 1 v1 = region_leave v0, v0 return v1", "f0 b0 #1: v0 is no region");
    }

    #[test]
    fn r6_slots_are_numbered() {
        check("b0: v0 = slot_get s0 return v0", "f0 b0 #0: s0 of 0 slots (R6)");
        check("b0: v0 = const 1 slot_set s3, v0 return v0", "f0 b0 #1: s3 of 0 slots (R6)");
    }

    #[test]
    fn numbers_are_in_range() {
        check("b0: jump b7", "f0 b0 #0: there is no b7");
        check("b0: try b0, b7", "f0 b0 #0: there is no b7");
        check("b0: v0 = global_get g0 return v0", "f0 b0 #0: g0 of 0 globals");
        check("b0: v0 = const f7 return v0", "f0 b0 #0: there is no f7");
        check("b0: v0 = call_native n2() return v0", "f0 b0 #0: n2 of 2 builtins");
        check("b0: v0 = capture 0 return v0", "f0 b0 #0: capture 0 of 0");
        check("b0: v0 = record c65() return v0", "f0 b0 #0: c65 is no record class");
        check("b0: v0 = record c36() return v0", "f0 b0 #0: c36 is no record class");
    }

    #[test]
    fn calls_and_records_fit() {
        check(
            "b0: v0 = const 1 v1 = call_direct f0(v0) return v1",
            "f0 b0 #1: f0 takes 0 arguments, not 1",
        );
        check("b0: v0 = const 1 tail_call_direct f0(v0)", "f0 b0 #1: f0 takes 0 arguments, not 1");
        check("b0: v0 = record c64() return v0", "f0 b0 #0: 0 of 2 fields");
        check("b0: v0 = const 1 v1 = update c64 v0 {2: v0} return v1", "f0 b0 #1: field 2 of 2");
        check("b0: v0 = const 1 v1 = map(v0) return v1", "f0 b0 #1: a key without a value");
        check("b0: v0 = closure f7() return v0", "f0 b0 #0: there is no f7");
        check(
            "b0: v0 = const 1 v1 = closure f0(v0) return v1",
            "f0 b0 #1: the function captures 0 values, not 1",
        );
        check("b0: v0 = const 1 v1 = is_class v0, c20 return v1", "f0 b0 #1: c20 is no class");
        check_program(
            "fn f0 inner() captures 1 { b0: v0 = const f0 return v0 }",
            "f0 b0 #0: f0 has captures: make a closure",
        );
        check(
            "b0: v0 = const 1 v1 = set_index v0, v0, v0 return v1",
            "f0 b0 #1: this instruction has no result",
        );
        check(
            "b0: try b1, b2 b1 handler b2: tail_call_direct f0() b2(v0): return v0",
            "f0 b1 #0: a tail call would leave its handler behind",
        );
    }

    #[test]
    fn the_tables_fit() {
        let main = "fn f0 main() { b0: unreachable }";
        check_program(&format!("entry f1 {main}"), ": there is no f1");
        check_program("entry f0 fn f0 main(v0) { b0: return v0 }", ": the entry takes parameters");
        check_program(&format!("method c64 m f0 {main}"), ": a method without self");
        check_program("method c99 m f0 fn f0 m(v0) { b0: return v0 }", ": c99 is no record class");
        let program = text::parse("class c64 struct Error { kind }").unwrap();
        let errors = verify(&program, 0);
        assert_eq!(errors[0].message, "the first class is not Error { kind, message }");
    }

    #[test]
    fn names_are_known() {
        let mut program =
            text::parse(&format!("{HEAD} fn f0 main() {{ b0: unreachable }}")).unwrap();
        program.funcs[0].name = Name(77);
        program.globals.push(Name(78));
        let messages: Vec<_> = verify(&program, 0).iter().map(ToString::to_string).collect();
        assert_eq!(messages, [": name 78 of 4", "f0: name 77 of 4"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_the_verifier_panic(program in arbitrary::program()) {
            let _ = verify(&program, 3);
        }
    }
}

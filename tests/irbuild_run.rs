//! What small programs do when their IR is run: a plain evaluator of a part of the IR, for the
//! order of effects, `finally`, closures, loops and patterns.
//!
//! `tests/support/irbuild_run.txt` holds the cases: `=== name`, the program, `--- output`, what it
//! prints and how it fails.

#[path = "support/mod.rs"]
mod support;

use menagerie::class::ClassId;
use menagerie::ir::build::build;
use menagerie::ir::{BinaryOp, BlockId, Const, FuncId, Op, Program, Terminator, UnaryOp, ValueId};
use menagerie::lang::ast::Module;
use menagerie::lang::diagnostics::{RenderOptions, Sources, render};
use menagerie::lang::parser::parse;
use menagerie::lang::resolve::load::Files;
use menagerie::names::{Interner, Name};
use std::cell::RefCell;
use std::rc::Rc;

/// A run that takes more instructions hangs.
const STEPS_MAX: u64 = 200_000;

#[derive(Clone, Debug)]
enum V {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    Keyword(Name),
    Tuple(Rc<Vec<V>>),
    List(Rc<RefCell<Vec<V>>>),
    Record(ClassId, Rc<RefCell<Vec<V>>>),
    Closure(FuncId, Rc<Vec<V>>),
    Cell(Rc<RefCell<V>>),
}

impl V {
    fn truth(&self) -> bool {
        !matches!(self, V::Nil | V::Bool(false))
    }

    fn equals(&self, other: &V) -> bool {
        match (self, other) {
            (V::Nil, V::Nil) => true,
            (V::Bool(a), V::Bool(b)) => a == b,
            (V::Int(a), V::Int(b)) => a == b,
            (V::Float(a), V::Float(b)) => a == b,
            (V::Int(a), V::Float(b)) | (V::Float(b), V::Int(a)) => *a as f64 == *b,
            (V::Str(a), V::Str(b)) => a == b,
            (V::Keyword(a), V::Keyword(b)) => a == b,
            _ => false,
        }
    }
}

type Run<T> = Result<T, V>;

struct Machine<'p> {
    program: &'p Program,
    natives: Vec<&'static str>,
    globals: Vec<V>,
    out: String,
    steps: u64,
}

impl Machine<'_> {
    fn show(&self, value: &V) -> String {
        let list = |items: &[V]| {
            let items: Vec<String> = items.iter().map(|item| self.show(item)).collect();
            items.join(", ")
        };
        match value {
            V::Nil => "nil".to_owned(),
            V::Bool(value) => value.to_string(),
            V::Int(value) => value.to_string(),
            V::Float(value) => format!("{value:?}"),
            V::Str(text) => text.to_string(),
            V::Keyword(name) => format!(":{}", self.program.names.text(*name)),
            V::Tuple(items) => format!("({})", list(items)),
            V::List(items) => format!("[{}]", list(&items.borrow())),
            V::Record(class, fields) => {
                let class = &self.program.classes[usize::from(class.0 - ClassId::FIRST_RECORD)];
                format!("{}({})", self.program.names.text(class.name), list(&fields.borrow()))
            }
            V::Closure(..) => "<fn>".to_owned(),
            V::Cell(_) => "<cell>".to_owned(),
        }
    }

    fn error(&self, message: &str) -> V {
        V::Str(message.into())
    }

    fn call_value(&mut self, callee: &V, args: Vec<V>) -> Run<V> {
        match callee {
            V::Closure(func, captures) => self.call(*func, args, captures),
            _ => Err(self.error("not callable")),
        }
    }

    fn call(&mut self, func: FuncId, args: Vec<V>, captures: &[V]) -> Run<V> {
        let function = &self.program.funcs[func.index()];
        assert_eq!(function.params.len(), args.len(), "arity");
        let mut values = vec![V::Nil; function.value_count as usize];
        let mut slots = vec![V::Nil; function.slot_count as usize];
        for (param, arg) in function.params.iter().zip(args) {
            values[param.index()] = arg;
        }
        let mut at = BlockId(0);
        loop {
            let block = &function.blocks[at.index()];
            let mut thrown = None;
            for inst in &block.insts {
                match self.step(&inst.op, &values, &mut slots, captures) {
                    Ok(value) => {
                        if let Some(result) = inst.result {
                            values[result.index()] = value;
                        }
                    }
                    Err(error) => {
                        thrown = Some(error);
                        break;
                    }
                }
            }
            let get = |value: &ValueId| values[value.index()].clone();
            let all = |list: &[ValueId]| list.iter().map(get).collect::<Vec<V>>();
            let mut passed = Vec::new();
            let next = match (&thrown, &block.term) {
                (Some(_), _) => None,
                (None, Terminator::Jump(to, args)) => {
                    passed = all(args);
                    Some(*to)
                }
                (None, Terminator::Branch { cond, then, otherwise }) => {
                    Some(if get(cond).truth() { *then } else { *otherwise })
                }
                (None, Terminator::Switch { value, min, targets, default }) => {
                    let index = match get(value) {
                        V::Int(value) => usize::try_from(value - min).ok(),
                        _ => None,
                    };
                    Some(index.and_then(|n| targets.get(n).copied()).unwrap_or(*default))
                }
                (None, Terminator::Try { body, .. }) => Some(*body),
                (None, Terminator::Return(value)) => return Ok(get(value)),
                (None, Terminator::TailCall(callee, args)) => {
                    return self.call_value(&get(callee), all(args));
                }
                (None, Terminator::TailCallDirect(func, args)) => {
                    return self.call(*func, all(args), &[]);
                }
                (None, Terminator::TailCallMethod(receiver, name, args)) => {
                    return self.method(get(receiver), *name, all(args));
                }
                (None, Terminator::Throw(value)) => {
                    thrown = Some(get(value));
                    None
                }
                (None, Terminator::Unreachable) => panic!("unreachable code ran"),
            };
            at = match (next, thrown) {
                (Some(next), _) => next,
                (None, Some(error)) => {
                    let Some(handler) = block.handler else { return Err(error) };
                    passed = vec![error];
                    handler
                }
                (None, None) => unreachable!(),
            };
            for (param, value) in function.blocks[at.index()].params.iter().zip(passed) {
                values[param.index()] = value;
            }
        }
    }

    fn method(&mut self, receiver: V, name: Name, args: Vec<V>) -> Run<V> {
        let text = self.program.names.text(name).to_owned();
        let class = match &receiver {
            V::Record(class, _) => *class,
            V::List(items) if text == "push" => {
                items.borrow_mut().push(args[0].clone());
                return Ok(V::Nil);
            }
            V::List(_) => ClassId::LIST,
            _ => return Err(self.error("no method")),
        };
        let found = self.program.methods.iter().rev();
        let found = found.clone().find(|(of, method, _)| (*of, *method) == (class, name));
        let Some((_, _, func)) = found else { return Err(self.error("no method")) };
        let mut all = vec![receiver];
        all.extend(args);
        self.call(*func, all, &[])
    }

    fn native(&mut self, name: &str, args: Vec<V>) -> Run<V> {
        match name {
            "print" => {
                let args: Vec<String> = args.iter().map(|arg| self.show(arg)).collect();
                self.out.push_str(&args.join(" "));
                self.out.push('\n');
                Ok(V::Nil)
            }
            "args" => Ok(V::List(Rc::default())),
            "%match_failure" => Err(self.error("MatchFailure")),
            "%check_range" => Err(self.error("TypeMismatch")),
            "%scope_new" | "%scope_add" | "%scope_join" | "%scope_check" | "%scope_cancel" => {
                self.out.push_str(&format!("{name}\n"));
                Ok(V::Nil)
            }
            "%scope_error" => {
                self.out.push_str("%scope_error\n");
                Ok(args[1].clone())
            }
            _ => panic!("no native {name}"),
        }
    }

    fn binary(&self, op: BinaryOp, a: &V, b: &V) -> Run<V> {
        use BinaryOp as B;
        match (op, a, b) {
            (B::Eq, _, _) => return Ok(V::Bool(a.equals(b))),
            (B::Ne, _, _) => return Ok(V::Bool(!a.equals(b))),
            (B::Add, V::Str(a), V::Str(b)) => return Ok(V::Str(format!("{a}{b}").into())),
            _ => {}
        }
        let (V::Int(a), V::Int(b)) = (a, b) else { return Err(self.error("TypeMismatch")) };
        let (a, b) = (*a, *b);
        let result = match op {
            B::Add => a.checked_add(b),
            B::Sub => a.checked_sub(b),
            B::Mul => a.checked_mul(b),
            B::Div => a.checked_div(b),
            B::Rem => a.checked_rem(b),
            B::Lt => return Ok(V::Bool(a < b)),
            B::Le => return Ok(V::Bool(a <= b)),
            B::Gt => return Ok(V::Bool(a > b)),
            B::Ge => return Ok(V::Bool(a >= b)),
            _ => panic!("operator {op:?}"),
        };
        result.map(V::Int).ok_or_else(|| self.error("Overflow"))
    }

    fn step(&mut self, op: &Op, values: &[V], slots: &mut [V], captures: &[V]) -> Run<V> {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "it does not end");
        let get = |value: &ValueId| values[value.index()].clone();
        let all = |list: &[ValueId]| list.iter().map(get).collect::<Vec<V>>();
        let items = |value: &ValueId| match get(value) {
            V::Tuple(items) => items.to_vec(),
            V::List(items) | V::Record(_, items) => items.borrow().clone(),
            _ => Vec::new(),
        };
        let position = |value: &ValueId| match get(value) {
            V::Int(position) => position as usize,
            other => panic!("no position: {other:?}"),
        };
        Ok(match op {
            Op::Const(constant) => match constant {
                Const::Nil => V::Nil,
                Const::Bool(value) => V::Bool(*value),
                Const::Int(value) => V::Int(*value),
                Const::Float(value) => V::Float(*value),
                Const::Char(_) => panic!("no chars"),
                Const::Keyword(name) => V::Keyword(*name),
                Const::Str(text) => V::Str(text.clone()),
                Const::Func(func) => V::Closure(*func, Rc::default()),
            },
            Op::Unary(UnaryOp::Not, a) => V::Bool(!get(a).truth()),
            Op::Unary(UnaryOp::Neg, a) => self.binary(BinaryOp::Sub, &V::Int(0), &get(a))?,
            Op::Unary(UnaryOp::BitNot, _) => panic!("no bit operators"),
            Op::Binary(op, a, b) => self.binary(*op, &get(a), &get(b))?,
            Op::GlobalGet(global) => self.globals[global.index()].clone(),
            Op::GlobalSet(global, value) => {
                self.globals[global.index()] = get(value);
                V::Nil
            }
            Op::SlotGet(slot) => slots[slot.index()].clone(),
            Op::SlotSet(slot, value) => {
                slots[slot.index()] = get(value);
                V::Nil
            }
            Op::CellNew(value) => V::Cell(Rc::new(RefCell::new(get(value)))),
            Op::CellGet(cell) => match get(cell) {
                V::Cell(cell) => cell.borrow().clone(),
                other => panic!("no cell: {other:?}"),
            },
            Op::CellSet(cell, value) => match get(cell) {
                V::Cell(cell) => {
                    *cell.borrow_mut() = get(value);
                    V::Nil
                }
                other => panic!("no cell: {other:?}"),
            },
            Op::Closure(func, list) => V::Closure(*func, Rc::new(all(list))),
            Op::Capture(n) => captures[*n as usize].clone(),
            Op::Call(callee, args) => self.call_value(&get(callee), all(args))?,
            Op::CallDirect(func, args) => self.call(*func, all(args), &[])?,
            Op::CallMethod(receiver, name, args) => self.method(get(receiver), *name, all(args))?,
            Op::CallNative(native, args) => {
                let name = self.natives[native.index()];
                self.native(name, all(args))?
            }
            Op::Field(object, name) | Op::SetField(object, name, _) => {
                let V::Record(class, fields) = get(object) else {
                    return Err(self.error("no field"));
                };
                let class = &self.program.classes[usize::from(class.0 - ClassId::FIRST_RECORD)];
                let slot = class.fields.iter().position(|field| field == name);
                let slot = slot.ok_or_else(|| self.error("no field"))?;
                if let Op::SetField(_, _, value) = op {
                    fields.borrow_mut()[slot] = get(value);
                }
                fields.borrow()[slot].clone()
            }
            Op::Index(list, index) => {
                let item = items(list).get(position(index)).cloned();
                item.ok_or_else(|| self.error("IndexOutOfRange"))?
            }
            Op::SetIndex(list, index, value) => match get(list) {
                V::List(list) => {
                    list.borrow_mut()[position(index)] = get(value);
                    V::Nil
                }
                _ => return Err(self.error("TypeMismatch")),
            },
            Op::TupleField(tuple, index) | Op::Elem(tuple, index) => {
                items(tuple)[*index as usize].clone()
            }
            Op::MakeTuple(list) => V::Tuple(Rc::new(all(list))),
            Op::MakeList(list) => V::List(Rc::new(RefCell::new(all(list)))),
            Op::MakeRecord(class, list) => V::Record(*class, Rc::new(RefCell::new(all(list)))),
            Op::UpdateRecord(class, base, updates) => {
                let mut fields = items(base);
                for (slot, value) in updates {
                    fields[*slot as usize] = get(value);
                }
                V::Record(*class, Rc::new(RefCell::new(fields)))
            }
            Op::Concat(parts) => {
                let parts: String = parts.iter().map(|part| self.show(&get(part))).collect();
                V::Str(parts.into())
            }
            Op::IsClass(value, class) => V::Bool(match get(value) {
                V::Int(_) => *class == ClassId::INT,
                V::Float(_) => *class == ClassId::FLOAT,
                V::Record(of, _) => of == *class,
                _ => false,
            }),
            Op::IsTuple(value, len) => match get(value) {
                V::Tuple(items) => V::Bool(items.len() == *len as usize),
                _ => V::Bool(false),
            },
            Op::IsList { value, len, at_least } => match get(value) {
                V::List(items) => {
                    let (has, len) = (items.borrow().len(), *len as usize);
                    V::Bool(has == len || *at_least && has > len)
                }
                _ => V::Bool(false),
            },
            Op::Matches(a, b) => V::Bool(get(a).equals(&get(b))),
            Op::ListElem { list, index, from_end } => {
                let (items, index) = (items(list), *index as usize);
                items[if *from_end { items.len() - 1 - index } else { index }].clone()
            }
            Op::ListRest { list, before, after } => {
                let items = items(list);
                let rest = items[*before as usize..items.len() - *after as usize].to_vec();
                V::List(Rc::new(RefCell::new(rest)))
            }
            Op::IterStart(source) => match get(source) {
                V::List(_) => V::Int(0),
                _ => return Err(self.error("TypeMismatch")),
            },
            Op::IterDone(source, at) => V::Bool(position(at) >= items(source).len()),
            Op::IterGet(source, at) => items(source)[position(at)].clone(),
            Op::IterNext(_, at) => V::Int(position(at) as i64 + 1),
            Op::Spawn(callee, args) => self.call_value(&get(callee), all(args))?,
            Op::Yield => V::Nil,
            Op::RegionEnter => {
                self.out.push_str("enter\n");
                V::Nil
            }
            Op::RegionLeave(_, value) => {
                self.out.push_str("leave\n");
                get(value)
            }
            Op::MakeMap(_) | Op::MakeSet(_) | Op::MakeRange { .. } => panic!("{op:?}"),
        })
    }
}

/// What a program prints, then how it ends if it fails.
fn run(program: &str) -> String {
    let mut sources = Sources::new();
    let file = sources.add("main.mena", program);
    let mut names = Interner::default();
    let (module, diagnostics) = parse(&sources, file, &mut names);
    let shown = |errors: &[_]| render(&sources, errors, RenderOptions::default());
    assert!(diagnostics.is_empty(), "{}", shown(&diagnostics));
    let natives = support::natives();
    let program = build(&Files::single(Module::default(), module), names, &natives);
    let program = program.unwrap_or_else(|errors| panic!("{}", shown(&errors)));
    let mut machine = Machine {
        program: &program,
        natives: natives.iter().map(|native| native.name).collect(),
        globals: vec![V::Nil; program.globals.len()],
        out: String::new(),
        steps: 0,
    };
    let entry = program.entry.expect("an entry");
    if let Err(error) = machine.call(entry, Vec::new(), &[]) {
        let error = machine.show(&error);
        machine.out.push_str(&format!("error {error}\n"));
    }
    machine.out
}

#[test]
fn programs_do_what_they_say() {
    let text = include_str!("support/irbuild_run.txt");
    let mut wrong = String::new();
    for case in text.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').expect("a name");
        let (program, expected) = rest.split_once("--- output\n").expect("an output");
        let out = run(program);
        if out != expected {
            wrong.push_str(&format!("=== {name}\nexpected:\n{expected}got:\n{out}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Checks what `program` prints with each of these jumps in place of `JUMP`.
fn check_jumps(program: &str, cases: &[(&str, &str)]) {
    for (jump, expected) in cases {
        let out = run(&program.replace("JUMP", jump));
        assert_eq!(out.trim_end().replace('\n', " "), *expected, "{jump}");
    }
}

#[test]
fn finally_runs_once_on_every_way_out() {
    let program = "
        fn g(x) {
            for i in 0..2 {
                print(try { JUMP; :normal } catch :caught { :c } finally { print(:fin) })
            }
            :end
        }
        print(g(1))";
    check_jumps(
        program,
        &[
            ("1", ":fin :normal :fin :normal :end"),
            ("break", ":fin :end"),
            ("continue", ":fin :fin :end"),
            ("return 7", ":fin 7"),
            ("throw :caught", ":fin :c :fin :c :end"),
            ("throw :other", ":fin error :other"),
        ],
    );
}

#[test]
fn arenas_are_left_once_on_every_way_out() {
    let program = "
        fn g() {
            var x = 0
            for i in 0..2 {
                let y = arena { x += 1; JUMP; [i] }
                print(y)
            }
            x
        }
        print(g())";
    check_jumps(
        program,
        &[
            ("1", "enter leave [0] enter leave [1] 2"),
            ("break", "enter leave 1"),
            ("continue", "enter leave enter leave 2"),
            ("return 7", "enter leave 7"),
            ("throw 8", "enter leave error 8"),
        ],
    );
}

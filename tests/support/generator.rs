//! Random Mena programs: a tree of choices, and the writer that turns any such tree into a program.
//!
//! A tree of [`Choices`] is a syntax tree without names and types: each node says which production is
//! taken, its children are the parts. The writer walks it with a type in hand and knows what is in
//! scope, so that every tree, and so every shrunk tree, is a program that compiles. Production 0 of
//! each type is its simplest: a tree shrinks towards a short program.
//!
//! What the programs keep, so that every run of one of them has one outcome:
//! - They end: loops are bounded, functions call earlier ones or themselves with less fuel, and the
//!   writer stops opening things when the estimated number of steps is used up.
//! - Tasks see immutable values and objects of their own; what they computed is seen by joining
//!   them. No task fails outside of a `scope` or a join that directly follows its `spawn`.
//! - Only `main` prints; functions and tasks append to a log that `main` prints in the end.
//! - `OutOfMemory` is always thrown on, and `finally` can fail in no other way: what a run has
//!   printed before it ran out of memory is a prefix of the whole output.
//! - Caught errors are shown by their kind, not by their message.

use std::fmt;

use proptest::prelude::*;

/// A node of the tree: which production, and its parts.
#[derive(Clone, Debug, Default)]
struct Choices {
    production: u8,
    detail: u8,
    /// Whether something in scope is used instead.
    reuse: u8,
    parts: Vec<Choices>,
}

/// A program and the tree that it comes from; shown as text.
#[derive(Clone)]
pub(crate) struct Generated {
    pub(crate) text: String,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.text)
    }
}

/// Some functions and a `main`, which has more to do.
pub(crate) fn programs() -> impl Strategy<Value = Generated> {
    let functions = prop::collection::vec(trees(3), 0..4);
    let main = prop::collection::vec(trees(4), 1..7);
    (functions, main).prop_map(|(functions, main)| Generated { text: program(&functions, &main) })
}

/// Trees up to a depth; most nodes have parts as long as there is depth left.
fn trees(depth: u32) -> BoxedStrategy<Choices> {
    let node = |(production, detail, reuse, parts)| Choices { production, detail, reuse, parts };
    let leaf = any::<(u8, u8, u8)>().prop_map(move |(p, d, r)| node((p, d, r, Vec::new())));
    if depth == 0 {
        return leaf.boxed();
    }
    let parts = prop::collection::vec(trees(depth - 1), 2..5);
    let inner = (any::<u8>(), any::<u8>(), any::<u8>(), parts).prop_map(node);
    prop_oneof![1 => leaf, 5 => inner].boxed()
}

static END: Choices = Choices { production: 0, detail: 0, reuse: 0, parts: Vec::new() };

impl Choices {
    /// A part; a leaf is its own part: it ends as a literal or a variable.
    fn part(&self, index: usize) -> &Choices {
        self.parts.get(index).unwrap_or(if self.parts.is_empty() { self } else { &END })
    }
    /// One of `count` productions.
    fn of(&self, count: usize) -> usize {
        self.production as usize % count
    }
    /// A second, independent choice of the same node.
    fn detail(&self, count: usize) -> usize {
        self.detail as usize % count
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
    Int,
    Bool,
    Float,
    Text,
    Tuple,
    Tree,
    List,
    Map,
    Node,
    Point,
    Function,
    Task,
}

impl Type {
    const VALUES: [Type; 11] = [
        Type::Int,
        Type::Text,
        Type::List,
        Type::Node,
        Type::Function,
        Type::Map,
        Type::Tree,
        Type::Tuple,
        Type::Point,
        Type::Float,
        Type::Bool,
    ];
    /// Whether tasks may share it.
    fn is_immutable(self) -> bool {
        use Type::{Bool, Float, Int, Text, Tree, Tuple};
        matches!(self, Int | Bool | Float | Text | Tuple | Tree)
    }
}

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    ty: Type,
    assigned: bool,
}

/// What may stand where the writer is.
#[derive(Clone, Copy)]
struct Place {
    /// In `main` itself: output is printed.
    prints: bool,
    in_loop: bool,
    /// In a function's own body: `return` and recursion.
    function: Option<usize>,
}

/// The functions that all programs share: they keep values small and show the mutable ones.
const PRELUDE: &str = r##"enum Tree { Leaf, Branch(left, value, right) }
impl Tree {
    fn size(self) {
        match self {
            Leaf => 0
            Branch(left, _, right) => left.size() + 1 + right.size()
        }
    }
}
fn branch(left, value, right) {
    if left.size() + right.size() < 16 { Branch(left, value, right) } else { left }
}
struct Point { x, y }
impl Point {
    fn moved(self, by) { Point { ..self, x: self.x + by } }
    fn norm(self) { abs(self.x) + abs(self.y) }
}
fn out_of_memory() { throw Error { kind: :OutOfMemory, message: "again" } }
fn clip(s) { if s.chars() > 24 { s.to_list().slice(0, 12).join("") } else { s } }
fn walk(node) {
    let seen = []
    var at = node
    while at && seen.len() < 5 {
        seen.push(at.value)
        at = at.next
    }
    seen
}
fn counter(start) {
    var n = start
    |by| { n += by; n }
}
"##;

const PROGRAM_STEPS: u64 = 4_000;
const FUNCTION_STEPS: u64 = 150;
/// How often a function calls itself at most, one within the other.
const FUEL: u64 = 2;
/// The longest list.
const LIST_MAX: u64 = 8;

/// The text of a program.
fn program(functions: &[Choices], main: &[Choices]) -> String {
    let mut writer = Writer {
        variables: Vec::new(),
        functions: Vec::new(),
        names: 0,
        repeats: 1,
        steps: 0,
        steps_max: FUNCTION_STEPS,
        recursions: 0,
        place: Place { prints: false, in_loop: false, function: None },
    };
    let mut text = String::new();
    for body in functions {
        text += &writer.function(body);
    }
    text += &writer.main(main);
    PRELUDE.to_owned() + &indented(&text)
}

/// Lines moved to the right by the braces that are open (those in strings are in pairs).
fn indented(text: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0);
    for line in text.lines() {
        let closing = line.chars().take_while(|c| *c == '}').count();
        let (opened, closed) = (line.matches('{').count(), line.matches('}').count());
        let indent = 4 * (depth - closing);
        out += &format!("{:indent$}{line}\n", "");
        depth = depth + opened - closed;
    }
    out
}

struct Writer {
    variables: Vec<Variable>,
    /// Steps that a call of each function takes at most.
    functions: Vec<u64>,
    names: usize,
    /// How often what is being written runs, at most.
    repeats: u64,
    steps: u64,
    steps_max: u64,
    recursions: u64,
    place: Place,
}

impl Writer {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn is_spent(&self) -> bool {
        self.steps >= self.steps_max
    }

    fn function(&mut self, body: &Choices) -> String {
        let index = self.functions.len();
        self.variables = vec![
            Variable { name: "a".into(), ty: Type::Int, assigned: false },
            Variable { name: "xs".into(), ty: Type::List, assigned: false },
        ];
        (self.steps, self.recursions) = (0, 0);
        self.place = Place { prints: false, in_loop: false, function: Some(index) };
        let block = self.block(body, |w, c| w.expression(c, Type::Int));
        let calls: u64 = (0..=FUEL as u32).map(|level| self.recursions.pow(level)).sum();
        self.functions.push((self.steps + 1) * calls);
        format!("fn f{index}(log, fuel, a, xs) {block}\n")
    }

    fn main(&mut self, sections: &[Choices]) -> String {
        self.variables.clear();
        (self.steps, self.steps_max) = (0, PROGRAM_STEPS);
        self.place = Place { prints: true, in_loop: false, function: None };
        let mut text = String::from("fn main() {\nlet log = []\n");
        for (index, section) in sections.iter().enumerate() {
            // The last one may end the program with an error.
            text += &if index + 1 == sections.len() && section.detail(4) == 1 {
                self.statements(section)
            } else {
                self.protected(section)
            };
        }
        text + "print(log)\n}\n"
    }

    /// Statements whose errors are shown.
    fn protected(&mut self, section: &Choices) -> String {
        let body = self.nil_block(section);
        format!(
            "try {body} catch {OUT_OF_MEMORY} catch Error {{ kind }} {{ print(\"error\", kind) }} \
             catch e {{ print(\"thrown\", e) }}\n"
        )
    }

    /// A block: all parts but the last are statements, the last gives its value.
    fn block(&mut self, c: &Choices, value: impl FnOnce(&mut Self, &Choices) -> String) -> String {
        let known = self.variables.len();
        let mut text = String::from("{\n");
        let (last, statements) = c.parts.split_last().unwrap_or((c, &[]));
        for statement in statements {
            text += &self.statement(statement);
        }
        text += value(self, last).trim_end();
        self.variables.truncate(known);
        text + "\n}"
    }

    fn statements(&mut self, c: &Choices) -> String {
        if c.parts.is_empty() {
            return self.statement(c);
        }
        c.parts.iter().map(|part| self.statement(part)).collect()
    }

    /// A block of statements that runs up to `times` times.
    fn repeated(&mut self, c: &Choices, times: u64) -> String {
        let (repeats, in_loop) = (self.repeats, self.place.in_loop);
        self.repeats *= times;
        self.place.in_loop = true;
        let body = self.nil_block(c);
        (self.repeats, self.place.in_loop) = (repeats, in_loop);
        body
    }

    fn nil_block(&mut self, c: &Choices) -> String {
        self.block(c, |w, last| w.statement(last))
    }

    /// What `body` writes belongs to another function: no jumps out of it, no printing.
    fn enclosed<T>(&mut self, times: u64, body: impl FnOnce(&mut Self) -> T) -> T {
        let (place, repeats) = (self.place, self.repeats);
        let variables = self.variables.clone();
        // A closure that calls what a variable holds at that time could call itself for ever.
        self.variables.retain(|v| v.ty != Type::Function || !v.assigned);
        self.place = Place { prints: false, in_loop: false, function: None };
        self.repeats *= times;
        let result = body(self);
        (self.place, self.repeats, self.variables) = (place, repeats, variables);
        result
    }

    /// The body of a task: it sees immutable variables, and logs into a list of its own.
    fn task(&mut self, c: &Choices) -> String {
        let all = self.variables.clone();
        self.variables.retain(|v| v.ty.is_immutable() && !v.assigned);
        let body = self.enclosed(1, |w| {
            let value = w.block(c, |w, last| w.expression(last, Type::Int));
            format!("{{ let log = []; let result = {value}; (result, log.len()) }}")
        });
        self.variables = all;
        body
    }

    fn declare(&mut self, prefix: &str, ty: Type, assigned: bool) -> String {
        let name = self.name(prefix);
        self.variables.push(Variable { name: name.clone(), ty, assigned });
        name
    }

    /// A variable of a type, if there is one.
    fn variable(&self, c: &Choices, ty: Type, assigned: bool) -> Option<String> {
        let fits = |v: &&Variable| v.ty == ty && (v.assigned || !assigned);
        let known: Vec<_> = self.variables.iter().filter(fits).collect();
        // The newest first: they are more likely to be of interest.
        let index = c.detail(known.len().max(1));
        known.iter().rev().nth(index).map(|v| v.name.clone())
    }

    /// A variable of a type, and its declaration where there was none.
    fn named(&mut self, c: &Choices, ty: Type) -> (String, String) {
        if let Some(name) = self.variable(c, ty, false) {
            return (String::new(), name);
        }
        let value = self.expression(c, ty);
        let name = self.declare("v", ty, false);
        (format!("let {name} = {value}\n"), name)
    }

    fn log(&self, value: &str) -> String {
        if self.place.prints {
            format!("print({value})")
        } else {
            format!("if log.len() < 20 {{ log.push(str({value})) }}")
        }
    }

    fn shown(&mut self, c: &Choices, ty: Type) -> String {
        let value = self.expression(c, ty);
        match ty {
            Type::Node => format!("walk({value})"),
            Type::Function => format!("({value})(3)"),
            _ => value,
        }
    }

    fn statement(&mut self, c: &Choices) -> String {
        self.steps += self.repeats;
        let production = match c.parts.is_empty() {
            _ if self.is_spent() => 0,
            // What has no statements in it.
            true => [0, 1, 3, 4, 6, 8, 19, 23][c.of(8)],
            false => c.of(25),
        };
        let (first, second, third) = (c.part(0), c.part(1), c.part(2));
        let ty = Type::VALUES[c.detail(Type::VALUES.len())];
        let text = match production {
            1 | 2 => {
                let value = self.expression(first, ty);
                format!("let {} = {value}", self.declare("v", ty, false))
            }
            3 => {
                let value = self.expression(first, ty);
                format!("var {} = {value}", self.declare("v", ty, true))
            }
            4 | 5 => match self.variable(c, ty, true) {
                Some(name) => format!("{name} = {}", self.expression(first, ty)),
                None => match self.variable(c, Type::Int, true) {
                    Some(name) => format!("{name} += {}", self.expression(first, Type::Int)),
                    None => format!("var {} = 1", self.declare("v", Type::Int, true)),
                },
            },
            6 => self.list_statement(c),
            7 => {
                let (declared, map) = self.named(c, Type::Map);
                let key = self.expression(first, Type::Text);
                let value = self.expression(second, Type::Int);
                declared
                    + &match c.detail(3) {
                        0 => format!("{map}[{key}] = {value}"),
                        1 => format!("let by = {value}\n{map}.update({key}, 0, |n| n + by)"),
                        _ => format!("{map}.remove({key})"),
                    }
            }
            8 | 9 => {
                let (declared, node) = self.named(c, Type::Node);
                declared
                    + &match c.detail(3) {
                        0 => format!("{node}.value = {}", self.expression(first, Type::Int)),
                        _ => format!("{node}.next = {}", self.expression(first, Type::Node)),
                    }
            }
            10 => {
                let condition = self.expression(first, Type::Bool);
                let yes = self.nil_block(second);
                let no = self.nil_block(third);
                format!("if {condition} {yes} else {no}")
            }
            11 | 12 => self.for_statement(c),
            13 => {
                let name = self.name("n");
                let body = self.repeated(first, 3);
                format!("var {name} = 0\nwhile {name} < 3 {{\n{name} += 1\n{body}\n}}")
            }
            14 | 15 => self.try_statement(c),
            16 => format!(
                "if {} {{ throw {} }}",
                self.expression(first, Type::Bool),
                self.expression(second, [Type::Int, Type::Text, Type::Tuple][c.detail(3)])
            ),
            17 if self.place.in_loop => {
                let exit = ["break", "continue"][c.detail(2)];
                format!("if {} {{ {exit} }}", self.expression(first, Type::Bool))
            }
            17 | 18 if self.place.function.is_some() => {
                let condition = self.expression(first, Type::Bool);
                format!("if {condition} {{ return {} }}", self.expression(second, Type::Int))
            }
            17 | 18 => "gc()".into(),
            19 => ["yield", "sleep(1)", "gc()"][c.detail(3)].into(),
            20 => {
                let body = self.task(first);
                let name = self.declare("t", Type::Task, false);
                format!(
                    "let {name} = spawn {{ try {body} catch {OUT_OF_MEMORY} catch e {{ -1 }} }}"
                )
            }
            21 => self.scope_statement(c),
            22 => {
                let (declared, node) = self.named(c, Type::Node);
                let weak = self.name("w");
                let check = self.log(&format!("same({weak}.get(), {node})"));
                declared + &format!("let {weak} = weak({node})\ngc()\n{check}")
            }
            23 => {
                let size = [16, 600, 9_000, 40_000][c.detail(4)];
                let name = self.name("bytes");
                let check = self.log(&format!("{name}[{size} - 1]"));
                format!("let {name} = bytes({size})\n{name}[{size} - 1] = 7\n{check}")
            }
            _ => {
                let value = self.shown(first, ty);
                self.log(&value)
            }
        };
        text + "\n"
    }

    fn list_statement(&mut self, c: &Choices) -> String {
        let (declared, list) = self.named(c, Type::List);
        let first = self.expression(c.part(0), Type::Int);
        declared
            + &match c.detail(7) {
                0 => format!("{list}[{first}] = {}", self.expression(c.part(1), Type::Int)),
                1 => format!("{list}.pop()"),
                2 => format!("{list}.sort()"),
                3 => format!("{list}.sort_by(|a, b| compare(b, a))"),
                4 => format!("{list}.fill({first})"),
                _ => format!("if {list}.len() < {LIST_MAX} {{ {list}.push({first}) }}"),
            }
    }

    fn for_statement(&mut self, c: &Choices) -> String {
        let known = self.variables.len();
        let times = 1 + c.detail(4) as u64;
        let (head, times) = match c.detail(5) {
            0 => {
                let list = self.expression(c.part(1), Type::List);
                // A copy: the body may make the list longer.
                (format!("{} in ({list}).copy()", self.declare("i", Type::Int, false)), LIST_MAX)
            }
            1 => {
                let map = self.expression(c.part(1), Type::Map);
                let key = self.declare("k", Type::Text, false);
                let value = self.declare("i", Type::Int, false);
                (format!("({key}, {value}) in ({map}).copy()"), LIST_MAX)
            }
            2 => (format!("{} in 0..={times}", self.declare("i", Type::Int, false)), times + 1),
            _ => (format!("{} in 0..{times}", self.declare("i", Type::Int, false)), times),
        };
        let body = self.repeated(c.part(0), times);
        self.variables.truncate(known);
        format!("for {head} {body}")
    }

    fn try_statement(&mut self, c: &Choices) -> String {
        let body = self.nil_block(c.part(0));
        let caught = self.log("kind");
        let thrown = self.log("e");
        let mut text = format!("try {body}");
        if c.detail(3) != 1 {
            text += &format!(" catch {OUT_OF_MEMORY}");
            if c.detail(2) == 0 {
                text += " catch Error { kind: :DivisionByZero } { nil }";
            }
            text += &format!(" catch Error {{ kind }} {{ {caught} }}");
            if c.detail(5) != 1 {
                text += &format!(" catch 1 | \"b\" {{ nil }} catch e {{ {thrown} }}");
            }
        }
        if c.detail(3) != 0 {
            let mark = self.name("finally ");
            text += &format!(" finally {{ if log.len() < 20 {{ log.push(\"{mark}\") }} }}");
        }
        text
    }

    /// Tasks that write to a cell of their own.
    fn scope_statement(&mut self, c: &Choices) -> String {
        let cells = self.name("cells");
        let mut text = format!("let {cells} = [0, 0]\nscope {{\n");
        for index in 0..2 {
            let body = self.task(c.part(index));
            text += &format!("spawn {{ {cells}[{index}] = {body} }}\n");
        }
        text + &format!("}}\n{}", self.log(&cells))
    }

    fn expression(&mut self, c: &Choices, ty: Type) -> String {
        self.steps += self.repeats;
        if self.is_spent() {
            return literal(c, ty);
        }
        if c.reuse % 3 == 1
            && let Some(name) = self.variable(c, ty, false)
        {
            return name;
        }
        if c.parts.is_empty() {
            return literal(c, ty);
        }
        match ty {
            Type::Int => self.int(c),
            Type::Bool => self.bool(c),
            Type::Float => {
                let (a, b) = (c.part(0), c.part(1));
                let op = ["+", "-", "*", "/", "%"][c.detail(5)];
                match c.of(3) {
                    0 => format!("({} {op} {})", self.float(a), self.float(b)),
                    1 => format!("({}).to_float()", self.expression(a, Type::Int)),
                    _ => format!("({} {op} {})", self.float(a), self.expression(b, Type::Int)),
                }
            }
            Type::Text => self.text(c),
            Type::Tuple => {
                let first = self.expression(c.part(0), Type::Int);
                format!("({first}, {})", self.expression(c.part(1), Type::Text))
            }
            Type::Tree => {
                let left = self.expression(c.part(0), Type::Tree);
                let value = self.expression(c.part(1), Type::Int);
                format!("branch({left}, {value}, {})", self.expression(c.part(2), Type::Tree))
            }
            Type::List => self.list(c),
            Type::Map => {
                let key = self.expression(c.part(0), Type::Text);
                let value = self.expression(c.part(1), Type::Int);
                format!("%{{{key}: {value}, \"b\": {}}}", self.expression(c.part(2), Type::Int))
            }
            Type::Node => {
                let value = self.expression(c.part(0), Type::Int);
                match c.of(2) {
                    0 => format!("#{{ value: {value}, next: nil }}"),
                    _ => format!(
                        "#{{ value: {value}, next: {} }}",
                        self.expression(c.part(1), Type::Node)
                    ),
                }
            }
            Type::Point => {
                let x = self.expression(c.part(0), Type::Int);
                match c.of(2) {
                    0 => {
                        format!("Point {{ x: {x}, y: {} }}", self.expression(c.part(1), Type::Int))
                    }
                    _ => format!("({}).moved({x})", self.expression(c.part(1), Type::Point)),
                }
            }
            Type::Function => self.closure(c),
            Type::Task => literal(c, ty),
        }
    }

    fn float(&mut self, c: &Choices) -> String {
        self.expression(c, Type::Float)
    }

    fn bool(&mut self, c: &Choices) -> String {
        let (a, b) = (c.part(0), c.part(1));
        match c.of(6) {
            0 | 1 => {
                let op = ["<", "<=", ">", ">=", "==", "!="][c.detail(6)];
                format!(
                    "({} {op} {})",
                    self.expression(a, Type::Int),
                    self.expression(b, Type::Int)
                )
            }
            2 => {
                let op = ["&&", "||"][c.detail(2)];
                let left = self.expression(a, Type::Bool);
                format!("({left} {op} {})", self.expression(b, Type::Bool))
            }
            3 => format!("(!{})", self.expression(a, Type::Bool)),
            4 => {
                let types =
                    [Type::Text, Type::List, Type::Tuple, Type::Tree, Type::Map, Type::Point];
                let ty = types[c.detail(types.len())];
                format!("({} == {})", self.expression(a, ty), self.expression(b, ty))
            }
            _ => {
                let list = self.expression(a, Type::List);
                format!("({list}).contains({})", self.expression(b, Type::Int))
            }
        }
    }

    fn text(&mut self, c: &Choices) -> String {
        let (a, b) = (c.part(0), c.part(1));
        match c.of(5) {
            0 => {
                let left = self.expression(a, Type::Text);
                format!("clip({left} + {})", self.expression(b, Type::Text))
            }
            1 => format!("str({})", self.expression(a, Type::Int)),
            2 => {
                let scalar = [Type::Int, Type::Bool, Type::Text, Type::Float][c.detail(4)];
                match self.variable(c, scalar, false) {
                    Some(name) => format!("clip(\"<{{{name}}}>\")"),
                    None => "\"<{1 + 1}>\"".into(),
                }
            }
            3 => {
                format!("({}).{}()", self.expression(a, Type::Text), ["upper", "trim"][c.detail(2)])
            }
            _ => {
                let text = self.expression(a, Type::Text);
                format!("({text}).slice(0, {})", self.expression(b, Type::Int))
            }
        }
    }

    fn list(&mut self, c: &Choices) -> String {
        let (a, b) = (c.part(0), c.part(1));
        match c.of(6) {
            0 | 1 => {
                let parts: Vec<_> = c.parts.iter().map(|p| self.expression(p, Type::Int)).collect();
                format!("[{}]", parts.join(", "))
            }
            2 => {
                let list = self.expression(a, Type::List);
                format!("({list}).map({})", self.mapped(b))
            }
            3 => {
                let list = self.expression(a, Type::List);
                format!("({list}).filter(|x| x % 2 == {})", c.detail(2))
            }
            4 => format!(
                "({}).{}()",
                self.expression(a, Type::List),
                ["reverse", "copy"][c.detail(2)]
            ),
            _ => format!("walk({})", self.expression(a, Type::Node)),
        }
    }

    /// A closure that is called for each element of a list.
    fn mapped(&mut self, c: &Choices) -> String {
        let repeats = self.repeats;
        self.repeats *= LIST_MAX;
        let closure = self.closure(c);
        self.repeats = repeats;
        closure
    }

    fn closure(&mut self, c: &Choices) -> String {
        let known = self.variables.len();
        let parameter = self.declare("p", Type::Int, false);
        let body = self.enclosed(2, |w| match (c.of(3), w.variable(c, Type::Int, true)) {
            (0, _) => w.expression(c.part(0), Type::Int),
            (1, Some(name)) => {
                let by = w.expression(c.part(0), Type::Int);
                format!("{{ {name} += {by}; {name} + {parameter} }}")
            }
            _ => w.block(c, |w, last| w.expression(last, Type::Int)),
        });
        self.variables.truncate(known);
        format!("|{parameter}| {body}")
    }

    fn int(&mut self, c: &Choices) -> String {
        let (a, b) = (c.part(0), c.part(1));
        match c.of(24) {
            0..=2 => {
                let op = ["+", "-", "*", "/", "%", "&", "|", "^", "+", "-"][c.detail(10)];
                format!(
                    "({} {op} {})",
                    self.expression(a, Type::Int),
                    self.expression(b, Type::Int)
                )
            }
            3 => {
                let op = ["add", "sub", "mul"][c.detail(3)];
                let left = self.expression(a, Type::Int);
                format!("wrapping_{op}({left}, {})", self.expression(b, Type::Int))
            }
            4 => {
                let ty = [Type::List, Type::Text, Type::Map][c.detail(3)];
                format!("({}).len()", self.expression(a, ty))
            }
            5 => {
                let list = self.expression(a, Type::List);
                format!("({list})[{}]", self.expression(b, Type::Int))
            }
            6 => format!("({}).value", self.expression(a, Type::Node)),
            7 | 8 => self.call(c),
            9 | 10 => {
                let known = self.variable(a, Type::Function, false);
                let function = known.unwrap_or_else(|| self.expression(a, Type::Function));
                format!("({function})({})", self.expression(b, Type::Int))
            }
            11 => {
                let condition = self.expression(a, Type::Bool);
                let yes = self.block(b, |w, last| w.expression(last, Type::Int));
                let no = self.block(c.part(2), |w, last| w.expression(last, Type::Int));
                format!("(if {condition} {yes} else {no})")
            }
            12 | 13 => self.matched(c),
            14 => {
                let body = self.block(a, |w, last| w.expression(last, Type::Int));
                let value = self.expression(b, Type::Int);
                format!("(try {body} catch {OUT_OF_MEMORY} catch e {{ {value} }})")
            }
            15 => format!("({}).size()", self.expression(a, Type::Tree)),
            16 => format!(
                "({}).{}",
                self.expression(a, Type::Point),
                ["x", "y", "norm()"][c.detail(3)]
            ),
            17 => {
                let map = self.expression(a, Type::Map);
                match c.detail(2) {
                    0 => format!("({map}).get_or({}, 5)", self.expression(b, Type::Text)),
                    _ => format!("({map})[{}]", self.expression(b, Type::Text)),
                }
            }
            18 => {
                let list = self.expression(a, Type::List);
                format!("({list}).map({}).fold(0, |a, x| wrapping_add(a, x))", self.mapped(b))
            }
            19 => match self.variable(c, Type::Task, false) {
                Some(task) => format!("hash({task}.join())"),
                None => format!("(spawn {}).join().0", self.task(a)),
            },
            20 => format!("({}).0", self.expression(a, Type::Tuple)),
            21 => {
                let (in_loop, repeats) = (self.place.in_loop, self.repeats);
                self.place.in_loop = false;
                let body = self.block(a, |w, last| w.expression(last, Type::Int));
                (self.place.in_loop, self.repeats) = (in_loop, repeats);
                format!("(loop {{ break {body} }})")
            }
            22 => format!("(arena {})", self.block(a, |w, last| w.expression(last, Type::Int))),
            _ => format!("({})", self.block(c, |w, last| w.expression(last, Type::Int))),
        }
    }

    /// A call of an earlier function, or of the one being written.
    fn call(&mut self, c: &Choices) -> String {
        let a = self.expression(c.part(0), Type::Int);
        let xs = self.expression(c.part(1), Type::List);
        if let Some(own) = self.place.function
            && c.detail(2) == 0
            && self.recursions + self.repeats <= 2
        {
            self.recursions += self.repeats;
            return format!("(if fuel > 0 {{ f{own}(log, fuel - 1, {a}, {xs}) }} else {{ {a} }})");
        }
        if self.functions.is_empty() {
            return a;
        }
        let callee = c.detail(self.functions.len());
        let steps = self.functions[callee] * self.repeats;
        if self.steps + steps > self.steps_max {
            return a;
        }
        self.steps += steps;
        format!("f{callee}(log, {FUEL}, {a}, {xs})")
    }

    fn matched(&mut self, c: &Choices) -> String {
        let (a, b, d) = (c.part(0), c.part(1), c.part(2));
        let ty = [Type::Int, Type::List, Type::Tuple, Type::Tree, Type::Text][c.detail(5)];
        let value = self.expression(a, ty);
        let first = self.expression(b, Type::Int);
        let known = self.variables.len();
        let bound = self.declare("m", Type::Int, false);
        let second = self.expression(d, Type::Int);
        self.variables.truncate(known);
        let arms = match ty {
            Type::Int => format!("0 | 7 => {first}, 1..=5 => -1, {bound} => {second}"),
            Type::List => format!(
                "[] => {first}, [{bound}] => {second}, [{bound}, ..rest] if rest.len() > 1 => \
                 {second}, [.., {bound}] => {second}"
            ),
            Type::Tuple => format!("(1, \"b\") => {first}, ({bound}, _) => {second}"),
            Type::Tree => format!("Leaf => {first}, Branch(Leaf, {bound}, _) => {second}"),
            _ => {
                format!("\"\" | \"b\" => {first}, text => {{ let {bound} = text.len(); {second} }}")
            }
        };
        format!("(match {value} {{ {arms} }})")
    }
}

/// The clause that lets no program go on without memory.
const OUT_OF_MEMORY: &str = "Error { kind: :OutOfMemory } { out_of_memory() }";

const INTS: [&str; 16] = [
    "0",
    "1",
    "2",
    "-1",
    "3",
    "7",
    "10",
    "255",
    // The bounds of the inline range, of 64 bits, and what is boxed in between.
    "1152921504606846975",
    "1152921504606846976",
    "-1152921504606846976",
    "-1152921504606846977",
    "9223372036854775807",
    "0x8000_0000_0000_0000",
    "4294967296",
    "-3",
];

/// The simplest expression of a type.
fn literal(c: &Choices, ty: Type) -> String {
    let texts = ["\"\"", "\"b\"", "\"abc\"", "\"é\"", "r\"{x}\""];
    let floats = ["0.0", "1.5", "-0.0", "1e300", "2.5e-3", "(1.0 / 0.0)", "5e-324", "-2.25"];
    match ty {
        Type::Int => match INTS[c.detail(INTS.len())] {
            large if c.of(8) != 1 && large.len() > 5 => "4".into(),
            negative if negative.starts_with('-') => format!("({negative})"),
            literal => literal.into(),
        },
        Type::Bool => ["true", "false"][c.detail(2)].into(),
        Type::Float => format!("({})", floats[c.detail(floats.len())]),
        Type::Text => texts[c.detail(texts.len())].into(),
        Type::Tuple => "(1, \"b\")".into(),
        Type::Tree => "Leaf".into(),
        Type::List => ["[]", "[1, 2]", "[3, 1, 2]"][c.detail(3)].into(),
        Type::Map => "%{\"b\": 2}".into(),
        Type::Node => "#{ value: 1, next: nil }".into(),
        Type::Point => "Point { x: 1, y: 2 }".into(),
        Type::Function => ["|x| x", "counter(1)"][c.detail(2)].into(),
        Type::Task => "nil".into(),
    }
}

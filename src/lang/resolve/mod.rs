//! Name resolution: syntax trees to the resolved [`tree`].
//!
//! Two walks. `modules` declares the items of all modules, so that their order does not
//! matter; then the bodies are resolved, top-level statements in order first. At the end
//! `capture` decides which variables each closure captures.
//!
//! Where the language leaves it open:
//! - A name is looked up in the enclosing blocks and functions, then the enclosing modules, then
//!   the prelude, then the builtin functions. Types, modules and values do not hide each other.
//! - Only `var`s can be assigned; parameters and pattern variables cannot.
//! - A nested `fn` is visible in its whole block but sees only the variables declared before it.
//! - Functions see all globals of their module; a top-level statement only those before it.
//! - In the prelude, `__name` is the builtin `%name`, which programs cannot name.
//! - An imported file is evaluated where its first `import` stands.

mod bodies;
mod capture;
mod exprs;
pub mod load;
mod modules;
mod paths;
mod patterns;
mod select;
mod suggest;
pub mod tree;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::class::ClassId;
use crate::ir::build::NativeSig;
use crate::ir::{FuncId, GlobalId, NativeId};
use crate::lang::ast::{self, Ident, Span};
use crate::lang::diagnostics::{Diagnostic, ERROR_LIMIT};
use crate::names::{Interner, Name};
use load::Files;
use tree::{Func, FuncBody, Tree, Var, VarId};

/// Resolves a program. `natives` are the builtin functions.
///
/// # Errors
/// Everything that is wrong with the names of the program.
pub fn resolve(
    files: &Files,
    names: Interner,
    natives: &[NativeSig],
) -> Result<Tree, Vec<Diagnostic>> {
    let mut resolver = Resolver::new(files, names, natives);
    resolver.collect_all();
    resolver.resolve_bodies();
    if !resolver.errors.is_empty() {
        resolver.errors.sort_by_key(|error| (error.span.file, error.span.start));
        return Err(resolver.errors);
    }
    Ok(resolver.tree)
}

/// An index into [`Resolver::modules`].
type ModuleId = usize;
/// An index into [`Resolver::types`].
type TypeId = usize;

/// The module of the prelude.
const PRELUDE: ModuleId = 0;

/// What a name of a module stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value {
    Fn(FuncId),
    Global(GlobalId),
    Variant(ClassId),
    /// Several enums of the module have this variant.
    Ambiguous,
}

/// The names of a module.
#[derive(Debug, Default)]
struct ModuleScope {
    parent: Option<ModuleId>,
    values: HashMap<Name, (Value, Span)>,
    types: HashMap<Name, (TypeId, Span)>,
    modules: HashMap<Name, (ModuleId, Span)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum TypeKind {
    Struct(ClassId),
    Enum(Vec<(Name, ClassId)>),
    Builtin(ClassId),
}

/// A function of an `impl`.
#[derive(Clone, Copy, Debug)]
struct Method {
    name: Name,
    func: FuncId,
    takes_self: bool,
    span: Span,
}

/// A struct, an enum or a builtin class.
#[derive(Debug)]
struct TypeDef {
    name: Name,
    kind: TypeKind,
    methods: Vec<Method>,
    by_name: HashMap<Name, usize>,
    /// `impl This : Base`
    bases: Vec<(TypeId, Span)>,
}

/// What the resolver knows about a global beside [`tree::Global`].
#[derive(Debug)]
struct GlobalPlace {
    /// Its statement has been resolved.
    declared: bool,
    /// The global of the same module that it shadows.
    previous: Option<GlobalId>,
}

/// Where a variable was declared.
#[derive(Clone, Copy, Debug)]
struct Place {
    span: Span,
    is_param: bool,
    /// How many loops, protected regions and arenas of its function are around it.
    loops: usize,
    regions: u32,
    arenas: u32,
}

/// A loop around the current place.
#[derive(Debug, Default)]
struct LoopFrame {
    assigned: Vec<VarId>,
    seen: HashSet<VarId>,
    /// `loop`: `break` may carry a value.
    takes_value: bool,
}

/// A function around the current place.
#[derive(Debug)]
struct Frame {
    func: FuncId,
    free: Vec<VarId>,
    free_seen: HashSet<VarId>,
    loops: Vec<LoopFrame>,
    regions: u32,
    arenas: u32,
}

struct Resolver<'a> {
    files: &'a Files,
    natives: &'a [NativeSig],
    native_ids: HashMap<Name, NativeId>,
    tree: Tree,
    errors: Vec<Diagnostic>,
    /// "Did you mean" is looked for this often.
    suggestions_left: usize,
    underscore: Name,
    self_name: Name,
    closure_name: Name,

    // Items.
    modules: Vec<ModuleScope>,
    types: Vec<TypeDef>,
    /// Files (index into `Files::modules`) whose items have been collected.
    file_modules: HashMap<usize, ModuleId>,
    global_places: Vec<GlobalPlace>,
    /// The global that the name at this place declares.
    global_at: HashMap<Span, GlobalId>,
    record_classes: HashMap<Vec<Name>, ClassId>,
    impls: Vec<(ModuleId, &'a ast::Item)>,
    statements: Vec<(ModuleId, &'a ast::Stmt)>,
    fn_bodies: Vec<(ModuleId, FuncId, &'a ast::FnDecl)>,
    native_wrappers: HashMap<(NativeId, usize), FuncId>,
    constructors: HashMap<ClassId, FuncId>,
    method_wrappers: HashMap<(Name, usize), FuncId>,

    // Bodies.
    module: ModuleId,
    frames: Vec<Frame>,
    bindings: HashMap<Name, Vec<VarId>>,
    /// The names bound since each open scope began.
    scope_names: Vec<Name>,
    places: Vec<Place>,
    fns_declared: HashSet<VarId>,
    /// Uses of a nested `fn` above it, which only a plain one allows.
    early_uses: Vec<(VarId, Span)>,
    /// By function: the outer variables it uses.
    free: Vec<Vec<VarId>>,
}

impl<'a> Resolver<'a> {
    fn new(files: &'a Files, mut names: Interner, natives: &'a [NativeSig]) -> Resolver<'a> {
        let native_ids = natives
            .iter()
            .enumerate()
            .map(|(index, native)| (names.intern(native.name), NativeId(index as u32)))
            .collect();
        let underscore = names.intern("_");
        let self_name = names.intern("self");
        let closure_name = names.intern("<closure>");
        Resolver {
            files,
            natives,
            native_ids,
            tree: Tree { names, ..Tree::default() },
            errors: Vec::new(),
            suggestions_left: ERROR_LIMIT,
            underscore,
            self_name,
            closure_name,
            modules: Vec::new(),
            types: Vec::new(),
            file_modules: HashMap::default(),
            global_places: Vec::new(),
            global_at: HashMap::default(),
            record_classes: HashMap::default(),
            impls: Vec::new(),
            statements: Vec::new(),
            fn_bodies: Vec::new(),
            native_wrappers: HashMap::default(),
            constructors: HashMap::default(),
            method_wrappers: HashMap::default(),
            module: PRELUDE,
            frames: Vec::new(),
            bindings: HashMap::default(),
            scope_names: Vec::new(),
            places: Vec::new(),
            fns_declared: HashSet::default(),
            early_uses: Vec::new(),
            free: Vec::new(),
        }
    }

    fn text(&self, name: Name) -> &str {
        self.tree.names.text(name)
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors.push(diagnostic);
    }

    /// A function whose body comes later.
    fn new_func(&mut self, name: Name, span: Span, body: FuncBody) -> FuncId {
        let func = FuncId(self.tree.funcs.len() as u32);
        let captures = Vec::new();
        self.tree.funcs.push(Func { name, span, params: Vec::new(), body, captures });
        self.free.push(Vec::new());
        func
    }

    /// A function declaration: its parameters become variables, its body is resolved later.
    fn declare_func(&mut self, decl: &ast::FnDecl) -> FuncId {
        let func = self.new_func(decl.name.name, decl.span, FuncBody::Expr(tree::nil(decl.span)));
        self.declare_params(func, &decl.params);
        func
    }

    fn declare_params(&mut self, func: FuncId, params: &[Ident]) {
        let mut seen: HashMap<Name, Span> = HashMap::default();
        for &param in params {
            let place = Place { span: param.span, is_param: true, loops: 0, regions: 0, arenas: 0 };
            let var = self.push_var(func, param.name, place);
            self.tree.funcs[func.index()].params.push(var);
            let first = if param.name == self.underscore {
                None
            } else {
                seen.insert(param.name, param.span)
            };
            if let Some(first) = first {
                let message = format!("two parameters are called `{}`", self.text(param.name));
                self.error(Diagnostic::error(param.span, message).note_at(first, "the first one"));
            }
        }
    }

    /// A function that the compiler makes, with parameters that have no names.
    fn make_func(&mut self, name: Name, span: Span, params: usize, body: FuncBody) -> FuncId {
        let func = self.new_func(name, span, body);
        let place = Place { span, is_param: true, loops: 0, regions: 0, arenas: 0 };
        for _ in 0..params {
            let var = self.push_var(func, self.underscore, place);
            self.tree.funcs[func.index()].params.push(var);
        }
        func
    }

    fn push_var(&mut self, owner: FuncId, name: Name, place: Place) -> VarId {
        let var = VarId(self.tree.vars.len() as u32);
        self.tree.vars.push(Var {
            name,
            owner,
            mutable: false,
            func: None,
            constant: None,
            assigned: false,
            captured: false,
            assigned_in_region: false,
            assigned_in_arena: false,
            captured_early: false,
            plain: false,
        });
        self.places.push(place);
        var
    }

    /// `1 argument`, `2 arguments`
    fn count(n: usize, noun: &str) -> String {
        if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
    }
}

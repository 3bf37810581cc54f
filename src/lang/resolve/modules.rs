//! Declaring the items of all modules.

use rustc_hash::FxHashMap as HashMap;

use super::tree::{FuncBody, Global};
use super::{
    GlobalPlace, Method, ModuleId, ModuleScope, PRELUDE, Resolver, TypeDef, TypeId, TypeKind, Value,
};
use crate::class::{ClassId, RecordClass, RecordKind};
use crate::ir::{Const, GlobalId, UnaryOp};
use crate::lang::ast::{self, Ident, Item, PatternKind, Span, Stmt, VariantDecl};
use crate::lang::diagnostics::Diagnostic;
use crate::names::Name;

/// How far [`Resolver::inherit`] is with a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inherited {
    No,
    Active,
    Done,
}

impl<'a> Resolver<'a> {
    /// Collects the prelude, the main file and all imports.
    pub(super) fn collect_all(&mut self) {
        let entry = self.tree.names.intern("<entry>");
        let nil = FuncBody::Expr(super::tree::nil(Span::default()));
        self.tree.entry = Some(self.new_func(entry, Span::default(), nil));
        self.new_module(None);
        self.add_builtin_types();
        let files = self.files;
        self.collect(PRELUDE, &files.prelude);
        if !files.modules.is_empty() {
            self.collect_file(0);
        }
        self.collect_impls();
        self.inherit_all();
        self.emit_methods();
    }

    fn new_module(&mut self, parent: Option<ModuleId>) -> ModuleId {
        self.modules.push(ModuleScope { parent, ..ModuleScope::default() });
        self.modules.len() - 1
    }

    fn add_builtin_types(&mut self) {
        for &(class, _, source_name) in ClassId::BUILTIN {
            let name = self.tree.names.intern(source_name);
            self.add_type(PRELUDE, Ident { name, span: Span::default() }, TypeKind::Builtin(class));
        }
        let [name, kind, message] = ["Error", "kind", "message"].map(|n| self.tree.names.intern(n));
        let fields = vec![kind, message];
        self.tree.classes.push(RecordClass { name, kind: RecordKind::Struct, fields });
        let error = Ident { name, span: Span::default() };
        self.add_type(PRELUDE, error, TypeKind::Struct(ClassId::ERROR));
    }

    fn collect_file(&mut self, file: usize) -> ModuleId {
        if let Some(&module) = self.file_modules.get(&file) {
            return module;
        }
        let module = self.new_module(None);
        self.file_modules.insert(file, module);
        let files = self.files;
        self.collect(module, &files.modules[file]);
        module
    }

    fn collect(&mut self, module: ModuleId, tree: &'a ast::Module) {
        for item in &tree.items {
            self.collect_item(module, item);
        }
    }

    fn collect_item(&mut self, module: ModuleId, item: &'a Item) {
        match item {
            Item::Fn(decl) => self.collect_fn(module, decl),
            Item::Struct { name, fields } => {
                let class = self.add_class(*name, RecordKind::Struct, fields);
                self.add_type(module, *name, TypeKind::Struct(class));
            }
            Item::Enum { name, variants } => self.collect_enum(module, *name, variants),
            Item::Impl { .. } => self.impls.push((module, item)),
            Item::Module { name, body } => {
                let inner = self.new_module(Some(module));
                self.add_module(module, *name, inner);
                self.collect(inner, body);
            }
            Item::Import { name } => {
                let Some(&file) = self.files.imports.get(&name.span) else {
                    let message = format!("cannot import `{}` here", self.text(name.name));
                    return self.error(Diagnostic::error(name.span, message));
                };
                let inner = self.collect_file(file);
                self.add_module(module, *name, inner);
            }
            Item::Stmt(stmt) => {
                self.declare_globals(module, stmt);
                self.statements.push((module, stmt));
            }
        }
    }

    fn collect_fn(&mut self, module: ModuleId, decl: &'a ast::FnDecl) {
        let func = self.declare_func(decl);
        self.fn_bodies.push((module, func, decl));
        self.add_value(module, decl.name, Value::Fn(func));
    }

    fn collect_enum(&mut self, module: ModuleId, name: Ident, variants: &[VariantDecl]) {
        let mut classes: Vec<(Name, ClassId)> = Vec::new();
        let mut seen: HashMap<Name, Span> = HashMap::default();
        for variant in variants {
            if let Some(first) = seen.insert(variant.name.name, variant.name.span) {
                let text = self.text(variant.name.name);
                let message = format!("two variants are called `{text}`");
                self.error(
                    Diagnostic::error(variant.name.span, message).note_at(first, "the first one"),
                );
                continue;
            }
            let kind = RecordKind::Variant { of: name.name };
            let class = self.add_class(variant.name, kind, &variant.fields);
            classes.push((variant.name.name, class));
            self.add_value(module, variant.name, Value::Variant(class));
        }
        self.add_type(module, name, TypeKind::Enum(classes));
    }

    /// Adds a record class after checking its field names.
    fn add_class(&mut self, name: Ident, kind: RecordKind, fields: &[Ident]) -> ClassId {
        let mut seen: HashMap<Name, Span> = HashMap::default();
        for &field in fields {
            if let Some(first) = seen.insert(field.name, field.span) {
                let message = format!("two fields are called `{}`", self.text(field.name));
                self.error(Diagnostic::error(field.span, message).note_at(first, "the first one"));
            }
        }
        let fields = fields.iter().map(|field| field.name).collect();
        self.push_class(RecordClass { name: name.name, kind, fields }, name.span)
    }

    pub(super) fn push_class(&mut self, class: RecordClass, span: Span) -> ClassId {
        let number = usize::from(ClassId::FIRST_RECORD) + self.tree.classes.len();
        if number > usize::from(ClassId::MAX) {
            let message = "the program has too many structs, variants and record shapes";
            self.error(Diagnostic::error(span, message));
            return ClassId::ERROR;
        }
        self.tree.classes.push(class);
        ClassId(number as u16)
    }

    pub(super) fn class(&self, class: ClassId) -> &RecordClass {
        &self.tree.classes[usize::from(class.0 - ClassId::FIRST_RECORD)]
    }

    fn twice(&mut self, name: Ident, first: Span) {
        let message = format!("`{}` is defined twice in this module", self.text(name.name));
        self.error(Diagnostic::error(name.span, message).note_at(first, "first defined here"));
    }

    fn add_value(&mut self, module: ModuleId, name: Ident, value: Value) {
        let old = self.modules[module].values.get(&name.name).copied();
        let value = match (old, value) {
            (None, _) => value,
            (Some((Value::Global(old), _)), Value::Global(new)) => {
                self.global_places[new.index()].previous = Some(old);
                value
            }
            (Some((Value::Variant(_) | Value::Ambiguous, _)), Value::Variant(_)) => {
                Value::Ambiguous
            }
            (Some((_, first)), _) => return self.twice(name, first),
        };
        self.modules[module].values.insert(name.name, (value, name.span));
    }

    fn add_type(&mut self, module: ModuleId, name: Ident, kind: TypeKind) {
        if let Some(&(_, first)) = self.modules[module].types.get(&name.name) {
            return self.twice(name, first);
        }
        let (methods, by_name, bases) = (Vec::new(), HashMap::default(), Vec::new());
        self.types.push(TypeDef { name: name.name, kind, methods, by_name, bases });
        let id = self.types.len() - 1;
        self.modules[module].types.insert(name.name, (id, name.span));
    }

    fn add_module(&mut self, module: ModuleId, name: Ident, inner: ModuleId) {
        let old = self.modules[module].modules.insert(name.name, (inner, name.span));
        if let Some((_, first)) = old {
            self.twice(name, first);
        }
    }

    fn declare_globals(&mut self, module: ModuleId, stmt: &Stmt) {
        match stmt {
            Stmt::Var { name, .. } => {
                self.declare_global(module, *name, true, None);
            }
            Stmt::Let { pattern, value } => {
                let constant = match pattern.kind {
                    PatternKind::Bind(_) => literal(value),
                    _ => None,
                };
                let mut names = Vec::new();
                bound_names(pattern, &mut names);
                let mut done: HashMap<Name, GlobalId> = HashMap::default();
                for name in names {
                    match done.get(&name.name) {
                        Some(&global) => {
                            self.global_at.insert(name.span, global);
                        }
                        None => {
                            let global = self.declare_global(module, name, false, constant.clone());
                            done.insert(name.name, global);
                        }
                    }
                }
            }
            Stmt::Fn(decl) => {
                // The parser makes items of these; harmless if it does not.
                let message = "a function cannot stand here";
                self.error(Diagnostic::error(decl.name.span, message));
            }
            Stmt::Expr(_) => {}
        }
    }

    fn declare_global(
        &mut self,
        module: ModuleId,
        name: Ident,
        mutable: bool,
        constant: Option<Const>,
    ) -> GlobalId {
        let global = GlobalId(self.tree.globals.len() as u32);
        self.tree.globals.push(Global { name: name.name, mutable, constant });
        self.global_places.push(GlobalPlace { declared: false, previous: None });
        self.global_at.insert(name.span, global);
        if name.name != self.underscore {
            self.add_value(module, name, Value::Global(global));
        }
        global
    }

    fn collect_impls(&mut self) {
        for (module, item) in std::mem::take(&mut self.impls) {
            let Item::Impl { target, base, methods } = item else { continue };
            let Some(of) = self.impl_type(module, *target) else { continue };
            if matches!(self.types[of].kind, TypeKind::Builtin(_)) && module != PRELUDE {
                let text = self.text(target.name).to_owned();
                self.error(
                    Diagnostic::error(target.span, format!("`{text}` is built in"))
                        .label("cannot get new methods")
                        .hint("write a function that takes it as an argument"),
                );
                continue;
            }
            if let Some(base) = base {
                self.collect_base(module, of, *base);
            }
            for decl in methods {
                self.collect_method(module, of, decl);
            }
        }
    }

    fn impl_type(&mut self, module: ModuleId, name: Ident) -> Option<TypeId> {
        let found = self.find_type(module, name.name);
        if found.is_none() {
            self.unknown_type(module, name);
        }
        found
    }

    fn collect_base(&mut self, module: ModuleId, of: TypeId, base: Ident) {
        let Some(base_type) = self.impl_type(module, base) else { return };
        if matches!(self.types[base_type].kind, TypeKind::Builtin(_)) {
            let message = format!("`{}` is built in", self.text(base.name));
            let label = "its methods cannot be taken over";
            return self.error(Diagnostic::error(base.span, message).label(label));
        }
        self.types[of].bases.push((base_type, base.span));
    }

    fn collect_method(&mut self, module: ModuleId, of: TypeId, decl: &'a ast::FnDecl) {
        let func = self.declare_func(decl);
        self.fn_bodies.push((module, func, decl));
        let takes_self = decl.params.first().is_some_and(|first| first.name == self.self_name);
        let span = decl.name.span;
        let method = Method { name: decl.name.name, func, takes_self, span };
        if let Some(first) = self.add_method(of, method) {
            let (method, of) = (self.text(decl.name.name), self.text(self.types[of].name));
            let message = format!("`{of}` has two functions called `{method}`");
            self.error(Diagnostic::error(span, message).note_at(first, "the first one"));
        }
    }

    /// Adds a method unless there is one of this name: then returns its place.
    fn add_method(&mut self, of: TypeId, method: Method) -> Option<Span> {
        let this = &mut self.types[of];
        if let Some(&first) = this.by_name.get(&method.name) {
            return Some(this.methods[first].span);
        }
        this.by_name.insert(method.name, this.methods.len());
        this.methods.push(method);
        None
    }

    fn inherit_all(&mut self) {
        let mut states = vec![Inherited::No; self.types.len()];
        for of in 0..self.types.len() {
            self.inherit(of, &mut states);
        }
    }

    /// Copies the methods of the bases, which get theirs first. The chain of bases is walked
    /// without recursion: it may be as long as the program.
    fn inherit(&mut self, of: TypeId, states: &mut [Inherited]) {
        let mut stack = vec![(of, 0)];
        while let Some((of, next)) = stack.pop() {
            if next == 0 {
                if states[of] != Inherited::No {
                    continue;
                }
                states[of] = Inherited::Active;
            } else {
                self.copy_methods(of, self.types[of].bases[next - 1].0);
            }
            let Some(&(base, span)) = self.types[of].bases.get(next) else {
                states[of] = Inherited::Done;
                continue;
            };
            stack.push((of, next + 1));
            if states[base] == Inherited::Active {
                let message = format!("`{}` takes over its own methods", self.text_of(base));
                self.error(Diagnostic::error(span, message).label("this makes a cycle"));
            } else {
                stack.push((base, 0));
            }
        }
    }

    fn text_of(&self, of: TypeId) -> &str {
        self.text(self.types[of].name)
    }

    fn copy_methods(&mut self, of: TypeId, base: TypeId) {
        for method in self.types[base].methods.clone() {
            let _overridden = self.add_method(of, method);
        }
    }

    fn emit_methods(&mut self) {
        for of in &self.types {
            let classes: Vec<ClassId> = match &of.kind {
                TypeKind::Struct(class) | TypeKind::Builtin(class) => vec![*class],
                TypeKind::Enum(variants) => variants.iter().map(|variant| variant.1).collect(),
            };
            let methods = of.methods.iter().filter(|method| method.takes_self);
            for method in methods {
                let rows = classes.iter().map(|&class| (class, method.name, method.func));
                self.tree.methods.extend(rows);
            }
        }
    }
}

/// The constant that a literal stands for.
fn literal(value: &ast::Expr) -> Option<Const> {
    Some(match &value.kind {
        ast::ExprKind::Nil => Const::Nil,
        ast::ExprKind::Bool(value) => Const::Bool(*value),
        ast::ExprKind::Int(value) => Const::Int(*value),
        ast::ExprKind::Float(value) => Const::Float(*value),
        ast::ExprKind::Char(value) => Const::Char(*value),
        ast::ExprKind::Keyword(name) => Const::Keyword(*name),
        ast::ExprKind::Unary(UnaryOp::Neg, inner) => match inner.kind {
            ast::ExprKind::Int(value) => Const::Int(value.checked_neg()?),
            ast::ExprKind::Float(value) => Const::Float(-value),
            _ => return None,
        },
        _ => return None,
    })
}

/// The names that a pattern binds, in source order.
pub(super) fn bound_names(pattern: &ast::Pattern, out: &mut Vec<Ident>) {
    match &pattern.kind {
        PatternKind::Bind(name) => out.push(*name),
        PatternKind::Tuple(parts) | PatternKind::Or(parts) => {
            parts.iter().for_each(|part| bound_names(part, out));
        }
        PatternKind::Variant { args, .. } => args.iter().for_each(|part| bound_names(part, out)),
        PatternKind::Struct { fields, .. } => {
            fields.iter().for_each(|(_, part)| bound_names(part, out));
        }
        PatternKind::List { before, rest, after } => {
            before.iter().for_each(|part| bound_names(part, out));
            out.extend(rest.iter().flatten());
            after.iter().for_each(|part| bound_names(part, out));
        }
        _ => {}
    }
}

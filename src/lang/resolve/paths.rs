//! What names and paths mean at a place, and the messages when they mean nothing.

use super::tree::VarId;
use super::{ModuleId, PRELUDE, Resolver, TypeId, TypeKind, Value, suggest};
use crate::class::ClassId;
use crate::ir::{FuncId, GlobalId, NativeId};
use crate::lang::ast::{Ident, Path, Span};
use crate::lang::diagnostics::Diagnostic;
use crate::names::Name;

/// What a path in an expression stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Local(VarId),
    Global(GlobalId),
    Fn(FuncId),
    Variant(ClassId),
    Native(NativeId),
}

/// What stands before the last `::`.
enum Container {
    Module(ModuleId),
    Type(TypeId),
}

impl Resolver<'_> {
    /// What a path in an expression stands for; reports an error when it is nothing.
    pub(super) fn find(&mut self, path: &Path) -> Option<Found> {
        match path.parts.as_slice() {
            [name] => self.find_name(*name),
            [before @ .., last] => {
                let container = self.container(before)?;
                self.find_in(&container, before[before.len() - 1], *last)
            }
            [] => None,
        }
    }

    fn find_name(&mut self, name: Ident) -> Option<Found> {
        if let Some(var) = self.find_local(name) {
            return Some(Found::Local(var));
        }
        let mut later = None;
        let mut scope = Some(self.module);
        while let Some(module) = scope {
            match self.value_in(module, name.name) {
                Some(Found::Global(global)) => match self.visible_global(global) {
                    Some(global) => return Some(Found::Global(global)),
                    None => later = later.or(Some(global)),
                },
                Some(found) => return Some(found),
                None if self.is_ambiguous(module, name.name) => return self.ambiguous(name),
                None => {}
            }
            scope = self.outer(module);
        }
        if let Some(native) = self.find_native(name.name) {
            return Some(Found::Native(native));
        }
        self.undefined(name, later);
        None
    }

    fn find_native(&mut self, name: Name) -> Option<NativeId> {
        let own = self.text(name).strip_prefix("__").filter(|_| self.module == PRELUDE);
        let name = match own.map(|own| format!("%{own}")) {
            Some(own) => self.tree.names.intern(&own),
            None => name,
        };
        self.native_ids.get(&name).copied()
    }

    /// The module in which to look next.
    fn outer(&self, module: ModuleId) -> Option<ModuleId> {
        self.modules[module].parent.or((module != PRELUDE).then_some(PRELUDE))
    }

    fn find_local(&mut self, name: Ident) -> Option<VarId> {
        let var = *self.bindings.get(&name.name)?.last()?;
        self.note_use(var, name.span);
        Some(var)
    }

    fn value_in(&self, module: ModuleId, name: Name) -> Option<Found> {
        match self.modules[module].values.get(&name)?.0 {
            Value::Fn(func) => Some(Found::Fn(func)),
            Value::Global(global) => Some(Found::Global(global)),
            Value::Variant(class) => Some(Found::Variant(class)),
            Value::Ambiguous => None,
        }
    }

    fn is_ambiguous(&self, module: ModuleId, name: Name) -> bool {
        matches!(self.modules[module].values.get(&name), Some((Value::Ambiguous, _)))
    }

    /// The newest of the globals that share this one's name which can be seen here: top-level
    /// statements see only what stands before them.
    fn visible_global(&self, global: GlobalId) -> Option<GlobalId> {
        if !self.at_top_level() {
            return Some(global);
        }
        let mut at = Some(global);
        while let Some(global) = at {
            let place = &self.global_places[global.index()];
            if place.declared {
                return Some(global);
            }
            at = place.previous;
        }
        None
    }

    /// Whether the current function is the program's entry.
    pub(super) fn at_top_level(&self) -> bool {
        self.frames.len() == 1 && Some(self.frames[0].func) == self.tree.entry
    }

    /// The type of this name as seen from a module.
    pub(super) fn find_type(&self, module: ModuleId, name: Name) -> Option<TypeId> {
        let mut scope = Some(module);
        while let Some(module) = scope {
            if let Some(&(found, _)) = self.modules[module].types.get(&name) {
                return Some(found);
            }
            scope = self.outer(module);
        }
        None
    }

    fn find_module(&self, name: Name) -> Option<ModuleId> {
        let mut scope = Some(self.module);
        while let Some(module) = scope {
            if let Some(&(found, _)) = self.modules[module].modules.get(&name) {
                return Some(found);
            }
            scope = self.outer(module);
        }
        None
    }

    fn container(&mut self, parts: &[Ident]) -> Option<Container> {
        let (first, rest) = parts.split_first()?;
        let mut at = match self.find_module(first.name) {
            Some(module) => Container::Module(module),
            None => match self.find_type(self.module, first.name) {
                Some(of) => Container::Type(of),
                None => return self.unknown_module(*first),
            },
        };
        for part in rest {
            at = match at {
                Container::Module(module) => self.member(module, *part)?,
                Container::Type(_) => return self.unknown_module(*part),
            };
        }
        Some(at)
    }

    fn member(&mut self, module: ModuleId, part: Ident) -> Option<Container> {
        let scope = &self.modules[module];
        if let Some(&(inner, _)) = scope.modules.get(&part.name) {
            return Some(Container::Module(inner));
        }
        if let Some(&(of, _)) = scope.types.get(&part.name) {
            return Some(Container::Type(of));
        }
        self.unknown_module(part)
    }

    fn find_in(&mut self, container: &Container, before: Ident, name: Ident) -> Option<Found> {
        match *container {
            Container::Module(module) => self.find_in_module(module, before, name),
            Container::Type(of) => self.find_in_type(of, name),
        }
    }

    fn find_in_module(&mut self, module: ModuleId, before: Ident, name: Ident) -> Option<Found> {
        match self.value_in(module, name.name) {
            Some(Found::Global(global)) => match self.visible_global(global) {
                Some(global) => Some(Found::Global(global)),
                None => {
                    self.undefined(name, Some(global));
                    None
                }
            },
            Some(found) => Some(found),
            None if self.is_ambiguous(module, name.name) => self.ambiguous(name),
            None => {
                let (text, before) = (self.text(name.name), self.text(before.name));
                let message = format!("module `{before}` has no `{text}`");
                let values = &self.modules[module].values;
                let hint = self.nearest(name.name, values.keys().copied());
                self.report(Diagnostic::error(name.span, message), hint);
                None
            }
        }
    }

    fn find_in_type(&mut self, of: TypeId, name: Ident) -> Option<Found> {
        let this = &self.types[of];
        if let TypeKind::Enum(variants) = &this.kind {
            let variant = variants.iter().find(|variant| variant.0 == name.name);
            if let Some(&(_, class)) = variant {
                return Some(Found::Variant(class));
            }
        }
        if let Some(&method) = this.by_name.get(&name.name) {
            return Some(Found::Fn(this.methods[method].func));
        }
        let what =
            if matches!(this.kind, TypeKind::Enum(_)) { "variant or function" } else { "function" };
        let (text, of) = (self.text(name.name), self.text(this.name));
        let message = format!("`{of}` has no {what} `{text}`");
        let variants = match &this.kind {
            TypeKind::Enum(variants) => variants.as_slice(),
            _ => &[],
        };
        let candidates = variants.iter().map(|variant| variant.0);
        let hint = self.nearest(name.name, candidates.chain(this.by_name.keys().copied()));
        self.report(Diagnostic::error(name.span, message), hint);
        None
    }

    /// The class that a struct literal or struct pattern names: a struct or a variant.
    pub(super) fn find_record(&mut self, path: &Path) -> Option<ClassId> {
        let last = path.last();
        let of = match path.parts.as_slice() {
            [name] => self.find_type(self.module, name.name),
            [before @ .., name] => match self.container(before)? {
                Container::Module(module) => {
                    self.modules[module].types.get(&name.name).map(|found| found.0)
                }
                Container::Type(_) => None,
            },
            [] => None,
        };
        match of.map(|of| &self.types[of].kind) {
            Some(TypeKind::Struct(class)) => return Some(*class),
            Some(TypeKind::Builtin(_)) => {
                let message = format!("`{}` is built in and has no fields", self.text(last.name));
                self.error(Diagnostic::error(path.span(), message));
                return None;
            }
            Some(TypeKind::Enum(_)) => {
                let message = format!("`{}` is an enum", self.text(last.name));
                let hint = "name one of its variants";
                self.error(Diagnostic::error(path.span(), message).hint(hint));
                return None;
            }
            None => {}
        }
        if let Some(class) = self.variant_quietly(path) {
            return Some(class);
        }
        self.unknown_type(self.module, last);
        None
    }

    fn variant_quietly(&mut self, path: &Path) -> Option<ClassId> {
        let found = match path.parts.as_slice() {
            [name] => {
                let mut scope = Some(self.module);
                loop {
                    let module = scope?;
                    match self.value_in(module, name.name) {
                        Some(found) => break found,
                        None => scope = self.outer(module),
                    }
                }
            }
            [before @ .., name] => match self.container(before)? {
                Container::Module(module) => self.value_in(module, name.name)?,
                container @ Container::Type(_) => {
                    self.find_in(&container, before[before.len() - 1], *name)?
                }
            },
            [] => return None,
        };
        match found {
            Found::Variant(class) => Some(class),
            _ => None,
        }
    }

    /// The class that a variant pattern names.
    pub(super) fn find_variant(&mut self, path: &Path) -> Option<ClassId> {
        let found = match path.parts.as_slice() {
            [name] => self.find_variant_name(*name)?,
            _ => self.find(path)?,
        };
        match found {
            Found::Variant(class) => Some(class),
            _ => {
                let message = format!("`{}` is not a variant", self.text(path.last().name));
                self.error(Diagnostic::error(path.span(), message));
                None
            }
        }
    }

    fn find_variant_name(&mut self, name: Ident) -> Option<Found> {
        let mut scope = Some(self.module);
        while let Some(module) = scope {
            if self.is_ambiguous(module, name.name) {
                return self.ambiguous(name);
            }
            if let Some(found @ Found::Variant(_)) = self.value_in(module, name.name) {
                return Some(found);
            }
            scope = self.outer(module);
        }
        let text = self.text(name.name).to_owned();
        let diagnostic = Diagnostic::error(name.span, format!("unknown variant `{text}`"));
        if self.find_type(self.module, name.name).is_some() {
            let hint = format!("a struct pattern has braces: `{text} {{ .. }}`");
            self.error(diagnostic.hint(hint));
            return None;
        }
        let mut variants = Vec::new();
        let mut scope = Some(self.module);
        while let Some(module) = scope {
            let values = self.modules[module].values.iter();
            let of_module = values.filter(|entry| matches!(entry.1.0, Value::Variant(_)));
            variants.extend(of_module.map(|entry| *entry.0));
            scope = self.outer(module);
        }
        let hint = self.nearest(name.name, variants.into_iter());
        self.report(diagnostic, hint);
        None
    }

    fn ambiguous<T>(&mut self, name: Ident) -> Option<T> {
        let text = self.text(name.name).to_owned();
        let message = format!("several enums have a variant `{text}`");
        let hint = format!("name the enum too: `Enum::{text}`");
        self.error(Diagnostic::error(name.span, message).hint(hint));
        None
    }

    fn unknown_module<T>(&mut self, name: Ident) -> Option<T> {
        let text = self.text(name.name);
        let message = format!("unknown module or type `{text}`");
        let mut known = Vec::new();
        let mut scope = Some(self.module);
        while let Some(module) = scope {
            known.extend(self.modules[module].modules.keys().copied());
            known.extend(self.modules[module].types.keys().copied());
            scope = self.outer(module);
        }
        let hint = self.nearest(name.name, known.into_iter());
        self.report(Diagnostic::error(name.span, message), hint);
        None
    }

    pub(super) fn unknown_type(&mut self, module: ModuleId, name: Ident) {
        let message = format!("unknown struct or enum `{}`", self.text(name.name));
        let mut known = Vec::new();
        let mut scope = Some(module);
        while let Some(module) = scope {
            known.extend(self.modules[module].types.keys().copied());
            scope = self.outer(module);
        }
        let hint = self.nearest(name.name, known.into_iter());
        self.report(Diagnostic::error(name.span, message), hint);
    }

    fn undefined(&mut self, name: Ident, later: Option<GlobalId>) {
        let text = self.text(name.name).to_owned();
        let error = Diagnostic::error(name.span, format!("undefined name `{text}`"));
        if later.is_some() {
            let message = format!("`{text}` is used before its declaration");
            let hint = "move the declaration up: top-level statements run in order";
            return self.error(Diagnostic::error(name.span, message).hint(hint));
        }
        if name.name == self.self_name {
            return self
                .error(error.hint("only a method that has `self` as first parameter has it"));
        }
        if name.name == self.underscore {
            return self.error(error.hint("`_` is a pattern and has no value"));
        }
        if let Some(of) = self.find_type(self.module, name.name) {
            let hint = match self.types[of].kind {
                TypeKind::Struct(_) => format!("a struct is made with braces: `{text} {{ … }}`"),
                TypeKind::Enum(_) => format!("name one of its variants: `{text}::…`"),
                TypeKind::Builtin(_) => format!("`{text}` is a built-in type"),
            };
            return self.error(error.hint(hint));
        }
        if self.find_module(name.name).is_some() {
            return self.error(error.hint(format!("a module's names follow `::`: `{text}::…`")));
        }
        let hint = self.nearest(name.name, self.names_in_sight().into_iter());
        self.report(error.label("not found here"), hint);
    }

    fn names_in_sight(&self) -> Vec<Name> {
        let locals = self.bindings.iter().filter(|entry| !entry.1.is_empty());
        let mut names: Vec<Name> = locals.map(|entry| *entry.0).collect();
        let mut scope = Some(self.module);
        while let Some(module) = scope {
            names.extend(self.modules[module].values.keys().copied());
            scope = self.outer(module);
        }
        names.extend(self.native_ids.keys().copied());
        names
    }

    /// The text of the candidate nearest to `name`.
    pub(super) fn nearest(
        &self,
        name: Name,
        candidates: impl Iterator<Item = Name>,
    ) -> Option<String> {
        if self.suggestions_left == 0 {
            return None;
        }
        let texts = candidates.map(|candidate| self.text(candidate));
        let texts = texts.filter(|text| !text.starts_with(['%', '<', '_']));
        suggest::nearest(self.text(name), texts).map(str::to_owned)
    }

    /// Reports an error about a name with the nearest known one as a hint.
    pub(super) fn report(&mut self, diagnostic: Diagnostic, nearest: Option<String>) {
        self.suggestions_left = self.suggestions_left.saturating_sub(1);
        self.error(match nearest {
            Some(name) => diagnostic.hint(format!("did you mean `{name}`?")),
            None => diagnostic,
        });
    }

    /// Reports a call with the wrong number of arguments; `what` is like "`f` takes".
    pub(super) fn check_arity(
        &mut self,
        what: &str,
        expected: (usize, usize),
        given: usize,
        span: Span,
    ) {
        let (min, max) = expected;
        if (min..=max).contains(&given) {
            return;
        }
        let takes = match (min, max) {
            (min, usize::MAX) => format!("at least {}", Self::count(min, "argument")),
            (min, max) if min == max => Self::count(min, "argument"),
            (min, max) => format!("{min} to {}", Self::count(max, "argument")),
        };
        let verb = if given == 1 { "is" } else { "are" };
        let message = format!("{what} {takes}, but {given} {verb} given");
        self.error(Diagnostic::error(span, message));
    }
}

//! Patterns.

use rustc_hash::FxHashMap as HashMap;

use super::Resolver;
use super::tree::{ListPattern, Pattern, PatternKind, Target};
use crate::class::ClassId;
use crate::ir::{Const, GlobalId};
use crate::lang::ast::{self, Ident, Path, Span};
use crate::lang::diagnostics::Diagnostic;
use crate::names::Name;

/// What a pattern has bound so far.
#[derive(Default)]
struct Bindings {
    /// Names become globals, not variables.
    global: bool,
    bound: HashMap<Name, (Target, Span)>,
    order: Vec<(Ident, Target)>,
    /// In the second and later alternatives of an or-pattern: the targets of the first.
    given: Option<HashMap<Name, Target>>,
}

impl Resolver<'_> {
    /// A pattern whose names are local variables from here to the end of the scope.
    pub(super) fn local_pattern(&mut self, pattern: &ast::Pattern) -> Pattern {
        let mut bindings = Bindings::default();
        let pattern = self.pattern(pattern, &mut bindings);
        for (name, target) in bindings.order {
            if let Target::Var(var) = target {
                self.bind(name.name, var);
            }
        }
        pattern
    }

    /// The pattern of a top-level `let` and the globals that it binds.
    pub(super) fn global_pattern(&mut self, pattern: &ast::Pattern) -> (Pattern, Vec<GlobalId>) {
        let mut bindings = Bindings { global: true, ..Bindings::default() };
        let pattern = self.pattern(pattern, &mut bindings);
        let globals = bindings.order.iter().filter_map(|(_, target)| match target {
            Target::Global(global) => Some(*global),
            Target::Var(_) => None,
        });
        (pattern, globals.collect())
    }

    fn pattern(&mut self, pattern: &ast::Pattern, bindings: &mut Bindings) -> Pattern {
        Pattern { kind: self.pattern_kind(pattern, bindings), span: pattern.span }
    }

    fn pattern_kind(&mut self, pattern: &ast::Pattern, bindings: &mut Bindings) -> PatternKind {
        match &pattern.kind {
            ast::PatternKind::Wildcard | ast::PatternKind::Error => PatternKind::Any,
            ast::PatternKind::Bind(name) => self.binding(*name, bindings),
            ast::PatternKind::Nil => PatternKind::Const(Const::Nil),
            ast::PatternKind::Bool(value) => PatternKind::Const(Const::Bool(*value)),
            ast::PatternKind::Int(value) => PatternKind::Const(Const::Int(*value)),
            ast::PatternKind::Float(value) => PatternKind::Const(Const::Float(*value)),
            ast::PatternKind::Char(value) => PatternKind::Const(Const::Char(*value)),
            ast::PatternKind::Str(text) => PatternKind::Const(Const::Str(text.as_str().into())),
            ast::PatternKind::Keyword(name) => PatternKind::Const(Const::Keyword(*name)),
            ast::PatternKind::Range { start, end, inclusive } => {
                range_pattern(*start, *end, *inclusive)
            }
            ast::PatternKind::Tuple(parts) => PatternKind::Tuple(self.patterns(parts, bindings)),
            ast::PatternKind::List { before, rest, after } => {
                self.list_pattern(before, *rest, after, bindings)
            }
            ast::PatternKind::Variant { path, args } => {
                self.variant_pattern(path, args, pattern.span, bindings)
            }
            ast::PatternKind::Struct { path, fields } => {
                self.struct_pattern(path, fields, bindings)
            }
            ast::PatternKind::Or(parts) => self.or_pattern(parts, bindings),
        }
    }

    fn patterns(&mut self, parts: &[ast::Pattern], bindings: &mut Bindings) -> Vec<Pattern> {
        parts.iter().map(|part| self.pattern(part, bindings)).collect()
    }

    fn binding(&mut self, name: Ident, bindings: &mut Bindings) -> PatternKind {
        if name.name == self.underscore {
            return PatternKind::Any;
        }
        PatternKind::Bind(self.target(name, bindings))
    }

    fn target(&mut self, name: Ident, bindings: &mut Bindings) -> Target {
        if let Some(&(target, first)) = bindings.bound.get(&name.name) {
            let message = format!("`{}` is bound twice in this pattern", self.text(name.name));
            self.error(Diagnostic::error(name.span, message).note_at(first, "first bound here"));
            return target;
        }
        let given = bindings.given.as_ref().and_then(|given| given.get(&name.name).copied());
        let target = match given {
            Some(target) => target,
            None if bindings.global => Target::Global(self.global_at[&name.span]),
            None => Target::Var(self.new_var(name)),
        };
        bindings.bound.insert(name.name, (target, name.span));
        bindings.order.push((name, target));
        target
    }

    fn list_pattern(
        &mut self,
        before: &[ast::Pattern],
        rest: Option<Option<Ident>>,
        after: &[ast::Pattern],
        bindings: &mut Bindings,
    ) -> PatternKind {
        let before = self.patterns(before, bindings);
        let rest = rest.map(|name| {
            let name = name.filter(|name| name.name != self.underscore);
            name.map(|name| self.target(name, bindings))
        });
        let after = self.patterns(after, bindings);
        PatternKind::List(Box::new(ListPattern { before, rest, after }))
    }

    fn variant_pattern(
        &mut self,
        path: &Path,
        args: &[ast::Pattern],
        span: Span,
        bindings: &mut Bindings,
    ) -> PatternKind {
        let class = self.find_variant(path);
        let args = self.patterns(args, bindings);
        let Some(class) = class else { return PatternKind::Any };
        let expected = self.class(class).fields.len();
        if expected != args.len() {
            let name = self.text(path.last().name);
            let fields = Self::count(expected, "field");
            let message = format!("variant `{name}` has {fields}, the pattern has {}", args.len());
            let wildcards = vec!["_"; expected].join(", ");
            let hint = match expected {
                0 => format!("write `{name}`"),
                _ => format!("write `{name}({wildcards})`"),
            };
            self.error(Diagnostic::error(span, message).hint(hint));
            return PatternKind::Any;
        }
        PatternKind::Record(class, (0..).zip(args).collect())
    }

    fn struct_pattern(
        &mut self,
        path: &Path,
        fields: &[(Ident, ast::Pattern)],
        bindings: &mut Bindings,
    ) -> PatternKind {
        let class = self.find_record(path);
        let mut slots = Vec::with_capacity(fields.len());
        let mut seen: HashMap<Name, Span> = HashMap::default();
        for (name, part) in fields {
            let part = self.pattern(part, bindings);
            let Some(class) = class else { continue };
            self.check_field_once(*name, &mut seen);
            slots.extend(self.slot(class, *name).map(|slot| (slot, part)));
        }
        match class {
            Some(class) => PatternKind::Record(class, slots),
            None => PatternKind::Any,
        }
    }

    pub(super) fn check_field_once(&mut self, name: Ident, seen: &mut HashMap<Name, Span>) {
        if let Some(first) = seen.insert(name.name, name.span) {
            let message = format!("field `{}` is given twice", self.text(name.name));
            self.error(Diagnostic::error(name.span, message).note_at(first, "first given here"));
        }
    }

    /// The slot of a field; reports an error when the class has no such field.
    pub(super) fn slot(&mut self, class: ClassId, field: Ident) -> Option<u32> {
        let slots = &self.class(class).fields;
        if let Some(slot) = slots.iter().position(|name| *name == field.name) {
            return Some(slot as u32);
        }
        let (of, name) = (self.text(self.class(class).name), self.text(field.name));
        let message = format!("`{of}` has no field `{name}`");
        let hint = self.nearest(field.name, slots.iter().copied());
        self.report(Diagnostic::error(field.span, message), hint);
        None
    }

    /// All alternatives bind the names of the first one.
    fn or_pattern(&mut self, parts: &[ast::Pattern], bindings: &mut Bindings) -> PatternKind {
        let outer = bindings.order.len();
        let mut alternatives = Vec::with_capacity(parts.len());
        let Some((first, others)) = parts.split_first() else { return PatternKind::Any };
        alternatives.push(self.pattern(first, bindings));
        let ours: Vec<(Ident, Target)> = bindings.order[outer..].to_vec();
        let given: HashMap<Name, Target> =
            ours.iter().map(|(name, target)| (name.name, *target)).collect();
        for other in others {
            let mut inner = Bindings {
                global: bindings.global,
                bound: bindings.bound.clone(),
                order: Vec::new(),
                given: Some(given.clone()),
            };
            inner.bound.retain(|name, _| !given.contains_key(name));
            self.check_same_names(other, &given, &bindings.bound);
            alternatives.push(self.pattern(other, &mut inner));
        }
        PatternKind::Or(alternatives, ours.iter().map(|(_, target)| *target).collect())
    }

    fn check_same_names(
        &mut self,
        other: &ast::Pattern,
        given: &HashMap<Name, Target>,
        bound: &HashMap<Name, (Target, Span)>,
    ) {
        let mut names = Vec::new();
        super::modules::bound_names(other, &mut names);
        names.retain(|name| name.name != self.underscore);
        let hint = "alternatives bind the same names, or none";
        for name in &names {
            if !given.contains_key(&name.name) && !bound.contains_key(&name.name) {
                let text = self.text(name.name);
                let message = format!("`{text}` is not bound by the first alternative");
                self.error(Diagnostic::error(name.span, message).hint(hint));
            }
        }
        let mut missing: Vec<Name> = given.keys().copied().collect();
        missing.retain(|name| names.iter().all(|ident| ident.name != *name));
        missing.sort();
        for name in missing {
            let message = format!("this alternative does not bind `{}`", self.text(name));
            self.error(Diagnostic::error(other.span, message).hint(hint));
        }
    }
}

fn range_pattern(start: i64, end: i64, inclusive: bool) -> PatternKind {
    match (inclusive, end.checked_sub(1)) {
        (true, _) => PatternKind::Range { start, end },
        (false, Some(end)) => PatternKind::Range { start, end },
        // `a..i64::MIN` holds nothing.
        (false, None) => PatternKind::Range { start: 1, end: 0 },
    }
}

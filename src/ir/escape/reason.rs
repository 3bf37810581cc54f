//! Why something escapes, and how that is said.

use crate::ir::{FuncId, GlobalId, NativeId, Program};
use crate::lang::ast::Span;
use crate::lang::diagnostics::Sources;
use crate::names::Name;

/// A way out of a function's frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It is returned.
    Returned,
    /// It is thrown.
    Thrown,
    /// It is assigned to a global variable.
    Global(GlobalId),
    /// It is passed to a function that is not known.
    UnknownCall,
    /// It is this argument of a function that lets it out.
    Call(FuncId, u32),
    /// It is passed on by a call that replaces the frame.
    TailCall,
    /// It is passed to a builtin function that may keep it.
    Builtin(NativeId),
    /// It is passed to a method, one of which lets it out.
    Method(Name),
    /// A task gets it.
    Task,
    /// A weak reference or a finalizer observes its end.
    Watched,
    /// It is captured by a function that lets it out.
    Capture(FuncId),
    /// It is put into a field.
    Field(Name),
    /// It is put into an element of a collection.
    Element,
    /// It is put into a variable that a closure shares.
    Variable,
    /// It is a part of a literal or a closure.
    Part,
    /// (of what something is put into) It came as an argument, or is reached through one.
    Argument,
    /// (of what something is put into) It is reached through a captured variable.
    CapturedVariable,
    /// (of what something is put into) It comes from a global variable.
    FromGlobal(GlobalId),
    /// (of what something is put into) It comes from a call that is not looked into.
    FromCall,
    /// (of what something is put into) It was caught.
    Caught,
    /// It is the value of the region that it was made in.
    RegionValue,
    /// It is reached where the region that it was made in is not open.
    OutsideRegion,
    /// It was made in a region of which the compiler does not see where it ends.
    UnknownRegion,
    /// The function has too many parameters to be looked into.
    TooLarge,
}

/// A reason, its place, and the first cause behind it when it is a step on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Why {
    /// What happens to the thing itself.
    pub reason: Reason,
    /// Where.
    pub span: Span,
    /// Why what it was put into escapes.
    pub root: Option<(Reason, Span)>,
}

impl Why {
    /// A cause of its own.
    pub fn new(reason: Reason, span: Span) -> Why {
        Why { reason, span, root: None }
    }

    /// Why something escapes that is put into what escapes for this reason.
    pub(super) fn after(self, reason: Reason, span: Span) -> Why {
        Why { reason, span, root: Some(self.root.unwrap_or((self.reason, self.span))) }
    }

    /// In words, with places. `behind` says why a function lets an argument out.
    pub fn text(
        &self,
        program: &Program,
        sources: &Sources,
        behind: &dyn Fn(FuncId, u32) -> Option<Why>,
    ) -> String {
        let words = Words { program, sources };
        let mut text = words.step(self.reason, self.span);
        if let Some((reason, span)) = self.root {
            text += &format!(" of what is {}", words.root(reason, span));
        }
        if let Reason::Call(function, argument) = self.reason
            && let Some(inner) = behind(function, argument)
        {
            text += &format!(", where it is {}", words.step(inner.reason, inner.span));
        }
        text
    }
}

struct Words<'a> {
    program: &'a Program,
    sources: &'a Sources,
}

impl Words<'_> {
    /// ` at line:column`; nothing for what the compiler made up or the prelude does.
    fn at(&self, span: Span) -> String {
        if span.file == crate::compile::PRELUDE_FILE {
            return String::new();
        }
        let (line, column) = self.sources.line_column(span.file, span.start);
        format!(" at {line}:{column}")
    }

    fn function(&self, function: FuncId) -> &str {
        self.program.names.text(self.program.funcs[function.index()].name)
    }

    fn global(&self, global: GlobalId) -> &str {
        self.program.names.text(self.program.globals[global.index()])
    }

    /// What happens to a thing.
    fn step(&self, reason: Reason, span: Span) -> String {
        let name = |name: Name| self.program.names.text(name);
        let what = match reason {
            Reason::Returned => "returned".to_owned(),
            Reason::Thrown => "thrown".to_owned(),
            Reason::Global(global) => format!("assigned to global `{}`", self.global(global)),
            Reason::UnknownCall => "passed to an unknown function".to_owned(),
            Reason::Call(function, _) => format!("passed to `{}`", self.function(function)),
            Reason::TailCall => "passed on by a tail call".to_owned(),
            Reason::Builtin(native) => match crate::builtins::FUNCTIONS.get(native.index()) {
                Some(builtin) => format!("passed to builtin `{}`", builtin.name),
                None => "passed to a function of the host".to_owned(),
            },
            Reason::Method(method) => format!("passed to method `{}`", name(method)),
            Reason::Task => "passed to a task".to_owned(),
            Reason::Watched => "watched by a weak reference or a finalizer".to_owned(),
            Reason::Capture(function) => {
                format!("captured by `{}`, which lets it out", self.function(function))
            }
            Reason::Field(field) => format!("put into field `{}`", name(field)),
            Reason::Element => "put into an element".to_owned(),
            Reason::Variable => "put into a captured variable".to_owned(),
            Reason::Part => "a part".to_owned(),
            Reason::RegionValue => "the value of its arena".to_owned(),
            Reason::OutsideRegion => "used outside of its arena".to_owned(),
            Reason::UnknownRegion => "made in an arena with an end that is not known".to_owned(),
            Reason::Argument
            | Reason::CapturedVariable
            | Reason::FromGlobal(_)
            | Reason::FromCall
            | Reason::Caught
            | Reason::TooLarge => return self.root(reason, span),
        };
        what + &self.at(span)
    }

    /// What is the case with the thing that another one is put into.
    fn root(&self, reason: Reason, span: Span) -> String {
        match reason {
            Reason::Argument => "reached through an argument".to_owned(),
            Reason::CapturedVariable => "reached through a captured variable".to_owned(),
            Reason::FromGlobal(global) => format!("in global `{}`", self.global(global)),
            Reason::FromCall => format!("the result of a call{}", self.at(span)),
            Reason::Caught => "caught".to_owned(),
            Reason::TooLarge => {
                "passed to a function with too many parameters to look into".to_owned()
            }
            reason => self.step(reason, span),
        }
    }
}

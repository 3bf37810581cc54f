//! How a run ended, as data: endings, stack traces, places. Rendering them is the command line's.

use crate::builtins::format;
use crate::class::ClassId;
use crate::compile::PRELUDE_FILE;
use crate::interp::Loaded;
use crate::lang::ast::Span;
use crate::names::Name;
use crate::object::ObjectKind;
use crate::table::Stuck;
use crate::value::{Kind, Value};
use crate::world::World;

/// A place in the program: function and span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The function's name.
    pub function: Name,
    /// The instruction's place.
    pub span: Span,
}

impl Place {
    /// The place of a word of the code.
    pub fn of(loaded: &Loaded, index: u32) -> Option<Place> {
        let function = &loaded.code().functions[loaded.function_at(index)?];
        let span = loaded.span_at(index).unwrap_or(function.span);
        Some(Place { function: function.name, span })
    }
}

/// The innermost of these places (innermost first) that the program's author wrote: a task that
/// waits in the prelude stands, to its reader, where the prelude was called.
pub fn own_place(places: &[Place]) -> Option<Place> {
    places.iter().find(|p| p.span.file != PRELUDE_FILE).or(places.first()).copied()
}

/// How a program ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Ending {
    /// All tasks are done.
    Finished,
    /// An error that nobody caught.
    Uncaught(Uncaught),
    /// The step limit is used up; where.
    StepLimit(Vec<Place>),
    /// Every task waits for another.
    Deadlock(Vec<Stuck>),
    /// The program's output could not be written.
    OutputFailed(String),
    /// The program asked for this status.
    Exit(u8),
}

/// An error that nobody caught.
#[derive(Clone, PartialEq, Debug)]
pub struct Uncaught {
    /// The `kind` of an Error, or the class of another thrown value.
    pub kind: String,
    /// The `message` of an Error, or the other value's display form.
    pub message: String,
    /// Innermost first.
    pub trace: Vec<Place>,
}

impl Ending {
    /// The exit status of `menagerie exec` (documented in its help).
    pub fn status(&self) -> u8 {
        match self {
            Ending::Finished => 0,
            Ending::Uncaught(u) if u.kind == "OutOfMemory" => 3,
            Ending::Uncaught(_) | Ending::OutputFailed(_) => 1,
            Ending::StepLimit(_) => 4,
            Ending::Deadlock(_) => 5,
            Ending::Exit(status) => *status,
        }
    }
    /// The error kind, in the words of `// expect-error:`.
    pub fn error_kind(&self) -> Option<&str> {
        match self {
            Ending::Finished | Ending::Exit(_) => None,
            Ending::Uncaught(u) => Some(&u.kind),
            Ending::StepLimit(_) => Some("StepLimit"),
            Ending::Deadlock(_) => Some("Deadlock"),
            Ending::OutputFailed(_) => Some("OutputFailed"),
        }
    }
}

/// The places of a trace.
pub fn trace_of(loaded: &Loaded, trace: &[u32]) -> Vec<Place> {
    trace.iter().filter_map(|&i| Place::of(loaded, i)).collect()
}

/// What a thrown value is, for the report: taken before anything else can happen to it.
pub fn describe_error(world: &World, error: Value, trace: Vec<Place>) -> Ending {
    if let Some(o) = error.as_object()
        && o.class() == ClassId::ERROR
    {
        let kind = match o.slot(0).kind() {
            Kind::Keyword(name) => world.program.names.text(name).to_owned(),
            _ => format::display_plain(world, o.slot(0)),
        };
        let message = match o.slot(1).as_object() {
            Some(text) if text.kind() == ObjectKind::Str => {
                // SAFETY: strings are not written after construction; no safepoint here.
                String::from_utf8_lossy(unsafe { text.bytes() }).into_owned()
            }
            _ => format::display_plain(world, o.slot(1)),
        };
        return Ending::Uncaught(Uncaught { kind, message, trace });
    }
    let kind = "Thrown".to_owned();
    Ending::Uncaught(Uncaught { kind, message: format::display_plain(world, error), trace })
}

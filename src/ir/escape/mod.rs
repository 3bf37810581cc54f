//! Escape analysis: which objects outlive the call that makes them, and why.
//!
//! For every allocation site the analysis finds a [`Verdict`]: `Frame` when nothing that the site
//! makes can be reached once its function has returned (or was left by an error, or replaced by a
//! tail call), `Heap` with a [`Reason`] otherwise. Objects that their function sees whole are not
//! allocated at all: `Scalar` (`scalars`).
//!
//! ```text
//!   function bodies ──► flow graphs ──► summaries ─┐      who may be whom, what is in what
//!                            ▲                     │      (graph, function)
//!                            └──── fixpoint ◄──────┘      over the call graph (summary)
//!                                     │
//!                                     ▼
//!                         verdicts, with their reasons    (reason)
//! ```
//!
//! It follows Choi et al., "Escape Analysis for Java" (1999): per function a graph, per call the
//! callee's summary. Departures: the inside of objects is merged where objects may be the same
//! (see `graph`), and a call whose target is unknown in part takes all methods of that name.
//!
//! What the language makes necessary:
//! - A closure escapes with what it captures; what its body does to captured variables happens
//!   where it is made.
//! - A thrown value escapes, even when it is caught in the same function; a caught one may be
//!   anything.
//! - A weak reference or a finalizer observes when an object ends, so it must be one (a real one).
//! - Arguments of a tail call outlive the frame that made them. (What can only end in a builtin is no tail
//!   call any more: `passes::tails`.)
//! - A task may be stopped at any poll, its frames and registers stay: that is no escape. What is
//!   passed to another task is one.

mod effects;
mod explain;
mod function;
mod graph;
mod reason;
mod regions;
mod scalars;
mod summary;

pub use explain::explain;
pub use reason::{Reason, Why};
pub use scalars::Dissolved;

use super::{BlockId, FuncId, Lifetime, Op, Program};
use crate::class::{ClassId, RecordKind};
use crate::lang::ast::Span;
use crate::lang::diagnostics::Sources;
use summary::Summaries;

/// What is made of the analysis.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Mode {
    /// Nothing: every object is allocated on the heap.
    Off,
    /// Objects that do not outlive their frame become values, or are allocated as local ones.
    #[default]
    Frame,
    /// As `Frame`, and objects that do not outlive their `arena` are allocated in its region.
    FrameRegion,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::Off, Mode::Frame, Mode::FrameRegion];

    /// Its name on the command line and in result files.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Frame => "frame",
            Mode::FrameRegion => "frame+region",
        }
    }
}

/// What the pass is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// What is made of the analysis.
    pub mode: Mode,
    /// How many fields of objects a frame may hold. What does not fit is allocated as ever.
    pub frame_budget: u32,
    /// Functions of this file are left as they are.
    pub ignored_file: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options { mode: Mode::default(), frame_budget: 64, ignored_file: None }
    }
}

/// Dissolves objects into values, in a well-formed program.
pub fn dissolve(program: &mut Program, options: Options) -> Dissolved {
    match options.mode {
        Mode::Off => Dissolved::default(),
        Mode::Frame | Mode::FrameRegion => scalars::run(program, options),
    }
}

/// Notes on every allocation of a well-formed program how long its object lives at most (rule R7
/// of the IR). Passes that come afterwards must not make anything live longer.
///
/// An object that is noted as local is used neither after its frame has ended nor after the
/// innermost region has been left that was open when it was made, be it a caller's.
pub fn note_lifetimes(program: &mut Program, options: Options) {
    if options.mode == Mode::Off {
        return;
    }
    let functions = functions_with(program, options.ignored_file, Op::may_be_local);
    if functions.is_empty() {
        return;
    }
    let analysis = Analysis::new(program, &functions);
    for function in functions {
        for site in analysis.sites(program, function) {
            let block = &mut program.funcs[function.index()].blocks[site.block.index()];
            let inst = &mut block.insts[site.inst as usize];
            if inst.op.may_be_local() {
                inst.lifetime = match site.is_held {
                    true => Lifetime::Heap,
                    false => site.verdict.lifetime(options.mode),
                };
            }
        }
    }
}

/// The functions outside of a file that have such an instruction.
fn functions_with(
    program: &Program,
    ignored_file: Option<u32>,
    has: impl Fn(&Op) -> bool,
) -> Vec<FuncId> {
    let functions = (0..).map(FuncId).zip(&program.funcs);
    let others = functions.filter(|(_, function)| Some(function.span.file) != ignored_file);
    let with = others.filter(|(_, function)| {
        let mut insts = function.blocks.iter().flat_map(|block| &block.insts);
        insts.any(|inst| has(&inst.op))
    });
    with.map(|(id, _)| id).collect()
}

/// Where an object of a site may live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nowhere: its fields are values of its function.
    Scalar,
    /// It does not outlive the frame of the function that makes it.
    Frame,
    /// It does not outlive the `arena` that it is made in.
    Region,
    /// It may.
    Heap,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 4] = [Verdict::Scalar, Verdict::Frame, Verdict::Region, Verdict::Heap];

    /// What is noted on the allocation.
    fn lifetime(self, mode: Mode) -> Lifetime {
        match self {
            Verdict::Frame => Lifetime::Frame,
            Verdict::Region if mode == Mode::FrameRegion => Lifetime::Region,
            _ => Lifetime::Heap,
        }
    }

    /// Its name in listings.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Scalar => "scalar",
            Verdict::Frame => "frame",
            Verdict::Region => "region",
            Verdict::Heap => "heap",
        }
    }
}

/// What a site makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SiteKind {
    /// A record literal.
    Record(ClassId),
    /// A copy of a record with other fields: `P { ..p, x: 1 }`.
    Update(ClassId),
    /// A tuple.
    Tuple,
    /// A list literal.
    List,
    /// What a list pattern binds `..rest` to.
    Rest,
    /// A map literal.
    Map,
    /// A set literal.
    Set,
    /// A range as a value.
    Range,
    /// A closure with captured variables.
    Closure(FuncId),
    /// A variable that is captured and assigned.
    Cell,
}

impl SiteKind {
    /// What an instruction makes, if it is a site.
    fn of(op: &Op) -> Option<SiteKind> {
        Some(match op {
            Op::MakeRecord(class, _) => SiteKind::Record(*class),
            Op::UpdateRecord(class, ..) => SiteKind::Update(*class),
            Op::MakeTuple(_) => SiteKind::Tuple,
            Op::MakeList(_) => SiteKind::List,
            Op::ListRest { .. } => SiteKind::Rest,
            Op::MakeMap(_) => SiteKind::Map,
            Op::MakeSet(_) => SiteKind::Set,
            Op::MakeRange { .. } => SiteKind::Range,
            Op::Closure(f, _) => SiteKind::Closure(*f),
            Op::CellNew(_) => SiteKind::Cell,
            _ => return None,
        })
    }

    /// In a word or two.
    fn text(self, program: &Program) -> String {
        let class = |class: ClassId| {
            let class = &program.classes[usize::from(class.0 - ClassId::FIRST_RECORD)];
            match class.kind {
                RecordKind::Dynamic => "#{}".to_owned(),
                _ => program.names.text(class.name).to_owned(),
            }
        };
        match self {
            SiteKind::Record(id) => format!("record {}", class(id)),
            SiteKind::Update(id) => format!("copy of {}", class(id)),
            SiteKind::Tuple => "tuple".to_owned(),
            SiteKind::List => "list".to_owned(),
            SiteKind::Rest => "list rest".to_owned(),
            SiteKind::Map => "map".to_owned(),
            SiteKind::Set => "set".to_owned(),
            SiteKind::Range => "range".to_owned(),
            SiteKind::Closure(_) => "closure".to_owned(),
            SiteKind::Cell => "cell".to_owned(),
        }
    }
}

/// An allocation site and what was found out about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// The function it is in.
    pub function: FuncId,
    /// The block.
    pub block: BlockId,
    /// The instruction's index in the block.
    pub inst: u32,
    /// What it makes.
    pub kind: SiteKind,
    /// Where it stands in the source.
    pub span: Span,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not `Frame`.
    pub why: Option<Why>,
    /// Whether it is put into an object that no frame can hold. Then it is left to the heap, too: there
    /// it costs less than a frame's memory that is referred to from outside.
    pub is_held: bool,
}

/// The analysis of a program.
#[derive(Debug)]
pub struct Analysis {
    summaries: Summaries,
}

impl Analysis {
    /// Analyses these functions of a well-formed program.
    pub fn new(program: &Program, functions: &[FuncId]) -> Analysis {
        Analysis { summaries: Summaries::new(program, functions) }
    }

    /// The sites of one function, in the order of its blocks.
    pub fn sites(&self, program: &Program, function: FuncId) -> Vec<Site> {
        function::sites(program, &self.summaries, function)
    }

    /// Why a site has its verdict, in words.
    pub fn reason_text(&self, program: &Program, sources: &Sources, site: &Site) -> String {
        let behind = |f: FuncId, argument: u32| {
            let input = self.summaries.of(f).inputs.get(argument as usize)?;
            input.escapes.or(input.content_escapes)
        };
        match (site.verdict, site.why) {
            (Verdict::Heap, Some(why)) => why.text(program, sources, &behind),
            (Verdict::Scalar, _) => "its function sees all of it".to_owned(),
            (Verdict::Region, _) => "does not outlive its arena".to_owned(),
            _ if site.is_held => {
                "does not outlive its frame, but what it is put into is not in it".to_owned()
            }
            _ => "does not outlive its frame".to_owned(),
        }
    }
}

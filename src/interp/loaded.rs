//! A program ready to run: its words (inline caches are rewritten in place), functions, method
//! table, switch tables, places, and the register liveness that collections use.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap as HashMap;

use super::FuncInfo;
use crate::builtins;
use crate::bytecode::liveness::FunctionLiveness;
use crate::bytecode::ops::{Instruction, Op};
use crate::bytecode::verify::Verified;
use crate::bytecode::{Code, Constant};
use crate::class::ClassId;
use crate::host::{Host, NativeFn};
use crate::ir::Program;
use crate::lang::ast::Span;
use crate::names::Name;
use crate::object::{ObjectKind, ObjectLayout, slots};
use crate::task::Task;
use crate::value::Value;

/// A builtin method.
#[repr(align(8))]
#[derive(Clone, Copy, Debug)]
pub struct NativeMethod {
    /// The builtin.
    pub run: NativeFn,
    /// Least number of arguments, the receiver included.
    pub min_args: u8,
    /// Greatest number; 255 = any.
    pub max_args: u8,
}

/// What a method call ends up in.
#[derive(Clone, Copy, Debug)]
pub enum Method {
    /// A Mena function.
    Mena(FuncInfo),
    /// A builtin.
    Native(NativeMethod),
}

/// A method table entry as a site's cache holds it: class in the top 16 bits, then the address of
/// a [`FuncInfo`] or, with bit 0 set, of a [`NativeMethod`].
#[derive(Clone, Copy, Debug)]
struct Target(u64);

const NATIVE: u64 = 1;

/// `Switch`, with targets as addresses.
#[derive(Debug)]
pub struct LoadedSwitch {
    /// The int of the first target.
    pub min: i64,
    /// By `value - min`.
    pub targets: Box<[*const u64]>,
    /// For everything else.
    pub default: *const u64,
}

/// A loaded program.
#[derive(Debug)]
pub struct Loaded {
    verified: Verified,
    /// The words that run, then the `Halt` stub. Atomic: inline caches are rewritten by whoever
    /// misses, one word at a time.
    words: Box<[AtomicU64]>,
    funcs: Box<[FuncInfo]>,
    sites: Box<[AtomicU64]>,
    methods: HashMap<(ClassId, Name), Target>,
    _native_methods: Box<[NativeMethod]>,
    pub(super) switches: Box<[LoadedSwitch]>,
    liveness: Box<[OnceLock<FunctionLiveness>]>,
    /// Field name → slot, by record class.
    fields: Vec<HashMap<Name, usize>>,
}

// SAFETY: the raw pointers point into boxes of the same structure, which never move or change,
// except for the words and sites, which are atomic.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Loaded {
    /// Makes verified code ready to run. `program` gives classes, methods and names (the builtin
    /// methods' names are added to the table).
    pub fn new(verified: Verified, program: &mut Program) -> Arc<Loaded> {
        let code = verified.code();
        let halt = Instruction { op: Op::Halt, a: 0, b: 0, c: 0, d: 0 }.encode();
        let words: Box<[AtomicU64]> =
            code.words.iter().copied().chain([halt]).map(AtomicU64::new).collect();
        let at = |i: u32| words[i as usize].as_ptr().cast_const();
        let funcs: Box<[FuncInfo]> = (0..)
            .zip(&code.functions)
            .map(|(id, f)| FuncInfo {
                code: at(f.start),
                registers: f.registers.max(1),
                params: f.params,
                captures: f.captures,
                id,
            })
            .collect();
        let switches = code
            .switches
            .iter()
            .map(|t| LoadedSwitch {
                min: t.min,
                targets: t.targets.iter().map(|&i| at(i)).collect(),
                default: at(t.default),
            })
            .collect();
        let native_methods: Box<[NativeMethod]> = builtins::METHODS
            .iter()
            .map(|m| NativeMethod { run: m.run, min_args: m.min_args, max_args: m.max_args })
            .collect();
        let mut methods = HashMap::default();
        for (native, m) in native_methods.iter().zip(builtins::METHODS) {
            let target = std::ptr::from_ref(native) as u64 | NATIVE;
            methods.insert((m.class, program.names.intern(m.name)), Target(target));
        }
        for &(class, name, f) in &program.methods {
            let target = std::ptr::from_ref(&funcs[f.index()]) as u64;
            methods.insert((class, name), Target(target));
        }
        let fields =
            program.classes.iter().map(|c| c.fields.iter().copied().zip(0..).collect()).collect();
        Arc::new(Loaded {
            sites: code.method_sites.iter().map(|_| AtomicU64::new(u64::MAX)).collect(),
            liveness: code.functions.iter().map(|_| OnceLock::new()).collect(),
            words,
            funcs,
            methods,
            _native_methods: native_methods,
            switches,
            fields,
            verified,
        })
    }

    /// The code.
    pub fn code(&self) -> &Code {
        self.verified.code()
    }
    /// By function number.
    pub fn funcs(&self) -> &[FuncInfo] {
        &self.funcs
    }
    /// The method caches, by site.
    pub fn sites(&self) -> &[AtomicU64] {
        &self.sites
    }
    /// The stub that outermost frames return to (T4).
    pub fn halt(&self) -> *const u64 {
        self.words[self.words.len() - 1].as_ptr()
    }
    /// The index of a word.
    pub fn index_of(&self, pc: *const u64) -> u32 {
        ((pc as usize - self.words.as_ptr() as usize) / 8) as u32
    }
    /// The address of a word.
    pub fn word(&self, index: u32) -> *const u64 {
        self.words[index as usize].as_ptr()
    }
    /// Rewrites an inline cache: one relaxed store of the whole word.
    pub fn patch(&self, pc: *const u64, word: u64) {
        self.words[self.index_of(pc) as usize].store(word, Relaxed);
    }
    /// The function that a word belongs to.
    pub fn function_at(&self, index: u32) -> Option<usize> {
        let functions = &self.code().functions;
        let i = functions.partition_point(|f| f.start <= index).checked_sub(1)?;
        (index < functions[i].end).then_some(i)
    }
    /// Whether the frame that is at this word has announced local objects, and not yet left them (V9).
    pub(super) fn has_local_objects_at(&self, index: u32) -> bool {
        let op = |index: u32| Op::of(self.words[index as usize].load(Relaxed));
        let Some(function) = self.function_at(index) else { return false };
        op(self.code().functions[function].start) == Some(Op::FrameEnter)
            && !op(index).is_some_and(Op::leaves_frame)
    }
    /// The source place of a word.
    pub fn span_at(&self, index: u32) -> Option<Span> {
        let spans = &self.code().spans;
        let i = spans.partition_point(|&(start, _)| start <= index).checked_sub(1)?;
        Some(spans[i].1)
    }
    /// The slot of a field.
    pub fn field_slot(&self, class: ClassId, field: Name) -> Option<usize> {
        let record = class.0.checked_sub(ClassId::FIRST_RECORD)?;
        self.fields.get(record as usize)?.get(&field).copied()
    }
    /// The method of a class, through the cache of a call site.
    pub fn method(&self, class: ClassId, name: Name, site: usize) -> Option<Method> {
        let cached = self.sites[site].load(Relaxed);
        let target = if cached >> 48 == u64::from(class.0) {
            Target(cached << 16 >> 16)
        } else {
            let target = *self.methods.get(&(class, name))?;
            if self.cacheable(target, site) {
                self.sites[site].store(u64::from(class.0) << 48 | target.0, Relaxed);
            }
            target
        };
        Some(Self::resolve(target))
    }
    /// A site may only cache a method that takes the site's number of arguments: the fast path does
    /// not look at it again.
    fn cacheable(&self, target: Target, site: usize) -> bool {
        let args = self.code().method_sites[site].args;
        match Self::resolve(target) {
            Method::Mena(f) => f.params == args,
            Method::Native(m) => (m.min_args..=m.max_args).contains(&args),
        }
    }
    /// The builtin that a site has cached for this class.
    #[inline(always)]
    pub(super) fn cached_builtin(&self, class: ClassId, site: usize) -> Option<NativeFn> {
        let cached = self.sites[site].load(Relaxed);
        if cached >> 48 != u64::from(class.0) {
            return None;
        }
        match Self::resolve(Target(cached << 16 >> 16)) {
            Method::Mena(_) => None,
            Method::Native(m) => Some(m.run),
        }
    }
    fn resolve(target: Target) -> Method {
        let address = target.0 & !NATIVE;
        // SAFETY: targets are made in `new` from references into `self`'s boxes.
        unsafe {
            if target.0 & NATIVE == 0 {
                Method::Mena(*(address as *const FuncInfo))
            } else {
                Method::Native(*(address as *const NativeMethod))
            }
        }
    }
    /// Names of the methods of a class, for error messages.
    pub fn method_names(&self, class: ClassId) -> impl Iterator<Item = Name> + '_ {
        self.methods.keys().filter(move |(c, _)| *c == class).map(|&(_, n)| n)
    }

    /// Fills the constant table. Allocates; called once, before the program runs.
    pub fn make_constants(&self, host: &mut dyn Host) -> Result<(), Value> {
        // Reserved at once, so that the table does not move while the heap knows it.
        let count = self.code().constants.len();
        host.world().constants = vec![Value::NIL; count];
        for (i, constant) in self.code().constants.iter().enumerate() {
            let v = make_constant(host, constant)?;
            let place: *mut Value = &mut host.world().constants[i];
            host.set_root(place, v);
        }
        Ok(())
    }

    fn liveness(&self, function: usize) -> &FunctionLiveness {
        self.liveness[function].get_or_init(|| FunctionLiveness::new(self.code(), function))
    }

    /// The registers of the function that runs at `pc`, a word of the program.
    pub fn registers_at(&self, pc: *const u64) -> std::ops::Range<usize> {
        let function = self.function_at(self.index_of(pc)).expect("by the caller");
        0..self.funcs[function].registers as usize
    }
    /// Which of them are live there.
    pub fn live_registers(&self, pc: *const u64) -> impl Iterator<Item = usize> + '_ {
        let index = self.index_of(pc);
        self.liveness(self.function_at(index).expect("by the caller")).live(index)
    }
    /// Which of them are dead there.
    pub fn dead_registers(&self, pc: *const u64) -> impl Iterator<Item = usize> + '_ {
        let index = self.index_of(pc);
        let live = self.liveness(self.function_at(index).expect("by the caller"));
        self.registers_at(pc).filter(move |&r| !live.live_at(index, r as u8))
    }

    /// Prepares a suspended task for a collection: dead registers and everything above the top
    /// become nil (T3), so that they neither keep garbage alive nor go stale. Returns the top.
    ///
    /// # Safety
    /// The task's state is saved (T1) and nobody runs it.
    pub unsafe fn clear_dead_registers(&self, task: &mut Task) -> *mut Value {
        let index = self.index_of(task.pc);
        let Some(function) = self.function_at(index) else {
            // On the stub: only the result is left.
            // SAFETY: a block has at least one register.
            let top = unsafe { task.base.add(1) };
            // SAFETY: by the caller.
            unsafe { task.clear_above(top) };
            return top;
        };
        let registers = self.funcs[function].registers as usize;
        let live = self.liveness(function);
        // SAFETY: the window has `registers` words below the frames (T2).
        let top = unsafe { task.base.add(registers) };
        for r in 0..registers {
            if !live.live_at(index, r as u8) {
                // SAFETY: within the window.
                unsafe { *task.base.add(r) = Value::NIL };
            }
        }
        // SAFETY: by the caller.
        unsafe { task.clear_above(top) };
        let frames: Vec<_> = task.frames().collect();
        for frame in frames {
            // SAFETY: frames return behind their call, which is a word of the program, or to the
            // stub, which has a word before it.
            let call = unsafe { frame.pc.sub(1) };
            if frame.pc == self.halt() {
                break;
            }
            let call_index = self.index_of(call);
            let Some(function) = self.function_at(call_index) else { break };
            let window = Instruction::decode(self.words[call_index as usize].load(Relaxed))
                .expect("loaded words decode")
                .a;
            let live = self.liveness(function);
            for r in 0..window {
                if !live.live_across_call(call_index, r) {
                    // SAFETY: below the window of the call, so the caller's own register.
                    unsafe { *frame.base.add(r as usize) = Value::NIL };
                }
            }
        }
        top
    }
}

fn make_constant(host: &mut dyn Host, constant: &Constant) -> Result<Value, Value> {
    let boxed = |host: &mut dyn Host, kind, word| {
        let o = host.alloc(ObjectLayout::new(kind, 8))?;
        o.set_raw_word(0, word);
        Ok(Value::object(o))
    };
    match constant {
        Constant::Word(v) => Ok(*v),
        Constant::Int(i) => match Value::int(*i) {
            Some(v) => Ok(v),
            None => boxed(host, ObjectKind::BoxedInt, *i as u64),
        },
        Constant::Float(f) => match Value::float(*f) {
            Some(v) => Ok(v),
            None => boxed(host, ObjectKind::BoxedFloat, f.to_bits()),
        },
        Constant::Str(text) => {
            let o = host.alloc(ObjectLayout::new(ObjectKind::Str, text.len() as u32))?;
            o.copy_bytes(0, text.as_bytes());
            Ok(Value::object(o))
        }
        Constant::Func(id) => {
            let o = host.alloc(ObjectLayout::new(ObjectKind::Closure, 1))?;
            host.init(o, slots::FUNC, Value::small(i64::from(id.0)));
            Ok(Value::object(o))
        }
    }
}

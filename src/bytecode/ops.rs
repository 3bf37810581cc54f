//! The op table. One line per op says what its operands are; encoder, decoder, verifier, liveness,
//! disassembler and documentation derive from it.

/// What a byte operand (`a`, `b`, `c`) or the word operand `d` of an op is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Not used, zero.
    None,
    /// A register that is read.
    Read,
    /// A register that is written.
    Write,
    /// A register that is read, then written.
    ReadWrite,
    /// The first register of a window that is read; its length is the op's `Count` operand.
    Window,
    /// As `Window`, and the register after it is read too (the callee).
    WindowCallee,
    /// The length of the window.
    Count,
    /// A signed 8-bit number.
    Imm8,
    /// In `b`, with `c`: a signed 16-bit number (`b` low byte).
    Imm16,
    /// In `b`, with `c`: a constant's index below 65,536.
    Const16,
    /// In `b`, with `c`: a class.
    Class16,
    /// A slot or element number (inline caches write it).
    Slot,
    /// A flag, 0 or 1.
    Flag,
    /// How many registers may hold references (for counting heaps): the frame's register count.
    Frame,
    /// `d`: a jump forward, in words from the next instruction.
    Jump,
    /// `d`: a jump backward, in words from the next instruction; polls.
    Back,
    /// `d`: a signed 32-bit number.
    Imm,
    /// `d`: the low half of an immediate value's word.
    Word,
    /// `d`: a constant's index.
    Const,
    /// `d`: a global's index.
    Global,
    /// `d`: a function's index.
    Func,
    /// `d`: a builtin function's index.
    Native,
    /// `d`: a class.
    Class,
    /// `d`: a method site's index.
    Site,
    /// `d`: inline cache, class << 16 | name; class 0xffff when empty.
    Field,
    /// `d`: a name's index (names beyond 16 bits).
    NameRef,
    /// `d`: a switch table's index.
    Switch,
    /// `d`: an update table's index.
    Update,
    /// `d`: a register that is read.
    ReadD,
}

/// How an op ends: what the verifier and the liveness analysis need to know beyond the operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Goes on with the next word.
    Next,
    /// Goes on with the next word or jumps.
    Branch,
    /// Always jumps (or leaves the function).
    Stop,
    /// Calls: registers from the window's start on are dead afterwards, except for the result,
    /// which is in the window's first register.
    Call,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// Its name in listings.
    pub name: &'static str,
    /// The roles of a, b, c and d.
    pub roles: [Role; 4],
    /// How it ends.
    pub flow: Flow,
    /// What it does.
    pub doc: &'static str,
}

/// Calls the macro `$then` with the whole table: `Name handler (a b c d) Flow "doc";` per op.
#[macro_export]
macro_rules! for_each_op {
    ($then:ident) => { $then! {
        // moves and constants
        Move move_ (Write Read None None) Next "a = b";
        MoveLast move_last (Write Read None None) Next "a = b, b is dead afterwards: a counting heap moves the count";
        LoadK load_k (Write None None Const) Next "a = constant d";
        LoadI load_i (Write None None Imm) Next "a = int d";
        LoadV load_v (Write None None Word) Next "a = the immediate value with word d";
        GetGlobal get_global (Write None None Global) Next "a = global d";
        SetGlobal set_global (Read None None Global) Next "global d = a";
        GetCapture get_capture (Write Read Slot None) Next "a = captured value c of closure b";
        CellNew cell_new (Write Read None None) Next "a = a new cell holding b";
        CellNewLocal cell_new_local (Write Read None None) Next "as CellNew; the cell does not outlive its frame, nor the innermost open region";
        CellGet cell_get (Write Read None None) Next "a = what cell b holds";
        CellSet cell_set (Read Read None None) Next "cell a holds b";
        Closure closure (Write Window Count Func) Next "a = a closure of function d over the window";
        ClosureLocal closure_local (Write Window Count Func) Next "as Closure; local as CellNewLocal";
        // arithmetic
        Add add (Write Read Read None) Next "a = b + c";
        Sub sub (Write Read Read None) Next "a = b - c";
        Mul mul (Write Read Read None) Next "a = b * c";
        Div div (Write Read Read None) Next "a = b / c";
        Rem rem (Write Read Read None) Next "a = b % c";
        BitAnd bit_and (Write Read Read None) Next "a = b & c";
        BitOr bit_or (Write Read Read None) Next "a = b | c";
        BitXor bit_xor (Write Read Read None) Next "a = b ^ c";
        Shl shl (Write Read Read None) Next "a = b << c";
        Shr shr (Write Read Read None) Next "a = b >> c";
        ShrLogical shr_logical (Write Read Read None) Next "a = b >>> c";
        AddI add_i (Write Read None Imm) Next "a = b + int d";
        MulI mul_i (Write Read None Imm) Next "a = b * int d";
        DivI div_i (Write Read None Imm) Next "a = b / int d";
        RemI rem_i (Write Read None Imm) Next "a = b % int d";
        BitAndI bit_and_i (Write Read None Imm) Next "a = b & int d";
        MulAdd mul_add (Write Read Read ReadD) Next "a = b * c + d (two roundings, as written)";
        MulSub mul_sub (Write Read Read ReadD) Next "a = d - b * c";
        Neg neg (Write Read None None) Next "a = -b";
        Not not (Write Read None None) Next "a = !b (truth)";
        BitNot bit_not (Write Read None None) Next "a = ~b";
        Eq eq_op (Write Read Read None) Next "a = b == c";
        Ne ne_op (Write Read Read None) Next "a = b != c";
        Lt lt_op (Write Read Read None) Next "a = b < c";
        Le le_op (Write Read Read None) Next "a = b <= c";
        // jumps forward
        Jump jump (None None None Jump) Stop "goto d";
        JumpT jump_t (Read None None Jump) Branch "if a is true goto d";
        JumpF jump_f (Read None None Jump) Branch "if a is nil or false goto d";
        JumpLt jump_lt (Read Read None Jump) Branch "if a < b goto d";
        JumpNotLt jump_not_lt (Read Read None Jump) Branch "if not a < b goto d";
        JumpLe jump_le (Read Read None Jump) Branch "if a <= b goto d";
        JumpNotLe jump_not_le (Read Read None Jump) Branch "if not a <= b goto d";
        JumpEq jump_eq (Read Read None Jump) Branch "if a == b goto d";
        JumpNe jump_ne (Read Read None Jump) Branch "if a != b goto d";
        JumpLtI jump_lt_i (Read Imm16 None Jump) Branch "if a < int bc goto d";
        JumpNotLtI jump_not_lt_i (Read Imm16 None Jump) Branch "if not a < int bc goto d";
        JumpLeI jump_le_i (Read Imm16 None Jump) Branch "if a <= int bc goto d";
        JumpNotLeI jump_not_le_i (Read Imm16 None Jump) Branch "if not a <= int bc goto d";
        JumpGtI jump_gt_i (Read Imm16 None Jump) Branch "if a > int bc goto d";
        JumpNotGtI jump_not_gt_i (Read Imm16 None Jump) Branch "if not a > int bc goto d";
        JumpGeI jump_ge_i (Read Imm16 None Jump) Branch "if a >= int bc goto d";
        JumpNotGeI jump_not_ge_i (Read Imm16 None Jump) Branch "if not a >= int bc goto d";
        JumpEqI jump_eq_i (Read Imm16 None Jump) Branch "if a == int bc goto d";
        JumpNeI jump_ne_i (Read Imm16 None Jump) Branch "if a != int bc goto d";
        JumpIs jump_is (Read Const16 None Jump) Branch "if a is the word of constant bc goto d (immediates that are no numbers)";
        JumpIsNot jump_is_not (Read Const16 None Jump) Branch "if a is not the word of constant bc goto d";
        JumpClass jump_class (Read Class16 None Jump) Branch "if a is of class bc goto d";
        JumpNotClass jump_not_class (Read Class16 None Jump) Branch "if a is not of class bc goto d";
        JumpDone jump_done (Read Read None Jump) Branch "if iterating a has no element at position b goto d";
        JumpNotDone jump_not_done (Read Read None Jump) Branch "if iterating a has an element at position b goto d";
        // the same, backward: they poll
        JumpBack jump_back (None None None Back) Stop "goto d";
        JumpTBack jump_t_back (Read None None Back) Branch "as JumpT";
        JumpFBack jump_f_back (Read None None Back) Branch "as JumpF";
        JumpLtBack jump_lt_back (Read Read None Back) Branch "as JumpLt";
        JumpNotLtBack jump_not_lt_back (Read Read None Back) Branch "as JumpNotLt";
        JumpLeBack jump_le_back (Read Read None Back) Branch "as JumpLe";
        JumpNotLeBack jump_not_le_back (Read Read None Back) Branch "as JumpNotLe";
        JumpEqBack jump_eq_back (Read Read None Back) Branch "as JumpEq";
        JumpNeBack jump_ne_back (Read Read None Back) Branch "as JumpNe";
        JumpLtIBack jump_lt_i_back (Read Imm16 None Back) Branch "as JumpLtI";
        JumpNotLtIBack jump_not_lt_i_back (Read Imm16 None Back) Branch "as JumpNotLtI";
        JumpLeIBack jump_le_i_back (Read Imm16 None Back) Branch "as JumpLeI";
        JumpNotLeIBack jump_not_le_i_back (Read Imm16 None Back) Branch "as JumpNotLeI";
        JumpGtIBack jump_gt_i_back (Read Imm16 None Back) Branch "as JumpGtI";
        JumpNotGtIBack jump_not_gt_i_back (Read Imm16 None Back) Branch "as JumpNotGtI";
        JumpGeIBack jump_ge_i_back (Read Imm16 None Back) Branch "as JumpGeI";
        JumpNotGeIBack jump_not_ge_i_back (Read Imm16 None Back) Branch "as JumpNotGeI";
        JumpEqIBack jump_eq_i_back (Read Imm16 None Back) Branch "as JumpEqI";
        JumpNeIBack jump_ne_i_back (Read Imm16 None Back) Branch "as JumpNeI";
        JumpIsBack jump_is_back (Read Const16 None Back) Branch "as JumpIs";
        JumpIsNotBack jump_is_not_back (Read Const16 None Back) Branch "as JumpIsNot";
        JumpDoneBack jump_done_back (Read Read None Back) Branch "as JumpDone";
        JumpNotDoneBack jump_not_done_back (Read Read None Back) Branch "as JumpNotDone";
        LoopLt loop_lt (ReadWrite Read Imm8 Back) Branch "a = a + int c; if a < b goto d";
        LoopLe loop_le (ReadWrite Read Imm8 Back) Branch "a = a + int c; if a <= b goto d";
        Switch switch (Read None None Switch) Stop "goto the target that switch table d has for int a, or its default";
        // calls
        Call call (WindowCallee Count None None) Call "a = calls the value after the window with the b arguments in it";
        CallDirect call_direct (Window Count None Func) Call "a = calls function d with the b arguments from a on";
        CallMethod call_method (Window Count None Site) Call "a = calls the method of site d on register a; b arguments, the receiver included";
        CallNative call_native (Window Count None Native) Call "a = calls builtin d with the b arguments from a on";
        TailCall tail_call (WindowCallee Count Frame None) Stop "returns what Call gives; the frame is reused";
        TailCallDirect tail_call_direct (Window Count Frame Func) Stop "returns what CallDirect gives; the frame is reused";
        TailCallMethod tail_call_method (Window Count Frame Site) Stop "returns what CallMethod gives; the frame is reused";
        Return return_ (Read Frame None None) Stop "returns a";
        ReturnV return_v (None Frame None Word) Stop "returns the immediate value with word d";
        Throw throw (Read None None None) Stop "throws a";
        Spawn spawn (WindowCallee Count None None) Call "a = a new task that calls the value after the window";
        Yield yield_ (Write None None None) Next "lets other tasks run; a = nil";
        // objects
        GetField get_field (Write Read Slot Field) Next "a = the field of b";
        SetField set_field (Read Read Slot Field) Next "the field of a = b";
        GetFieldAny get_field_any (Write Read None NameRef) Next "as GetField, without a cache";
        SetFieldAny set_field_any (Read Read None NameRef) Next "as SetField, without a cache";
        GetElem get_elem (Write Read Slot None) Next "a = slot c of record or tuple b";
        TupleField tuple_field (Write Read Slot None) Next "a = b.c of a tuple";
        Index index (Write Read Read None) Next "`a = b[c]`";
        SetIndex set_index (Read Read Read None) Next "`a[b] = c`";
        MakeTuple make_tuple (Write Window Count None) Next "a = the tuple of the window";
        MakeList make_list (Write Window Count None) Next "a = the list of the window";
        ListExtend list_extend (Read Window Count None) Next "appends the window to list a (long literals)";
        MakeMap make_map (Write Window Count None) Next "a = the map of the window: key, value, …";
        MapExtend map_extend (Read Window Count None) Next "adds the window's pairs to map a";
        MakeSet make_set (Write Window Count None) Next "a = the set of the window";
        SetExtend set_extend (Read Window Count None) Next "adds the window's elements to set a";
        MakeRecord make_record (Write Window Count Class) Next "a = a record of class d with the window as fields";
        MakeTupleLocal make_tuple_local (Write Window Count None) Next "as MakeTuple; local as CellNewLocal";
        MakeRecordLocal make_record_local (Write Window Count Class) Next "as MakeRecord; local as CellNewLocal";
        UpdateRecord update_record (Write Window Count Update) Next "a = a copy of the window's first value with slots replaced by the others, by table d";
        MakeRange make_range (Write Read Read Flag) Next "a = b..c, inclusive if d";
        Concat concat (Write Window Count None) Next "a = the display forms of the window, joined";
        // patterns and iteration
        TestClass test_class (Write Read None Class) Next "a = is b of class d?";
        TestTuple test_tuple (Write Read None Imm) Next "a = is b a tuple of length d?";
        TestList test_list (Write Read Flag Imm) Next "a = is b a list of length d, or if c at least d?";
        Matches matches (Write Read Read None) Next "a = b == c, false for values that do not compare";
        ListElem list_elem (Write Read Flag Imm) Next "a = element d of list b, if c counted from the end";
        ListRest list_rest (Write Read Slot Imm) Next "a = list b without its first c and last d elements";
        IterStart iter_start (Write Read None None) Next "a = the position before the first element of b";
        IterDone iter_done (Write Read Read None) Next "a = has b no element at position c?";
        IterGet iter_get (Write Read Read None) Next "a = the element of b at position c";
        IterNext iter_next (Write Read Read None) Next "a = the position after c in b";
        // regions
        RegionEnter region_enter (Write None None None) Next "opens a region; a = its token";
        RegionLeave region_leave (Write Read Read None) Next "closes region b; a = c, promoted";
        // frames
        FrameEnter frame_enter (None None None None) Next "the frame makes local objects; the function's first word";
        FrameLeave frame_leave (None None None None) Next "its local objects are gone; only before the word that leaves the function";
        // the VM's own
        Halt halt (None None None None) Stop "ends the task; only in the VM's own stub, never in a function";
    } };
}

macro_rules! define {
    ($($name:ident $handler:ident ($a:ident $b:ident $c:ident $d:ident) $flow:ident $doc:literal;)*) => {
        /// An operation.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Op { $(#[doc = $doc] $name),* }
        impl Op {
            /// All ops, by number.
            pub const ALL: &'static [Op] = &[$(Op::$name),*];
            /// The table, by number.
            pub const INFO: &'static [OpInfo] = &[$(OpInfo {
                name: stringify!($name),
                roles: [Role::$a, Role::$b, Role::$c, Role::$d],
                flow: Flow::$flow,
                doc: $doc,
            }),*];
        }
    };
}
for_each_op!(define);

impl Op {
    /// The op with this number.
    pub fn from_u8(number: u8) -> Option<Op> {
        Self::ALL.get(number as usize).copied()
    }
    /// Its row of the table.
    pub const fn info(self) -> &'static OpInfo {
        &Self::INFO[self as usize]
    }
    /// Whether the frame ends with it, unless it fails.
    pub fn leaves_frame(self) -> bool {
        use Op::{Return, ReturnV, TailCall, TailCallDirect, TailCallMethod};
        matches!(self, Return | ReturnV | TailCall | TailCallDirect | TailCallMethod)
    }
    /// The op of a word.
    pub fn of(word: u64) -> Option<Op> {
        Self::from_u8(word as u8)
    }
}

/// A decoded instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    pub op: Op,
    pub a: u8,
    pub b: u8,
    pub c: u8,
    pub d: i32,
}

impl Instruction {
    /// As a word.
    pub const fn encode(self) -> u64 {
        self.op as u64
            | (self.a as u64) << 8
            | (self.b as u64) << 16
            | (self.c as u64) << 24
            | (self.d as u32 as u64) << 32
    }
    /// From a word; `None` for an unknown op.
    pub fn decode(word: u64) -> Option<Instruction> {
        let op = Op::of(word)?;
        let [_, a, b, c, ..] = word.to_le_bytes();
        Some(Instruction { op, a, b, c, d: (word >> 32) as i32 })
    }
    /// `b` and `c` as one signed 16-bit number.
    pub const fn imm16(self) -> i16 {
        i16::from_le_bytes([self.b, self.c])
    }
    /// `b` and `c` as one unsigned 16-bit number.
    pub const fn wide(self) -> u16 {
        u16::from_le_bytes([self.b, self.c])
    }
}

//! Which variables each function captures, once all uses are known. Constants are not captured.
//!
//! A local function is *plain* when everything it captures is a plain local function; it is then a
//! constant and is called directly. Found as a greatest fixpoint: start from the functions that
//! capture a real variable and mark everything that uses them.

use rustc_hash::FxHashMap as HashMap;

use super::tree::{Tree, VarId};

/// Fills in [`super::tree::Func::captures`] and [`super::tree::Var::plain`]. `free[f]` lists the
/// outer variables that function `f`, or a function inside it, uses. O(total length of `free`).
pub(super) fn analyse(tree: &mut Tree, free: &[Vec<VarId>]) {
    mark_plain(tree, free);
    for (func, free) in tree.funcs.iter_mut().zip(free) {
        let is_real = |var: &VarId| {
            let var = &tree.vars[var.index()];
            !var.plain && var.constant.is_none()
        };
        let real = free.iter().copied().filter(is_real);
        func.captures = real.collect();
    }
}

fn mark_plain(tree: &mut Tree, free: &[Vec<VarId>]) {
    let needs_none = |var: &super::tree::Var| var.func.is_some() || var.constant.is_some();
    let needs_none: Vec<bool> = tree.vars.iter().map(needs_none).collect();
    let mut users: HashMap<VarId, Vec<VarId>> = HashMap::default();
    let mut work = Vec::new();
    for (index, var) in tree.vars.iter_mut().enumerate() {
        let Some(func) = var.func else { continue };
        let this = VarId(index as u32);
        let free = &free[func.index()];
        var.plain = free.iter().all(|used| needs_none[used.index()]);
        if !var.plain {
            work.push(this);
        }
        for &used in free {
            users.entry(used).or_default().push(this);
        }
    }
    while let Some(var) = work.pop() {
        for user in users.remove(&var).unwrap_or_default() {
            if std::mem::replace(&mut tree.vars[user.index()].plain, false) {
                work.push(user);
            }
        }
    }
}

//! Trial deletion: which of what the candidates reach is garbage that only cycles keep.
//!
//! 1. Gray: subtract the references that lie within what the candidates reach.
//! 2. Scan: what is left above zero is held from outside; it and what it reaches are live, and their
//!    counts are added again (black). The rest is white.
//! 3. Gather: white objects that a candidate reaches are garbage, both colour bits set.
//!
//! Each step has a worklist and visits an object and a reference once. The world is stopped.
//!
//! Source: Bacon, Rajan: Concurrent Cycle Collection in Reference Counted Systems, 2001 (the
//! synchronous variant).

use menagerie::object::Obj;

use super::counts::{GARBAGE, GRAY, WHITE, add, count, decrement, has, increment, remove};

/// The garbage among what `roots` reach, all of it coloured [`GARBAGE`] and without the references it
/// holds, and how many objects were looked at.
pub fn find_garbage(roots: &[Obj]) -> (Vec<Obj>, u64) {
    let mut traced = 0;
    let mut stack = Vec::new();
    let visit = |o: Obj, stack: &mut Vec<Obj>| {
        if !has(o, GRAY) {
            add(o, GRAY);
            stack.push(o);
        }
    };
    for &root in roots {
        visit(root, &mut stack);
        while let Some(o) = stack.pop() {
            traced += 1;
            for child in children(o) {
                decrement(child);
                visit(child, &mut stack);
            }
        }
    }
    roots.iter().for_each(|&root| scan(root));
    let mut garbage = Vec::new();
    for &root in roots {
        let mut gather = |o: Obj, stack: &mut Vec<Obj>| {
            if o.gc_byte() & GARBAGE == WHITE {
                add(o, GARBAGE);
                garbage.push(o);
                stack.push(o);
            }
        };
        gather(root, &mut stack);
        while let Some(o) = stack.pop() {
            children(o).for_each(|child| gather(child, &mut stack));
        }
    }
    (garbage, traced)
}

/// Whether it is part of the garbage that was found, and has not been revived.
pub fn is_garbage(o: Obj) -> bool {
    o.gc_byte() & GARBAGE == GARBAGE
}

/// The object is live, and so is what it reaches: counts are as they were.
pub fn blacken(o: Obj) {
    remove(o, GARBAGE);
    let mut stack = vec![o];
    while let Some(o) = stack.pop() {
        for child in children(o) {
            increment(child);
            if has(child, GARBAGE) {
                remove(child, GARBAGE);
                stack.push(child);
            }
        }
    }
}

/// Of gray objects: held from outside, and with them what they reach, or white.
fn scan(root: Obj) {
    let mut stack = vec![root];
    while let Some(o) = stack.pop() {
        if !has(o, GRAY) {
            continue;
        }
        if count(o) > 0 {
            blacken(o);
        } else {
            remove(o, GRAY);
            add(o, WHITE);
            stack.extend(children(o));
        }
    }
}

fn children(o: Obj) -> impl Iterator<Item = Obj> {
    (0..o.traced_slots()).filter_map(move |i| o.slot(i).as_object())
}

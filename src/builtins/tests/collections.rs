//! Lists, deques, maps, sets, cons lists, tuples, ranges, raw arrays, iteration, tasks.

use super::*;

#[test]
fn list_methods() {
    check(|t| t.int_list([1, 2, 3]), "[1, 2, 3]");
    check(
        |t| {
            let l = t.list(&[])?;
            for i in t.ints([1, 2, 3, 4, 5])? {
                t.m(l, "push", &[i])?;
            }
            let popped = t.m(l, "pop", &[])?;
            let len = t.m(l, "len", &[])?;
            t.show_all(&[l, popped, len])
        },
        "[1, 2, 3, 4] 5 4",
    );
    check(
        |t| {
            let l = t.int_list([1, 2, 3])?;
            let [at0, at4, at1] = t.ints([0, 4, 1])?;
            let (a, b) = (t.text("a")?, t.text("b")?);
            t.m(l, "insert", &[at0, a])?;
            t.m(l, "insert", &[at4, b])?;
            let removed = t.m(l, "remove", &[at1])?;
            t.show_all(&[l, removed])
        },
        r#"["a", 2, 3, "b"] 1"#,
    );
    for (method, expected) in [
        ("reverse", "[3, 1, 2]"),
        ("copy", "[2, 1, 3]"),
        ("first", "2"),
        ("last", "3"),
        ("sum", "6"),
        ("to_tuple", "(2, 1, 3)"),
        ("is_empty", "false"),
        ("len", "3"),
    ] {
        check(|t| t.int_list([2, 1, 3]).and_then(|l| t.m(l, method, &[])), expected);
    }
    for (method, expected) in
        [("pop", "nil"), ("first", "nil"), ("last", "nil"), ("sum", "0"), ("reverse", "[]")]
    {
        check(|t| t.list(&[]).and_then(|l| t.m(l, method, &[])), expected);
    }
}

#[test]
fn list_parts_and_places() {
    let slice = |from, to| {
        move |t: &mut T| {
            let l = t.int_list([5, 6, 7])?;
            let bounds = t.ints([from, to])?;
            t.m(l, "slice", &bounds)
        }
    };
    check(slice(1, 3), "[6, 7]");
    check(slice(3, 3), "[]");
    check(slice(0, 4), "IndexOutOfRange: `slice`: 0..4 is out of range, the length is 3");
    check(slice(2, 1), "IndexOutOfRange:");
    check(slice(-1, 1), "IndexOutOfRange:");
    check(
        |t| {
            let (a, b) = (t.int_list([1])?, t.int_list([2, 3])?);
            t.m(a, "concat", &[b])
        },
        "[1, 2, 3]",
    );
    check(
        |t| {
            let l = t.int_list([1, 2, 3])?;
            let [i, j, n] = t.ints([0, 2, 2])?;
            t.m(l, "swap", &[i, j])?;
            t.m(l, "truncate", &[n])?;
            let copy = t.m(l, "copy", &[])?;
            t.m(l, "fill", &[copy])?;
            t.m(copy, "clear", &[])?;
            t.show_all(&[l, copy])
        },
        "[[], []] []",
    );
    check(
        |t| {
            let (inner, other) = (t.int_list([1])?, t.int_list([1])?);
            let two = t.int(2)?;
            let l = t.list(&[two, inner])?;
            let has = t.m(l, "contains", &[other])?;
            let at = t.m(l, "index_of", &[other])?;
            let none = t.m(l, "index_of", &[l])?;
            t.show_all(&[has, at, none])
        },
        "true 1 nil",
    );
    check(
        |t| {
            let (a, b, sep) = (t.text("a")?, t.float(1.5)?, t.text(", ")?);
            let l = t.list(&[a, b])?;
            t.m(l, "join", &[sep])
        },
        "a, 1.5",
    );
    let sum = |last: &'static str| {
        move |t: &mut T| {
            let [a, b] = t.ints([i64::MAX, 1])?;
            let last = t.text(last)?;
            let last = t.m(last, "to_float", &[])?;
            let l = t.list(&[a, b, last])?;
            t.m(l, "sum", &[])
        }
    };
    check(sum("1"), "Overflow: 9223372036854775807 + 1 does not fit 64 bits");
    check(
        |t| {
            let (one, x) = (t.int(1)?, t.text("x")?);
            let l = t.list(&[one, x])?;
            t.m(l, "sum", &[])
        },
        "TypeMismatch: `sum` needs numbers, not a string",
    );
    check(|t| t.ints([3, 7]).and_then(|a| t.f("list", &a)), "[7, 7, 7]");
    check(|t| t.ints([-1, 7]).and_then(|a| t.f("list", &a)), "InvalidArgument:");
    check(|t| t.ints([1 << 40, 7]).and_then(|a| t.f("list", &a)), "OutOfMemory:");
}

#[test]
fn indexing() {
    let get = |i: i64| {
        move |t: &mut T| {
            let l = t.int_list([5, 6, 7])?;
            let i = t.int(i)?;
            t.run(operators::index, &[l, i])
        }
    };
    check(get(2), "7");
    check(get(3), "IndexOutOfRange: list: index 3 is out of range, the length is 3");
    check(get(-1), "IndexOutOfRange: list: index -1");
    check(get(i64::MIN), "IndexOutOfRange:");
    check(
        |t| {
            let (l, i) = (t.int_list([5])?, t.float(0.0)?);
            t.run(operators::index, &[l, i])
        },
        "TypeMismatch: list needs an int as its index, not a float",
    );
    check(
        |t| {
            let (s, i) = (t.text("s")?, t.int(0)?);
            t.run(operators::index, &[s, i])
        },
        "TypeMismatch: a string has no elements to index",
    );
    check(
        |t| {
            let (n, i) = (t.nil(), t.int(0)?);
            t.run(operators::set_index, &[n, i, i])
        },
        "TypeMismatch: elements of nil cannot be assigned",
    );
    check(
        |t| {
            let one = t.int(1)?;
            let tuple = t.tuple(&[one])?;
            t.run(operators::set_index, &[tuple, one, one])
        },
        "TypeMismatch: elements of a tuple cannot be assigned",
    );
    check(
        |t| {
            let [a, b, i] = t.ints([8, 9, 1])?;
            let tuple = t.tuple(&[a, b])?;
            let x = t.run(operators::index, &[tuple, i])?;
            let y = t.run(operators::tuple_field, &[tuple, i])?;
            let wrong = t.run(operators::tuple_field, &[tuple, a]).unwrap_err();
            let wrong = t.text(&wrong)?;
            t.show_all(&[x, y, wrong])
        },
        r#"9 9 "IndexOutOfRange: tuple: index 8 is out of range, the length is 2""#,
    );
}

#[test]
fn list_patterns() {
    check(
        |t| {
            let l = t.int_list([1, 2, 3, 4])?;
            let [zero, one] = t.ints([0, 1])?;
            let (yes, no) = (t.bool(true), t.bool(false));
            let first = t.run(operators::list_elem, &[l, zero, no])?;
            let last = t.run(operators::list_elem, &[l, zero, yes])?;
            let rest = t.run(operators::list_rest, &[l, one, one])?;
            let at_least = t.run(operators::is_list, &[l, one, yes])?;
            let exactly = t.run(operators::is_list, &[l, one, no])?;
            let pair = t.tuple(&[one, one])?;
            let tuple = t.run(operators::is_tuple, &[pair, one])?;
            t.show_all(&[first, last, rest, at_least, exactly, tuple])
        },
        "1 4 [2, 3] true false false",
    );
}

#[test]
fn deques_wrap_and_grow() {
    check(
        |t| {
            let d = t.f("deque", &[])?;
            for i in 0..6 {
                let i = t.int(i)?;
                t.m(d, "push_back", &[i])?;
                t.m(d, "push_front", &[i])?;
                if t.show(i) == "2" {
                    t.m(d, "pop_front", &[])?;
                    t.m(d, "pop_front", &[])?;
                }
            }
            let (front, back) = (t.m(d, "front", &[])?, t.m(d, "pop_back", &[])?);
            let two = t.int(2)?;
            let third = t.m(d, "get", &[two])?;
            let list = t.m(d, "to_list", &[])?;
            t.show_all(&[d, front, back, third, list])
        },
        "deque[5, 4, 3, 0, 0, 1, 2, 3, 4] 5 5 3 [5, 4, 3, 0, 0, 1, 2, 3, 4]",
    );
    check(
        |t| {
            let d = t.f("deque", &[])?;
            let one = t.int(1)?;
            t.m(d, "push_front", &[one])?;
            t.m(d, "clear", &[])?;
            let all = ["pop_front", "pop_back", "front", "back", "is_empty", "len", "to_list"];
            let mut results = vec![d];
            for method in all {
                results.push(t.m(d, method, &[])?);
            }
            t.show_all(&results)
        },
        "deque[] nil nil nil nil true 0 []",
    );
}

#[test]
fn map_methods() {
    let entries = |t: &mut T| {
        let (a, b) = (t.text("a")?, t.text("b")?);
        let [one, two, three] = t.ints([1, 2, 3])?;
        t.map(&[a, one, b, two, a, three])
    };
    check(entries, r#"%{"a": 3, "b": 2}"#);
    check(
        |t| {
            let m = entries(t)?;
            let (a, c) = (t.text("a")?, t.text("c")?);
            let x = t.m(m, "get", &[a])?;
            let none = t.m(m, "get", &[c])?;
            let default = t.m(m, "get_or", &[c, a])?;
            let (has, not) = (t.m(m, "has", &[a])?, t.m(m, "has", &[c])?);
            let copy = t.m(m, "copy", &[])?;
            let removed = t.m(m, "remove", &[a])?;
            let again = t.m(m, "remove", &[a])?;
            t.m(m, "set", &[a, a])?;
            let len = t.m(copy, "len", &[])?;
            t.show_all(&[x, none, default, has, not, removed, again, m, copy, len])
        },
        r#"3 nil "a" true false 3 nil %{"b": 2, "a": "a"} %{"a": 3, "b": 2} 2"#,
    );
    for (method, expected) in [
        ("keys", r#"["a", "b"]"#),
        ("values", "[3, 2]"),
        ("entries", r#"[("a", 3), ("b", 2)]"#),
        ("is_empty", "false"),
    ] {
        check(|t| entries(t).and_then(|m| t.m(m, method, &[])), expected);
    }
    check(
        |t| {
            let m = entries(t)?;
            let c = t.text("c")?;
            t.run(operators::index, &[m, c])
        },
        r#"KeyNotFound: the map has no key "c""#,
    );
}

#[test]
fn map_keys() {
    // Enough keys for an index, of every kind that can be one.
    let keys = |t: &mut T| -> Result<Vec<H>, String> {
        let [one, two, big] = t.ints([1, 2, i64::MAX])?;
        let pair = t.tuple(&[one, two])?;
        let point = t.record(POINT, &[one, pair])?;
        Ok(vec![
            t.nil(),
            t.bool(true),
            one,
            t.float(1.0)?,
            t.char('1'),
            t.keyword("one"),
            t.text("1")?,
            pair,
            point,
            t.record(CIRCLE, &[one])?,
            t.record(EMPTY, &[])?,
            t.cons(&[one, two])?,
            big,
            t.float(1e300)?,
            t.range(1, 5, false)?,
        ])
    };
    check(
        |t| {
            let (first, second) = (keys(t)?, keys(t)?);
            let m = t.map(&[])?;
            for (i, &k) in first.iter().enumerate() {
                let i = t.int(i as i64)?;
                t.m(m, "set", &[k, i])?;
            }
            let mut found = Vec::new();
            for k in second {
                found.push(t.run(operators::index, &[m, k])?);
            }
            found.push(t.m(m, "len", &[])?);
            t.show_all(&found)
        },
        "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    );
    check(
        |t| {
            let (zero, negative, x) = (t.float(0.0)?, t.float(-0.0)?, t.nil());
            let m = t.map(&[zero, x])?;
            t.m(m, "has", &[negative])
        },
        "true",
    );
    let refused = |key: fn(&mut T) -> R| {
        move |t: &mut T| {
            let m = t.map(&[])?;
            let key = key(t)?;
            t.m(m, "set", &[key, key])
        }
    };
    check(refused(|t| t.list(&[])), "TypeMismatch: keys are immutable values, not a list");
    check(refused(|t| t.f("deque", &[])), "TypeMismatch: keys are immutable values, not a deque");
    check(
        refused(|t| t.closure(FuncId(0), &[])),
        "TypeMismatch: keys are immutable values, not a f",
    );
    check(
        refused(|t| {
            let l = t.set(&[])?;
            let tuple = t.tuple(&[l])?;
            t.record(POINT, &[tuple, tuple])
        }),
        "TypeMismatch: keys are immutable values, not a set",
    );
    check(
        refused(|t| {
            let nan = t.float(f64::NAN)?;
            t.tuple(&[nan])
        }),
        "TypeMismatch: keys are immutable values that equal themselves, not NaN",
    );
}

#[test]
fn maps_grow_shrink_and_compact() {
    for mode in [Mode::Still, Mode::Moving] {
        let mut t = T::new(mode);
        let m = t.map(&[]).unwrap();
        let held = |t: &T| {
            let o = t.value(m).as_object().unwrap();
            o.slot(slots::BUFFER).as_object().map_or(0, |b| b.len() / 2)
        };
        for i in 0..200 {
            let [k, v, old] = t.ints([i, -i, i - 10]).unwrap();
            t.m(m, "set", &[k, v]).unwrap();
            t.m(m, "remove", &[old]).unwrap();
        }
        // A queue of ten: the table stays small.
        assert!(held(&t) <= 32, "{}", held(&t));
        assert_eq!(
            t.show(m),
            "%{190: -190, 191: -191, 192: -192, 193: -193, 194: -194, \
            195: -195, 196: -196, 197: -197, 198: -198, 199: -199}"
        );
        for i in 190..200 {
            let k = t.int(i).unwrap();
            let v = t.m(m, "remove", &[k]).unwrap();
            assert_eq!(t.show(v), (-i).to_string());
        }
        assert_eq!(t.show(m), "%{}");
    }
}

#[test]
fn set_methods() {
    check(
        |t| {
            let [one, two, three] = t.ints([1, 2, 3])?;
            let (a, b) = (t.set(&[one, two, one])?, t.set(&[three, two])?);
            let union = t.m(a, "union", &[b])?;
            let both = t.m(a, "intersection", &[b])?;
            let only = t.m(a, "difference", &[b])?;
            let new = t.m(a, "add", &[three])?;
            let old = t.m(a, "add", &[three])?;
            let gone = t.m(a, "remove", &[one])?;
            let list = t.m(a, "to_list", &[])?;
            t.show_all(&[union, both, only, new, old, gone, list, b])
        },
        "%[1, 2, 3] %[2] %[1] true false true [2, 3] %[3, 2]",
    );
    check(
        |t| {
            let (set, list) = (t.set(&[])?, t.list(&[])?);
            t.m(set, "union", &[list])
        },
        "TypeMismatch: `union` needs a set, not a list",
    );
}

#[test]
fn cons_lists_tuples_ranges() {
    check(
        |t| {
            let elements = t.ints([1, 2, 3])?;
            let l = t.cons(&elements)?;
            let mut all = vec![l];
            for method in ["head", "tail", "len", "reverse", "to_list"] {
                all.push(t.m(l, method, &[])?);
            }
            let nil = t.nil();
            for method in ["len", "reverse", "to_list"] {
                all.push(t.m(nil, method, &[])?);
            }
            t.show_all(&all)
        },
        "cons[1, 2, 3] 1 cons[2, 3] 3 cons[3, 2, 1] [1, 2, 3] 0 nil []",
    );
    check(
        |t| {
            let one = t.int(1)?;
            t.f("cons", &[one, one])
        },
        "TypeMismatch: `cons` needs a cons list or nil as the tail, not an int",
    );
    check(|t| t.range(1, 4, true).and_then(|r| t.m(r, "to_list", &[])), "[1, 2, 3, 4]");
    check(|t| t.range(4, 1, true).and_then(|r| t.m(r, "to_list", &[])), "[]");
    check(
        |t| {
            let r = t.range(i64::MAX - 1, i64::MAX, true)?;
            let list = t.m(r, "to_list", &[])?;
            let len = t.m(r, "len", &[])?;
            let [inside, outside] = t.ints([i64::MAX, 5])?;
            let (yes, no) = (t.m(r, "contains", &[inside])?, t.m(r, "contains", &[outside])?);
            let (first, last) = (t.m(r, "first", &[])?, t.m(r, "last", &[])?);
            t.show_all(&[list, len, yes, no, first, last])
        },
        "[9223372036854775806, 9223372036854775807] 2 true false \
         9223372036854775806 9223372036854775807",
    );
    check(|t| t.range(i64::MIN, i64::MAX, true).and_then(|r| t.m(r, "len", &[])), "Overflow:");
    check(|t| t.range(i64::MIN, i64::MIN, false).and_then(|r| t.m(r, "len", &[])), "0");
    check(
        |t| {
            let (a, b, no) = (t.int(1)?, t.text("x")?, t.bool(false));
            t.run(operators::make_range, &[a, b, no])
        },
        "TypeMismatch: a range needs two ints, not an int and a string",
    );
}

#[test]
fn raw_arrays() {
    check(
        |t| {
            let [n, at, byte, all] = t.ints([3, 1, 200, 7])?;
            let b = t.f("bytes", &[n])?;
            t.m(b, "set", &[at, byte])?;
            let before = t.text(&t.show(b))?;
            let got = t.m(b, "get", &[at])?;
            t.m(b, "fill", &[all])?;
            let a = t.f("f64array", &[n])?;
            t.run(operators::set_index, &[a, at, byte])?;
            let f = t.run(operators::index, &[a, at])?;
            t.show_all(&[before, got, b, a, f])
        },
        r#""bytes[0, 200, 0]" 200 bytes[7, 7, 7] f64array[0.0, 200.0, 0.0] 200.0"#,
    );
    let set = |i: i64, byte: i64| {
        move |t: &mut T| {
            let [n, i, byte] = t.ints([2, i, byte])?;
            let b = t.f("bytes", &[n])?;
            t.m(b, "set", &[i, byte])
        }
    };
    check(set(0, 256), "InvalidArgument: a byte is 0 to 255, not 256");
    check(set(2, 0), "IndexOutOfRange:");
    check(
        |t| {
            let [n, i, byte] = t.ints([1, 0, 255])?;
            let b = t.f("bytes", &[n])?;
            t.m(b, "set", &[i, byte])?;
            t.m(b, "to_string", &[])
        },
        "InvalidArgument: no UTF-8: byte 0 begins no character",
    );
    check(|t| t.int(1 << 60).and_then(|n| t.f("f64array", &[n])), "OutOfMemory:");
}

/// What `for` sees.
fn iterate(t: &mut T, source: H) -> R {
    let mut seen = Vec::new();
    let mut at = t.run(operators::iter_start, &[source])?;
    loop {
        let done = t.run(operators::iter_done, &[source, at])?;
        if t.value(done) == Value::TRUE {
            return t.show_all(&seen);
        }
        seen.push(t.run(operators::iter_get, &[source, at])?);
        at = t.run(operators::iter_next, &[source, at])?;
    }
}

#[test]
fn iteration() {
    check(|t| t.int_list([1, 2]).and_then(|l| iterate(t, l)), "1 2");
    check(|t| t.text("aé😀").and_then(|s| iterate(t, s)), "'a' 'é' '😀'");
    check(|t| t.range(1, 4, false).and_then(|r| iterate(t, r)), "1 2 3");
    check(
        |t| t.range(i64::MAX - 1, i64::MAX, true).and_then(|r| iterate(t, r)),
        "9223372036854775806 9223372036854775807",
    );
    check(|t| t.range(2, 1, true).and_then(|r| iterate(t, r)), "");
    check(
        |t| {
            let n = t.nil();
            iterate(t, n)
        },
        "",
    );
    check(
        |t| {
            let elements = t.ints([1, 2, 3])?;
            let (c, p) = (t.cons(&elements)?, t.tuple(&elements)?);
            let (s, m) = (t.set(&elements)?, t.map(&elements[..2])?);
            let d = t.f("deque", &[])?;
            t.m(d, "push_back", &[c])?;
            let b = t.text("a")?;
            let b = t.m(b, "bytes", &[])?;
            t.m(s, "remove", &[elements[1]])?;
            let mut texts = Vec::new();
            for source in [c, p, s, m, d, b] {
                texts.push(iterate(t, source)?);
            }
            t.show_all(&texts)
        },
        r#""1 2 3" "1 2 3" "1 3" "(1, 2)" "cons[1, 2, 3]" "97""#,
    );
    check(|t| t.int(5).and_then(|i| iterate(t, i)), "TypeMismatch: an int cannot be iterated");
}

#[test]
fn tasks_and_scopes() {
    check(
        |t| {
            let v = t.int(7)?;
            let task = t.task(3, TaskState::Done, v)?;
            let done = t.m(task, "is_done", &[])?;
            let result = t.m(task, "join", &[])?;
            let observed = t.value(task).as_object().unwrap().slot(slots::TASK_OBSERVED);
            let observed = t.keep(observed);
            t.show_all(&[done, result, observed])
        },
        "true 7 true",
    );
    check(
        |t| {
            let v = t.int(7)?;
            let task = t.task(3, TaskState::Failed, v)?;
            t.m(task, "join", &[])
        },
        "thrown 7",
    );
    check(
        |t| {
            let v = t.int(7)?;
            let task = t.task(3, TaskState::Pending, v)?;
            t.m(task, "join", &[])
        },
        "Block(Join(task 3))",
    );
    check(
        |t| {
            let scope = t.f("%scope_new", &[])?;
            let (a, b) = (t.text("first")?, t.text("second")?);
            for (number, state, result) in
                [(1, TaskState::Done, a), (2, TaskState::Failed, a), (3, TaskState::Failed, b)]
            {
                let task = t.task(number, state, result)?;
                t.f("%scope_add", &[scope, task])?;
            }
            t.f("%scope_join", &[scope])?;
            let nil = t.nil();
            let late = t.task(4, TaskState::Pending, nil)?;
            t.f("%scope_add", &[scope, late])?;
            let waits = t.f("%scope_join", &[scope]).unwrap_err();
            assert!(waits == "Block(Join(task 4))" || waits.contains("OutOfMemory"), "{waits}");
            t.f("%scope_check", &[scope])
        },
        "thrown first",
    );
    check(
        |t| {
            let v = t.int(1)?;
            let l = t.list(&[v])?;
            t.f("%match_failure", &[l])
        },
        "MatchFailure: no arm matches [1]",
    );
}

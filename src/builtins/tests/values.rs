//! Equality, hashing, ordering, sorting, text forms, records: on values of every kind, cyclic and
//! deep ones among them.

use super::*;

fn eq(t: &mut T, a: H, b: H) -> bool {
    let equal = t.run(operators::eq, &[a, b]).unwrap();
    let unequal = t.run(operators::ne, &[b, a]).unwrap();
    assert_ne!(t.value(equal), t.value(unequal));
    t.value(equal) == Value::TRUE
}

/// Two of every kind of data, made in the same way; equal to itself only.
fn zoo(t: &mut T) -> Result<Vec<H>, String> {
    let [one, two, big] = t.ints([1, 2, i64::MAX])?;
    let half = t.float(0.5)?;
    let huge = t.float(1e300)?;
    let text = t.text("text")?;
    let list = t.list(&[one, text])?;
    let deque = t.f("deque", &[])?;
    t.m(deque, "push_front", &[text])?;
    t.m(deque, "push_front", &[one])?;
    let bytes = t.m(text, "bytes", &[])?;
    let array = t.f("f64array", &[two])?;
    t.run(operators::set_index, &[array, one, half])?;
    let cell = t.object(ObjectLayout::new(ObjectKind::Cell, 1), &[list])?;
    Ok(vec![
        t.nil(),
        t.bool(false),
        one,
        big,
        half,
        huge,
        t.char('t'),
        t.keyword("text"),
        t.f("symbol", &[text])?,
        text,
        list,
        t.tuple(&[one, text])?,
        deque,
        t.cons(&[one, text])?,
        t.map(&[one, text, text, list])?,
        t.map(&[one, text])?,
        t.set(&[one, text])?,
        t.range(1, 2, false)?,
        t.range(1, 2, true)?,
        t.record(POINT, &[one, text])?,
        t.record(PAIR, &[one, text])?,
        t.record(CIRCLE, &[one])?,
        t.record(EMPTY, &[])?,
        t.closure(FuncId(0), &[])?,
        t.closure(FuncId(1), &[one])?,
        t.closure(FuncId(1), &[cell])?,
        bytes,
        array,
    ])
}

#[test]
fn equality_is_by_content() {
    for mode in [Mode::Still, Mode::Moving] {
        let mut t = T::new(mode);
        let (a, b) = (zoo(&mut t).unwrap(), zoo(&mut t).unwrap());
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                assert_eq!(eq(&mut t, x, y), i == j, "{} == {}", t.show(x), t.show(y));
            }
            let (h, k) = (t.f("hash", &[x]).unwrap(), t.f("hash", &[b[i]]).unwrap());
            assert_eq!(t.show(h), t.show(k), "hash({})", t.show(x));
        }
        // The hashes of different things differ (they could not, but these do).
        let mut hashes: Vec<String> = Vec::new();
        for &x in &a {
            let hash = t.f("hash", &[x]).unwrap();
            hashes.push(t.show(hash));
        }
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), a.len());
    }
}

#[test]
fn numbers_are_equal_by_value_and_keys_by_kind() {
    let mut t = T::new(Mode::Still);
    let cases = [
        (1, 1.0, true),
        (1 << 53, 9007199254740992.0, true),
        ((1 << 53) + 1, 9007199254740992.0, false),
        (i64::MAX, 9223372036854775808.0, false),
        (i64::MIN, -9223372036854775808.0, true),
        (0, -0.0, true),
        (1, f64::NAN, false),
        (1, 1.5, false),
    ];
    for (i, f, equal) in cases {
        let (a, b) = (t.int(i).unwrap(), t.float(f).unwrap());
        assert_eq!(eq(&mut t, a, b), equal, "{i} == {f:?}");
        let (a, b) = (t.list(&[a]).unwrap(), t.list(&[b]).unwrap());
        assert_eq!(eq(&mut t, a, b), equal, "[{i}] == [{f:?}]");
    }
    let nan = t.float(f64::NAN).unwrap();
    assert!(!eq(&mut t, nan, nan));
}

#[test]
fn handles_are_equal_by_identity() {
    let mut t = T::new(Mode::Moving);
    let l = t.list(&[]).unwrap();
    let (v, w) = (t.f("weak", &[l]).unwrap(), t.f("weak", &[l]).unwrap());
    let (a, b) = (t.task(1, TaskState::Done, l).unwrap(), t.task(2, TaskState::Done, l).unwrap());
    assert!(eq(&mut t, v, v) && !eq(&mut t, v, w));
    assert!(eq(&mut t, a, a) && !eq(&mut t, a, b));
}

/// A ring of records: 0, 1, … n - 1, 0, …
fn ring(t: &mut T, n: i64) -> H {
    let nil = t.nil();
    let zero = t.int(0).unwrap();
    let first = t.record(POINT, &[zero, nil]).unwrap();
    let y = t.keyword("y");
    let mut last = first;
    for i in 1..n {
        let i = t.int(i).unwrap();
        let next = t.record(POINT, &[i, nil]).unwrap();
        t.run(operators::set_field, &[last, y, next]).unwrap();
        last = next;
    }
    t.run(operators::set_field, &[last, y, first]).unwrap();
    first
}

#[test]
fn cyclic_data_ends() {
    let mut t = T::new(Mode::Still);
    let (a, b, c) = (ring(&mut t, 5), ring(&mut t, 5), ring(&mut t, 6));
    assert!(eq(&mut t, a, b) && !eq(&mut t, a, c));
    // Two laps of one ring are the other one.
    let l = t.list(&[]).unwrap();
    t.m(l, "push", &[l]).unwrap();
    let inner = t.list(&[]).unwrap();
    let outer = t.list(&[inner]).unwrap();
    t.m(inner, "push", &[outer]).unwrap();
    assert!(eq(&mut t, l, outer) && eq(&mut t, outer, l));
    let (x, y) = (t.f("hash", &[l]).unwrap(), t.f("hash", &[outer]).unwrap());
    assert_eq!(t.show(x), t.show(y));
    assert_eq!([t.show(l), t.show(outer)], ["[...]", "[[...]]"]);
    assert_eq!(
        t.show(a),
        "Point { x: 0, y: Point { x: 1, y: Point { x: 2, y: \
        Point { x: 3, y: Point { x: 4, y: ... } } } } }"
    );
    let (big, other) = (ring(&mut t, 1000), ring(&mut t, 1001));
    assert!(eq(&mut t, big, big) && !eq(&mut t, big, other));

    // A map that holds itself, and a cyclic record as a key.
    let (m, n) = (t.map(&[a, l]).unwrap(), t.map(&[b, outer]).unwrap());
    assert!(eq(&mut t, m, n));
    let k = t.keyword("self");
    t.m(m, "set", &[k, m]).unwrap();
    t.m(n, "set", &[k, n]).unwrap();
    assert!(eq(&mut t, m, n));
    let (x, y) = (t.f("hash", &[m]).unwrap(), t.f("hash", &[n]).unwrap());
    assert_eq!(t.show(x), t.show(y));
}

/// Shared parts: 2^depth paths through depth objects.
fn shared(t: &mut T, depth: usize, make: fn(&mut T, &[H]) -> R) -> H {
    let one = t.int(1).unwrap();
    (0..depth).fold(one, |x, _| make(t, &[x, x]).unwrap())
}

#[test]
fn shared_parts_are_walked_once() {
    let mut t = T::new(Mode::Still);
    for make in [T::tuple, T::list] as [fn(&mut T, &[H]) -> R; 2] {
        let (a, b) = (shared(&mut t, 64, make), shared(&mut t, 64, make));
        assert!(eq(&mut t, a, b));
        let (x, y) = (t.f("hash", &[a]).unwrap(), t.f("hash", &[b]).unwrap());
        assert_eq!(t.show(x), t.show(y));
    }
    let (a, b) = (shared(&mut t, 64, T::tuple), shared(&mut t, 64, T::tuple));
    let order = t.f("compare", &[a, b]).unwrap();
    assert_eq!(t.show(order), "0");
    // Its text would have 2^64 elements.
    let error = t.f("str", &[a]).unwrap_err();
    assert!(error.starts_with("OutOfMemory"), "{error}");
    assert!(format::display_plain(&t.host.world, t.value(a)).len() < 1 << 17);
}

#[test]
fn depth_needs_no_host_stack() {
    let thread = std::thread::Builder::new().stack_size(128 << 10);
    let run = || {
        let mut t = T::new(Mode::Still);
        let deep = |t: &mut T, make: fn(&mut T, H) -> R| {
            let x = t.nil();
            for _ in 0..200_000 {
                let next = make(t, x).unwrap();
                t.host.kept[x.0] = t.value(next);
                t.host.kept.truncate(x.0 + 1);
            }
            x
        };
        let makers: [fn(&mut T, H) -> R; 3] =
            [|t, x| t.tuple(&[x]), |t, x| t.list(&[x]), |t, x| t.record(CIRCLE, &[x])];
        for (i, make) in makers.into_iter().enumerate() {
            let (a, b) = (deep(&mut t, make), deep(&mut t, make));
            assert!(eq(&mut t, a, b));
            let (x, y) = (t.f("hash", &[a]).unwrap(), t.f("hash", &[b]).unwrap());
            assert_eq!(t.show(x), t.show(y));
            assert!(t.show(a).len() > 400_000);
            if i == 0 {
                assert!(t.f("compare", &[a, b]).is_err(), "nil has no order");
                let m = t.map(&[a, x]).unwrap();
                let has = t.m(m, "has", &[b]).unwrap();
                assert_eq!(t.show(has), "true");
            }
        }
        let one = t.int(1).unwrap();
        let long = |t: &mut T| {
            let nil = t.nil();
            (0..300_000).fold(nil, |l, _| t.f("cons", &[one, l]).unwrap())
        };
        let (a, b) = (long(&mut t), long(&mut t));
        assert!(eq(&mut t, a, b));
        assert_eq!(t.show(a).len(), 300_000 * 3 - 2 + 6);
        t.f("hash", &[a]).unwrap();
    };
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn order_and_sort() {
    let list = |t: &mut T| -> R {
        let one = t.int(1)?;
        let (a, b) = (t.text("a")?, t.text("b")?);
        let (x, y, z) = (t.tuple(&[one, b])?, t.tuple(&[one, a])?, t.tuple(&[one])?);
        t.list(&[x, y, z])
    };
    check(
        |t| {
            let l = list(t)?;
            t.m(l, "sort", &[])?;
            Ok(l)
        },
        r#"[(1,), (1, "a"), (1, "b")]"#,
    );
    check(
        |t| {
            let numbers = [3.0, f64::NAN, -0.5, f64::INFINITY, 2.0];
            let l = t.list(&[])?;
            for (i, f) in numbers.into_iter().enumerate() {
                let (i, f) = (t.int(i as i64)?, t.float(f)?);
                t.m(l, "push", &[f])?;
                t.m(l, "push", &[i])?;
            }
            t.m(l, "sort", &[])?;
            Ok(l)
        },
        "[-0.5, 0, 1, 2.0, 2, 3.0, 3, 4, inf, NaN]".replace("2.0, 2", "2, 2.0").as_str(),
    );
    check(
        |t| {
            let l = t.int_list([3, i64::MAX, i64::MIN, 0])?;
            t.m(l, "sort", &[])?;
            Ok(l)
        },
        "[-9223372036854775808, 0, 3, 9223372036854775807]",
    );
    check(
        |t| {
            let l = t.list(&[])?;
            for s in ["b", "é", "", "ab", "a"] {
                let s = t.text(s)?;
                t.m(l, "push", &[s])?;
            }
            t.m(l, "sort", &[])?;
            Ok(l)
        },
        r#"["", "a", "ab", "b", "é"]"#,
    );
    check(
        |t| {
            let (l, a) = (t.int_list([3, 1, 2])?, t.text("a")?);
            t.m(l, "push", &[a])?;
            let error = t.m(l, "sort", &[]).unwrap_err();
            assert!(
                error.starts_with("TypeMismatch: `sort` cannot order") || error == "OutOfMemory"
            );
            Ok(l)
        },
        r#"[3, 1, 2, "a"]"#,
    );
    check(
        |t| {
            let (a, b) = (t.int_list([1])?, t.int_list([1])?);
            t.run(operators::lt, &[a, b])
        },
        "TypeMismatch: `<` cannot order a list and a list",
    );
    check(
        |t| {
            let (a, b) = (t.char('a'), t.char('b'));
            let less = t.run(operators::lt, &[a, b])?;
            let min = t.f("min", &[b, a])?;
            t.show_all(&[less, min])
        },
        "true 'a'",
    );
}

#[test]
fn text_forms() {
    let show = |make: fn(&mut T) -> R, expected: &str| {
        check(|t| make(t).and_then(|h| t.show_all(&[h])), expected);
    };
    show(|t| t.record(EMPTY, &[]), "Empty");
    show(|t| t.text("t\t\\"), r#""t\t\\""#);
    show(|t| t.range(1, 5, true), "1..=5");
    show(|t| t.closure(FuncId(0), &[]), "<fn named>");
    show(|t| t.closure(FuncId(1), &[]), "<fn>");
    show(
        |t| {
            let (a, quote) = (t.text("s")?, t.char('\''));
            let tuple = t.tuple(&[quote])?;
            let pair = t.record(PAIR, &[tuple, a])?;
            let circle = t.record(CIRCLE, &[a])?;
            let set = t.set(&[a])?;
            t.list(&[pair, circle, set])
        },
        r#"[#{ a: ('\'',), b: "s" }, Circle("s"), %["s"]]"#,
    );
    check(
        |t| {
            let inner = t.list(&[])?;
            t.list(&[inner, inner])
        },
        "[[], []]",
    );
    // Long values are cut in messages.
    check(
        |t| {
            let long = t.text(&"é".repeat(100))?;
            let m = t.map(&[])?;
            let error = t.run(operators::index, &[m, long]).unwrap_err();
            assert!(error == "OutOfMemory" || error.ends_with('…') && error.len() < 120, "{error}");
            t.int(1)
        },
        "1",
    );
}

#[test]
fn records() {
    check(
        |t| {
            let [one, two] = t.ints([1, 2])?;
            let p = t.record(POINT, &[one, two])?;
            let (x, z) = (t.keyword("x"), t.keyword("z"));
            t.run(operators::set_field, &[p, x, two])?;
            let got = t.run(operators::field, &[p, x])?;
            let error = t.run(operators::field, &[p, z]).unwrap_err();
            let error = t.text(&error)?;
            let none = t.run(operators::field, &[one, x]).unwrap_err();
            let none = t.text(&none)?;
            t.show_all(&[got, error, none])
        },
        r#"2 "TypeMismatch: no field `z` on Point" "TypeMismatch: no field `x` on int""#,
    );
    let update = |class: u16| {
        move |t: &mut T| {
            let [class, one, slot, two] = t.ints([class.into(), 1, 1, 2])?;
            let p = t.record(POINT, &[one, one])?;
            let new = t.run(operators::update_record, &[class, p, slot, two])?;
            t.show_all(&[p, new])
        }
    };
    check(update(POINT), "Point { x: 1, y: 1 } Point { x: 1, y: 2 }");
    check(update(PAIR), "TypeMismatch: `..` of a record literal needs a record, not a Point");
    check(update(CIRCLE), "TypeMismatch: `..` of a Circle literal needs a Circle, not a Point");
}

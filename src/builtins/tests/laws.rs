//! Laws that hold for all values, tried on random ones.

use proptest::prelude::*;

use super::*;

/// A description of a value, so that it can be built twice.
#[derive(Clone, Debug)]
enum V {
    Int(i64),
    Float(f64),
    Text(String),
    Char(char),
    Keyword(bool),
    Tuple(Vec<V>),
    List(Vec<V>),
    Point(Box<V>, Box<V>),
    Set(Vec<i64>),
    Map(Vec<(i64, V)>),
}

fn build(t: &mut T, v: &V) -> H {
    let all = |t: &mut T, vs: &[V]| vs.iter().map(|v| build(t, v)).collect::<Vec<_>>();
    match v {
        V::Int(i) => t.int(*i),
        V::Float(f) => t.float(*f),
        V::Text(s) => t.text(s),
        V::Char(c) => Ok(t.char(*c)),
        V::Keyword(b) => Ok(t.keyword(if *b { "a" } else { "b" })),
        V::Tuple(vs) => {
            let vs = all(t, vs);
            t.tuple(&vs)
        }
        V::List(vs) => {
            let vs = all(t, vs);
            t.list(&vs)
        }
        V::Point(x, y) => {
            let fields = [build(t, x), build(t, y)];
            t.record(POINT, &fields)
        }
        V::Set(ints) => {
            let elements: Vec<H> = ints.iter().map(|&i| t.int(i).unwrap()).collect();
            t.set(&elements)
        }
        V::Map(pairs) => {
            let m = t.map(&[]).unwrap();
            for (k, v) in pairs {
                let (k, v) = (t.int(*k).unwrap(), build(t, v));
                t.m(m, "set", &[k, v]).unwrap();
            }
            Ok(m)
        }
    }
    .unwrap()
}

fn scalar() -> impl Strategy<Value = V> {
    let near = prop_oneof![
        -2..3i64,
        Just(i64::MAX),
        Just(i64::MIN),
        Just(Value::INT_MAX + 1),
        Just((1 << 53) + 1),
    ];
    let float = prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(1.0),
        Just(f64::INFINITY),
        Just(9007199254740992.0),
        Just(9223372036854775808.0),
        -2.0..2.0f64,
    ];
    prop_oneof![
        near.prop_map(V::Int),
        float.prop_map(V::Float),
        "[ab]{0,2}".prop_map(V::Text),
        prop_oneof![Just('a'), Just('b')].prop_map(V::Char),
        any::<bool>().prop_map(V::Keyword),
    ]
}

fn value() -> impl Strategy<Value = V> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            some.clone().prop_map(V::Tuple),
            some.prop_map(V::List),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| V::Point(x.into(), y.into())),
            prop::collection::vec(0..4i64, 0..4).prop_map(V::Set),
            prop::collection::vec((0..3i64, inner), 0..3).prop_map(V::Map),
        ]
    })
}

/// A key: no lists, sets or maps.
fn key() -> impl Strategy<Value = V> {
    scalar().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(V::Tuple),
            (inner.clone(), inner).prop_map(|(x, y)| V::Point(x.into(), y.into())),
        ]
    })
}

/// Calls one of the helpers on two values.
type Call = Box<dyn Fn(&Native<'_>)>;
fn with<R: Clone + 'static>(t: &mut T, a: H, b: H, f: fn(&Native<'_>, Value, Value) -> R) -> R {
    thread_local!(static RESULT: RefCell<Option<Box<dyn std::any::Any>>> =
        const { RefCell::new(None) });
    let (a, b) = (t.value(a), t.value(b));
    RESULT.set(None);
    // A builtin is a plain function, so what to call travels beside it.
    thread_local!(static CALL: RefCell<Option<Call>> = const { RefCell::new(None) });
    CALL.set(Some(Box::new(move |cx| RESULT.set(Some(Box::new(f(cx, a, b)))))));
    fn run(cx: &mut Native<'_>) -> NativeResult {
        CALL.with_borrow(|call| call.as_ref().expect("set by the caller")(cx));
        Ok(Value::NIL)
    }
    t.run(run, &[]).unwrap();
    let result = RESULT.take().expect("set by the call");
    result.downcast_ref::<R>().expect("this type").clone()
}

fn hash_of(t: &mut T, h: H) -> u64 {
    with(t, h, h, |cx, v, _| hash_value(cx, v))
}

/// What a program can do to a map.
#[derive(Clone, Debug)]
enum Op {
    Set(usize, i64),
    Remove(usize),
    Get(usize),
    Copy,
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..40usize, any::<i64>()).prop_map(|(k, v)| Op::Set(k, v >> 4)),
        4 => (0..40usize).prop_map(Op::Remove),
        2 => (0..40usize).prop_map(Op::Get),
        1 => Just(Op::Copy),
        1 => Just(Op::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: crate::check::property_cases(200), failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn equal_values_hash_alike(a in value(), b in value()) {
        let mut t = T::new(Mode::Still);
        let (x, twin, y) = (build(&mut t, &a), build(&mut t, &a), build(&mut t, &b));
        prop_assert!(with(&mut t, x, twin, same_key));
        prop_assert_eq!(hash_of(&mut t, x), hash_of(&mut t, twin));
        let same = with(&mut t, x, y, same_key);
        let equal = with(&mut t, x, y, structural_eq);
        prop_assert_eq!(equal, with(&mut t, y, x, structural_eq));
        prop_assert!(equal || !same);
        prop_assert!(!same || hash_of(&mut t, x) == hash_of(&mut t, y));
        prop_assert!(same == (t.show(x) == t.show(y)) || !ordered(&a) || !ordered(&b));
    }

    #[test]
    fn compare_is_a_total_order(a in key(), b in key(), c in key()) {
        let mut t = T::new(Mode::Still);
        let [x, y, z] = [&a, &b, &c].map(|v| build(&mut t, v));
        let order = |t: &mut T, a, b| with(t, a, b, |cx, a, b| compare(cx, a, b).ok());
        let (xy, yx) = (order(&mut t, x, y), order(&mut t, y, x));
        prop_assert_eq!(xy.map(std::cmp::Ordering::reverse), yx);
        let (yz, xz) = (order(&mut t, y, z), order(&mut t, x, z));
        if let (Some(xy), Some(yz), Some(xz)) = (xy, yz, xz)
            && (xy == yz || yz.is_eq())
        {
            prop_assert_eq!(xy, xz);
        }
        if let Some(xy) = xy {
            let equal = with(&mut t, x, y, structural_eq);
            prop_assert_eq!(xy.is_eq(), equal);
        }
    }

    #[test]
    fn sort_orders_and_keeps(mut ints in prop::collection::vec(-20..20i64, 0..40)) {
        // Pairs that are equal by their first parts only would show instability; here the second
        // parts are floats equal to ints, so equal elements can be told apart.
        let mut t = T::new(Mode::Still);
        let l = t.list(&[]).unwrap();
        for (n, &i) in ints.iter().enumerate() {
            let i = if n % 2 == 0 { t.int(i) } else { t.float(i as f64) }.unwrap();
            t.m(l, "push", &[i]).unwrap();
        }
        let before: Vec<H> = (0..ints.len()).map(|i| {
            let i = t.int(i as i64).unwrap();
            t.run(operators::index, &[l, i]).unwrap()
        }).collect();
        t.m(l, "sort", &[]).unwrap();
        let mut expected: Vec<(i64, H)> = ints.drain(..).zip(before).collect();
        expected.sort_by_key(|(i, _)| *i);
        let elements: Vec<H> = expected.into_iter().map(|(_, h)| h).collect();
        let expected = t.list(&elements).unwrap();
        prop_assert_eq!(t.show(l), t.show(expected));
    }

    #[test]
    fn maps_behave_like_their_model(
        keys in prop::collection::vec(key(), 40), ops in prop::collection::vec(op(), 0..120),
        moving: bool,
    ) {
        let mut t = T::new(if moving { Mode::Moving } else { Mode::Still });
        // Two copies of every key: one to insert, one to ask with.
        let mut inserted: Vec<H> = Vec::new();
        for k in &keys {
            inserted.push(build(&mut t, k));
        }
        let asked: Vec<H> = keys.iter().map(|k| build(&mut t, k)).collect();
        // The first key that is the same key stands for all of them.
        let class: Vec<usize> = (0..keys.len())
            .map(|i| {
                (0..=i)
                    .find(|&j| with(&mut t, inserted[i], inserted[j], same_key))
                    .unwrap()
            })
            .collect();
        let mut map = t.map(&[]).unwrap();
        let set = t.set(&[]).unwrap();
        let mut model: Vec<(usize, usize, i64)> = Vec::new();
        let roots = t.host.kept.len();
        for op in ops {
            match op {
                Op::Set(k, v) => {
                    let h = t.int(v).unwrap();
                    t.m(map, "set", &[inserted[k], h]).unwrap();
                    let new = t.m(set, "add", &[inserted[k]]).unwrap();
                    let known = model.iter_mut().find(|(c, ..)| *c == class[k]);
                    prop_assert_eq!(t.value(new) == Value::TRUE, known.is_none());
                    match known {
                        Some(entry) => entry.2 = v,
                        None => model.push((class[k], k, v)),
                    }
                }
                Op::Remove(k) => {
                    let removed = t.m(map, "remove", &[asked[k]]).unwrap();
                    let there = t.m(set, "remove", &[asked[k]]).unwrap();
                    let at = model.iter().position(|(c, ..)| *c == class[k]);
                    prop_assert_eq!(t.value(there) == Value::TRUE, at.is_some());
                    let expected = at.map_or("nil".to_owned(), |at| model.remove(at).2.to_string());
                    prop_assert_eq!(t.show(removed), expected);
                }
                Op::Get(k) => {
                    let got = t.m(map, "get", &[asked[k]]).unwrap();
                    let entry = model.iter().find(|(c, ..)| *c == class[k]);
                    let expected = entry.map_or("nil".to_owned(), |e| e.2.to_string());
                    prop_assert_eq!(t.show(got), expected);
                }
                Op::Copy => {
                    let copy = t.m(map, "copy", &[]).unwrap();
                    let equal = with(&mut t, map, copy, structural_eq);
                    prop_assert!(equal);
                    t.host.kept[map.0] = t.value(copy);
                }
                Op::Clear => {
                    t.m(map, "clear", &[]).unwrap();
                    t.m(set, "clear", &[]).unwrap();
                    model.clear();
                }
            }
            t.host.kept.truncate(roots);
            map = H(map.0);
        }
        let entries: Vec<String> =
            model.iter().map(|&(_, k, v)| format!("{}: {v}", t.show(inserted[k]))).collect();
        prop_assert_eq!(t.show(map), format!("%{{{}}}", entries.join(", ")));
        let keys: Vec<String> = model.iter().map(|&(_, k, _)| t.show(inserted[k])).collect();
        prop_assert_eq!(t.show(set), format!("%[{}]", keys.join(", ")));
    }

    #[test]
    fn floats_read_back(bits: u64) {
        let f = f64::from_bits(bits);
        let mut t = T::new(Mode::Still);
        let h = t.float(f).unwrap();
        let text = t.f("str", &[h]).unwrap();
        let again = t.f("float", &[text]).unwrap();
        let shown = t.show(h);
        prop_assert!(shown.contains(['.', 'e', 'i', 'N']), "{}", shown);
        prop_assert_eq!(t.show(again), shown);
        let (a, b) = (t.value(h), t.value(again));
        match (number_of(a), number_of(b)) {
            (Some(Number::Float(a)), Some(Number::Float(b))) => {
                prop_assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
            }
            _ => prop_assert!(false, "two floats"),
        }
    }

    #[test]
    fn slices_never_cut_characters(text in "[aé😀\n]{0,6}", a in -1..26i64, b in -1..26i64) {
        let mut t = T::new(Mode::Moving);
        let s = t.text(&text).unwrap();
        let bounds = t.ints([a, b]).unwrap();
        let part = t.m(s, "slice", &bounds);
        let range = usize::try_from(a).ok().zip(usize::try_from(b).ok());
        match (part, range.and_then(|(a, b)| text.get(a..b))) {
            (Ok(part), Some(expected)) => {
                let display = format::display_plain(&t.host.world, t.value(part));
                prop_assert_eq!(display, expected);
            }
            (Err(e), None) => prop_assert!(e.starts_with("InvalidSlice: "), "{}", e),
            (part, expected) => prop_assert!(false, "{:?} instead of {:?}", part, expected),
        }
    }

    #[test]
    fn int_operators_agree_with_128_bits(a: i64, b: i64, shift in 0..62u32) {
        let (a, b) = (a >> shift, b >> (shift / 2));
        let mut t = T::new(Mode::Still);
        let args = t.ints([a, b]).unwrap();
        let cases: [(NativeFn, i128); 3] = [
            (operators::add, i128::from(a) + i128::from(b)),
            (operators::sub, i128::from(a) - i128::from(b)),
            (operators::mul, i128::from(a) * i128::from(b)),
        ];
        for (f, exact) in cases {
            match t.run(f, &args) {
                Ok(h) => prop_assert_eq!(t.show(h), exact.to_string()),
                Err(e) => {
                    prop_assert!(e.starts_with("Overflow") && i64::try_from(exact).is_err());
                }
            }
        }
    }
}

/// Whether equal text means the same key: sets and maps keep the order of insertion, and both zeros
/// are one key.
fn ordered(v: &V) -> bool {
    match v {
        V::Set(_) | V::Map(_) => false,
        V::Float(f) => *f != 0.0,
        V::Tuple(vs) | V::List(vs) => vs.iter().all(ordered),
        V::Point(x, y) => ordered(x) && ordered(y),
        _ => true,
    }
}

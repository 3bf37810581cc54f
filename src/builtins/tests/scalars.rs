//! Numbers, strings, chars, conversions, output and the other functions.

use super::*;

/// Runs a binary operator on two ints.
#[track_caller]
fn ints(f: NativeFn, a: i64, b: i64, expected: &str) {
    check(
        |t| {
            let args = t.ints([a, b])?;
            t.run(f, &args)
        },
        expected,
    );
}
#[track_caller]
fn floats(f: NativeFn, a: f64, b: f64, expected: &str) {
    check(
        |t| {
            let args = [t.float(a)?, t.float(b)?];
            t.run(f, &args)
        },
        expected,
    );
}

#[test]
fn int_arithmetic() {
    use operators as o;
    ints(o::add, Value::INT_MAX, 1, "1152921504606846976");
    ints(o::add, i64::MAX, 1, "Overflow: 9223372036854775807 + 1 does not fit 64 bits");
    ints(o::sub, i64::MIN, 1, "Overflow:");
    ints(o::mul, i64::MAX, 2, "Overflow:");
    ints(o::mul, 1 << 31, 1 << 31, "4611686018427387904");
    ints(o::div, -7, 2, "-3");
    ints(o::div, i64::MIN, -1, "Overflow:");
    ints(o::div, 7, 0, "DivisionByZero: 7 / 0");
    ints(o::rem, -7, 2, "-1");
    ints(o::rem, i64::MIN, -1, "0");
    ints(o::rem, 7, 0, "DivisionByZero: 7 % 0");
    ints(o::bit_and, 12, 10, "8");
    ints(o::bit_or, 12, 10, "14");
    ints(o::bit_xor, 12, 10, "6");
    ints(o::shl, 3, 63, "-9223372036854775808");
    ints(o::shr, -8, 1, "-4");
    ints(o::shr_logical, -1, 60, "15");
    ints(o::shl, 1, 64, "InvalidArgument: `<<` shifts by 0 to 63 bits, not by 64");
    ints(o::shr, 1, -1, "InvalidArgument:");
    check(|t| t.int(i64::MIN).and_then(|i| t.run(operators::neg, &[i])), "Overflow:");
    check(|t| t.int(5).and_then(|i| t.run(operators::bit_not, &[i])), "-6");
    check(|t| t.float(-0.0).and_then(|f| t.run(operators::neg, &[f])), "0.0");
    check(|t| t.text("a").and_then(|s| t.run(operators::neg, &[s])), "TypeMismatch: `-` needs a n");
}

#[test]
fn float_and_mixed_arithmetic() {
    use operators as o;
    floats(o::add, 0.1, 0.2, "0.30000000000000004");
    floats(o::div, 1.0, 0.0, "inf");
    floats(o::rem, -7.5, 2.0, "-1.5");
    floats(o::mul, 1e200, 1e200, "inf");
    floats(o::lt, f64::NAN, 1.0, "false");
    floats(o::ge, f64::NAN, 1.0, "false");
    check(
        |t| {
            let (i, f) = (t.int(1)?, t.float(0.5)?);
            let (sum, less) = (t.run(o::add, &[i, f])?, t.run(o::lt, &[f, i])?);
            t.show_all(&[sum, less])
        },
        "1.5 true",
    );
    check(
        |t| {
            let (i, s) = (t.int(1)?, t.text("a")?);
            t.run(o::add, &[i, s])
        },
        "TypeMismatch: `+` needs two numbers or two strings, not an int and a string",
    );
    check(
        |t| {
            let (i, f) = (t.int(1)?, t.float(1.5)?);
            t.run(o::bit_and, &[i, f])
        },
        "TypeMismatch: `&` needs two ints, not an int and a float",
    );
    check(
        |t| {
            let (i, s) = (t.int(1)?, t.nil());
            t.run(o::le, &[i, s])
        },
        "TypeMismatch: `<=` cannot order an int and nil",
    );
}

#[test]
fn functions_of_numbers() {
    let f = |name: &'static str, expected: &str, args: &[f64]| {
        check(
            |t| {
                let mut all = Vec::new();
                for &x in args {
                    all.push(t.float(x)?);
                }
                t.f(name, &all)
            },
            expected,
        );
    };
    f("floor", "-3.0", &[-2.5]);
    f("ceil", "-2.0", &[-2.5]);
    f("round", "-3.0", &[-2.5]);
    f("sqrt", "1.5", &[2.25]);
    f("atan2", "0.0", &[0.0, 1.0]);
    f("exp", "1.0", &[0.0]);
    f("log", "0.0", &[1.0]);
    f("pow", "0.125", &[2.0, -3.0]);
    f("min", "1.0", &[f64::NAN, 1.0]);
    f("max", "NaN", &[1.0, f64::NAN]);
    f("abs", "1e300", &[-1e300]);
    f("int", "-2", &[-2.9]);
    f("int", "-9223372036854775808", &[-9223372036854775808.0]);
    f("int", "Overflow:", &[9223372036854775808.0]);
    f("int", "InvalidArgument: NaN is no int", &[f64::NAN]);
    f("compare", "1", &[f64::NAN, f64::INFINITY]);
    f("sleep", "Block(Event(Sleep, Some(1500000)))", &[1.5]);
    f("sleep", "InvalidArgument:", &[-1.0]);
    let i = |name: &'static str, expected: &str, args: &[i64]| {
        check(
            |t| {
                let mut all = Vec::new();
                for &x in args {
                    all.push(t.int(x)?);
                }
                t.f(name, &all)
            },
            expected,
        );
    };
    i("abs", "Overflow:", &[i64::MIN]);
    i("floor", "5", &[5]);
    i("pow", "4611686018427387904", &[2, 62]);
    i("pow", "Overflow: 2 to the power of 63 does not fit 64 bits", &[2, 63]);
    i("pow", "1", &[0, 0]);
    i("pow", "0", &[0, i64::MAX]);
    i("pow", "-1", &[-1, i64::MAX]);
    i("pow", "Overflow:", &[2, i64::MAX]);
    i("pow", "0.5", &[2, -1]);
    i("wrapping_add", "-9223372036854775808", &[i64::MAX, 1]);
    i("wrapping_mul", "-2", &[i64::MAX, 2]);
    i("wrapping_sub", "9223372036854775807", &[i64::MIN, 1]);
    i("chr", "é", &[233]);
    i("chr", "InvalidArgument: there is no character 55296", &[0xd800]);
    i("same", "true", &[i64::MAX, i64::MAX]);
    i("same", "false", &[i64::MAX, i64::MIN]);
    i("%check_range", "nil", &[i64::MAX, i64::MIN]);
}

#[test]
fn conversions() {
    let of_text = |name: &'static str, text: &'static str, expected: &str| {
        check(|t| t.text(text).and_then(|s| t.f(name, &[s])), expected);
    };
    of_text("int", "-12", "-12");
    of_text("int", "9223372036854775808", "Overflow:");
    of_text("int", "12 ", r#"InvalidArgument: "12 " is no int"#);
    of_text("float", "1e3", "1000.0");
    of_text("float", "x", r#"InvalidArgument: "x" is no float"#);
    of_text("repr", "q\"\n\u{1}{", r#""q\"\n\u{1}{""#);
    of_text("str", "q\"", "q\"");
    of_text("len", "é", "2");
    of_text("symbol", "s", "s");
    of_text("type_of", "s", ":string");
    of_text("panic", "stop", "Panic: stop");
    check(
        |t| t.int_list([1]).and_then(|l| t.f("int", &[l])),
        "TypeMismatch: `int` needs a number,",
    );
    check(|t| t.int(5).and_then(|i| t.f("len", &[i])), "TypeMismatch: an int has no length");
}

#[test]
fn string_methods() {
    let m = |text: &'static str, method: &'static str, args: &[&'static str], expected: &str| {
        check(
            |t| {
                let s = t.text(text)?;
                let mut all = Vec::new();
                for &arg in args {
                    let arg = t.text(arg)?;
                    let int = t.m(arg, "to_int", &[])?;
                    all.push(if t.value(int) == Value::NIL { arg } else { int });
                }
                let result = t.m(s, method, &all)?;
                t.show_all(&[result])
            },
            expected,
        );
    };
    m("héllo", "len", &[], "6");
    m("héllo", "chars", &[], "5");
    m("héllo", "byte", &["1"], "195");
    m("héllo", "byte", &["6"], "IndexOutOfRange:");
    m("héllo", "char_at", &["1"], "'é'");
    m("héllo", "char_at", &["2"], "InvalidSlice: `char_at`: byte 2 is inside of a character");
    m("héllo", "slice", &["1", "3"], r#""é""#);
    m("héllo", "slice", &["1", "2"], "InvalidSlice: `slice`: byte 2 is inside of a character");
    m("héllo", "slice", &["3", "9"], "InvalidSlice: `slice`: 3..9 is out of range");
    m("héllo", "slice", &["3", "1"], "InvalidSlice:");
    m("banana", "find", &["nan"], "2");
    m("banana", "find", &["x"], "nil");
    m("banana", "contains", &["ana"], "true");
    m("banana", "starts_with", &["ban"], "true");
    m("banana", "ends_with", &["ban"], "false");
    m("banana", "contains", &["7"], "TypeMismatch: `contains` needs a string, not an int");
    m("a,b,,c", "split", &[","], r#"["a", "b", "", "c"]"#);
    m("", "split", &[","], r#"[""]"#);
    m("aé", "split", &[""], r#"["a", "é"]"#);
    m(" \tx y\n", "trim", &[], r#""x y""#);
    m("  ", "trim", &[], r#""""#);
    m("MiXé", "lower", &[], r#""mixé""#);
    m("mixé", "upper", &[], r#""MIXÉ""#);
    m("ab", "repeat", &["3"], r#""ababab""#);
    m("ab", "repeat", &["0"], r#""""#);
    m("", "repeat", &["9223372036854775807"], r#""""#);
    m("ab", "repeat", &["-1"], "InvalidArgument:");
    m("ab", "repeat", &["9223372036854775807"], "OutOfMemory: `repeat`");
    m("banana", "replace", &["an", "AN"], r#""bANANa""#);
    m("aé", "replace", &["", "-"], r#""-a-é-""#);
    m("4x", "to_int", &[], "nil");
    m("2.5", "to_float", &[], "2.5");
    m("x", "to_float", &[], "nil");
    m("aé", "to_list", &[], "['a', 'é']");
    m("aé", "bytes", &[], "bytes[97, 195, 169]");
    m("", "is_empty", &[], "true");
    check(
        |t| {
            let s = t.text("aé")?;
            let b = t.m(s, "bytes", &[])?;
            t.m(b, "to_string", &[])
        },
        "aé",
    );
    for (c, expected) in [('7', "55 true false false"), ('é', "233 false true false")] {
        check(
            |t| {
                let c = t.char(c);
                let mut all = Vec::new();
                for method in ["code", "is_digit", "is_alpha", "is_space"] {
                    all.push(t.m(c, method, &[])?);
                }
                t.show_all(&all)
            },
            expected,
        );
    }
}

#[test]
fn concatenation() {
    check(
        |t| {
            let (a, b) = (t.text("aé")?, t.text("b")?);
            t.run(operators::add, &[a, b])
        },
        "aéb",
    );
    check(
        |t| {
            let (a, l, k) = (t.text("a")?, t.int_list([1])?, t.keyword("k"));
            t.run(operators::concat, &[a, l, k, a])
        },
        "a[1]:ka",
    );
}

#[test]
fn output_and_input() {
    let mut t = T::new(Mode::Moving);
    let (a, l) = (t.text("a").unwrap(), t.int_list([1]).unwrap());
    t.f("print", &[a, l]).unwrap();
    t.f("print", &[]).unwrap();
    t.f("write", &[a]).unwrap();
    t.f("eprint", &[a]).unwrap();
    assert_eq!(*t.output.0.lock().unwrap(), b"a [1]\n\naa\n");
    let lines: Vec<String> = (0..3)
        .map(|_| {
            let line = t.f("read_line", &[]).unwrap();
            t.show(line)
        })
        .collect();
    assert_eq!(lines, ["\"first\"", "\"second\"", "nil"]);

    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    t.host.world.output = crate::output::Output::immediate(Full, io::sink());
    let long = t.text(&"a".repeat(crate::output::FULL)).unwrap();
    t.f("write", &[long]).unwrap();
    let error = t.f("print", &[a]).unwrap_err();
    assert!(error.starts_with("Io: `print`: "), "{error}");
}

#[test]
fn arguments_and_parameters() {
    check(|t| t.f("args", &[]), r#"["one", "two"]"#);
    for (name, expected) in [("n", "5"), ("f", "0.5"), ("s", "text"), ("none", ":default")] {
        check(
            |t| {
                let (name, default) = (t.text(name)?, t.keyword("default"));
                t.f("param", &[name, default])
            },
            expected,
        );
    }
}

#[test]
fn memory_functions() {
    check(
        |t| {
            let stats = t.f("heap_stats", &[])?;
            let name = t.keyword("limit_bytes");
            let limit = t.run(operators::field, &[stats, name])?;
            let type_of = t.f("type_of", &[stats])?;
            t.show_all(&[limit, type_of])
        },
        "67108864 :record",
    );
    check(
        |t| {
            let l = t.int_list([1])?;
            let (weak, five) = (t.f("weak", &[l])?, t.int(5)?);
            let of_int = t.f("weak", &[five])?;
            t.f("gc", &[])?;
            let (held, int) = (t.m(weak, "get", &[])?, t.m(of_int, "get", &[])?);
            let show = t.show_all(&[weak, held, int])?;
            // Dropped by the test: cleared by the next collection.
            t.host.kept[l.0] = Value::NIL;
            t.host.kept[held.0] = Value::NIL;
            t.f("gc", &[])?;
            let gone = t.m(weak, "get", &[])?;
            t.show_all(&[show, gone])
        },
        r#""<weak> [1] 5" nil"#,
    );
    let finalizer = |x: fn(&mut T) -> R, func: u32| {
        move |t: &mut T| {
            let (x, f) = (x(t)?, t.closure(FuncId(func), &[])?);
            t.f("finalizer", &[x, f])
        }
    };
    check(finalizer(|t| t.list(&[]), 1), "nil");
    check(finalizer(|t| t.int(1), 1), "TypeMismatch: `finalizer` needs an object on the heap");
    check(finalizer(|t| t.list(&[]), 0), "ArityMismatch: a finalizer takes 1 argument, not 2");
    check(
        |t| {
            let f = t.closure(FuncId(0), &[])?;
            t.m(f, "arity", &[])
        },
        "2",
    );
    check(
        |t| {
            let (no, message) = (t.bool(false), t.text("why")?);
            let without = t.f("assert", &[no]).unwrap_err();
            assert!(without == "AssertionFailed: assertion failed" || without == "OutOfMemory");
            t.f("assert", &[no, message])
        },
        "AssertionFailed: why",
    );
    let mut t = T::new(Mode::Still);
    let (x, f) = (t.list(&[]).unwrap(), t.closure(FuncId(1), &[]).unwrap());
    t.f("finalizer", &[x, f]).unwrap();
    assert_eq!(t.host.world.finalizers, [(t.value(x), t.value(f))]);
}

#[test]
fn tables_are_consistent() {
    for (i, f) in FUNCTIONS.iter().enumerate() {
        assert_eq!(function(f.name).map(|id| id.index()), Some(i), "{} is there twice", f.name);
        assert!(f.min_args <= f.max_args);
    }
    for m in METHODS {
        let found = method(m.class, m.name).expect("it is in the table");
        assert!(std::ptr::eq(found, m), "{} of {:?} is there twice", m.name, m.class);
        assert!(m.min_args >= 1 && m.min_args <= m.max_args);
    }
    assert!(function("nothing").is_none() && method(ClassId::INT, "push").is_none());
    fn wrong_count(cx: &mut Native<'_>) -> NativeResult {
        let m = method(ClassId::LIST, "insert").expect("it is in the table");
        check_arity(cx, m).map(|()| Value::NIL)
    }
    check(
        |t| t.list(&[]).and_then(|l| t.run(wrong_count, &[l, l])),
        "ArityMismatch: `insert` takes 2 arguments, not 1",
    );
    check(|t| t.list(&[]).and_then(|l| t.run(wrong_count, &[l, l, l])), "nil");
}

//! Both directions.

use super::*;
use crate::ir::{Program, arbitrary};
use crate::names::Name;
use proptest::prelude::*;

fn same(a: &Program, b: &Program) -> bool {
    let names = |p: &Program| -> Vec<String> {
        (0..p.names.len() as u32).map(|n| p.names.text(Name(n)).to_string()).collect()
    };
    a.funcs == b.funcs
        && a.entry == b.entry
        && a.classes == b.classes
        && a.methods == b.methods
        && a.globals == b.globals
        && names(a) == names(b)
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(program in arbitrary::program()) {
        let text = print(&program, Style::EXACT);
        let parsed = parse(&text);
        prop_assert!(parsed.is_ok(), "{:?} in\n{}", parsed.err(), text);
        prop_assert!(same(&program, &parsed.unwrap()), "{}", text);
    }

    #[test]
    fn every_style_parses_and_prints_again(program in arbitrary::program()) {
        let text = print(&program, Style::READABLE);
        let again = print(&parse(&text).unwrap(), Style::READABLE);
        prop_assert_eq!(text, again);
    }

    #[test]
    fn nothing_makes_the_parser_panic(
        text in "(fn f0 |class |v1 = |const |[ -~\n]{0,8}){0,12}",
    ) {
        let _ = parse(&text);
    }
}

/// Parses, prints, and compares with the text itself.
fn check(text: &str) {
    match parse(text) {
        Ok(program) => assert_eq!(print(&program, Style::EXACT), text),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn golden() {
    check(
        r##"names "Error" "kind" "message" "Shape" "Circle" "r" "#" "a b" "main" "<closure>"
class c64 struct Error {kind, message}
class c65 variant Shape Circle {r}
class c66 dynamic "#" {"a b"}
global g0 main
method c65 r f1
entry f0

fn f0 main(v0) slots 1 @0:0:120 {
b0:
  v1 = const -9223372036854775808 @0:3:4
  v2 = const -0.0
  v3 = const nan_7ff8000000000001
  v4 = const -inf
  v5 = const 1e300
  v6 = const '\''
  v7 = const "a\"\n\u{7}\\é'"
  v8 = const :"a b"
  v9 = const f0
  slot_set s0, v1
  try b1, b2
b1 handler b2:
  v10 = call_method v1."a b"(v2, v3)
  v11 = update c65 v10 {0: v1}
  switch v10, -3, [b3, b3], b4 @0:5:9
b2(v12):
  throw v12
b3:
  v13 = record c66(v1)
  return v13
b4:
  set_field v10.r, v11
  tail_call_direct f1()
}

fn f1 "<closure>"() captures 2 values 7 {
b0:
  v0 = capture 1
  unreachable
}
"##,
    );
}

#[test]
fn notes_say_what_is_meant() {
    let program = parse(
        "class c64 struct Error { kind, message } global g0 counter
         fn f0 main() { b0: v0 = global_get g0 v1 = is_class v0, c64 v2 = is_class v0, c36
         tail_call_direct f0() }",
    )
    .unwrap();
    let expected = "fn f0 main() {
b0:
  v0 = global_get g0  // counter
  v1 = is_class v0, c64  // Error
  v2 = is_class v0, c36  // Int
  tail_call_direct f0()  // main
}
";
    assert_eq!(print_function(&program, FuncId(0), Style::READABLE), expected);
}

#[test]
fn errors_name_the_line() {
    let check = |text: &str, line: u32, part: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.line == line && error.message.contains(part), "{error}");
    };
    check("fn f1 main() {}", 1, "function number 1 where 0 comes next");
    check("fn f0 main() {\nb0:\n  frob v1\n}", 3, "`frob` is no instruction");
    check("fn f0 main() {\nb0:\n  v1 = return v0\n}", 3, "`return` is no instruction");
    check("fn f0 main() {\nb0:\n  return w0\n}", 3, "expected `v` and a number");
    check("class c64 struct A {x y}", 1, "expected `}`");
    check("// nothing\nbang", 2, "`bang` starts nothing");
    check("global g0 \"abc", 1, "unfinished literal");
}

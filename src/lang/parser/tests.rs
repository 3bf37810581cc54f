//! What programs parse to. Messages are tested in `tests/frontend_errors.rs`, robustness in
//! `tests/frontend_fuzz.rs`.

use crate::lang::diagnostics::{RenderOptions, Sources, has_errors, render};
use crate::lang::parser::parse;
use crate::lang::pretty::module_text;
use crate::names::Interner;

/// Parses without a message of any kind to the given tree; blanks and line ends in `expected`
/// count as one blank.
#[track_caller]
fn check(source: &str, expected: &str) {
    let (tree, messages) = parsed(source);
    assert_eq!(messages, "", "in {source}");
    assert_eq!(squeeze(&tree), squeeze(expected), "in {source}");
}

fn parsed(source: &str) -> (String, String) {
    let mut sources = Sources::new();
    let file = sources.add("test.mena", source);
    let mut names = Interner::default();
    let (module, diagnostics) = parse(&sources, file, &mut names);
    let messages = render(&sources, &diagnostics, RenderOptions::default());
    (module_text(&module, &names), messages)
}

fn squeeze(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("( ", "(").replace(" )", ")")
}

#[test]
fn literals() {
    check("nil; true; false", "nil true false");
    check("1_000; 0xff; 0b101; 0o17; 0xffff_ffff_ffff_ffff", "1000 255 5 15 -1");
    check("1.5; 1e9; 2.5e-3; 1_0.0_1; 3.0", "1.5 1000000000.0 0.0025 10.01 3.0");
    check("9223372036854775807; -9223372036854775808", "9223372036854775807 -9223372036854775808");
    check(r"'a'; '\n'; '\''; '\u{1F600}'; '\\'; '\0'", r"'a' '\n' '\'' '😀' '\\' '\0'");
    check(":name; :if; [:a,:b]", ":name :if (list :a :b)");
    check(r#""a\n\t\r\0\\\"\'\{\}\u{e9}""#, r#""a\n\t\r\0\\\"'{}é""#);
    check(r#"r"a\n{x}""#, r#""a\\n{x}""#);
    check("r\"a\nb\"", r#""a\nb""#);
    check("1 // one\n/* two /* nested */ */ 2", "1 2");
    check("#!/usr/bin/env menagerie\n1", "1");
    check("\u{feff}1\r\n2\r\n", "1 2");
}

#[test]
fn interpolation() {
    check(r#""{a}""#, "(string a)");
    check(r#""x {a + 1} y {b}{{}}""#, r#"(string "x " (+ a 1) " y " b "{}")"#);
    check(r#""{m["k"]}""#, r#"(string (index m "k"))"#);
    check(r#""{"{"{x}"}"}""#, "(string (string (string x)))");
    check(r#""{#{ x: 1 }.x} {%{1: 2}}""#, r#"(string (field (record x: 1) x) " " (map 1 2))"#);
    check(r#""{if a { 1 } else { 2 }}""#, "(string (if a (block (=> 1)) (block (=> 2))))");
    check(r#""{{}}""#, r#""{}""#);
}

#[test]
fn collections() {
    check(
        "[1, 2, 3,]; []; (1, 2); (1,); (); (1)",
        "(list 1 2 3) (list) (tuple 1 2) (tuple 1) (tuple) 1",
    );
    check("%{\"k\": v, :a: 1,}; %{}", r#"(map "k" v :a 1) (map)"#);
    check("%{k:v, 1:nil}", "(map k v 1 nil)");
    check("%[1, 2,]; %[]", "(set 1 2) (set)");
    check("#{ x: 1, y, }; #{}", "(record x: 1 y: y) (record)");
    check("#{ x :y }", "(record x: y)");
    check("[\n1,\n2\n]", "(list 1 2)");
}

#[test]
fn struct_literals() {
    check("Point { x: 1, y }", "(struct Point x: 1 y: y)");
    check(
        "Point { ..p, x: 4 }; Point { x: 4, ..p }",
        "(struct Point (base p) x: 4) (struct Point (base p) x: 4)",
    );
    check("geo::Point { x: 1 }; Unit {}", "(struct geo::Point x: 1) (struct Unit)");
    check("if (P { x: 1 }) == q { 1 }", "(if (== (struct P x: 1) q) (block (=> 1)))");
    check("if f(P { x: 1 }) { 1 }", "(if (call f (struct P x: 1)) (block (=> 1)))");
    check("if x == Empty { y }", "(if (== x Empty) (block (=> y)))");
    check("match Empty { _ => 1 }", "(match Empty (arm _ 1))");
}

#[test]
fn precedence() {
    check("a || b && c", "(|| a (&& b c))");
    check("a && b || c", "(|| (&& a b) c)");
    check("a == b | c", "(== a (| b c))");
    check("a | b ^ c & d", "(| a (^ b (& c d)))");
    check("a & b << c + d * e", "(& a (<< b (+ c (* d e))))");
    check("a * b + c << d & e", "(& (<< (+ (* a b) c) d) e)");
    check("a - b - c", "(- (- a b) c)");
    check("a >> 1 >>> 2", "(>>> (>> a 1) 2)");
    check("-a * !b + ~c", "(+ (* (- a) (! b)) (~ c))");
    check("- -a", "(- (- a))");
    check("-x.f() - -1", "(- (- (method x f)) -1)");
    check("-1.abs(); -1", "(- (method 1 abs)) -1");
    check("0..n + 1; a..=b || c", "(.. 0 (+ n 1)) (..= a (|| b c))");
    check("1..2; x.0..5", "(.. 1 2) (.. (field x 0) 5)");
    check("(a < b) == false || c", "(|| (== (< a b) false) c)");
}

#[test]
fn postfix() {
    check(
        "f(a, b,)(c)[d].e.f(g).0.1",
        "(field (field (method (field (index (call (call f a b) c) d) e) f g) 0) 1)",
    );
    check(
        "m::f(1); Shape::Circle(1); Shape::Empty",
        "(call m::f 1) (call Shape::Circle 1) Shape::Empty",
    );
    check(
        "1.abs(); 1.5.floor(); \"a\".len()",
        r#"(method 1 abs) (method 1.5 floor) (method "a" len)"#,
    );
    check("(a.b)(c)", "(call (field a b) c)");
    check("self.x", "(field self x)");
}

#[test]
fn lines() {
    check("a\nb", "a b");
    check("a +\nb", "(+ a b)");
    check("{ a\n-b.c() }", "(block a (=> (- (method b c))))");
    check("f(a\n, b\n)", "(call f a b)");
    check("(a\n+ b)", "(+ a b)");
    check("a\n  .b()\n  // note\n  .c", "(field (method a b) c)");
    check("a\n(b)\n[c]", "a b (list c)");
    check("f(|x| {\n  a\n  b\n})", "(call f (closure (x) (block a (=> b))))");
    check("let x =\n  1", "(let x 1)");
    check("a; b;; c", "a b c");
    check("fn f()\n{\n return\n 1 }", "(fn f () (block (return) (=> 1)))");
    check("if a\n{ 1 }\nelse\n{ 2 }", "(if a (block (=> 1)) (block (=> 2)))");
    check("/* a\n b */ a /* c\n */ b", "a b");
}

#[test]
fn blocks_and_their_values() {
    check("{ a; b }", "(block a (=> b))");
    check("{ a; b; }", "(block a b)");
    check("{ a\n b\n }", "(block a (=> b))");
    check("{ let x = 1 }", "(block (let x 1))");
    check("{ if a { 1 } else { 2 } }", "(block (=> (if a (block (=> 1)) (block (=> 2)))))");
    check("{ if a { 1 } b }", "(block (if a (block (=> 1))) (=> b))");
    check("{ fn g() {} }", "(block (fn g () (block)))");
    check("{};{}", "(block) (block)");
    check("match a { _ => 1 }.f() + 1", "(+ (method (match a (arm _ 1)) f) 1)");
    check(
        "let x = if a { 1 } else { 2 } + 3",
        "(let x (+ (if a (block (=> 1)) (block (=> 2))) 3))",
    );
}

#[test]
fn statements() {
    check("let x = 1; var y = 2", "(let x 1) (var y 2)");
    check("let (a, [b, ..c]) = d", "(let (tuple a (list b ..c)) d)");
    check("let Point { x, y: z, .. } = p", "(let (struct Point x: x y: z) p)");
    check("let SIZE = 10\nlet _ = f()", "(let SIZE 10) (let _ (call f))");
    check(
        "x = 1; p.x = 3; a[0] = 1; m::v = 2",
        "(assign = x 1) (assign = (field p x) 3) (assign = (index a 0) 1) (assign = m::v 2)",
    );
    check(
        "x += 1; x -= 1; x *= 1; x /= 1; x %= 1; x &= 1; x |= 1; x ^= 1
         x <<= 1; x >>= 1; x >>>= 1",
        "(assign += x 1) (assign -= x 1) (assign *= x 1) (assign /= x 1) (assign %= x 1)
         (assign &= x 1) (assign |= x 1) (assign ^= x 1) (assign <<= x 1) (assign >>= x 1)
         (assign >>>= x 1)",
    );
    check("c && (x = 1)", "(&& c (assign = x 1))");
}

#[test]
fn control_flow() {
    check(
        "if a { 1 } else if b { 2 } else { 3 }",
        "(if a (block (=> 1)) (if b (block (=> 2)) (block (=> 3))))",
    );
    check("while a { b }", "(while a (block (=> b)))");
    check("loop { break 1 }", "(loop (block (=> (break 1))))");
    check("loop { break\n 1; continue }", "(loop (block (break) 1 (=> continue)))");
    check("for i in 0..n { f(i) }", "(for i (.. 0 n) (block (=> (call f i))))");
    check("for (k, v) in m {}", "(for (tuple k v) m (block))");
    check("fn f() { return 1; return }", "(fn f () (block (return 1) (=> (return))))");
    check("arena { a }; scope { b }; yield", "(arena (block (=> a))) (scope (block (=> b))) yield");
    check(
        "spawn f(x); spawn { 1 }.join(); spawn a.b()",
        "(spawn (call f x)) (method (spawn (block (=> 1))) join) (spawn (method a b))",
    );
}

#[test]
fn matches() {
    check(
        "match x { 1 => a, 2 => { b } 3 => c\n4 => d }",
        "(match x (arm 1 a) (arm 2 (block (=> b))) (arm 3 c) (arm 4 d))",
    );
    check(
        "match x { a if a > 1 => y = 2, _ => return }",
        "(match x (arm a (if (> a 1)) (assign = y 2)) (arm _ (return)))",
    );
    check("match x {\n  A\n  | B\n    => 1\n}", "(match x (arm (| (variant A) (variant B)) 1))");
    check(
        "match x { _ => if a { 1 } else { 2 }\n b => 3 }",
        "(match x (arm _ (if a (block (=> 1)) (block (=> 2)))) (arm b 3))",
    );
    check("match x { n =>\n n }", "(match x (arm n n))");
    check("match x {}", "(match x)");
}

#[track_caller]
fn check_pattern(pattern: &str, expected: &str) {
    check(&format!("match x {{ {pattern} => 1 }}"), &format!("(match x (arm {expected} 1))"));
}

#[test]
fn patterns() {
    check_pattern("nil | true | false", "(| nil true false)");
    check_pattern("-1", "-1");
    check_pattern("-1.5", "-1.5");
    check_pattern("-9223372036854775808..=0xff", "-9223372036854775808..=255");
    check_pattern("1..5", "1..5");
    check_pattern("'a' | \"s\" | :k", "(| 'a' \"s\" :k)");
    check_pattern("(a, _, (b))", "(tuple a _ b)");
    check_pattern("() | (a,)", "(| (tuple) (tuple a))");
    check_pattern(
        "[] | [a] | [a, ..] | [.., a] | [a, ..r, b,]",
        "(| (list) (list a) (list a ..) (list .. a) (list a ..r b))",
    );
    check_pattern("Circle(r)", "(variant Circle r)");
    check_pattern("Empty", "(variant Empty)");
    check_pattern("m::Shape::Rect(1, _)", "(variant m::Shape::Rect 1 _)");
    check_pattern("Point { x, y: 0, .. }", "(struct Point x: x y: 0)");
    check_pattern("Error { kind: :Overflow }", "(struct Error kind: :Overflow)");
    check_pattern("| a", "a");
    check_pattern("é", "é");
}

#[test]
fn errors_and_cleanup() {
    check("throw Error { kind: :Mine }", "(throw (struct Error kind: :Mine))");
    check("try { a } catch e { b }", "(try (block (=> a)) (catch e (block (=> b))))");
    check(
        "try { a }\ncatch 1 { b }\ncatch _ { c }\nfinally { d }",
        "(try (block (=> a)) (catch 1 (block (=> b))) (catch _ (block (=> c)))
         (finally (block (=> d))))",
    );
    check(
        "try {} catch Error { kind: :A } { b }",
        "(try (block) (catch (struct Error kind: :A) (block (=> b))))",
    );
    check(
        "try {} catch Empty { b }\n{ c }",
        "(try (block) (catch (variant Empty) (block (=> b)))) (block (=> c))",
    );
    check(
        "try {} catch Circle(r) { r }",
        "(try (block) (catch (variant Circle r) (block (=> r))))",
    );
    check("try {} catch (e) { e }", "(try (block) (catch e (block (=> e))))");
}

#[test]
fn closures() {
    check("|a, b| a + b", "(closure (a b) (+ a b))");
    check("|| 1; || { 1 }", "(closure () 1) (closure () (block (=> 1)))");
    check("|a| |b| a", "(closure (a) (closure (b) a))");
    check("f(|x| x += 1)", "(call f (closure (x) (assign += x 1)))");
    check("a || |b| c", "(|| a (closure (b) c))");
    check("{ let f = |x| x\n|| 2 }", "(block (let f (closure (x) x)) (=> (closure () 2)))");
    check("|(i, x), _| i", "(closure ((0) _) (block (let (tuple i x) (0)) (=> i)))");
}

#[test]
fn items() {
    check("fn f(a, b,) { a }", "(fn f (a b) (block (=> a)))");
    check("fn f((a, b)) { a }", "(fn f ((0)) (block (let (tuple a b) (0)) (=> a)))");
    check("struct P { x, y, }\nstruct U {}", "(struct P (x y)) (struct U ())");
    check("enum S { A(r), B(w, h), C, }", "(enum S A(r) B(w h) C())");
    check(
        "impl P { fn a(self, k) { self }\n fn b() {} }",
        "(impl P (fn a (self k) (block (=> self))) (fn b () (block)))",
    );
    check("impl B : A {}; impl B :A {}", "(impl B : A) (impl B : A)");
    check(
        "module m { fn f() {} let x = 1; module n {} }",
        "(module m (fn f () (block)) (let x 1) (module n))",
    );
    check("import a; import b\n", "(import a) (import b)");
}

/// Words of constructs to come are ordinary names everywhere else.
#[test]
fn reserved_words_as_names() {
    check("let state = 1; state = 2", "(let state 1) (assign = state 2)");
    check(
        "actor(init, |state, msg| (state, msg))",
        "(call actor init (closure (state msg) (tuple state msg)))",
    );
    check("fn eval(e) { eval(e.mem) }", "(fn eval (e) (block (=> (call eval (field e mem)))))");
    check(
        "x.delay(1); perform; select; where; pure; def",
        "(method x delay 1) perform select where pure def",
    );
    check(
        "python(1); channel(2); every(3, f); m::quote(1)",
        "(call python 1) (call channel 2) (call every 3 f) (call m::quote 1)",
    );
}

#[test]
fn limits_leave_ordinary_code_alone() {
    let nested = format!("{}1{}", "(".repeat(150), ")".repeat(150));
    check(&nested, "1");
    let sum = vec!["a.b"; 400].join(" + ");
    let (tree, messages) = parsed(&sum);
    assert_eq!(messages, "");
    assert_eq!(tree.matches('+').count(), 399);
}

#[test]
fn a_line_that_begins_with_an_operator_is_pointed_out() {
    let mut sources = Sources::new();
    let file = sources.add("test.mena", "fn f() { let x = a\n || b\n x }");
    let (_, diagnostics) = parse(&sources, file, &mut Interner::default());
    assert_eq!(diagnostics.len(), 1);
    assert!(!has_errors(&diagnostics));
}

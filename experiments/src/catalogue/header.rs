//! The header of a program: the comment lines at its head, up to the first line that is none.
//!
//! ```text
//! // storage: a tree of lists, depth 7, four children each.      what it does
//! // What else there is to say.                                  any number of lines
//! // stresses: allocation of short-lived trees of small lists
//! // source: Are-We-Fast-Yet (Storage)
//! // param n = 500 (small 2, large 1000)                         one line for each parameter
//! // sweeps: depth                                              parameters the output is free of
//! // tags: core                                                  see TAGS
//! // uses: alloc                                                 see USES
//! // expect: storage 5461                                        one line for each line of output
//! // expect-small: storage 5461
//! // expect-large: storage 5461
//! ```

use super::{Param, Size, Sizes, Source, Workload};

/// The tags that a header may name, and what they mean. (Further tags follow from the rest: the
/// family, and `sequential` or `concurrent`.)
pub const TAGS: &[(&str, &str)] = &[
    ("core", "in the suite that a comparison should run"),
    ("control", "allocates almost nothing: what a heap costs where it is not needed"),
    ("floats", "float arithmetic: boxed or inline"),
    ("strings", "strings and their parts"),
    ("generational", "most objects die young, beside some that live long"),
    ("barrier", "stores references into old objects"),
    ("cycles", "drops cyclic structures"),
    ("fragmentation", "objects of many sizes, dropped in no order"),
    ("large", "large objects"),
    ("regions", "allocates in arenas"),
    ("deep", "long chains of references"),
    ("regular", "balanced trees of tasks"),
    ("irregular", "unbalanced trees of tasks"),
    ("granularity", "the length of a task is a parameter"),
    ("messages", "many messages, little work for each"),
    ("contention", "many tasks want one thing"),
    ("blocking", "tasks that wait for each other"),
    ("open-loop", "requests arrive when they are due, however late the ones before are"),
    ("deadlines", "what is not done in time is a miss"),
];

/// What a program may use of the language.
pub const USES: &[&str] =
    &["alloc", "tasks", "channels", "select", "mutexes", "actors", "clock", "sleep"];

/// Those that take a scheduler.
const CONCURRENT: &[&str] = &["tasks", "channels", "select", "mutexes", "actors", "sleep"];

const KEYS: &str =
    "stresses, source, param, sweeps, tags, uses, expect, expect-small, expect-large";

const OPTIONAL: [&str; 2] = ["sweeps", "tags"];

pub(super) fn needs_tasks(uses: &[String]) -> bool {
    uses.iter().any(|u| CONCURRENT.contains(&u.as_str()))
}

/// The parameters that a program declares, at a size.
///
/// # Errors
/// A `// param` line that is not well-formed, as `line: what is wrong`.
pub fn params(text: &str, size: Size) -> Result<Vec<(String, String)>, String> {
    let lines = (1..).zip(head(text));
    let declared = lines.filter_map(|(number, line)| Some((number, line.strip_prefix("param ")?)));
    declared
        .map(|(number, rest)| match param(rest) {
            Ok(p) => Ok((p.name, p.values.of(size).clone())),
            Err(what) => Err(format!("{number}: {what}")),
        })
        .collect()
}

/// The lines of the header, without their slashes.
fn head(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map_while(|line| line.strip_prefix("//")).map(str::trim)
}

/// Reads a program's header; everything that is wrong with it otherwise.
pub(super) fn parse(program: Source) -> Result<Workload, Vec<String>> {
    let mut reader = Reader::new(program);
    let text = std::mem::take(&mut reader.workload.text);
    for line in head(&text) {
        reader.line_number += 1;
        reader.line(line);
    }
    reader.workload.text = text;
    reader.finish()
}

struct Reader {
    workload: Workload,
    /// The program's name in complaints.
    shown: String,
    /// The line that is being read, from 1.
    line_number: usize,
    /// The keys that were seen.
    keys: Vec<String>,
    complaints: Vec<String>,
}

impl Reader {
    fn new(program: Source) -> Reader {
        let Source { id, program, shown, text } = program;
        let workload = Workload {
            id,
            program,
            about: String::new(),
            notes: String::new(),
            stresses: String::new(),
            source: String::new(),
            tags: Vec::new(),
            uses: Vec::new(),
            params: Vec::new(),
            sweeps: Vec::new(),
            expected: Sizes::default(),
            text,
        };
        Reader { workload, shown, line_number: 0, keys: Vec::new(), complaints: Vec::new() }
    }

    fn complain(&mut self, what: impl std::fmt::Display) {
        self.complaints.push(format!("{}:{}: {what}", self.shown, self.line_number.max(1)));
    }

    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("param ") {
            self.keys.push("param".to_owned());
            return self.param(rest);
        }
        if self.line_number == 1 {
            return self.title(line);
        }
        match line.split_once(':') {
            Some((key, value)) if is_key(key) => self.entry(key, value.trim()),
            _ if self.keys.is_empty() => {
                let notes = &mut self.workload.notes;
                notes.push_str(if notes.is_empty() { "" } else { " " });
                notes.push_str(line);
            }
            _ => self.complain(format!("a line without a key: begin it with one of: {KEYS}")),
        }
    }

    fn title(&mut self, line: &str) {
        let name = self.workload.id.split_once('/').map_or("", |(_, name)| name).to_owned();
        match line.split_once(": ") {
            Some((title, about)) if title == name => self.workload.about = about.to_owned(),
            _ => self.complain(format!(
                "the first line must be `// {name}: ` and a sentence that says what it does"
            )),
        }
    }

    fn entry(&mut self, key: &str, value: &str) {
        let expects = key.starts_with("expect");
        if !expects && self.keys.iter().any(|k| k == key) {
            self.complain(format!("`{key}` stands here twice: keep one line"));
        }
        self.keys.push(key.to_owned());
        if value.is_empty() {
            self.complain(format!("`{key}` says nothing: write its value behind the colon"));
        }
        match key {
            "stresses" => self.workload.stresses = value.to_owned(),
            "source" => self.workload.source = value.to_owned(),
            "sweeps" => self.workload.sweeps = words(value).collect(),
            "tags" => self.tags(value),
            "uses" => self.uses(value),
            "expect" => self.expect(Size::Default, value),
            "expect-small" => self.expect(Size::Small, value),
            "expect-large" => self.expect(Size::Large, value),
            _ => self.complain(format!("unknown key `{key}`: the keys are {KEYS}")),
        }
    }

    fn expect(&mut self, size: Size, value: &str) {
        self.workload.expected.of_mut(size).push(value.to_owned());
    }

    fn tags(&mut self, value: &str) {
        for tag in words(value) {
            if !TAGS.iter().any(|(known, _)| *known == tag) {
                let known: Vec<_> = TAGS.iter().map(|(tag, _)| *tag).collect();
                self.complain(format!("unknown tag `{tag}`: the tags are {}", known.join(", ")));
            }
            self.workload.tags.push(tag);
        }
    }

    fn uses(&mut self, value: &str) {
        for word in words(value).filter(|w| w != "none") {
            if !USES.contains(&word.as_str()) {
                let known = USES.join(", ");
                self.complain(format!("unknown use `{word}`: they are {known}, or none at all"));
            }
            self.workload.uses.push(word);
        }
    }

    fn param(&mut self, rest: &str) {
        match param(rest) {
            Ok(p) if self.workload.params.iter().any(|known| known.name == p.name) => {
                self.complain(format!("parameter `{}` stands here twice: keep one line", p.name));
            }
            Ok(p) => self.workload.params.push(p),
            Err(what) => self.complain(what),
        }
    }

    fn finish(mut self) -> Result<Workload, Vec<String>> {
        self.line_number = 1;
        for key in KEYS.split(", ").filter(|key| !OPTIONAL.contains(key)) {
            if !self.keys.iter().any(|k| k == key) {
                let example = if key == "param" {
                    "// param n = 500 (small 2, large 1000)".to_owned()
                } else {
                    format!("// {key}: …")
                };
                self.complain(format!("the header lacks `{key}`: add a line `{example}`"));
            }
        }
        for sweep in self.workload.sweeps.clone() {
            if !self.workload.params.iter().any(|p| p.name == sweep) {
                self.complain(format!("`sweeps` names {sweep}, which is no `param` of the header"));
            }
        }
        let kind = if self.workload.is_concurrent() { "concurrent" } else { "sequential" };
        let derived = [self.workload.family().to_owned(), kind.to_owned()];
        self.workload.tags.splice(0..0, derived);
        if self.complaints.is_empty() { Ok(self.workload) } else { Err(self.complaints) }
    }
}

fn words(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|w| w.trim().to_owned())
}

/// A word in small letters, so that a sentence with a colon is no key.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// `n = 500 (small 2, large 1000)`
fn param(rest: &str) -> Result<Param, String> {
    let read = || {
        let (name, rest) = rest.split_once(" = ")?;
        let (default, sizes) = rest.strip_suffix(')')?.split_once(" (small ")?;
        let (small, large) = sizes.split_once(", large ")?;
        let [name, small, default, large] = [name, small, default, large].map(str::to_owned);
        let values = Sizes { small, default, large };
        let is_word = |v: &String| !v.is_empty() && !v.contains([' ', ',', '(', ')']);
        let well_formed = is_word(&name)
            && [&values.small, &values.default, &values.large].map(is_word) == [true; 3];
        well_formed.then_some(Param { name, values })
    };
    read().ok_or_else(|| {
        format!(
            "`param {rest}` is not of the form `param n = 500 (small 2, large 1000)`: \
             a name, then its values at the default, the small and the large size"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
// tree: builds one.
// The tree is a binary one: two children each.
// stresses: allocation
// source: own
// param n = 500 (small 2, large 1000)
// param rate = 0.5 (small 0.1, large 0.9)
// sweeps: rate
// tags: core, deep
// uses: alloc, tasks
// expect: tree 1
// expect: done
// expect-small: tree 2
// expect-large: tree 3

fn main() {} // uses: nothing of this is read
";

    fn read(text: &str) -> Result<Workload, Vec<String>> {
        let (id, shown) = ("memory/tree".to_owned(), "memory/tree.mena".to_owned());
        parse(Source { program: id.clone().into(), id, shown, text: text.to_owned() })
    }

    /// What is said about `GOOD` after a change.
    fn complaints(from: &str, to: &str) -> String {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "nothing changed");
        read(&text).expect_err("the header is wrong").join("\n")
    }

    #[test]
    fn a_good_header_is_read_in_full() {
        let w = read(GOOD).unwrap();
        assert_eq!(w.about, "builds one.");
        assert_eq!(w.notes, "The tree is a binary one: two children each.");
        assert_eq!((w.stresses.as_str(), w.source.as_str()), ("allocation", "own"));
        assert_eq!(w.tags, ["memory", "concurrent", "core", "deep"]);
        assert_eq!(w.uses, ["alloc", "tasks"]);
        assert!(w.is_concurrent() && w.is_tagged("memory") && !w.is_tagged("sequential"));
        let small = w.params_at(Size::Small);
        assert_eq!(
            small.into_iter().collect::<Vec<_>>(),
            [("n".to_owned(), "2".to_owned()), ("rate".to_owned(), "0.1".to_owned()),]
        );
        assert_eq!(w.expected.of(Size::Default), &["tree 1", "done"]);
        assert_eq!(w.expected_with(&w.params_at(Size::Large)).unwrap(), ["tree 3"]);
        let mut other = w.params_at(Size::Large);
        other.insert("n".to_owned(), "7".to_owned());
        assert_eq!(w.expected_with(&other), None);
        let mut swept = w.params_at(Size::Small);
        swept.insert("rate".to_owned(), "0.7".to_owned());
        assert_eq!(w.expected_with(&swept).unwrap(), ["tree 2"]);
    }

    #[test]
    fn the_parameters_of_any_program_can_be_read() {
        let at = |size| params(GOOD, size).unwrap().into_iter().map(|(_, v)| v).collect::<Vec<_>>();
        assert_eq!(at(Size::Small), ["2", "0.1"]);
        assert_eq!(at(Size::Large), ["1000", "0.9"]);
        assert_eq!(params("print(1) // param n = 1", Size::Small), Ok(Vec::new()));
        let bad = params("// a program\n// param n = 1\n", Size::Small).unwrap_err();
        assert!(bad.starts_with("2: `param n = 1` is not of the form"), "{bad}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_a_remedy() {
        let check = |from: &str, to: &str, said: &str| {
            let got = complaints(from, to);
            assert!(got.contains(said), "{said:?} is not in:\n{got}");
        };
        check("// tree:", "// three:", "memory/tree.mena:1: the first line must be `// tree: `");
        check("stresses", "strses", "memory/tree.mena:3: unknown key `strses`: the keys are stre");
        check("// stresses: allocation\n", "", "tree.mena:1: the header lacks `stresses`: add a l");
        check("// source: own", "// source:", "tree.mena:4: `source` says nothing");
        check("// source: own", "// stresses: own", "tree.mena:4: `stresses` stands here twice");
        check(
            "(small 2, large 1000)",
            "(small 2)",
            "tree.mena:5: `param n = 500 (small 2)` is not",
        );
        check("n = 500", "n = ", "tree.mena:5: `param n =  (small");
        check("param rate", "param n", "tree.mena:6: parameter `n` stands here twice");
        check("core", "kernel", "tree.mena:8: unknown tag `kernel`: the tags are core, control");
        check("alloc, tasks", "threads", "tree.mena:9: unknown use `threads`: they are alloc, t");
        check("sweeps: rate", "sweeps: grain", "tree.mena:1: `sweeps` names grain, which is no");
        check("// expect-small: tree 2\n", "", "the header lacks `expect-small`: add a line");
        check("// expect: done", "// and done", "tree.mena:11: a line without a key");
        let all = read("print(1)\n").unwrap_err();
        assert_eq!(all.len(), 7, "one for each key: {all:?}");
    }
}

//! Golden files: `=== name`, a program, `--- output`, what it gives.

const CASE: &str = "=== ";
const OUTPUT: &str = "--- output";

/// One case of a golden file.
#[derive(Clone, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) output: String,
}

/// The cases of a golden file's text.
pub(crate) fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_output = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(CASE) {
            in_output = false;
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if line == OUTPUT {
            in_output = true;
            continue;
        }
        let part = if in_output { &mut case.output } else { &mut case.program };
        part.push_str(line);
        part.push('\n');
    }
    cases
}

/// Compares every case of a file with what `output` gives; `UPDATE_EXPECT=1` rewrites the file.
pub(crate) fn check(file: &str, output: impl Fn(&Case) -> String) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(file);
    let text = std::fs::read_to_string(&path).expect("the golden file");
    let cases = parse(&text);
    assert!(!cases.is_empty(), "{file} has no cases");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let new: String = cases.iter().map(|case| render(case, &output(case))).collect();
        std::fs::write(&path, new).expect("the golden file can be written");
        return;
    }
    for case in &cases {
        assert_eq!(output(case), case.output, "{file}: {}", case.name);
    }
}

fn render(case: &Case, output: &str) -> String {
    format!("{CASE}{}\n{}{OUTPUT}\n{output}", case.name, case.program)
}

//! Experiment specifications: what is run, as TOML (`experiments/specs/*.toml`).
//!
//! [`file`] is the text's shape, [`check`] what must hold of it; [`crate::matrix`] multiplies it
//! out. Every complaint names the line and the remedy, and all of them are reported at once.

mod check;
pub(crate) mod file;

pub(crate) use check::{
    Checked, Exclusion, HeapChoice, SchedulerChoice, Sizes, Spec, WorkloadChoice,
};

use std::path::Path;

use crate::catalogue::Catalogue;

/// Reads and checks a specification.
pub(crate) fn read(path: &Path, catalogue: &Catalogue) -> Result<Spec, String> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        format!("cannot read {}: {e}; the shipped ones are in experiments/specs", path.display())
    })?;
    parse(&text, &path.display().to_string(), catalogue)
}

/// As [`read`], of text; `name` is what complaints call it.
pub(crate) fn parse(text: &str, name: &str, catalogue: &Catalogue) -> Checked<Spec> {
    let file: file::SpecFile = ::toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_of(text, span.start));
        format!("{name}:{line}: {}", e.message())
    })?;
    check::check(&file, text, name, catalogue)
}

/// The number of the line at a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    /// The shipped specifications are valid, and each is named as its file.
    #[test]
    fn shipped_specifications_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let spec = read(&path, &Catalogue::embedded()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(spec.name, path.file_stem().unwrap().to_string_lossy());
            assert!(!spec.about.is_empty(), "{}", spec.name);
            names.push(spec.name);
        }
        names.sort();
        let all = "escape gc-tradeoff heap-x-scheduler heaps latency quick schedulers";
        assert_eq!(names.join(" "), all);
    }
}

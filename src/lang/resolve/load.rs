//! The files of a program: the main file and what it imports, each loaded once.

use rustc_hash::FxHashMap as HashMap;

use crate::lang::ast::{Item, Module, Span};
use crate::lang::diagnostics::Diagnostic;
use crate::names::{Interner, Name};

/// Finds and parses an imported file: given the module name, the place of the `import` (its `file`
/// is the importing file) and the name table, returns the file's id and tree. The tree of a file
/// that was returned before is ignored and may be empty.
pub type Loader<'a> =
    dyn FnMut(&str, Span, &mut Interner) -> Result<(u32, Module), Vec<Diagnostic>> + 'a;

/// All files of a program.
#[derive(Debug, Default)]
pub struct Files {
    /// Mena code that every program sees.
    pub(crate) prelude: Module,
    /// The trees; the first is the main file.
    pub(crate) modules: Vec<Module>,
    /// Which file (index into `modules`) the import with this name span means.
    pub(crate) imports: HashMap<Span, usize>,
}

impl Files {
    /// Loads everything that `main` (file number `main_file`) imports, directly or not.
    ///
    /// # Errors
    /// What the loader reports, and import cycles.
    pub fn load(
        prelude: Module,
        main_file: u32,
        main: Module,
        names: &mut Interner,
        loader: &mut Loader<'_>,
    ) -> Result<Files, Vec<Diagnostic>> {
        let mut loading = Loading {
            files: Files { prelude, modules: Vec::new(), imports: HashMap::default() },
            states: HashMap::default(),
            errors: Vec::new(),
            names,
            loader,
        };
        loading.file(main_file, main);
        if loading.errors.is_empty() { Ok(loading.files) } else { Err(loading.errors) }
    }

    /// A program of one file without imports.
    pub fn single(prelude: Module, main: Module) -> Files {
        Files { prelude, modules: vec![main], imports: HashMap::default() }
    }
}

/// How far a file is.
#[derive(Clone, Copy)]
enum State {
    /// Its imports are being loaded.
    Active,
    Done(usize),
}

struct Loading<'a, 'l> {
    files: Files,
    states: HashMap<u32, State>,
    errors: Vec<Diagnostic>,
    names: &'a mut Interner,
    loader: &'a mut Loader<'l>,
}

impl Loading<'_, '_> {
    fn file(&mut self, id: u32, module: Module) -> usize {
        self.states.insert(id, State::Active);
        let index = self.files.modules.len();
        let mut imports = Vec::new();
        imports_of(&module, &mut imports);
        self.files.modules.push(module);
        for (name, span) in imports {
            self.import(name, span);
        }
        self.states.insert(id, State::Done(index));
        index
    }

    fn import(&mut self, name: Name, span: Span) {
        let text = self.names.text(name).to_owned();
        let (id, module) = match (self.loader)(&text, span, self.names) {
            Ok(loaded) => loaded,
            Err(errors) => return self.errors.extend(errors),
        };
        let index = match self.states.get(&id) {
            None => self.file(id, module),
            Some(State::Done(index)) => *index,
            Some(State::Active) => {
                let message = format!("importing `{text}` here makes a cycle");
                self.errors.push(
                    Diagnostic::error(span, message)
                        .label("this file is being imported already")
                        .hint("move what both files need into a third one"),
                );
                return;
            }
        };
        self.files.imports.insert(span, index);
    }
}

fn imports_of(module: &Module, out: &mut Vec<(Name, Span)>) {
    for item in &module.items {
        match item {
            Item::Import { name } => out.push((name.name, name.span)),
            Item::Module { body, .. } => imports_of(body, out),
            _ => {}
        }
    }
}

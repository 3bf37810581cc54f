//! Interned names: identifiers, field and method names, keywords (`:name`) and symbols share one
//! table per program, so that name equality is integer equality at run time.

use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;

/// An interned name: an index into its [`Interner`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(pub u32);

/// The name table. Names are never removed.
#[derive(Debug, Default, Clone)]
pub struct Interner {
    names: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, Name>,
}

impl Interner {
    /// Returns the name for `text`, adding it when it is new. O(len).
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(&name) = self.ids.get(text) {
            return name;
        }
        let name = Name(u32::try_from(self.names.len()).expect("fewer than 2^32 names"));
        let text: Rc<str> = text.into();
        self.names.push(text.clone());
        self.ids.insert(text, name);
        name
    }

    /// The name for `text` if it has been interned.
    pub fn get(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    /// The text of `name`.
    pub fn text(&self, name: Name) -> &str {
        &self.names[name.0 as usize]
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name has been interned yet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

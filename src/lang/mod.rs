//! The front end: text to tree. [`lexer`] → [`parser`] → [`ast`]; every problem is a
//! [`diagnostics::Diagnostic`] with a span, and parsing goes on after an error. [`pretty`] prints
//! a tree.

pub mod ast;
pub mod diagnostics;
pub mod lexer;
pub mod parser;
pub mod pretty;
pub mod resolve;

//! The tests of the whole: one binary, one module per concern. Not the laws of single modules: those stand beside their code.

mod typed;

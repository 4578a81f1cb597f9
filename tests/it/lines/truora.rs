//! Stories on a line of Truora.

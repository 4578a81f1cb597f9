//! The whole program: the real binary, real sockets, real kills. Not a simulation: time is the machine's.

mod kill;
mod life;
pub(crate) mod process;
mod receiver;

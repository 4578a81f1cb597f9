//! The whole program: the real binary, real sockets, real kills. Not a simulation: time is the machine's.

mod clock;
mod disk;
mod faults;
mod keep;
mod kill;
mod life;
mod lines;
mod operator;
mod overload;
pub(crate) mod process;
mod receiver;

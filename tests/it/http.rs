//! The HTTP edge over real sockets, before an engine that is a table: what is let in, what is refused, and how.
//! Not the engine's decisions, and not the daemon: the fake answers what a test wants to hear.

mod cases;
mod client;
pub(crate) mod fake;
mod forward;
mod hostile;
mod inbox;
mod manifest;
mod sockets;
mod stream;
mod webhooks;
mod wire;

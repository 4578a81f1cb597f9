//! The HTTP edge: listeners, who may come in, and routes that turn requests into questions to the engine's desk.
//!
//! Not the engine, and not TLS: that is the proxy's job. Nothing here reads the wall clock or touches the store.

mod audit;
mod auth;
mod body;
mod control;
mod conversations;
mod counts;
mod crowd;
mod events;
mod forward;
mod guide;
mod health;
mod inbound;
mod inbounds;
mod listen;
mod ndjson;
mod outbounds;
mod peer;
mod reply;
mod router;
mod schedule;
mod serve;
mod site;
mod stalling;
mod upkeep;

pub use audit::TARGET as AUDIT;
pub use auth::{Need, Scopes, Tokens};
pub use forward::{BotAnswer, Forward, Onward};
pub use listen::{Address, Face, Listener};
pub use peer::Proxies;
pub use router::{OPENAPI, routes};
pub use serve::serve;
pub use site::{Figure, FigureKind, Figures, Hooks, Inside, Settings, Site};

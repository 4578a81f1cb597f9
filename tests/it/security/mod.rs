//! What nobody may do, and what nothing may tell: the rows of `SECURITY.md` and of the part "Security" of `docs/reliability.md`.
//! Not the proofs of single webhooks, and not hostile bytes on a socket: `provider_contract` and `http/hostile` have those.

mod audit;
mod bodies;
mod canary;
mod closed;
mod erase;
mod page;
mod planted;
mod secrets;
mod source;
mod ssrf;
mod syscalls;

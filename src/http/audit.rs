//! The audit trail: who did what to which conversation, line, outbound or hook, and what came of it; one line of the log each.
//!
//! Not a file of its own, and no personal data: whoever keeps the log keeps the trail. A conversation is told by its id, which is a
//! keyed hash; the numbers, names and texts that a request carried are not told.

use axum::body::Body;
use axum::http::Response;

use super::auth::Actor;

/// Under what target the lines stand, so that they can be kept apart. They are told at every level of the log.
pub const TARGET: &str = "reengaged::audit";

/// What a request was about, put beside its answer by whoever gave that.
#[derive(Clone)]
struct About(String);

/// Says what an answer was about: an id, or the name of a line, flow or hook. Never what came from outside.
pub(super) fn about(mut response: Response<Body>, what: impl Into<String>) -> Response<Body> {
    response.extensions_mut().insert(About(what.into()));
    response
}

/// Writes down what an operator's request came to.
pub(super) fn tell(actor: &Actor, method: &str, route: &str, response: &Response<Body>) {
    let about = response.extensions().get::<About>().map_or("", |about| &about.0);
    tracing::info!(target: TARGET, actor = &**actor, method, route, about, status = response.status().as_u16(), "acted");
}

//! `POST /v1/events`: one event as JSON, or a stream of them.
//!
//! Not the reading of an event (`shapes/event.rs`) nor the stream (`ndjson.rs`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use tokio::time::timeout;

use super::audit;
use super::body::{self, NDJSON};
use super::ndjson;
use super::reply::{self, Fault, Reply};
use super::site::{Inside, Site};
use crate::engine::request::{Answer, Inbound, Rejected, Who};
use crate::limits;
use crate::shapes::answer::Answered;
use crate::shapes::event;
use crate::shapes::problem::{Kind, Problem};

/// Takes one event, or many, in.
pub(super) async fn post(State(site): State<Arc<Site>>, axum::Extension(inside): axum::Extension<Inside>, request: Request) -> Reply {
    take(&site, &inside, request).await
}

/// What [`post`] does, for whoever has a site and a way to the engine at hand.
pub(super) async fn take(site: &Arc<Site>, inside: &Inside, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    if body::media_type(&parts.headers).eq_ignore_ascii_case(NDJSON) {
        return Ok(ndjson::answer(Arc::clone(site), inside.desk.clone(), body));
    }
    let bytes = body::whole(&parts.headers, body, limits::EVENT_BYTES, &site.settings).await?;
    if body::must_be_json(&parts.headers).is_err() {
        let message = "send one event as content-type: application/json, or many as application/x-ndjson";
        return Err(Problem::new(Kind::UnsupportedType, message).into());
    }
    let event = event::read(&bytes).inspect_err(|_| _ = site.counts.events.bad.inc())?;
    let who = event.who.clone();
    let answer = ask(site, inside, event).await?;
    // No operator acted, so the audit trail has nothing to be told.
    Ok(reply::json(&Answered { who: &who, answer: &answer }))
}

/// Puts one event before the engine and tells its answer, about the conversation as `who` names it.
pub(super) async fn one(site: &Site, inside: &Inside, event: Inbound, who: &Who) -> Reply {
    Ok(tell(who, &ask(site, inside, event).await?))
}

async fn ask(site: &Site, inside: &Inside, event: Inbound) -> Result<Answer, Fault> {
    let answer = timeout(site.settings.answer, inside.desk.event(event)).await.map_err(|_| no_answer())?;
    site.counts.events.count(answer.as_ref());
    answer.map_err(reply::rejected)
}

/// The answer to one event.
pub(super) fn told(who: &Who, answer: Result<Answer, Rejected>) -> Reply {
    let answer = answer.map_err(reply::rejected)?;
    Ok(tell(who, &answer))
}

fn tell(who: &Who, answer: &Answer) -> Response<Body> {
    audit::about(reply::json(&Answered { who, answer }), answer.conversation.to_string())
}

/// The engine has not answered: nobody knows whether it was kept.
pub(super) fn no_answer() -> Problem {
    Problem::new(Kind::NoAnswer, "the engine did not answer in time; this may or may not have been kept, send it again with the same id")
}

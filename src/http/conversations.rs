//! Conversations: lists, one, its history, and what an operator does with it.
//!
//! Not events of bots: those come through `events.rs`. What is asked here of an unknown conversation makes none.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::Response;
use serde::Deserialize;

use super::audit;
use super::body;
use super::events;
use super::reply::{self, Fault, Reply};
use super::site::{Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::engine::request::{Filter, Inbound, View, What, Who};
use crate::id::ConversationId;
use crate::limits;
use crate::shapes::discreet;
use crate::shapes::event;
use crate::shapes::explain::Explained;
use crate::shapes::problem::{Kind, Problem};
use crate::shapes::view::{ListedShape, ViewShape};

/// The states that a list can be narrowed to.
const STATES: [&str; 6] = ["quiet", "waiting", "sending", "retrying", "answering", "finished"];
/// The page of a list that asks for no size.
const PAGE: usize = 100;

/// The query of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<String>,
    flow: Option<String>,
    line: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /v1/conversations`.
pub(super) async fn list(Extension(inside): Extension<Inside>, query: Result<Query<ListQuery>, QueryRejection>) -> Reply {
    let Query(query) = query.map_err(|error| bad_query(&discreet::sentence(&error.body_text())))?;
    let limit = query.limit.unwrap_or(PAGE);
    if limit == 0 || limit > limits::PAGE {
        return Err(bad_query(&format!("limit = {limit}: a page has 1 to {} conversations", limits::PAGE)).into());
    }
    if let Some(state) = query.state.as_deref().filter(|state| !STATES.contains(state)) {
        return Err(bad_query(&format!("state = {}: one of {}", event::shortened(state), STATES.join(", "))).into());
    }
    let after = match query.after.as_deref().map(|after| ConversationId::parse(after).ok_or(after)) {
        Some(Err(after)) => return Err(bad_query(&format!("after = {}: the `next` of the page before", event::shortened(after))).into()),
        Some(Ok(after)) => Some(after),
        None => None,
    };
    let filter = Filter { state: query.state, flow: query.flow, line: query.line, after, limit };
    let listed = inside.desk.ask(|answer| Ask::List(filter, answer)).await.map_err(reply::rejected)?;
    Ok(reply::json(&ListedShape(&listed)))
}

fn bad_query(why: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("reading the query: {why}"))
}

/// The conversation of a path: our id or the caller's name.
fn who(path: Result<Path<String>, PathRejection>) -> Result<Who, Problem> {
    let Path(name) =
        path.map_err(|error| Problem::new(Kind::BadRequest, format!("reading the path: {}", discreet::sentence(&error.body_text()))))?;
    event::who(Cow::Owned(name)).map_err(|bad| Problem::new(Kind::BadRequest, bad.message))
}

async fn view(inside: &Inside, who: Who) -> Result<View, Fault> {
    inside.desk.ask(|answer| Ask::Show(who, answer)).await.map_err(reply::rejected)
}

/// `GET /v1/conversations/{id}`.
pub(super) async fn show(Extension(inside): Extension<Inside>, path: Result<Path<String>, PathRejection>) -> Reply {
    let view = view(&inside, who(path)?).await?;
    Ok(reply::json(&ViewShape { view: &view, whole: true }))
}

/// `GET /v1/conversations/{id}/explain`.
pub(super) async fn explain(Extension(inside): Extension<Inside>, path: Result<Path<String>, PathRejection>) -> Reply {
    let view = view(&inside, who(path)?).await?;
    Ok(reply::json(&Explained(&view)))
}

/// `DELETE /v1/conversations/{id}`.
pub(super) async fn erase(Extension(inside): Extension<Inside>, path: Result<Path<String>, PathRejection>) -> Reply {
    let who = who(path)?;
    let erased = inside.desk.ask(|answer| Ask::Erase(who, answer)).await.map_err(reply::rejected)?;
    let erased = erased.to_string();
    Ok(audit::about(reply::json(&serde_json::json!({ "status": 200, "conversation_id": erased, "erased": true })), erased))
}

type Named = Result<Path<String>, PathRejection>;

/// `POST …/cancel`.
pub(super) async fn cancel(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, path: Named) -> Reply {
    act(&site, &inside, path, What::Cancelled).await
}

/// `POST …/send-now`.
pub(super) async fn send_now(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, path: Named) -> Reply {
    act(&site, &inside, path, What::SendNow).await
}

/// `POST …/hold`.
pub(super) async fn hold(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, path: Named) -> Reply {
    act(&site, &inside, path, What::Hold).await
}

/// `POST …/release`.
pub(super) async fn release(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, path: Named) -> Reply {
    act(&site, &inside, path, What::Release).await
}

/// The body of `postpone`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Postponement {
    until: Option<String>,
}

/// `POST …/postpone`, with `{"until": RFC 3339}`.
pub(super) async fn postpone(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, path: Named, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let asked: Postponement = body::json(&parts.headers, body, &site.settings).await?;
    let until = asked.until.ok_or_else(|| Problem::new(Kind::Invalid, "until: missing; the earliest instant, as 2026-03-02T12:00:00Z"))?;
    let until = event::instant("until", &until)?;
    act(&site, &inside, path, What::Postpone(until)).await
}

/// Does something with a conversation that exists.
async fn act(site: &Site, inside: &Inside, path: Named, what: What) -> Result<Response<Body>, Fault> {
    let view = view(inside, who(path)?).await?;
    // The engine is asked by id, so that nothing can come into being here; the answer has the name that the conversation goes by.
    let name = Some(view.details.caller).filter(|name| !name.is_empty());
    let shown = name.map_or(Who::Id(view.stored.id), Who::Caller);
    let event = Inbound {
        id: None,
        who: Who::Id(view.stored.id),
        at: None,
        what,
        line: None,
        flow: None,
        to: None,
        vars: Vec::new(),
        attributes: Vec::new(),
    };
    events::one(site, inside, event, &shown).await
}

//! What an operator does with the whole: pause and resume, sends in doubt, dead letters of hooks.
//!
//! Not with one conversation: that is `conversations.rs`.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, Request, State};
use serde::Deserialize;
use tokio::time::timeout;

use super::audit;
use super::body;
use super::events;
use super::reply::{self, Reply};
use super::site::{Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::engine::request::{Target, Who};
use crate::id::SendId;
use crate::limits;
use crate::shapes::answer::{DeadShape, DoubtShape, StandingShape};
use crate::shapes::discreet;
use crate::shapes::event;
use crate::shapes::problem::{Kind, Problem};

/// The body of `pause` and `resume`; empty for everything.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Scope {
    line: Option<String>,
    flow: Option<String>,
}

/// `POST /v1/pause`.
pub(super) async fn pause(site: State<Arc<Site>>, inside: Extension<Inside>, request: Request) -> Reply {
    set(site, inside, request, true).await
}

/// `POST /v1/resume`.
pub(super) async fn resume(site: State<Arc<Site>>, inside: Extension<Inside>, request: Request) -> Reply {
    set(site, inside, request, false).await
}

async fn set(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, request: Request, paused: bool) -> Reply {
    let (parts, body) = request.into_parts();
    let scope: Scope = body::json(&parts.headers, body, &site.settings).await?;
    let (target, what) = match (scope.line, scope.flow) {
        (None, None) => (Target::All, "all".to_owned()),
        // Only a name that is configured gets an answer that says so.
        (Some(line), None) => (Target::Line(line.clone()), format!("line {line}")),
        (None, Some(flow)) => (Target::Flow(flow.clone()), format!("flow {flow}")),
        (Some(_), Some(_)) => return Err(Problem::new(Kind::Invalid, "name a line or a flow, not both; nothing for all").into()),
    };
    let standing = inside.desk.ask(|answer| Ask::Pause(target, paused, answer)).await.map_err(reply::rejected)?;
    Ok(audit::about(reply::json(&StandingShape(&standing)), what))
}

/// `GET /v1/doubts`.
pub(super) async fn doubts(Extension(inside): Extension<Inside>) -> Reply {
    let doubts = inside.desk.ask(Ask::Doubts).await.map_err(reply::rejected)?;
    let doubts: Vec<DoubtShape<'_>> = doubts.iter().map(DoubtShape).collect();
    Ok(reply::json(&serde_json::json!({ "doubts": doubts })))
}

/// `POST /v1/doubts/{id}/resend`.
pub(super) async fn resend(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
) -> Reply {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let send = SendId::parse(&name)
        .ok_or_else(|| Problem::new(Kind::BadRequest, format!("{} is no send; snd_ and 26 letters and digits", event::shortened(&name))))?;
    let asked = inside.desk.ask(|answer| Ask::Resend(send, answer));
    let answer = timeout(site.settings.answer, asked).await.map_err(|_| events::no_answer())?.map_err(reply::rejected)?;
    let who = Who::Id(answer.conversation);
    events::told(&who, Ok(answer))
}

/// `GET /v1/templates`: those that cannot be sent at present.
pub(super) async fn templates(Extension(inside): Extension<Inside>) -> Reply {
    let unusable = inside.desk.ask(Ask::Unusable).await.map_err(reply::rejected)?;
    let shape = |(line, template): &(Arc<str>, Arc<str>)| serde_json::json!({ "line": &**line, "template": &**template });
    Ok(reply::json(&serde_json::json!({ "unusable": unusable.iter().map(shape).collect::<Vec<_>>() })))
}

/// The query of the dead letters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadQuery {
    after: Option<u64>,
    limit: Option<usize>,
}

/// `GET /v1/hooks/dead`.
pub(super) async fn dead(Extension(inside): Extension<Inside>, query: Result<Query<DeadQuery>, QueryRejection>) -> Reply {
    let wrong = |why: String| Problem::new(Kind::BadRequest, format!("reading the query: {why}"));
    let Query(query) = query.map_err(|error| wrong(discreet::sentence(&error.body_text())))?;
    let limit = query.limit.unwrap_or(100);
    if limit == 0 || limit > limits::PAGE {
        return Err(wrong(format!("limit = {limit}: a page has 1 to {} dead letters", limits::PAGE)).into());
    }
    let from = query.after.map_or(0, |after| after.saturating_add(1));
    let mut dead = inside.desk.ask(|answer| Ask::Dead(from, limit, answer)).await.map_err(reply::rejected)?;
    let mut next = None;
    if dead.len() >= limit {
        // Several hooks may have given up on one record: a page ends between records, never within one, where it can.
        let (first, last) = (dead.first().map(|letter| letter.record.seq), dead.last().map(|letter| letter.record.seq));
        if first != last {
            dead.retain(|letter| Some(letter.record.seq) != last);
        }
        next = dead.last().map(|letter| letter.record.seq);
    }
    let dead: Vec<DeadShape<'_>> = dead.iter().map(DeadShape).collect();
    Ok(reply::json(&serde_json::json!({ "dead": dead, "next": next })))
}

/// The body of `replay`; empty for all dead letters of the hook.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Which {
    seq: Option<u64>,
}

/// `POST /v1/hooks/{name}/replay`.
pub(super) async fn replay(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Reply {
    let Path(hook) =
        path.map_err(|error| Problem::new(Kind::BadRequest, format!("reading the path: {}", discreet::sentence(&error.body_text()))))?;
    let (parts, body) = request.into_parts();
    let which: Which = body::json(&parts.headers, body, &site.settings).await?;
    let replayed = inside.desk.ask(|answer| Ask::Replay(hook.clone(), which.seq, answer)).await.map_err(reply::rejected)?;
    Ok(audit::about(reply::json(&serde_json::json!({ "status": 200, "replayed": replayed })), format!("hook {hook}")))
}

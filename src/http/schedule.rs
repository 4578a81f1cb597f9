//! The schedule, asked: what comes up, and what would be decided.
//!
//! Not the decision: `POST /v1/schedule/plan` and `reengaged plan` answer with the same code.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;

use super::body;
use super::reply::{self, Reply};
use super::site::{Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::shapes::answer::UpcomingShape;
use crate::shapes::plan::{Line, Planner};
use crate::shapes::problem::{Kind, Problem};

/// Largest request for a plan, in bytes: a calendar may list many holidays.
const PLAN_BYTES: usize = 64 * 1024;

/// `GET /v1/schedule/upcoming`.
pub(super) async fn upcoming(Extension(inside): Extension<Inside>) -> Reply {
    let upcoming = inside.desk.ask(Ask::Upcoming).await.map_err(reply::rejected)?;
    let upcoming: Vec<UpcomingShape<'_>> = upcoming.iter().map(UpcomingShape).collect();
    Ok(reply::json(&serde_json::json!({ "upcoming": upcoming })))
}

/// `POST /v1/schedule/plan`: one request, one answer, as a line of `reengaged plan`.
pub(super) async fn plan(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let bytes = body::whole(&parts.headers, body, PLAN_BYTES, &site.settings).await?;
    body::must_be_json(&parts.headers)?;
    let Some((answer, line)) = Planner::new(None).answer(&bytes) else {
        return Err(Problem::new(Kind::NotJson, "the body is empty; send a request as a line of `reengaged plan`").into());
    };
    if line == Line::Refused {
        let why = serde_json::from_str::<Refusal>(&answer).map(|refusal| refusal.error).unwrap_or_default();
        return Err(Problem::new(Kind::Invalid, why).into());
    }
    Ok(reply::with(StatusCode::OK, "application/json", answer))
}

#[derive(serde::Deserialize)]
struct Refusal {
    error: String,
}

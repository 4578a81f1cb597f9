//! The schedule, asked: what comes up, and what would be decided.
//!
//! Not the decision: `POST /v1/schedule/plan` and `reengaged plan` answer with the same code.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, Request, State};
use axum::http::StatusCode;

use super::body;
use super::reply::{self, Reply};
use super::site::{Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::limits;
use crate::shapes::answer::{LateShape, UpcomingShape};
use crate::shapes::discreet;
use crate::shapes::plan::{Line, Planner};
use crate::shapes::problem::{Kind, Problem};

/// Largest request for a plan, in bytes: a calendar may list many holidays.
const PLAN_BYTES: usize = 64 * 1024;

/// The query of what comes up.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpcomingQuery {
    #[serde(default)]
    late: bool,
    limit: Option<usize>,
}

/// `GET /v1/schedule/upcoming`: counts by hour and line; or those that cannot go out in time, one by one.
pub(super) async fn upcoming(Extension(inside): Extension<Inside>, query: Result<Query<UpcomingQuery>, QueryRejection>) -> Reply {
    let wrong = |why: String| Problem::new(Kind::BadRequest, format!("reading the query: {why}"));
    let Query(query) = query.map_err(|error| wrong(discreet::sentence(&error.body_text())))?;
    match (query.late, query.limit) {
        (false, None) => {}
        (false, Some(_)) => return Err(wrong("limit: only with late=true; counts have no pages".to_owned()).into()),
        (true, limit) => return late(&inside, limit.unwrap_or(100)).await,
    }
    let upcoming = inside.desk.ask(Ask::Upcoming).await.map_err(reply::rejected)?;
    let upcoming: Vec<UpcomingShape<'_>> = upcoming.iter().map(UpcomingShape).collect();
    Ok(reply::json(&serde_json::json!({ "upcoming": upcoming })))
}

async fn late(inside: &Inside, limit: usize) -> Reply {
    if limit == 0 || limit > limits::PAGE {
        let why = format!("reading the query: limit = {limit}: a page has 1 to {} follow-ups", limits::PAGE);
        return Err(Problem::new(Kind::BadRequest, why).into());
    }
    let told = inside.desk.ask(|answer| Ask::Late(limit, answer)).await.map_err(reply::rejected)?;
    let late: Vec<LateShape<'_>> = told.late.iter().map(LateShape).collect();
    Ok(reply::json(&serde_json::json!({ "late": late, "total": told.total })))
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

//! Long works on the store: begun here, and asked how far they have come.
//!
//! Not the works: the daemon does them.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use serde::Deserialize;

use super::audit;
use super::body;
use super::reply::{self, Reply};
use super::site::{Inside, Site};
use crate::engine::upkeep::Task;
use crate::shapes::problem::{Kind, Problem};
use crate::shapes::upkeep::WorksShape;

/// Longest path that is taken, in bytes.
const PATH_BYTES: usize = 4_000;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Where {
    to: String,
}

/// `POST /v1/backup`.
pub(super) async fn backup(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let Where { to } = body::json(&parts.headers, body, &site.settings).await?;
    if !to.starts_with('/') || to.len() > PATH_BYTES || to.contains('\0') {
        return Err(
            Problem::new(Kind::Invalid, "to: write the absolute path of a file on the daemon's machine, which does not exist yet").into()
        );
    }
    Ok(audit::about(begin(&inside, Task::Backup(to.clone()))?, format!("to {to}")))
}

/// `POST /v1/fsck`.
pub(super) async fn fsck(Extension(inside): Extension<Inside>) -> Reply {
    begin(&inside, Task::Fsck)
}

/// `GET /v1/upkeep`.
pub(super) async fn works(Extension(inside): Extension<Inside>) -> Reply {
    Ok(reply::json(&WorksShape(&inside.caretaker.works())))
}

fn begin(inside: &Inside, task: Task) -> Reply {
    inside.caretaker.begin(task).map_err(reply::rejected)?;
    Ok(reply::json(&WorksShape(&inside.caretaker.works())))
}

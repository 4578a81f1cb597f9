//! `/v1/whatsapp/inbounds`: the messages with which people start a flow, filed, listed, changed and taken away.
//!
//! Not the fields of the form (`shapes/guide/inbound.rs`) and not the starting.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, Request, State};
use serde_json::json;

use super::audit;
use super::guide::{self, PageQuery, bad_field};
use super::reply::{self, Fault, Reply};
use super::site::{Inside, Site};
use crate::engine::registry::{Filing, Register, Shelf};
use crate::shapes::guide::inbound::{self, Inbound, InboundShape};
use crate::shapes::problem::{Kind, Problem};

/// `POST /v1/whatsapp/inbounds`.
pub(super) async fn create(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, request: Request) -> Reply {
    let form = guide::form(&site, request).await?;
    let decide = |shelf: &Shelf| {
        let inbound = Inbound::create(form.clone(), &shelf.book).map_err(bad_field)?;
        filing(shelf, None, Some(&inbound))
    };
    let (id, shelf) = guide::file(&site, &inside, Register::Inbound, decide).await?;
    let inbound = Inbound::create(form, &shelf.book).map_err(bad_field)?;
    Ok(audit::about(reply::json(&InboundShape { id: &id, inbound: &inbound, book: &shelf.book }), &*id))
}

/// `GET /v1/whatsapp/inbounds`.
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Reply {
    let shelf = guide::shelf(&site, &inside, Register::Inbound).await?;
    let (page, next) = guide::page(&shelf, query)?;
    let read: Vec<(&str, Inbound)> = page.iter().filter_map(|(id, bytes)| Some((&**id, Inbound::from_bytes(bytes)?))).collect();
    let inbounds: Vec<InboundShape<'_>> = read.iter().map(|(id, inbound)| InboundShape { id, inbound, book: &shelf.book }).collect();
    Ok(reply::json(&json!({ "inbounds": inbounds, "next": next.as_deref() })))
}

/// `GET /v1/whatsapp/inbounds/{id}`.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
) -> Reply {
    let id = guide::id(path, Register::Inbound, "inbound")?;
    let shelf = guide::shelf(&site, &inside, Register::Inbound).await?;
    let inbound = guide::record(&shelf, &id, "inbound", Inbound::from_bytes)?;
    Ok(reply::json(&InboundShape { id: &id, inbound: &inbound, book: &shelf.book }))
}

/// `PUT /v1/whatsapp/inbounds/{id}`: every field anew.
pub(super) async fn replace(
    site: State<Arc<Site>>,
    inside: Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Reply {
    change(site, inside, path, request, true).await
}

/// `PATCH /v1/whatsapp/inbounds/{id}`: the fields that are sent.
pub(super) async fn edit(
    site: State<Arc<Site>>,
    inside: Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Reply {
    change(site, inside, path, request, false).await
}

async fn change(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
    whole: bool,
) -> Reply {
    let id = guide::id(path, Register::Inbound, "inbound")?;
    let form = guide::form(&site, request).await?;
    let changed = |shelf: &Shelf| {
        let known = guide::record(shelf, &id, "inbound", Inbound::from_bytes)?;
        let changed = if whole { Inbound::create(form.clone(), &shelf.book) } else { known.edit(form.clone(), &shelf.book) };
        changed.map_err(bad_field)
    };
    let decide = |shelf: &Shelf| filing(shelf, Some(&id), Some(&changed(shelf)?));
    let (id, shelf) = guide::file(&site, &inside, Register::Inbound, decide).await?;
    Ok(audit::about(reply::json(&InboundShape { id: &id, inbound: &changed(&shelf)?, book: &shelf.book }), &*id))
}

/// `DELETE /v1/whatsapp/inbounds/{id}`.
pub(super) async fn delete(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
) -> Reply {
    let id = guide::id(path, Register::Inbound, "inbound")?;
    let decide = |shelf: &Shelf| {
        shelf.find(&id).ok_or_else(|| guide::unknown(&id, "inbound"))?;
        filing(shelf, Some(&id), None)
    };
    let (id, _) = guide::file(&site, &inside, Register::Inbound, decide).await?;
    Ok(audit::about(reply::json(&json!({ "inbound_id": &*id, "deleted": true })), &*id))
}

/// The change of one inbound, with all that are in force after it.
fn filing(shelf: &Shelf, id: Option<&str>, inbound: Option<&Inbound>) -> Result<Filing, Fault> {
    let records = shelf.records.iter().map(|(id, bytes)| (&**id, &**bytes));
    let inbounds = inbound::in_force(records, Some((id.unwrap_or_default(), inbound)), &shelf.book).map_err(|twin| {
        let message = format!("inbound_message: a person could not tell it from that of {twin} on the same line; write another");
        Fault(Problem { kind: Kind::TwinInbound, message: message.into(), field: "inbound_message".into() })
    })?;
    Ok(Filing {
        register: Register::Inbound,
        id: id.map(Arc::from),
        value: inbound.map(Inbound::to_bytes),
        version: shelf.version,
        inbounds: Some(inbounds),
        tell: None,
    })
}

//! `/v1/whatsapp/outbounds`: messages that reach people first, filed for approval, listed, taken away and sent.
//!
//! Not the fields of the forms (`shapes/guide`), not the submission (the daemon sees what was filed), and not the call: the engine
//! makes that, by the same rules as every other.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::HeaderMap;
use serde_json::json;
use tokio::time::timeout;

use super::audit;
use super::events;
use super::guide::{self, PageQuery, bad_field};
use super::reply::{self, Fault, Reply};
use super::site::{Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::engine::registry::{Filing, Register, Shelf};
use crate::engine::request::Answer;
use crate::limits;
use crate::shapes::guide::outbound::{Outbound, OutboundShape, Status};
use crate::shapes::guide::send::SendForm;
use crate::shapes::problem::{Kind, Problem};

/// The header by which a request that comes again is known.
const IDEMPOTENCY: &str = "idempotency-key";

/// `POST /v1/whatsapp/outbounds`.
pub(super) async fn create(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, request: Request) -> Reply {
    let form = guide::form(&site, request).await?;
    let read = |shelf: &Shelf| Outbound::create(form.clone(), &shelf.book, shelf.now).map_err(bad_field);
    let decide = |shelf: &Shelf| Ok(filing(shelf, None, Some(&read(shelf)?)));
    let (id, shelf) = guide::file(&site, &inside, Register::Outbound, decide).await?;
    Ok(audit::about(reply::json(&OutboundShape { id: &id, outbound: &read(&shelf)?, book: &shelf.book }), &*id))
}

/// `GET /v1/whatsapp/outbounds`.
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Reply {
    let shelf = guide::shelf(&site, &inside, Register::Outbound).await?;
    let (page, next) = guide::page(&shelf, query)?;
    let read: Vec<(&str, Outbound)> = page.iter().filter_map(|(id, bytes)| Some((&**id, Outbound::from_bytes(bytes)?))).collect();
    let outbounds: Vec<OutboundShape<'_>> = read.iter().map(|(id, outbound)| OutboundShape { id, outbound, book: &shelf.book }).collect();
    Ok(reply::json(&json!({ "outbounds": outbounds, "next": next.as_deref() })))
}

/// `GET /v1/whatsapp/outbounds/{id}`.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
) -> Reply {
    let id = guide::id(path, Register::Outbound, "outbound")?;
    let shelf = guide::shelf(&site, &inside, Register::Outbound).await?;
    let outbound = guide::record(&shelf, &id, "outbound", Outbound::from_bytes)?;
    Ok(reply::json(&OutboundShape { id: &id, outbound: &outbound, book: &shelf.book }))
}

/// `DELETE /v1/whatsapp/outbounds/{id}`. What was asked to be sent of it before still goes out.
pub(super) async fn delete(
    State(site): State<Arc<Site>>,
    Extension(inside): Extension<Inside>,
    path: Result<Path<String>, PathRejection>,
) -> Reply {
    let id = guide::id(path, Register::Outbound, "outbound")?;
    let decide = |shelf: &Shelf| {
        shelf.find(&id).ok_or_else(|| guide::unknown(&id, "outbound"))?;
        Ok(filing(shelf, Some(&id), None))
    };
    let (id, _) = guide::file(&site, &inside, Register::Outbound, decide).await?;
    Ok(audit::about(reply::json(&json!({ "outbound_id": &*id, "deleted": true })), &*id))
}

/// `POST /v1/whatsapp/outbounds/send`.
pub(super) async fn send(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>, request: Request) -> Reply {
    let again = idempotency(request.headers())?;
    let form = SendForm::read(guide::form(&site, request).await?).map_err(bad_field)?;
    let shelf = guide::shelf(&site, &inside, Register::Outbound).await?;
    let id = form.outbound_id.clone();
    let outbound = guide::record(&shelf, &id, "outbound", Outbound::from_bytes)?;
    let invitation = form.invitation(&outbound, again, &shelf.book).map_err(bad_field)?;
    if !outbound.can_be_sent() {
        return Err(not_approved(&id, &outbound));
    }
    let flow = invitation.flow.clone();
    let asked = timeout(site.settings.answer, inside.desk.ask(|answer| Ask::Invite(Box::new(invitation), answer)));
    let answer = asked.await.map_err(|_| events::no_answer())?.map_err(reply::rejected)?;
    Ok(audit::about(reply::json(&sent(&id, flow.as_deref(), &answer)), format!("{id} to {}", answer.conversation)))
}

fn sent(id: &str, flow: Option<&str>, answer: &Answer) -> serde_json::Value {
    json!({
        "outbound_id": id,
        "flow_id": flow,
        "conversation_id": answer.conversation.to_string(),
        "state": answer.state.as_str(),
        "due_at": answer.due_at.map(|due| due.to_string()),
        "ignored": answer.ignored.map(|ignored| ignored.as_str()),
    })
}

fn not_approved(id: &str, outbound: &Outbound) -> Fault {
    let why = match outbound.status {
        Status::Pending => "is still under review (PENDING); wait until it is APPROVED",
        Status::Rejected => "was REJECTED; change the message and create another",
        Status::Approved if outbound.paused => "is paused by the provider and cannot be sent at present",
        Status::Approved => "cannot be sent yet",
    };
    Fault(Problem { kind: Kind::NotApproved, message: format!("outbound_id: {id} {why}").into(), field: "outbound_id".into() })
}

fn idempotency(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(IDEMPOTENCY) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= limits::EVENT_ID_BYTES);
    match text {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            let message = format!("Idempotency-Key: is no key; write 1 to {} plain characters", limits::EVENT_ID_BYTES);
            Err(Fault(Problem { kind: Kind::BadField, message: message.into(), field: "Idempotency-Key".into() }))
        }
    }
}

fn filing(shelf: &Shelf, id: Option<&str>, outbound: Option<&Outbound>) -> Filing {
    Filing {
        register: Register::Outbound,
        id: id.map(Arc::from),
        value: outbound.map(Outbound::to_bytes),
        version: shelf.version,
        inbounds: None,
        tell: None,
    }
}

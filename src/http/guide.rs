//! What the guide's calls share: forms, the registry behind them, and lists of it.
//!
//! Not the calls (`inbounds.rs`, `outbounds.rs`), nor the fields (`shapes/guide`). A change that another one overtook is decided
//! again on what there is by then.

use std::sync::Arc;

use axum::extract::Request;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use serde::Deserialize;
use tokio::time::timeout;

use super::body;
use super::reply::{self, Fault};
use super::site::{Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::engine::registry::{Filing, Register, Shelf};
use crate::engine::request::Rejected;
use crate::limits;
use crate::shapes::discreet;
use crate::shapes::event::shortened;
use crate::shapes::guide::BadField;
use crate::shapes::guide::form::Form;
use crate::shapes::problem::{Kind, Problem};

/// Where the guide's paths begin.
pub(super) const PATHS: &str = "/v1/whatsapp/";
/// The header in which the guide's clients send their token.
pub(super) const KEY: &str = "truora-api-key";
/// The type of a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// So often a change is decided anew that others overtook.
const TRIES: usize = 16;

/// Reads the form of a request.
pub(super) async fn form(site: &Site, request: Request) -> Result<Form, Fault> {
    let (parts, body) = request.into_parts();
    let bytes = body::whole(&parts.headers, body, limits::FORM_BYTES, &site.settings).await?;
    if !body::media_type(&parts.headers).eq_ignore_ascii_case(FORM) {
        return Err(Problem::new(Kind::UnsupportedType, "send the fields as content-type: application/x-www-form-urlencoded").into());
    }
    Form::read(&bytes).map_err(bad_field)
}

/// A field that is wrong, on its way out.
pub(super) fn bad_field(bad: BadField) -> Fault {
    let message = if bad.field.is_empty() { bad.why } else { format!("{}: {}", bad.field, bad.why) };
    Fault(Problem { kind: Kind::BadField, message: message.into(), field: bad.field.into() })
}

/// The register as it is.
pub(super) async fn shelf(site: &Site, inside: &Inside, register: Register) -> Result<Shelf, Fault> {
    let asked = timeout(site.settings.answer, inside.desk.ask(|answer| Ask::Shelf(register, answer)));
    asked.await.map_err(|_| no_answer())?.map_err(reply::rejected)
}

/// Changes a register by what `decide` makes of it; answers the id, and the shelf on which that was decided.
pub(super) async fn file(
    site: &Site,
    inside: &Inside,
    register: Register,
    decide: impl Fn(&Shelf) -> Result<Filing, Fault>,
) -> Result<(Arc<str>, Shelf), Fault> {
    for _ in 0..TRIES {
        let shelf = shelf(site, inside, register).await?;
        let filing = Box::new(decide(&shelf)?);
        let asked = timeout(site.settings.answer, inside.desk.ask(|answer| Ask::File(filing, answer)));
        match asked.await.map_err(|_| no_answer())? {
            Ok(id) => return Ok((id, shelf)),
            Err(Rejected::Outdated) => {}
            Err(rejected) => return Err(reply::rejected(rejected)),
        }
    }
    Err(reply::rejected(Rejected::Outdated))
}

/// The engine has not answered: nobody knows whether it was kept.
fn no_answer() -> Problem {
    Problem::new(Kind::NoAnswer, "the engine did not answer in time; this may or may not have been kept, look before you send it again")
}

/// The id in a path; `what` it is of, as `inbound`.
pub(super) fn id(path: Result<Path<String>, PathRejection>, register: Register, what: &'static str) -> Result<String, Fault> {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    match register.is_id(&name) {
        true => Ok(name),
        false => Err(unknown(&name, what)),
    }
}

/// There is no record of this id.
pub(super) fn unknown(id: &str, what: &'static str) -> Fault {
    let field = if what == "inbound" { "inbound_id" } else { "outbound_id" };
    let message = format!("{field}: there is no {what} {}", shortened(id));
    Fault(Problem { kind: Kind::UnknownRecord, message: message.into(), field: field.into() })
}

/// The record of this id, as `read` makes of its bytes.
pub(super) fn record<T>(shelf: &Shelf, id: &str, what: &'static str, read: impl Fn(&[u8]) -> Option<T>) -> Result<T, Fault> {
    let bytes = shelf.find(id).ok_or_else(|| unknown(id, what))?;
    // Every record was written by this program; one that it cannot read any more is a newer release's.
    read(bytes).ok_or_else(|| reply::rejected(Rejected::Damaged(format!("the record of {what} {id} is not what this release writes"))))
}

/// The query of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<usize>,
    after: Option<String>,
}

/// A page of a list: the ids and bytes on it, and the id after which the next one begins.
pub(super) type Page<'s> = (&'s [(Arc<str>, Arc<[u8]>)], Option<Arc<str>>);

/// The page that a query asks for.
///
/// # Errors
/// A query that cannot be read, and pages of no size or too much of one.
pub(super) fn page(shelf: &Shelf, query: Result<Query<PageQuery>, QueryRejection>) -> Result<Page<'_>, Fault> {
    let wrong = |why: String| Problem::new(Kind::BadRequest, format!("reading the query: {why}"));
    let Query(query) = query.map_err(|error| wrong(discreet::sentence(&error.body_text())))?;
    let limit = query.limit.unwrap_or(100);
    if limit == 0 || limit > limits::PAGE {
        return Err(wrong(format!("limit = {limit}: a page has 1 to {}", limits::PAGE)).into());
    }
    let from = query.after.map_or(0, |after| shelf.records.partition_point(|(id, _)| **id <= *after));
    let to = shelf.records.len().min(from + limit);
    let page = &shelf.records[from..to];
    let next = page.last().filter(|_| to < shelf.records.len()).map(|(id, _)| Arc::clone(id));
    Ok((page, next))
}

//! What the answers of the Cloud API mean: by the error code first, wherever it stands, then by HTTP.
//!
//! Not the codes: `meta/table.rs` has them.

use serde::Deserialize;

use crate::engine::ports::Called;
use crate::provider::client::{Ended, Reply};
use crate::provider::meta::table;
use crate::provider::soft::{List, Soft, Word, object};
use crate::provider::verdict::{self, Known};

/// The answer to a send: ids of messages, or an error.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    messages: List<'a>,
    #[serde(borrow, default)]
    error: Soft<Failure<'a>>,
}

#[derive(Deserialize)]
struct Taken<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default)]
    message_status: Word<'a>,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow, default)]
    code: Word<'a>,
}

/// What the end of the `attempt`th call means.
pub(super) fn called(ended: &Ended, attempt: u8) -> Called {
    let Ended::Reply(reply) = ended else { return verdict::by_http(ended, None, "") };
    let answer = answer(reply);
    if let Some(error) = answer.as_ref().and_then(|answer| answer.error.0.as_ref()) {
        return failed(ended, reply, error.code.number(), attempt);
    }
    let taken = answer.as_ref().and_then(|answer| answer.messages.of::<Taken<'_>>().next()).filter(|taken| !taken.id.is_empty());
    let more = match taken.as_ref().map(|taken| taken.message_status.as_str()) {
        // Meta looks at the template first: the message may come late, or never.
        Some("held_for_quality_assessment") => ", held_for_quality_assessment",
        _ => "",
    };
    verdict::by_http(ended, taken.as_ref().map(|taken| taken.id.as_str()), more)
}

fn failed(ended: &Ended, reply: &Reply, code: Option<i64>, attempt: u8) -> Called {
    let Some(code) = code else { return verdict::by_http(ended, None, ", an error without a code") };
    match table::find(code) {
        None => verdict::by_http(ended, None, &format!(", error {code}")),
        Some(row) => {
            let (wait, not_processed) = (table::wait(code, attempt), table::is_not_processed(code));
            verdict::by_code(reply, &Known { code, meaning: row.meaning, trouble: row.trouble, wait, not_processed })
        }
    }
}

/// Whether the line works again, by the answer to the question for its own number.
pub(super) fn probed(reply: &Reply) -> Result<(), String> {
    let error = answer(reply).and_then(|answer| answer.error.0).map(|error| error.code.number());
    match (reply.status, error) {
        (200..=299, None) => Ok(()),
        (status, Some(Some(code))) => {
            Err(format!("HTTP {status}, error {code}: {}", table::find(code).map_or("unknown", |row| row.meaning)))
        }
        (status, _) => Err(format!("HTTP {status}")),
    }
}

fn answer(reply: &Reply) -> Option<Answer<'_>> {
    object(std::str::from_utf8(&reply.body).ok()?.trim_ascii())
}

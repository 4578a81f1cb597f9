//! What the answers of Truora mean: by the status of HTTP. Its bodies carry `code`, `http_code` and `message`, each optional; no list
//! of the codes is published, so they are for people.
//!
//! Not what is HTTP's own: `verdict.rs` has that.

use serde::Deserialize;

use crate::engine::heard::Trouble;
use crate::engine::ports::{CallEnd, Called};
use crate::provider::client::Ended;
use crate::provider::soft::{Word, object};
use crate::provider::verdict;

/// Statuses that mean more here than they do elsewhere.
const TABLE: &[(u16, &str, Trouble)] = &[
    (402, "balance", Trouble::Account),
    // The path is fixed: what is not there is the outbound.
    (404, "outbound not there", Trouble::Template),
];

/// An answer, good or bad. Where the id of what was sent stands, if anywhere, is not confirmed.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    message_id: Word<'a>,
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default)]
    process_id: Word<'a>,
    #[serde(borrow, default)]
    identity_process_id: Word<'a>,
    #[serde(borrow, default)]
    code: Word<'a>,
}

/// What the end of a call means. What a success looks like is not confirmed: any 2xx with a JSON object is one, with or without an
/// id; of any other 2xx nobody knows who answered.
pub(super) fn called(ended: &Ended) -> Called {
    let Ended::Reply(reply) = ended else { return verdict::by_http(ended, None, "") };
    let answer: Option<Answer<'_>> = std::str::from_utf8(&reply.body).ok().and_then(|body| object(body.trim_ascii()));
    if (200..300).contains(&reply.status) {
        let Some(answer) = answer else { return verdict::by_http(ended, None, "") };
        let ids = [&answer.message_id, &answer.id, &answer.process_id, &answer.identity_process_id];
        return match ids.map(Word::as_str).into_iter().find(|id| !id.is_empty()) {
            Some(id) => verdict::by_http(ended, Some(id), ""),
            None => Called::new(CallEnd::Accepted, format!("HTTP {}, without an id", reply.status)),
        };
    }
    let code = answer.and_then(|answer| answer.code.number()).map(|code| format!(", error {code}")).unwrap_or_default();
    match TABLE.iter().find(|(status, ..)| *status == reply.status) {
        Some((status, meaning, trouble)) => {
            Called::failed(*trouble, reply.retry_after.unwrap_or(0), format!("HTTP {status}{code}: {meaning}"))
        }
        None => verdict::by_http(ended, None, &code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Refusal;
    use crate::moment::MINUTE;
    use crate::provider::client::Reply;
    use crate::provider::testing::fixture;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    #[test]
    fn the_golden_answer() {
        let called = called(&Ended::Reply(Reply { body: fixture("truora/resp_error_400.json"), ..reply(400, "") }));
        assert_eq!((called.trouble, called.detail.as_str()), (Some(Trouble::Configuration), "HTTP 400, error 10400"));
    }

    #[test]
    fn the_table_of_answers() {
        use CallEnd::{Accepted, Busy, Refused, Unknown};
        for (status, body, end, trouble, id) in [
            (200, r#"{"message_id":"M1"}"#, Accepted, None, Some("M1")),
            (201, r#"{"process_id":"IDP1","outbound_id":"OTB1"}"#, Accepted, None, Some("IDP1")),
            (202, "{}", Accepted, None, None),
            (200, "null", Unknown, None, None),
            (200, "[]", Unknown, None, None),
            (200, "", Unknown, None, None),
            (200, "<html>", Unknown, None, None),
            (200, r#"{"message_id":"M1""#, Unknown, None, None),
            (400, r#"{"code":10400}"#, Refused(Refusal::Line), Some(Trouble::Configuration), None),
            (400, "", Refused(Refusal::Line), Some(Trouble::Configuration), None),
            (401, r#"{"message":"no"}"#, Busy(0), Some(Trouble::Authentication), None),
            (402, "", Busy(0), Some(Trouble::Account), None),
            (403, "", Busy(0), Some(Trouble::Authentication), None),
            (404, r#"{"code":"10404"}"#, Refused(Refusal::Template), Some(Trouble::Template), None),
            (409, "", Unknown, None, None),
            (429, "", Busy(0), Some(Trouble::ThrottleLine), None),
            (500, r#"{"code":10500}"#, Unknown, None, None),
            (302, "", Refused(Refusal::Line), Some(Trouble::Configuration), None),
        ] {
            let called = called(&Ended::Reply(reply(status, body)));
            assert_eq!((called.end, called.trouble, called.message.as_deref()), (end, trouble, id), "{status} {body}");
        }
        assert_eq!(called(&Ended::NotSent("no route".into())).end, Busy(0));
        assert_eq!(called(&Ended::Lost("reset".into())).end, Unknown);
    }

    #[test]
    fn a_wait_is_honoured_and_nothing_said_is_quoted() {
        let answer = reply(429, r#"{"code":10429,"message":"+573001234567"}"#);
        let called = called(&Ended::Reply(Reply { retry_after: Some(MINUTE), ..answer }));
        assert_eq!((called.end, called.detail.as_str()), (CallEnd::Busy(MINUTE), "HTTP 429, error 10429"));
    }
}

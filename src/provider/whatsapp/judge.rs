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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Refusal;
    use crate::engine::heard::Trouble;
    use crate::engine::ports::CallEnd;
    use crate::limits;
    use crate::moment::{MINUTE, SECOND};

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    fn judged(status: u16, body: &str) -> Called {
        called(&Ended::Reply(reply(status, body)), 1)
    }

    fn error(status: u16, code: i64) -> Called {
        judged(status, &format!(r#"{{"error":{{"message":"+573181230000 CANARY","code":{code},"is_transient":false}}}}"#))
    }

    #[test]
    fn an_accepted_message_has_an_id() {
        let body = r#"{"messaging_product":"whatsapp","contacts":[{"input":"+57","wa_id":"57"}],"messages":[{"id":"wamid.1"}]}"#;
        assert_eq!(judged(200, body), Called::accepted("wamid.1", "HTTP 200"));
        let held = r#"{"messages":[{"id":"wamid.1","message_status":"held_for_quality_assessment"}]}"#;
        assert_eq!(judged(200, held), Called::accepted("wamid.1", "HTTP 200, held_for_quality_assessment"));
        for junk in ["", "<html>", "{}", "[]", "null", r#"{"messages":[]}"#, r#"{"messages":[{"id":""}]}"#, r#"{"messages":"wamid.1"}"#] {
            assert_eq!(judged(200, junk).end, CallEnd::Unknown, "{junk}");
        }
        let cut = Reply { broken: Some("end of stream".into()), ..reply(200, r#"{"messages":[{"id":"wam"#) };
        assert_eq!(called(&Ended::Reply(cut), 1).end, CallEnd::Unknown);
    }

    #[test]
    fn codes_decide_before_the_status_does() {
        use CallEnd::{Busy, Refused, Unknown};
        for (status, code, end) in [
            (400, 131_047, Refused(Refusal::WindowClosed)),
            (429, 131_056, Busy(4 * SECOND)),
            (429, 130_429, Busy(0)),
            (400, 4, Busy(MINUTE)),
            (401, 190, Busy(0)),
            (403, 10, Busy(0)),
            (400, 368, Busy(0)),
            (400, 131_026, Refused(Refusal::Recipient)),
            (400, 131_050, Refused(Refusal::OptedOut)),
            (404, 132_001, Refused(Refusal::Template)),
            (400, 100, Refused(Refusal::Line)),
            // A refusal in the middle of a success, and the other way round.
            (200, 131_047, Refused(Refusal::WindowClosed)),
            (503, 2, Busy(0)),
            (500, 131_016, Busy(0)),
            (500, 133_004, Busy(0)),
            (500, 2_494_100, Busy(MINUTE)),
            // These say nothing.
            (500, 1, Unknown),
            (500, 131_000, Unknown),
            (200, 131_000, Unknown),
            (400, 1, Busy(0)),
            // Nobody knows these: the status decides.
            (400, 999, Refused(Refusal::Line)),
            (401, 999, Busy(0)),
            (429, 999, Busy(0)),
            (500, 999, Unknown),
            (200, 999, Unknown),
        ] {
            let called = error(status, code);
            assert_eq!(called.end, end, "HTTP {status}, {code}: {called:?}");
            assert!(called.detail.contains(&code.to_string()) && called.message.is_none(), "{}", called.detail);
            assert!(!called.detail.contains("CANARY") && !called.detail.contains("57318"), "{}", called.detail);
        }
        let with_both = r#"{"messages":[{"id":"wamid.1"}],"error":{"message":"no code"}}"#;
        assert_eq!(judged(200, with_both).end, CallEnd::Unknown);
    }

    #[test]
    fn troubles_tell_the_line() {
        for (status, code, trouble) in [
            (429, 130_429, Some(Trouble::ThrottleLine)),
            (429, 999, Some(Trouble::ThrottleLine)),
            (429, 131_056, Some(Trouble::ThrottlePair)),
            (401, 190, Some(Trouble::Authentication)),
            (401, 999, Some(Trouble::Authentication)),
            (400, 131_031, Some(Trouble::Account)),
            (500, 131_000, Some(Trouble::Doubt)),
            (500, 999, None),
        ] {
            assert_eq!(error(status, code).trouble, trouble, "HTTP {status}, {code}");
        }
    }

    #[test]
    fn the_longer_of_the_waits_counts() {
        let body = r#"{"error":{"code":131056}}"#;
        let asked = |wait| Ended::Reply(Reply { retry_after: wait, ..reply(429, body) });
        assert_eq!(called(&asked(None), 3).end, CallEnd::Busy(64 * SECOND));
        assert_eq!(called(&asked(Some(SECOND)), 3).end, CallEnd::Busy(64 * SECOND));
        assert_eq!(called(&asked(Some(5 * MINUTE)), 3).end, CallEnd::Busy(5 * MINUTE));
        assert_eq!(called(&asked(Some(i64::MAX)), 3).end, CallEnd::Busy(limits::RETRY_AFTER_CEILING));
    }

    #[test]
    fn a_probe_asks_for_the_number_and_says_why_it_failed() {
        assert_eq!(probed(&reply(200, r#"{"id":"1065"}"#)), Ok(()));
        let expired = probed(&reply(401, r#"{"error":{"code":190,"message":"CANARY"}}"#));
        assert_eq!(expired, Err("HTTP 401, error 190: token expired".into()));
        assert_eq!(probed(&reply(200, r#"{"error":{"code":190}}"#)).unwrap_err(), "HTTP 200, error 190: token expired");
        assert_eq!(probed(&reply(502, "<html>")), Err("HTTP 502".into()));
    }
}

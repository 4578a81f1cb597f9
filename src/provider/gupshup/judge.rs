//! What the answers of Gupshup mean: by an error code where there is one, by its few fixed phrases, then by HTTP.
//!
//! Not the codes: `table.rs` has them.

use serde::Deserialize;

use crate::engine::heard::Trouble;
use crate::engine::ports::Called;
use crate::provider::client::{Ended, Reply};
use crate::provider::gupshup::table;
use crate::provider::meta::table as platform;
use crate::provider::soft::{Soft, Word, object};
use crate::provider::verdict::{self, Known};

/// The answer to a send. Its content type may say HTML; it is JSON all the same.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    status: Word<'a>,
    #[serde(borrow, default, rename = "messageId")]
    message_id: Word<'a>,
    /// One of a few phrases.
    #[serde(borrow, default)]
    message: Word<'a>,
    #[serde(borrow, default)]
    code: Word<'a>,
    /// The platform's own error, passed on.
    #[serde(borrow, default)]
    error: Soft<Failure<'a>>,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow, default)]
    code: Word<'a>,
}

/// What the end of the `attempt`th call means.
pub(super) fn called(ended: &Ended, attempt: u8) -> Called {
    let Ended::Reply(reply) = ended else { return verdict::by_http(ended, None, "") };
    let Some(answer) = answer(reply) else { return verdict::by_http(ended, None, "") };
    let error = answer.status.as_str() == "error" || answer.error.0.is_some();
    if !error && !answer.message_id.is_empty() {
        return verdict::by_http(ended, Some(answer.message_id.as_str()), "");
    }
    let inner = answer.error.0.as_ref().and_then(|error| error.code.number());
    match inner.or_else(|| answer.code.number()) {
        Some(code) => failed(ended, reply, code, attempt),
        None => phrase(ended, reply, answer.message.as_str()),
    }
}

fn failed(ended: &Ended, reply: &Reply, code: i64, attempt: u8) -> Called {
    let Some((meaning, trouble)) = table::find(code) else { return verdict::by_http(ended, None, &format!(", error {code}")) };
    let (wait, not_processed) = (platform::wait(code, attempt), table::is_not_processed(code));
    verdict::by_code(reply, &Known { code, meaning, trouble, wait, not_processed })
}

/// The phrases that say more than the status beside them.
fn phrase(ended: &Ended, reply: &Reply, phrase: &str) -> Called {
    let (trouble, meaning) = match phrase.trim() {
        "Invalid Destination" => (Trouble::Permanent, "Invalid Destination"),
        "Invalid App Details" => (Trouble::Configuration, "Invalid App Details"),
        "Authentication Failed" => (Trouble::Authentication, "Authentication Failed"),
        "Too Many Requests" => (Trouble::ThrottleLine, "Too Many Requests"),
        _ => return verdict::by_http(ended, None, ""),
    };
    // They speak of the request, before anything is done with it; beside a server error they are not believed.
    match reply.status {
        200..=299 | 400..=499 => Called::failed(trouble, reply.retry_after.unwrap_or(0), format!("HTTP {}, {meaning}", reply.status)),
        _ => verdict::by_http(ended, None, ""),
    }
}

fn answer(reply: &Reply) -> Option<Answer<'_>> {
    object(std::str::from_utf8(&reply.body).ok()?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Refusal;
    use crate::engine::ports::CallEnd;
    use crate::moment::MINUTE;

    fn judged(status: u16, body: &str) -> Called {
        called(&Ended::Reply(Reply { status, retry_after: None, body: body.into(), broken: None }), 1)
    }

    #[test]
    fn an_accepted_message_has_an_id_whatever_the_status_is_called() {
        for body in
            [r#"{"status":"submitted","messageId":"ee4a"}"#, r#"{"status":"success","messageId":"ee4a"}"#, " {\"messageId\":\"ee4a\"} "]
        {
            assert_eq!(judged(202, body), Called::accepted("ee4a", "HTTP 202"));
        }
        for junk in ["", "<html>", "{}", r#"{"status":"submitted","messageId":""}"#, r#"{"status":"error","messageId":"ee4a"}"#] {
            assert_eq!(judged(202, junk).end, CallEnd::Unknown, "{junk}");
        }
    }

    #[test]
    fn codes_then_phrases_then_the_status() {
        use CallEnd::{Busy, Refused, Unknown};
        let code = |code: i64| format!(r#"{{"status":"error","code":{code},"message":"CANARY"}}"#);
        let phrase = |phrase: &str| format!(r#"{{"status":"error","message":"{phrase}"}}"#);
        for (status, body, end, trouble) in [
            (400, code(131_049), Refused(Refusal::Recipient), Some(Trouble::Permanent)),
            (400, r#"{"error":{"code":132000,"message":"x"}}"#.into(), Refused(Refusal::Template), Some(Trouble::Template)),
            (400, code(1003), Busy(0), Some(Trouble::Account)),
            (400, code(470), Refused(Refusal::WindowClosed), Some(Trouble::WindowClosed)),
            (200, code(1012), Refused(Refusal::OptedOut), Some(Trouble::OptOut)),
            (500, code(500), Unknown, Some(Trouble::Doubt)),
            (400, code(4002), Busy(0), Some(Trouble::Retry)),
            (400, code(77), Refused(Refusal::Line), Some(Trouble::Configuration)),
            (400, phrase("Invalid Destination"), Refused(Refusal::Recipient), Some(Trouble::Permanent)),
            (400, phrase("Invalid App Details"), Refused(Refusal::Line), Some(Trouble::Configuration)),
            (401, phrase("Authentication Failed"), Busy(0), Some(Trouble::Authentication)),
            (401, "Portal User Not Found".into(), Busy(0), Some(Trouble::Authentication)),
            (429, phrase("Too Many Requests"), Busy(0), Some(Trouble::ThrottleLine)),
            (500, phrase("Invalid Destination"), Unknown, None),
            (500, "<html>".into(), Unknown, None),
            (307, String::new(), Refused(Refusal::Line), Some(Trouble::Configuration)),
        ] {
            let called = judged(status, &body);
            assert_eq!((called.end, called.trouble), (end, trouble), "HTTP {status} {body}: {}", called.detail);
            assert!(called.message.is_none() && !called.detail.contains("CANARY"), "{}", called.detail);
        }
    }

    #[test]
    fn what_it_asks_to_wait_is_waited() {
        let body = r#"{"status":"error","message":"Too Many Requests"}"#;
        let reply = Reply { status: 429, retry_after: Some(MINUTE), body: body.into(), broken: None };
        assert_eq!(called(&Ended::Reply(reply), 1).end, CallEnd::Busy(MINUTE));
    }
}

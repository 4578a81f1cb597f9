//! What the answers of Twilio mean: by its error code where there is one, then by HTTP.
//!
//! Not the codes: `table.rs` has them.

use serde::Deserialize;

use super::table;
use crate::engine::ports::Called;
use crate::provider::client::{Ended, Reply};
use crate::provider::soft::{Word, object};
use crate::provider::verdict::{self, Known};

/// A message that was created, an account, or an error of the older or the newer style: what all of them have.
#[derive(Default, Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    sid: Word<'a>,
    #[serde(borrow, default)]
    status: Word<'a>,
    #[serde(borrow, default)]
    code: Word<'a>,
}

/// What the end of a call means.
pub(super) fn called(ended: &Ended) -> Called {
    let Ended::Reply(reply) = ended else { return verdict::by_http(ended, None, "") };
    let answer = answer(reply);
    if is_success(reply) {
        return verdict::by_http(ended, Some(answer.sid.as_str()).filter(|sid| !sid.is_empty()), "");
    }
    let Some(code) = answer.code.number() else { return verdict::by_http(ended, None, "") };
    match table::find(code) {
        Some((meaning, trouble)) => verdict::by_code(reply, &Known { code, meaning, trouble, wait: 0, not_processed: false }),
        None => verdict::by_http(ended, None, &format!(", error {code}")),
    }
}

/// What the answer to the question for the account says.
///
/// # Errors
/// Why the line does not work yet.
pub(super) fn probed(reply: &Reply) -> Result<(), String> {
    match answer(reply).status.as_str() {
        "active" if is_success(reply) => Ok(()),
        "suspended" | "closed" if is_success(reply) => Err("the account is suspended or closed".into()),
        _ => Err(refused(reply)),
    }
}

/// `HTTP 401, error 20003: credentials not valid`: never Twilio's words, which may quote what was sent.
pub(super) fn refused(reply: &Reply) -> String {
    let Some(code) = answer(reply).code.number() else { return format!("HTTP {}", reply.status) };
    let meaning = table::find(code).map(|(meaning, _)| format!(": {meaning}")).unwrap_or_default();
    format!("HTTP {}, error {code}{meaning}", reply.status)
}

pub(super) fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

fn answer(reply: &Reply) -> Answer<'_> {
    std::str::from_utf8(&reply.body).ok().and_then(|body| object(body.trim_ascii())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Refusal;
    use crate::engine::heard::Trouble;
    use crate::engine::ports::CallEnd;
    use crate::moment::MINUTE;
    use crate::provider::testing::fixture;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, retry_after: None, body: body.into(), broken: None }
    }

    fn judge(status: u16, body: &str) -> Called {
        called(&Ended::Reply(reply(status, body)))
    }

    #[test]
    fn the_golden_answers() {
        let answer = |status, name: &str| judge(status, &String::from_utf8(fixture(name)).unwrap());
        let taken = answer(201, "twilio/resp_create_201.json");
        assert_eq!(taken, Called::accepted("MM00000000000000000000000000000abc", "HTTP 201"));
        for (status, name, trouble) in [
            (400, "twilio/resp_error_400_63016.json", Trouble::WindowClosed),
            (401, "twilio/resp_error_401_20003.json", Trouble::Authentication),
        ] {
            let called = answer(status, name);
            assert_eq!((called.trouble, called.end), (Some(trouble), trouble.end(0)), "{name}");
        }
    }

    #[test]
    fn the_table_of_answers() {
        use CallEnd::{Accepted, Busy, Refused, Unknown};
        for (status, body, end, trouble) in [
            (201, r#"{"sid":"MM1","status":"queued","error_code":null}"#, Accepted, None),
            (201, "{}", Unknown, None),
            (201, r#"{"sid":"MM1""#, Unknown, None),
            (201, r#"{"sid":""}"#, Unknown, None),
            (200, "ok", Unknown, None),
            (400, r#"{"code":63016,"status":400}"#, Refused(Refusal::WindowClosed), Some(Trouble::WindowClosed)),
            (400, r#"{"code":"21211"}"#, Refused(Refusal::Recipient), Some(Trouble::Permanent)),
            (400, r#"{"code":21610}"#, Refused(Refusal::OptedOut), Some(Trouble::OptOut)),
            (400, r#"{"code":21655}"#, Refused(Refusal::Template), Some(Trouble::Template)),
            (400, r#"{"code":63012}"#, Busy(0), Some(Trouble::Retry)),
            (400, r#"{"code":99999}"#, Refused(Refusal::Line), Some(Trouble::Configuration)),
            (400, "<html>", Refused(Refusal::Line), Some(Trouble::Configuration)),
            (401, r#"{"code":20003}"#, Busy(0), Some(Trouble::Authentication)),
            (401, "", Busy(0), Some(Trouble::Authentication)),
            (403, r#"{"code":10001}"#, Busy(0), Some(Trouble::Account)),
            (404, "", Refused(Refusal::Line), Some(Trouble::Configuration)),
            (302, "", Refused(Refusal::Line), Some(Trouble::Configuration)),
            (409, "", Unknown, None),
            (429, "", Busy(0), Some(Trouble::ThrottleLine)),
            (429, r#"{"code":20429}"#, Busy(0), Some(Trouble::ThrottleLine)),
            (500, "", Unknown, None),
            (500, r#"{"code":63016}"#, Unknown, Some(Trouble::Doubt)),
            (503, r#"{"code":20503}"#, Unknown, None),
        ] {
            let called = judge(status, body);
            assert_eq!((called.end, called.trouble), (end, trouble), "{status} {body}");
            assert_eq!(called.message.is_some(), end == Accepted, "{status} {body}");
        }
        assert_eq!(called(&Ended::NotSent("no route".into())).end, Busy(0));
        assert_eq!(called(&Ended::Lost("reset".into())).end, Unknown);
    }

    #[test]
    fn a_wait_is_honoured_and_nothing_said_is_quoted() {
        let body = r#"{"code":63018,"message":"whatsapp:+573001234567 said hello","status":400}"#;
        let called = called(&Ended::Reply(Reply { retry_after: Some(2 * MINUTE), ..reply(400, body) }));
        assert_eq!(called.end, CallEnd::Busy(2 * MINUTE));
        assert_eq!(called.detail, "HTTP 400, error 63018: channel's rate reached");
    }

    #[test]
    fn a_line_works_again_when_its_account_is_active() {
        let probed = |status, body: &str| probed(&reply(status, body));
        assert_eq!(probed(200, r#"{"status":"active"}"#), Ok(()));
        assert_eq!(probed(200, r#"{"status":"suspended"}"#), Err("the account is suspended or closed".into()));
        assert_eq!(probed(200, "{}"), Err("HTTP 200".into()));
        assert_eq!(probed(500, r#"{"status":"active"}"#), Err("HTTP 500".into()));
        assert_eq!(probed(401, r#"{"code":20003,"status":401}"#), Err("HTTP 401, error 20003: credentials not valid".into()));
    }
}

//! What the answer of an API means by HTTP, and by an error code where its provider's table knows one.
//!
//! Not a table: codes and their meaning are each provider's own.

use crate::engine::heard::Trouble;
use crate::engine::ports::{CallEnd, Called};
use crate::provider::client::{self, Ended, Reply};

/// An error that a table knows.
pub(super) struct Known {
    pub(super) code: i64,
    pub(super) meaning: &'static str,
    pub(super) trouble: Trouble,
    /// The wait that is right where the answer asks for none, in milliseconds.
    pub(super) wait: i64,
    /// It says that nothing was done, whatever the status beside it.
    pub(super) not_processed: bool,
}

/// What an answer with a known error means. A client error says by itself that nothing was done; beside any other status, the code
/// has to.
pub(super) fn by_code(reply: &Reply, known: &Known) -> Called {
    let detail = format!("HTTP {}, error {}: {}", reply.status, known.code, known.meaning);
    let definite = known.not_processed || is_refusal(reply.status);
    let wait = reply.retry_after.unwrap_or(0).max(known.wait);
    if definite { Called::failed(known.trouble, wait, detail) } else { Called::failed(Trouble::Doubt, 0, detail) }
}

/// What the end of a call means whose answer names no known error. `taken` is the provider's id of the message, where the answer
/// gives one; `more` is added to the detail.
pub(super) fn by_http(ended: &Ended, taken: Option<&str>, more: &str) -> Called {
    let reply = match (ended, client::common(ended)) {
        // Before what is common: the line is to know of it too.
        (Ended::Reply(reply), _) if reply.status == 429 => {
            return Called::failed(Trouble::ThrottleLine, reply.retry_after.unwrap_or(0), format!("HTTP 429{more}"));
        }
        (_, Ok(reply)) => reply,
        (_, Err(called)) => return Called { detail: format!("{}{more}", called.detail), ..called },
    };
    let detail = format!("HTTP {}{more}", reply.status);
    match (reply.status, taken) {
        (200..=299, Some(id)) => Called::accepted(id, detail),
        (200..=299, None) => Called::new(CallEnd::Unknown, format!("{detail}, without the id of a message")),
        // The result is to be seen elsewhere, or the same is being done: something was.
        (303 | 409, _) => Called::new(CallEnd::Unknown, detail),
        (300..=399, _) => Called::failed(Trouble::Configuration, 0, format!("{detail}, a redirect; those are not followed")),
        (401 | 403 | 407, _) => Called::failed(Trouble::Authentication, reply.retry_after.unwrap_or(0), detail),
        _ => Called::failed(Trouble::Configuration, 0, detail),
    }
}

/// A client error other than those that come before or beside the work.
fn is_refusal(status: u16) -> bool {
    (400..=499).contains(&status) && !matches!(status, 408 | 409)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Refusal;

    fn reply(status: u16) -> Reply {
        Reply { status, retry_after: None, body: Vec::new(), broken: None }
    }

    /// Every status, by the ranges in which it means the same.
    #[test]
    fn the_table_of_statuses() {
        use CallEnd::{Accepted, Busy, Refused, Unknown};
        for status in 100..=599 {
            let (end, trouble) = match status {
                200..=299 => (Accepted, None),
                401 | 403 | 407 => (Busy(0), Some(Trouble::Authentication)),
                425 => (Busy(0), None),
                429 => (Busy(0), Some(Trouble::ThrottleLine)),
                100..=199 | 303 | 408 | 409 | 500..=599 => (Unknown, None),
                _ => (Refused(Refusal::Line), Some(Trouble::Configuration)),
            };
            let called = by_http(&Ended::Reply(reply(status)), Some("id"), "");
            assert_eq!((called.end, called.trouble), (end, trouble), "HTTP {status}");
            let called = by_http(&Ended::Reply(reply(status)), None, "");
            assert_eq!(called.end, if end == Accepted { Unknown } else { end }, "HTTP {status} without an id");
        }
    }

    #[test]
    fn a_code_beside_a_server_error_has_to_say_that_nothing_was_done() {
        let known = |not_processed| Known { code: 2, meaning: "down", trouble: Trouble::Retry, wait: 5, not_processed };
        for status in [200, 302, 408, 409, 500, 503] {
            assert_eq!(by_code(&reply(status), &known(true)).end, CallEnd::Busy(5), "{status}");
            assert_eq!(by_code(&reply(status), &known(false)).end, CallEnd::Unknown, "{status}");
        }
        for status in [400, 401, 404, 429] {
            assert_eq!(by_code(&reply(status), &known(false)).end, CallEnd::Busy(5), "{status}");
        }
        assert_eq!(by_code(&reply(503), &known(true)).detail, "HTTP 503, error 2: down");
    }
}

//! The webhook provider: hands messages to a program of the operator's own, by a signed POST.
//!
//! Not a hook: a hook tells what happened and is repeated until it is taken; this asks for something to be done, once.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use url::Url;

use crate::conversation::{Capabilities, Refusal};
use crate::engine::approval::{Submission, TemplateDraft, Unsubmitted};
use crate::engine::ports::{CallEnd, Called, Message, Provider, Waiting};
use crate::limits;
use crate::provider::client::{self, Ended, Reply};
use crate::provider::{CAPABILITIES, approved_at_once, render};
use crate::schedule::SkipReason;
use crate::shapes::signature::{self, SigningKey};

/// Posts each message to one address. Any 2xx takes it.
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    keys: Vec<SigningKey>,
    budget: Duration,
}

impl Webhook {
    /// Posts to `url`, signed by all of `keys`; a call takes `budget`, at most [`limits::CALL_BUDGET`].
    #[must_use]
    pub fn new(client: reqwest::Client, url: Url, keys: Vec<SigningKey>, budget: Duration) -> Webhook {
        let most = Duration::from_millis(limits::CALL_BUDGET.unsigned_abs());
        Webhook { client, url, keys, budget: budget.min(most) }
    }

    fn request(&self, message: &Message) -> reqwest::RequestBuilder {
        let body = render::body(message, &message.to);
        let send = message.send.to_string();
        let signed = signature::sign(&self.keys, &send, message.now, body.as_bytes());
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").header("idempotency-key", &send);
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        request.body(body)
    }
}

impl Provider for Webhook {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn send<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Called> + Send + 'a>> {
        Box::pin(async move { meaning(&client::call(self.request(message), self.budget, message.now).await) })
    }

    fn submit<'a>(&'a self, draft: &'a TemplateDraft) -> Option<Waiting<'a, Result<Submission, Unsubmitted>>> {
        approved_at_once(draft)
    }
}

/// What the end of a call means: the table of this provider.
fn meaning(ended: &Ended) -> Called {
    let reply = match client::common(ended) {
        Ok(reply) => reply,
        Err(called) => return called,
    };
    let mut detail = format!("HTTP {}", reply.status);
    let end = match reply.status {
        200..=299 => match &reply.broken {
            None => CallEnd::Accepted,
            Some(why) => {
                detail = format!("HTTP {}, cut short: {why}", reply.status);
                CallEnd::Unknown
            }
        },
        // The result is to be seen elsewhere, so something was done; 409: the same key is being worked on, or was.
        303 | 409 => CallEnd::Unknown,
        300..=399 => {
            detail.push_str(", a redirect; those are not followed, set the line's url to where it leads");
            CallEnd::Refused(Refusal::Line)
        }
        // The operator's own secrets out of step: nothing was taken, and it will be right again.
        401 | 403 | 407 => reply.busy(),
        _ => CallEnd::Refused(refusal(reply, &mut detail)),
    };
    Called::new(end, detail)
}

/// Why, in the receiver's own words where it uses ours: `{"reason":"window_closed"}`.
fn refusal(reply: &Reply, detail: &mut String) -> Refusal {
    let body: Option<serde_json::Value> = serde_json::from_slice(&reply.body).ok();
    let reason = body.as_ref().and_then(|b| b.get("reason")).and_then(|r| r.as_str()).and_then(SkipReason::parse);
    if let Some(reason) = reason {
        detail.push_str(&format!(", {reason}"));
    }
    match reason {
        Some(SkipReason::WindowClosed) => Refusal::WindowClosed,
        Some(SkipReason::TemplateUnavailable) => Refusal::Template,
        Some(SkipReason::NoRecipient | SkipReason::OptedOut) => Refusal::Recipient,
        _ => Refusal::Line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{HOUR, MINUTE};
    use crate::provider::testing::message;
    use serde_json::json;

    fn reply(status: u16) -> Reply {
        Reply { status, retry_after: None, body: Vec::new(), broken: None }
    }

    /// Every status, by the ranges in which it means the same.
    #[test]
    fn the_table_of_statuses() {
        use CallEnd::{Accepted, Busy, Refused, Unknown};
        for status in 100..=599 {
            let expected = match status {
                200..=299 => Accepted,
                401 | 403 | 407 | 425 | 429 => Busy(0),
                100..=199 | 303 | 408 | 409 | 500..=599 => Unknown,
                _ => Refused(Refusal::Line),
            };
            assert_eq!(meaning(&Ended::Reply(reply(status))).end, expected, "HTTP {status}");
        }
        assert_eq!(meaning(&Ended::NotSent("no route".into())).end, Busy(0));
        assert_eq!(meaning(&Ended::Lost("reset".into())).end, Unknown);
        let half = Reply { broken: Some("end of stream".into()), ..reply(200) };
        assert_eq!(meaning(&Ended::Reply(half)).end, Unknown);
    }

    #[test]
    fn a_wait_is_honoured_up_to_its_ceiling() {
        for (status, asked, waited) in [(429, 2 * MINUTE, 2 * MINUTE), (403, MINUTE, MINUTE), (429, 48 * HOUR, limits::RETRY_AFTER_CEILING)]
        {
            let reply = Reply { retry_after: Some(asked), ..reply(status) };
            assert_eq!(meaning(&Ended::Reply(reply)).end, CallEnd::Busy(waited));
        }
        let reply = Reply { retry_after: Some(MINUTE), ..reply(503) };
        assert_eq!(meaning(&Ended::Reply(reply)).end, CallEnd::Unknown);
    }

    #[test]
    fn a_refusal_may_name_its_reason() {
        for (body, refusal, detail) in [
            (r#"{"reason":"window_closed"}"#, Refusal::WindowClosed, "HTTP 422, window_closed"),
            (r#"{"reason":"template_unavailable"}"#, Refusal::Template, "HTTP 422, template_unavailable"),
            (r#"{"reason":"no_recipient"}"#, Refusal::Recipient, "HTTP 422, no_recipient"),
            (r#"{"reason":"opted_out"}"#, Refusal::Recipient, "HTTP 422, opted_out"),
            (r#"{"reason":"Ana +573001234567"}"#, Refusal::Line, "HTTP 422"),
            ("<html>", Refusal::Line, "HTTP 422"),
        ] {
            let reply = Reply { body: body.into(), ..reply(422) };
            assert_eq!(meaning(&Ended::Reply(reply)), Called::new(CallEnd::Refused(refusal), detail));
        }
    }

    #[test]
    fn the_body_says_everything() {
        let m = message();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&render::body(&m, &m.to)).unwrap(),
            json!({
                "type": "message.send",
                "timestamp": "2026-03-02T12:00:00.000Z",
                "data": {
                    "send": m.send.to_string(), "attempt": 1,
                    "conversation": "lead-42", "conversation_id": m.conversation.to_string(),
                    "line": "support", "flow": "onboarding", "to": "573001234567",
                    "purpose": "follow_up", "form": "message", "text": "¿Seguimos, Ana?",
                    "buttons": [
                        {"id": format!("yes.{}.{}", m.conversation, m.send), "choice": "yes", "title": "Sí"},
                        {"id": format!("no.{}.{}", m.conversation, m.send), "choice": "no", "title": "No"},
                    ],
                    "template": null, "vars": {"name": "Ana"},
                    "question": {"id": "q7", "text": "¿Tu correo?", "payload": {"field": "email"}},
                    "episode": 1, "step": 0, "silence": "2026-03-02T11:00:00.000Z",
                },
            })
        );
    }
}

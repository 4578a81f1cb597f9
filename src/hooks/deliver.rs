//! One delivery of one record to one hook: its body, its signature, and what the answer means.
//!
//! Not its repetition, and not its order: `engine/courier.rs` decides those.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use serde::Serialize;
use url::Url;

use crate::conversation::Report;
use crate::engine::courier::Outcome;
use crate::engine::record::{HookRecord, NameId};
use crate::engine::registry::OutboundNews;
use crate::id::HookId;
use crate::limits;
use crate::moment::Moment;
use crate::shapes::question::Asked;
use crate::shapes::signature::{self, SigningKey};
use crate::shapes::view::Pairs;
use crate::shapes::{address, pacing};

/// A hook to deliver to.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its number in the store.
    pub id: NameId,
    /// Its name.
    pub name: Arc<str>,
    /// Where.
    pub url: Url,
    /// The keys that sign; all of them do.
    pub keys: Vec<SigningKey>,
    /// What calls it: a client with the guard of `guard.rs`, unless private addresses are allowed.
    pub client: reqwest::Client,
    /// Loopback and private addresses may be called. Where not, a URL that names one itself is not called either.
    pub allow_private: bool,
}

/// A record with the names that it speaks of.
#[derive(Clone, PartialEq, Debug)]
pub struct Letter {
    /// Its `webhook-id`: the same at every delivery of this record to this hook.
    pub id: HookId,
    /// What happened.
    pub record: HookRecord,
    /// The caller's name of the conversation; may be empty.
    pub caller: String,
    /// The line's name.
    pub line: Arc<str>,
    /// The flow's name.
    pub flow: Arc<str>,
    /// Whatever the caller wanted to see again.
    pub attributes: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Body<D> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: D,
}

#[derive(Serialize)]
struct Data<'a> {
    conversation: &'a str,
    conversation_id: &'a str,
    line: &'a str,
    flow: &'a str,
    episode: u32,
    step: u8,
    send: Option<String>,
    attributes: Pairs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revived: Option<bool>,
    /// In `resumed` always: null where nothing was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Option<Asked<'a>>>,
    /// Where a flow that asks its own questions came to an end: what was answered, by the ids of the questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Pairs<'a>>,
}

/// What is told of an outbound, which is of no conversation.
#[derive(Serialize)]
struct OutboundData<'a> {
    outbound_id: &'a str,
    outbound_name: &'a str,
    line: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
}

/// The body: `{"type","timestamp","data"}`.
#[must_use]
pub fn body(letter: &Letter) -> String {
    let record = &letter.record;
    if let Some(news) = &record.outbound {
        return body_of_outbound(record, news);
    }
    let conversation_id = record.conversation.to_string();
    let kind = record.report.kind();
    let mut data = Data {
        conversation: if letter.caller.is_empty() { &conversation_id } else { &letter.caller },
        conversation_id: &conversation_id,
        line: &letter.line,
        flow: &letter.flow,
        episode: record.episode,
        step: record.step,
        send: record.send.map(|send| send.to_string()),
        attributes: Pairs(&letter.attributes),
        outcome: None,
        reason: None,
        revived: None,
        question: None,
        answers: Some(&record.answers).filter(|answers| !answers.is_empty()).map(|answers| Pairs(answers)),
    };
    match record.report {
        Report::FollowUpSent { unknown } => data.outcome = Some(if unknown { "unknown" } else { "accepted" }),
        Report::Resumed { revived } => {
            data.revived = Some(revived);
            data.question = Some(record.question.as_ref().map(Asked::from));
        }
        Report::Skipped(reason) => data.reason = Some(reason.as_str()),
        Report::Declined | Report::Succeeded | Report::Failed | Report::Expired | Report::OptedOut => {
            data.outcome = kind.strip_prefix("conversation.");
        }
        Report::Started | Report::FollowUpDelivered | Report::OutboundApproved | Report::OutboundRejected => {}
    }
    written(&Body { kind, timestamp: record.at.to_string(), data })
}

fn body_of_outbound(record: &HookRecord, news: &OutboundNews) -> String {
    let status = if record.report == Report::OutboundApproved { "APPROVED" } else { "REJECTED" };
    let data = OutboundData { outbound_id: &news.id, outbound_name: &news.name, line: &news.line, status, reason: &news.why };
    written(&Body { kind: record.report.kind(), timestamp: record.at.to_string(), data })
}

fn written<D: Serialize>(body: &Body<D>) -> String {
    serde_json::to_string(body).expect("texts and numbers are always JSON")
}

/// Posts a letter to a hook, signed at `wall`, and says what its answer means, with one line for the log.
pub async fn post(hook: &Hook, letter: &Letter, wall: Moment) -> (Outcome, String) {
    if !hook.allow_private
        && let Err(why) = address::check(&hook.url)
    {
        return (Outcome::Failed { after: 0 }, format!("the hook's address {why}"));
    }
    let body = body(letter);
    let signed = signature::sign(&hook.keys, &letter.id.to_string(), wall, body.as_bytes());
    let mut request = hook.client.post(hook.url.clone()).header(CONTENT_TYPE, "application/json");
    for (name, value) in signed.headers() {
        request = request.header(name, value);
    }
    let exchange = async {
        let response = request.body(body).send().await?;
        let answer = (response.status(), response.headers().clone());
        drain(response).await;
        Ok::<_, reqwest::Error>(answer)
    };
    let budget = Duration::from_millis(limits::HOOK_BUDGET.unsigned_abs());
    match tokio::time::timeout(budget, exchange).await {
        Ok(Ok((status, headers))) => (meaning(status, &headers, wall), format!("HTTP {}", status.as_u16())),
        Ok(Err(error)) => (Outcome::Failed { after: 0 }, told(error)),
        Err(_) => (Outcome::Failed { after: 0 }, format!("no answer within {} ms", budget.as_millis())),
    }
}

/// What an answer means: any 2xx takes the record, 410 wants it no more, everything else is tried again.
fn meaning(status: StatusCode, headers: &HeaderMap, wall: Moment) -> Outcome {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match status.as_u16() {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        429 | 503 => {
            let asked = text(RETRY_AFTER).and_then(|value| pacing::retry_after(value, text(DATE), wall));
            Outcome::Failed { after: asked.unwrap_or(0).min(limits::HOOK_BACKOFF_CEILING) }
        }
        _ => Outcome::Failed { after: 0 },
    }
}

/// Reads what there is of an answer, within bounds, so that the connection can be used again. It does not matter what it says.
async fn drain(mut response: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > limits::RESPONSE_BYTES {
            break;
        }
    }
}

/// An error in one line with its causes, without the URL: that may carry a secret.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes.dedup();
    causes.join(": ").replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::Question;
    use crate::id::{ConversationId, SendId};
    use crate::moment::{HOUR, MINUTE};
    use crate::schedule::SkipReason;
    use serde_json::{Value, json};

    fn value(letter: &Letter) -> Value {
        serde_json::from_str(&body(letter)).unwrap()
    }

    fn letter(report: Report) -> Letter {
        let question =
            Question { id: "q7".into(), text: "¿Tu correo?".into(), payload: r#"{"field":"email"}"#.into(), choices: Vec::new() };
        let record = HookRecord {
            seq: 9,
            conversation: ConversationId(42),
            report,
            at: Moment::parse("2026-03-02T12:00:00Z").unwrap(),
            episode: 2,
            step: 1,
            send: Some(SendId(7)),
            question: Some(question),
            outbound: None,
            answers: Vec::new(),
            hooks: vec![NameId(1)],
        };
        let attributes = vec![("team".to_owned(), "sales".to_owned())];
        Letter { id: HookId(1), record, caller: "lead-42".into(), line: "support".into(), flow: "onboarding".into(), attributes }
    }

    #[test]
    fn resumed_carries_the_question() {
        assert_eq!(
            value(&letter(Report::Resumed { revived: true })),
            json!({
                "type": "conversation.resumed",
                "timestamp": "2026-03-02T12:00:00.000Z",
                "data": {
                    "conversation": "lead-42", "conversation_id": ConversationId(42).to_string(),
                    "line": "support", "flow": "onboarding", "episode": 2, "step": 1, "send": SendId(7).to_string(),
                    "attributes": {"team": "sales"}, "revived": true,
                    "question": {"id": "q7", "text": "¿Tu correo?", "payload": {"field": "email"}},
                },
            })
        );
        let mut bare = letter(Report::Resumed { revived: false });
        bare.record.question = None;
        bare.caller.clear();
        let value = value(&bare);
        assert_eq!((&value["data"]["question"], &value["data"]["revived"]), (&Value::Null, &Value::from(false)));
        assert_eq!(value["data"]["conversation"], value["data"]["conversation_id"]);
    }

    #[test]
    fn the_end_of_a_flow_that_asks_carries_the_answers_in_their_order() {
        let mut letter = letter(Report::Succeeded);
        letter.record.answers = vec![("name".into(), "Ana \"la\" P".into()), ("age".into(), "30".into())];
        let body = body(&letter);
        assert!(body.contains(r#""answers":{"name":"Ana \"la\" P","age":"30"}"#), "{body}");
        letter.record.answers.clear();
        assert_eq!(value(&letter)["data"].get("answers"), None);
    }

    #[test]
    fn each_type_says_its_own() {
        for (report, kind, key, expected) in [
            (Report::FollowUpSent { unknown: false }, "follow_up_sent", "outcome", Some("accepted")),
            (Report::FollowUpSent { unknown: true }, "follow_up_sent", "outcome", Some("unknown")),
            (Report::Skipped(SkipReason::TooLate), "skipped", "reason", Some("too_late")),
            (Report::Declined, "declined", "outcome", Some("declined")),
            (Report::Succeeded, "succeeded", "outcome", Some("succeeded")),
            (Report::Failed, "failed", "outcome", Some("failed")),
            (Report::Expired, "expired", "outcome", Some("expired")),
            (Report::OptedOut, "opted_out", "outcome", Some("opted_out")),
            (Report::Started, "started", "outcome", None),
        ] {
            let body = value(&letter(report));
            assert_eq!(body["type"], format!("conversation.{kind}"));
            assert_eq!(body["data"].get(key).and_then(Value::as_str), expected, "{kind}");
            assert_eq!(body["data"].get("question"), None, "{kind}");
        }
    }

    #[test]
    fn an_outbound_is_told_without_any_conversation() {
        let mut letter = letter(Report::OutboundRejected);
        let news = OutboundNews { id: Arc::from("OTB1"), name: "Welcome".into(), line: "support".into(), why: "promotional".into() };
        letter.record.outbound = Some(Box::new(news.clone()));
        let expected = json!({
            "type": "outbound.rejected", "timestamp": "2026-03-02T12:00:00.000Z",
            "data": {"outbound_id": "OTB1", "outbound_name": "Welcome", "line": "support", "status": "REJECTED", "reason": "promotional"},
        });
        assert_eq!(value(&letter), expected);
        letter.record.report = Report::OutboundApproved;
        letter.record.outbound = Some(Box::new(OutboundNews { why: String::new(), ..news }));
        let told = value(&letter);
        assert_eq!((&told["type"], &told["data"]["status"]), (&Value::from("outbound.approved"), &Value::from("APPROVED")));
        assert_eq!(told["data"].get("reason"), None);
    }

    #[test]
    fn the_table_of_statuses() {
        let headers: HeaderMap = [(RETRY_AFTER, "60".parse().unwrap())].into_iter().collect();
        for status in 200..=599 {
            let expected = match status {
                200..=299 => Outcome::Taken,
                410 => Outcome::Gone,
                429 | 503 => Outcome::Failed { after: MINUTE },
                _ => Outcome::Failed { after: 0 },
            };
            assert_eq!(meaning(StatusCode::from_u16(status).unwrap(), &headers, Moment(0)), expected, "HTTP {status}");
        }
        let absurd: HeaderMap = [(RETRY_AFTER, "999999999".parse().unwrap())].into_iter().collect();
        assert_eq!(meaning(StatusCode::SERVICE_UNAVAILABLE, &absurd, Moment(0)), Outcome::Failed { after: HOUR });
        assert_eq!(meaning(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), Moment(0)), Outcome::Failed { after: 0 });
    }
}

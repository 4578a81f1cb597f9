//! Handing a webhook on to the operator's bot, and what is told to the provider when both have had it.
//!
//! Not the call: the daemon brings who makes it ([`Forward`]). Only what has proved its origin is handed on.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::reply;
use crate::engine::ports::Waiting;
use crate::shapes::problem::{Kind, Problem};

/// Where the bot's status stands in an answer that has another.
const BOT_STATUS: HeaderName = HeaderName::from_static("reengaged-bot-status");

/// Headers that concern one connection alone, and those that the call sets by itself. Whose answer is read must not be compressed.
const OWN: [HeaderName; 12] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    HeaderName::from_static("keep-alive"),
];

/// A webhook on its way to the bot, as it came in. It does not print: people's words and the proof of their origin are in it.
#[derive(Clone)]
pub struct Onward {
    /// The method.
    pub method: Method,
    /// What followed the line's name in the path, with its leading slash; empty where nothing did.
    pub rest: String,
    /// The query, without the question mark.
    pub query: Option<String>,
    /// Every header that is not of the connection.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// What the bot answered.
#[derive(Clone)]
pub struct BotAnswer {
    /// Its status.
    pub status: StatusCode,
    /// The type of its body.
    pub content_type: Option<HeaderValue>,
    /// How its body is coded, where it is.
    pub content_encoding: Option<HeaderValue>,
    /// Its body; empty where it was longer than [`crate::limits::RESPONSE_BYTES`].
    pub body: Bytes,
}

/// The way to a line's bot.
pub trait Forward: Send + Sync {
    /// Hands a webhook on, once. The error is one line for people: no connection, or no answer in time.
    fn hand_on(&self, hook: Onward) -> Waiting<'_, Result<BotAnswer, String>>;
}

/// The headers that are handed on.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut onward = headers.clone();
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    for name in named.filter_map(|name| HeaderName::try_from(name.trim()).ok()).chain(OWN) {
        onward.remove(name);
    }
    onward
}

/// The bot took it, or refused it; a server error is neither.
pub(super) fn is_answer(answer: &BotAnswer) -> bool {
    !answer.status.is_server_error() && !answer.status.is_informational()
}

/// What the bot answered, as it is.
pub(super) fn bots(answer: BotAnswer) -> Response<Body> {
    let BotAnswer { status, content_type, content_encoding, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, content_encoding)] {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// We have it and the bot does not. Where the provider sends it again, the bot gets it then, and for us it is a duplicate; where it
/// never does, an error would only be shown to somebody.
pub(super) fn bot_failed(redelivers: bool) -> Response<Body> {
    if redelivers {
        reply::problem(&Problem::new(Kind::BotFailed, "this webhook is kept, and the bot did not take it; send it again for the bot"))
    } else {
        Response::new(Body::empty())
    }
}

/// We could not keep it, whatever the bot did with it. What is acknowledged is durable, so the provider has to send it again; where
/// it never does, the bot's answer is worth more than the truth about us.
pub(super) fn not_kept(problem: &Problem, bot: Option<BotAnswer>, redelivers: bool) -> Response<Body> {
    match bot {
        Some(answer) if !redelivers && is_answer(&answer) => bots(answer),
        Some(answer) if redelivers => {
            let told = HeaderValue::from(answer.status.as_u16());
            let mut response = bots(answer);
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(BOT_STATUS, told);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(problem.kind.retry_after().unwrap_or(1)));
            response
        }
        _ => reply::problem(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_a_connection_is_not_handed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Of-This-Hop"),
            ("x-of-this-hop", "1"),
            ("host", "us.example"),
            ("content-length", "5"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("x-hub-signature-256", "sha256=00"),
            ("x-twice", "a"),
            ("x-twice", "b"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let onward = end_to_end(&headers);
        let left: Vec<(&str, &str)> = onward.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut expected =
            vec![("content-type", "application/json"), ("x-hub-signature-256", "sha256=00"), ("x-twice", "a"), ("x-twice", "b")];
        expected.sort_unstable();
        let mut sorted = left.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{left:?}");
    }
}

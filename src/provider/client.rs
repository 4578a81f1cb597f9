//! The HTTP client of everything that goes out: one builder, and what the end of a call proves.
//!
//! Not a provider: which status means what is each provider's own table. Never repeats a request, follows no redirect,
//! and asks no proxy of the environment: each of those hands a message over twice, or to somebody else.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::engine::ports::{CallEnd, Called};
use crate::limits;
use crate::moment::Moment;
use crate::shapes::pacing;

/// How a client is built.
#[derive(Clone)]
pub struct Settings {
    /// The time a connection may take: name, TCP and TLS. Shorter than a call's budget, so that it is known not to stand.
    pub connect: Duration,
    /// How long an idle connection is kept.
    pub pool_idle: Duration,
    /// Looks names up instead of the system: the guard against private addresses (`hooks/guard.rs`).
    pub resolver: Option<Arc<dyn Resolve>>,
    /// Certificates (PEM) that are trusted beside the system's, for a CA of one's own.
    pub roots: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { connect: millis(limits::CONNECT), pool_idle: millis(limits::POOL_IDLE), resolver: None, roots: Vec::new() }
    }
}

/// Builds the HTTP client: the only place in the program that does. HTTP/1 only, so that a connection that dies puts one
/// call in doubt and not all that shared it.
///
/// # Errors
/// Why TLS cannot be set up: in general, the machine has no root certificates.
#[allow(clippy::disallowed_methods, reason = "the one place that builds a client")]
pub fn build(settings: &Settings) -> Result<reqwest::Client, String> {
    // Another client may have installed it before; there is only one to install.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(settings.connect)
        .pool_idle_timeout(settings.pool_idle)
        .user_agent(concat!("reengaged/", env!("CARGO_PKG_VERSION")));
    if let Some(resolver) = &settings.resolver {
        builder = builder.dns_resolver(Arc::clone(resolver));
    }
    if !settings.roots.is_empty() {
        let roots = reqwest::Certificate::from_pem_bundle(&settings.roots)
            .map_err(|e| format!("reading the configured root certificates: {}; PEM is expected", told(e)))?;
        builder = builder.tls_certs_merge(roots);
    }
    builder.build().map_err(|e| format!("setting up TLS: {}; install the system's root certificates (package ca-certificates)", told(e)))
}

/// How a call ended, before anybody knows what the answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// An answer began to arrive.
    Reply(Reply),
    /// The request never left: name, connection or TLS failed.
    NotSent(String),
    /// The request, or part of it, may have arrived, and no answer came.
    Lost(String),
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// The wait that it asks for, in milliseconds, where it does.
    pub retry_after: Option<i64>,
    /// Its body, or as much of it as was asked for.
    pub body: Vec<u8>,
    /// Why the body ended too soon, where it did. A body that we cut has not.
    pub broken: Option<String>,
}

impl Reply {
    /// Not taken for now: again after what it asks for, at most [`limits::RETRY_AFTER_CEILING`].
    #[must_use]
    pub fn busy(&self) -> CallEnd {
        CallEnd::Busy(self.retry_after.unwrap_or(0).min(limits::RETRY_AFTER_CEILING))
    }
}

/// Makes one request and reads its answer within `budget`, all of it: connection, request, answer. `now` is for an answer
/// that names a date.
pub async fn call(request: reqwest::RequestBuilder, budget: Duration, now: Moment) -> Ended {
    call_for(request, budget, now, limits::RESPONSE_BYTES).await
}

/// Like [`call`], for an answer of up to `most` bytes.
pub async fn call_for(request: reqwest::RequestBuilder, budget: Duration, now: Moment, most: usize) -> Ended {
    let mut reply = None;
    let exchange = exchange(request, now, most, &mut reply);
    let end = tokio::time::timeout(budget, exchange).await;
    match (end, reply) {
        (Ok(Err(unanswered)), _) => unanswered,
        (Ok(Ok(())), Some(reply)) => Ended::Reply(reply),
        (Err(_), Some(reply)) => {
            Ended::Reply(Reply { broken: Some(format!("the answer did not end within {} ms", budget.as_millis())), ..reply })
        }
        (_, None) => Ended::Lost(format!("no answer within {} ms", budget.as_millis())),
    }
}

/// Fills `into` as the answer arrives, so that what came before the budget ran out is not lost.
async fn exchange(request: reqwest::RequestBuilder, now: Moment, most: usize, into: &mut Option<Reply>) -> Result<(), Ended> {
    let mut response = request.send().await.map_err(|error| {
        // Nothing is written before the connection stands; what fails after that may have arrived.
        if error.is_connect() || error.is_builder() { Ended::NotSent(told(error)) } else { Ended::Lost(told(error)) }
    })?;
    let retry_after = retry_after(response.headers(), now);
    let reply = into.insert(Reply { status: response.status().as_u16(), retry_after, body: Vec::new(), broken: None });
    while reply.body.len() < most {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = most - reply.body.len();
                reply.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) => break,
            Err(error) => {
                reply.broken = Some(told(error));
                break;
            }
        }
    }
    Ok(())
}

/// What every provider makes of a call that brought no answer, and of answers whose meaning is HTTP's own. A definite refusal
/// is a request that never left, or that the server says it did not take.
///
/// # Errors
/// What the call means, where no table of a provider is needed to tell; otherwise the reply is for that table.
pub fn common(ended: &Ended) -> Result<&Reply, Called> {
    let (end, detail) = match ended {
        Ended::NotSent(why) => (CallEnd::Busy(0), format!("not sent: {why}")),
        Ended::Lost(why) => (CallEnd::Unknown, format!("no answer: {why}")),
        Ended::Reply(reply) => {
            let end = match reply.status {
                // 425: the server would not risk taking it. What comes too early or too often is taken by no server.
                425 | 429 => reply.busy(),
                // Not final, request timeout, and every server error: it may have been taken before that.
                100..=199 | 408 | 500..=599 => CallEnd::Unknown,
                _ => return Ok(reply),
            };
            (end, format!("HTTP {}", reply.status))
        }
    };
    Err(Called::new(end, detail))
}

fn retry_after(headers: &HeaderMap, now: Moment) -> Option<i64> {
    let date = headers.get(DATE).and_then(|v| v.to_str().ok());
    pacing::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, date, now)
}

/// An error as one line with its causes, without the URL: that may carry a secret.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text.replace(char::is_control, " ")
}

fn millis(bound: i64) -> Duration {
    Duration::from_millis(u64::try_from(bound).unwrap_or(0))
}

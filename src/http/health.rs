//! Alive, ready, and the figures.
//!
//! Not the watchdog: the daemon feeds that by itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{Response, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::time::timeout;

use super::reply::{self, Reply};
use super::site::{Figure, FigureKind, Figures, Inside, Site};
use crate::engine::desk::Request as Ask;
use crate::shapes::answer::StoppedShape;
use crate::shapes::problem::{Kind, Problem};

/// The engine answers within this, or it is not ready.
const PROMPT: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process takes requests. Nothing is asked of the engine, which may still be reading its store.
pub(super) async fn alive() -> Response<Body> {
    reply::json(&serde_json::json!({ "status": 200, "alive": true }))
}

/// The answer of `readyz`.
#[derive(Serialize)]
struct Ready<'a> {
    status: u16,
    ready: bool,
    paused: &'a [String],
    stopped: Vec<StoppedShape<'a>>,
}

/// `GET /readyz`: events are taken and follow-ups go out; or why not. A pause by an operator is told, and is no fault; a line that
/// has stopped is told, and leaves the others ready.
pub(super) async fn ready(Extension(inside): Extension<Inside>) -> Response<Body> {
    let standing = match timeout(PROMPT, inside.desk.ask(Ask::Standing)).await {
        Err(_) => return not_ready("the engine or its disk does not answer"),
        Ok(Err(rejected)) => return reply::problem(&reply::rejected(rejected).0),
        Ok(Ok(standing)) => standing,
    };
    if standing.failed.is_some() {
        return not_ready("the store can no longer keep anything; the log says why, and the daemon must be started again");
    }
    match standing.held {
        Some(why) => not_ready(&format!("sending is held: {why}")),
        None => reply::json(&Ready { status: 200, ready: true, paused: &standing.paused, stopped: StoppedShape::all(&standing) }),
    }
}

fn not_ready(why: &str) -> Response<Body> {
    reply::problem(&Problem::new(Kind::Unavailable, format!("not ready: {why}")))
}

/// `GET /metrics`, in the text format of OpenMetrics.
pub(super) async fn metrics(State(site): State<Arc<Site>>, Extension(inside): Extension<Inside>) -> Reply {
    let mut registry = Registry::with_prefix("reengaged");
    registry.register_collector(Box::new(Asked(inside.figures)));
    site.counts.register(&mut registry);
    let mut text = String::with_capacity(8 * 1024);
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .map_err(|_| Problem::new(Kind::Unavailable, "the figures could not be written down"))?;
    Ok(reply::with(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text))
}

/// The daemon's figures, asked when they are read.
struct Asked(Arc<dyn Figures>);

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked(..)")
    }
}

impl Collector for Asked {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures = self.0.read();
        for same in figures.chunk_by(|a, b| a.name == b.name) {
            let first = &same[0];
            let kind = match first.kind {
                FigureKind::Counter => MetricType::Counter,
                FigureKind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(first.name, first.help, None, kind)?;
            for Figure { labels, value, .. } in same {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                if labels.is_empty() {
                    // A family without labels would be told with empty braces.
                    number(first.kind, *value, metric)?;
                    break;
                }
                let encoder = metric.encode_family(&labels)?;
                number(first.kind, *value, encoder)?;
            }
        }
        Ok(())
    }
}

fn number(kind: FigureKind, value: f64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
    match kind {
        FigureKind::Counter => ConstCounter::new(value).encode(encoder),
        FigureKind::Gauge => ConstGauge::new(value).encode(encoder),
    }
}

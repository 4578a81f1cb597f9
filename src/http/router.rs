//! The routes, in one table: method, path, what a token must allow, and who answers.
//!
//! Not the answers. Around every route: counting, a log line without numbers, names or tokens, and the check of who comes in.
//! `POST /v1/events`, which is most of all requests, meets the same without the layers of the table: they cost it more than its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, Version, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use futures_util::FutureExt as _;
use tower_service::Service;

use super::audit;
use super::auth::{Actor, Need, admit};
use super::counts::RequestLabels;
use super::listen::Face;
use super::peer::Peer;
use super::reply::{self, Reply};
use super::site::{Inside, Site};
use super::{control, conversations, events, guide, health, inbound, inbounds, outbounds, schedule, upkeep};
use crate::points;
use crate::shapes::problem::{Kind, Problem};

/// The description of every route, served as it stands.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Where events are brought.
const EVENTS: &str = "/v1/events";

/// A route.
struct Route {
    method: &'static str,
    path: &'static str,
    need: Need,
    answers: MethodRouter<Arc<Site>>,
}

fn route(method: &'static str, path: &'static str, need: Need, answers: MethodRouter<Arc<Site>>) -> Route {
    Route { method, path, need, answers }
}

fn table() -> Vec<Route> {
    use Need::{Any, Ingest, Nothing, Operate, Read};
    vec![
        route("get", "/healthz", Nothing, get(health::alive)),
        route("get", "/readyz", Nothing, get(health::ready)),
        route("get", "/metrics", Read, get(health::metrics)),
        route("get", "/openapi.json", Any, get(openapi)),
        route("post", EVENTS, Ingest, post(events::post)),
        route("get", "/v1/conversations", Read, get(conversations::list)),
        route("get", "/v1/conversations/{id}", Read, get(conversations::show)),
        route("delete", "/v1/conversations/{id}", Operate, delete(conversations::erase)),
        route("get", "/v1/conversations/{id}/explain", Read, get(conversations::explain)),
        route("post", "/v1/conversations/{id}/cancel", Operate, post(conversations::cancel)),
        route("post", "/v1/conversations/{id}/postpone", Operate, post(conversations::postpone)),
        route("post", "/v1/conversations/{id}/send-now", Operate, post(conversations::send_now)),
        route("post", "/v1/conversations/{id}/hold", Operate, post(conversations::hold)),
        route("post", "/v1/conversations/{id}/release", Operate, post(conversations::release)),
        route("get", "/v1/schedule/upcoming", Read, get(schedule::upcoming)),
        route("post", "/v1/schedule/plan", Read, post(schedule::plan)),
        route("post", "/v1/pause", Operate, post(control::pause)),
        route("post", "/v1/resume", Operate, post(control::resume)),
        route("get", "/v1/doubts", Read, get(control::doubts)),
        route("post", "/v1/doubts/{id}/resend", Operate, post(control::resend)),
        route("get", "/v1/templates", Read, get(control::templates)),
        route("get", "/v1/hooks/dead", Read, get(control::dead)),
        route("post", "/v1/hooks/{name}/replay", Operate, post(control::replay)),
        route("post", "/v1/backup", Operate, post(upkeep::backup)),
        route("post", "/v1/fsck", Operate, post(upkeep::fsck)),
        route("get", "/v1/upkeep", Read, get(upkeep::works)),
        route("post", "/v1/whatsapp/inbounds", Operate, post(inbounds::create)),
        route("get", "/v1/whatsapp/inbounds", Read, get(inbounds::list)),
        route("get", "/v1/whatsapp/inbounds/{id}", Read, get(inbounds::show)),
        route("put", "/v1/whatsapp/inbounds/{id}", Operate, put(inbounds::replace)),
        route("patch", "/v1/whatsapp/inbounds/{id}", Operate, patch(inbounds::edit)),
        route("delete", "/v1/whatsapp/inbounds/{id}", Operate, delete(inbounds::delete)),
        route("post", "/v1/whatsapp/outbounds", Operate, post(outbounds::create)),
        route("get", "/v1/whatsapp/outbounds", Read, get(outbounds::list)),
        route("get", "/v1/whatsapp/outbounds/{id}", Read, get(outbounds::show)),
        route("delete", "/v1/whatsapp/outbounds/{id}", Operate, delete(outbounds::delete)),
        route("post", "/v1/whatsapp/outbounds/send", Operate, post(outbounds::send)),
        route("get", "/hooks/{line}", Nothing, get(inbound::handshake)),
        route("post", "/hooks/{line}", Nothing, post(inbound::post)),
        // Some providers post statuses to an address of their own.
        route("get", "/hooks/{line}/{*rest}", Nothing, get(inbound::handshake)),
        route("post", "/hooks/{line}/{*rest}", Nothing, post(inbound::post)),
    ]
}

/// Method (lower case), path and need of every route.
#[must_use]
pub fn routes() -> Vec<(&'static str, &'static str, Need)> {
    table().into_iter().map(|route| (route.method, route.path, route.need)).collect()
}

/// What answers the requests of a listener.
#[derive(Clone)]
pub(super) struct Front {
    site: Arc<Site>,
    face: Face,
    router: Router,
}

impl Front {
    /// For a listener of this face.
    pub(super) fn new(site: Arc<Site>, face: Face) -> Front {
        let router = router(&site, face);
        Front { site, face, router }
    }

    /// The answer to one request, which came from `peer`.
    pub(super) async fn answer(mut self, mut request: Request, peer: Peer) -> Response<Body> {
        if matches!(self.face, Face::Everything { .. }) && request.method() == Method::POST && request.uri().path() == EVENTS {
            return observed(&self.site, EVENTS, request, |request| bring(&self.site, self.face, request)).await;
        }
        request.extensions_mut().insert(peer);
        match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Events, without the table.
async fn bring(site: &Arc<Site>, face: Face, request: Request) -> Response<Body> {
    let answered = match let_in(site, face, Need::Ingest, false, &request) {
        Ok((_, Some(inside))) => events::take(site, inside, request).await,
        Ok((_, None)) => Err(site.starting().into()),
        Err(problem) => Err(problem.into()),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// The table, for a listener of this face.
fn router(site: &Arc<Site>, face: Face) -> Router {
    let shown = |path: &str| match face {
        Face::Everything { .. } => true,
        Face::Webhooks => path == "/healthz" || path.starts_with("/hooks/"),
    };
    let mut router = Router::new();
    for route in table().into_iter().filter(|route| shown(route.path)) {
        let early = route.path == "/healthz" || route.path.starts_with("/hooks/");
        let door = Door { site: Arc::clone(site), face, need: route.need, path: route.path, early };
        router = router.route(route.path, route.answers.route_layer(middleware::from_fn_with_state(door, enter)));
    }
    router
        .fallback(|| async {
            reply::problem(&Problem::new(Kind::NotFound, "there is no such path; GET /openapi.json lists all there are"))
        })
        .method_not_allowed_fallback(|| async {
            reply::problem(&Problem::new(
                Kind::MethodNotAllowed,
                "this path does not take this method; the header Allow says which it takes",
            ))
        })
        .layer(middleware::from_fn_with_state(Arc::clone(site), observe))
        .with_state(Arc::clone(site))
}

/// What stands before a route.
#[derive(Clone)]
struct Door {
    site: Arc<Site>,
    face: Face,
    need: Need,
    path: &'static str,
    /// The route answers even before the engine does.
    early: bool,
}

/// Lets a request in: the right token, one way of telling a body's length, and an engine that runs.
async fn enter(State(door): State<Door>, mut request: Request, next: Next) -> Reply {
    let (actor, inside) = let_in(&door.site, door.face, door.need, door.early, &request)?;
    if let Some(inside) = inside {
        request.extensions_mut().insert(inside.clone());
    }
    if door.need != Need::Operate {
        return Ok(next.run(request).await);
    }
    let method = request.method().clone();
    let response = next.run(request).await;
    audit::tell(&actor, method.as_str(), door.path, &response);
    Ok(response)
}

/// Who it is that is let in, and the way to the engine; none for a route that answers before there is one.
fn let_in<'a>(site: &'a Site, face: Face, need: Need, early: bool, request: &Request) -> Result<(Actor, Option<&'a Inside>), Problem> {
    let guides = request.uri().path().starts_with(guide::PATHS);
    points::at("http.handler");
    let actor = admit(site, face, need, guides, request.headers())?;
    if early {
        return Ok((actor, None));
    }
    let inside = site.inside().ok_or_else(|| site.starting())?;
    Ok((actor, Some(inside)))
}

/// [`observed`], around the table.
async fn observe(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response<Body> {
    let route = known_pattern(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    observed(&site, route, request, |request| next.run(request)).await
}

/// Counts and logs; and refuses what a proxy before us might have understood in another way.
async fn observed<A>(site: &Site, route: &'static str, request: Request, answer: impl FnOnce(Request) -> A) -> Response<Body>
where
    A: Future<Output = Response<Body>>,
{
    let start = (site.settings.elapsed)();
    let method = request.method().clone();
    let guides = request.uri().path().starts_with(guide::PATHS);
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = match ambiguous(request.version(), request.headers()) {
        Some(problem) => reply::problem(&problem),
        // A mistake in one answer stays that answer's: nothing that others use is left half changed, since the engine has it all.
        None => AssertUnwindSafe(answer(request)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(%method, route, "answering a request ended in a panic");
            reply::problem(&Problem::new(Kind::Panicked, "answering this request ended in a panic, which the log has; others go on"))
        }),
    };
    if guides {
        response = reply::as_the_guide_has_it(response);
    }
    if chunked {
        // Whatever a proxy took for the end of this body, nothing after it is read as a request of ours.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let status = response.status();
    site.counts.requests.get_or_create(&RequestLabels { route, status: u32::from(status.as_u16()) }).inc();
    let taken = (site.settings.elapsed)().saturating_sub(start);
    site.counts.duration.observe(taken.as_secs_f64());
    tracing::debug!(%method, route, status = status.as_u16(), micros = taken.as_micros() as u64, "request");
    response
}

/// Whether a body's length is told in two ways, as far as hyper lets it be seen: it takes `transfer-encoding` and hides a
/// `content-length` beside it, which is why a connection is closed after each chunked request.
fn ambiguous(version: Version, headers: &HeaderMap) -> Option<Problem> {
    let encodings = headers.get_all(header::TRANSFER_ENCODING);
    let plain = encodings.iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked")) && encodings.iter().count() <= 1;
    let twice = headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    if version >= Version::HTTP_10 && plain && !twice {
        return None;
    }
    Some(Problem::new(Kind::AmbiguousLength, "send either content-length or transfer-encoding: chunked, once"))
}

/// A pattern of the table; bounded, so that nobody can fill the metrics with paths.
fn known_pattern(pattern: Option<&str>) -> &'static str {
    const NONE: &str = "(none)";
    let Some(pattern) = pattern else { return NONE };
    PATTERNS.get_or_init(|| routes().into_iter().map(|(_, path, _)| path).collect()).iter().copied().find(|p| *p == pattern).unwrap_or(NONE)
}

static PATTERNS: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], OPENAPI)
}

//! Answers: JSON, and problems as `application/problem+json`.
//!
//! Not what they say: that is in `shapes/`.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::engine::request::Rejected;
use crate::shapes::problem::{GuideShape, Kind, Problem};

/// What a handler answers.
pub(super) type Reply = Result<Response<Body>, Fault>;

/// A problem on its way out; a newtype, so that `?` works on everything that becomes one.
pub(super) struct Fault(pub(super) Problem);

impl<P: Into<Problem>> From<P> for Fault {
    fn from(problem: P) -> Fault {
        Fault(problem.into())
    }
}

impl axum::response::IntoResponse for Fault {
    fn into_response(self) -> Response<Body> {
        problem(&self.0)
    }
}

/// 200 with JSON.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    with(StatusCode::OK, "application/json", to_bytes(value))
}

/// A body of a type.
pub(super) fn with(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A problem, with the headers that its kind asks for.
pub(super) fn problem(problem: &Problem) -> Response<Body> {
    let kind = problem.kind;
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = with(status, "application/problem+json", to_bytes(problem));
    response.extensions_mut().insert(problem.clone());
    let headers = response.headers_mut();
    if let Some(seconds) = kind.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if kind == Kind::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(kind, Kind::TooLarge | Kind::BodyTimeout | Kind::AmbiguousLength) {
        // What is left of the body is not worth reading.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A problem as the guide's API would tell it; anything else as it is.
pub(super) fn as_the_guide_has_it(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Some(problem) = parts.extensions.remove::<Problem>() else { return Response::from_parts(parts, body) };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, to_bytes(&GuideShape(&problem)).into())
}

/// The problem that a rejection of the engine becomes. Damage is logged here, because the answer does not tell it; a store that
/// keeps nothing any more is the daemon's to log, once.
pub(super) fn rejected(rejected: Rejected) -> Fault {
    if let Rejected::Damaged(why) = &rejected {
        tracing::error!(why, "a stored record cannot be read");
    }
    Fault(rejected.into())
}

/// The engine does not run yet.
pub(super) fn starting() -> Problem {
    Problem::new(Kind::Starting, "starting: the store is being read; try again in a second")
}

/// JSON of one of our shapes.
pub(super) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    write(&mut bytes, value);
    bytes
}

/// The same, at the end of what is there.
pub(super) fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    // Our shapes have string keys and no failing parts, and a Vec takes every byte.
    serde_json::to_writer(out, value).expect("shapes are always JSON");
}

//! Who may come in: bearer tokens with scopes, compared as hashes in constant time.
//!
//! Not where tokens come from (the configuration), and not the proof of a provider's webhook (the provider's own signature).
//!
//! The scopes: `ingest` brings events and reads nothing; `read` looks; `operate` acts, and looks. Where no token is configured,
//! only listeners that this machine alone can reach let anybody in, and web pages of other origins not even there.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::audit;
use super::guide;
use super::listen::Face;
use super::site::Site;
use crate::shapes::problem::{Kind, Problem};

/// Wrong tokens that are answered at once, before the throttle holds.
const TRIES: u32 = 10;
/// A further wrong token is answered so often.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    /// To bring events.
    pub ingest: bool,
    /// To look.
    pub read: bool,
    /// To act, and to look.
    pub operate: bool,
}

/// What a route asks of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing: health, and provider webhooks, which prove themselves.
    Nothing,
    /// Any token.
    Any,
    /// The scope `ingest`.
    Ingest,
    /// The scope `read`.
    Read,
    /// The scope `operate`.
    Operate,
}

impl Need {
    /// The word of the scope; empty where none is needed.
    #[must_use]
    pub fn scope(self) -> &'static str {
        match self {
            Need::Nothing | Need::Any => "",
            Need::Ingest => "ingest",
            Need::Read => "read",
            Need::Operate => "operate",
        }
    }

    fn met_by(self, scopes: Scopes) -> bool {
        match self {
            Need::Nothing | Need::Any => true,
            Need::Ingest => scopes.ingest,
            Need::Read => scopes.read || scopes.operate,
            Need::Operate => scopes.operate,
        }
    }
}

/// A token in force.
#[derive(Clone)]
struct Token {
    name: Arc<str>,
    digest: [u8; 32],
    scopes: Scopes,
}

/// The tokens in force, as SHA-256.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Tokens from the SHA-256 of each secret and what it allows. None at all: whoever can reach a local listener may do everything.
    #[must_use]
    pub fn new(tokens: Vec<([u8; 32], Scopes)>) -> Tokens {
        Tokens::named(tokens.into_iter().map(|(digest, scopes)| (Arc::from("a token"), digest, scopes)).collect())
    }

    /// The same, each with the name by which the audit trail tells who acted.
    #[must_use]
    pub fn named(tokens: Vec<(Arc<str>, [u8; 32], Scopes)>) -> Tokens {
        Tokens(tokens.into_iter().map(|(name, digest, scopes)| Token { name, digest, scopes }).collect())
    }

    /// The token that this is; `None` where it is unknown. Every known token is compared, whichever matches.
    fn find(&self, token: &[u8]) -> Option<&Token> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for known in &self.0 {
            if bool::from(known.digest.ct_eq(&digest)) {
                found = Some(known);
            }
        }
        found
    }
}

/// Who was let in, as the audit trail calls it: the name of the token, or `local` where none is configured.
pub(super) type Actor = Arc<str>;

/// Slows down whoever tries wrong tokens. A right token never meets it.
#[derive(Default)]
pub(super) struct Throttle(Mutex<Duration>);

impl Throttle {
    /// Whether one more wrong token may be answered now.
    pub(super) fn admits(&self, now: Duration) -> bool {
        // A poisoned lock holds a plain number: it is as good as before.
        let mut paid_until = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = now.max(*paid_until);
        if from - now > TRY_EVERY * (TRIES - 1) {
            return false;
        }
        *paid_until = from + TRY_EVERY;
        true
    }
}

/// Lets a request through, or says why not. On the guide's paths (`guides`) a token may also come as the guide's clients send it.
pub(super) fn admit(site: &Site, face: Face, need: Need, guides: bool, headers: &HeaderMap) -> Result<Actor, Problem> {
    let local = || Arc::clone(&LOCAL);
    if need == Need::Nothing {
        return Ok(local());
    }
    let tokens = site.tokens();
    if tokens.0.is_empty() {
        let admitted = if face.local() { same_origin(headers) } else { Err(Problem::new(Kind::Unauthorized, NO_TOKENS)) };
        return admitted.map(|()| local());
    }
    let key = || headers.get(guide::KEY).filter(|_| guides).map(|key| key.as_bytes().trim_ascii());
    let token = bearer(headers).or_else(key).and_then(|token| tokens.find(token));
    match token {
        Some(token) if need.met_by(token.scopes) => Ok(Arc::clone(&token.name)),
        Some(token) => {
            let scope = need.scope();
            // As seldom as wrong tokens, so that nobody fills the log.
            if site.throttle.admits((site.settings.elapsed)()) {
                tracing::warn!(target: audit::TARGET, actor = &*token.name, scope, "refused: the token does not have the scope");
            }
            Err(Problem::new(Kind::Forbidden, format!("this token does not have the scope {scope}")))
        }
        None if headers.contains_key(header::AUTHORIZATION) || key().is_some() => {
            if !site.throttle.admits((site.settings.elapsed)()) {
                return Err(Problem::new(Kind::TooManyTries, "too many wrong tokens; wait a second"));
            }
            tracing::warn!(target: audit::TARGET, scope = need.scope(), "refused: a wrong token");
            Err(Problem::new(Kind::Unauthorized, if guides { SEND_KEY } else { SEND_TOKEN }))
        }
        None => Err(Problem::new(Kind::Unauthorized, if guides { SEND_KEY } else { SEND_TOKEN })),
    }
}

/// Whoever comes in without a token.
static LOCAL: LazyLock<Actor> = LazyLock::new(|| Arc::from("local"));

const SEND_KEY: &str = "send a known token as: Truora-API-Key: TOKEN";
const SEND_TOKEN: &str = "send a known token as: Authorization: Bearer TOKEN";

const NO_TOKENS: &str = "no token is configured, so only programs on the daemon's own machine are let in; configure server.tokens";

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Without tokens, a web page in the operator's browser must not be able to reach the daemon: neither across origins nor by a
/// name that was made to point here.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    let ours = matches!(name, "" | "localhost" | "reengaged") || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let foreign = text(header::ORIGIN).is_some_and(|origin| origin.split_once("://").is_none_or(|(_, authority)| authority != host));
    if ours && !foreign {
        return Ok(());
    }
    Err(Problem::new(
        Kind::ForeignOrigin,
        "without tokens only programs on this machine are let in, not web pages; configure server.tokens",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_throttle_lets_ten_through_and_then_one_a_second() {
        let throttle = Throttle::default();
        let start = Duration::from_secs(1_000);
        assert_eq!((0..50).filter(|_| throttle.admits(start)).count(), 10);
        assert!(throttle.admits(start + Duration::from_secs(1)));
        assert!(!throttle.admits(start + Duration::from_secs(1)));
        assert_eq!((0..50).filter(|_| throttle.admits(start + Duration::from_secs(100))).count(), 10);
    }

    #[test]
    fn operate_looks_too_and_ingest_does_not() {
        let operate = Scopes { operate: true, ..Scopes::default() };
        let ingest = Scopes { ingest: true, ..Scopes::default() };
        assert!(Need::Read.met_by(operate) && Need::Operate.met_by(operate) && !Need::Ingest.met_by(operate));
        assert!(Need::Ingest.met_by(ingest) && !Need::Read.met_by(ingest) && Need::Any.met_by(ingest));
    }

    #[test]
    fn web_pages_of_other_origins_are_told_from_programs() {
        for (host, origin, fine) in [
            (None, None, true),
            (Some("127.0.0.1:8787"), None, true),
            (Some("[::1]:8787"), None, true),
            (Some("[::1]"), None, true),
            (Some("localhost:8787"), Some("http://localhost:8787"), true),
            (Some("localhost:8787"), Some("http://evil.example"), false),
            (Some("localhost:8787"), Some("null"), false),
            (Some("evil.example:8787"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(same_origin(&headers).is_ok(), fine, "{host:?} {origin:?}");
        }
    }
}

//! `/hooks/{line}`: a provider's webhooks, and the handshake with which it sets them up.
//!
//! Not what they mean: each provider's inbox proves and reads them, the engine decides. Order: whole → proved → (handed on to the
//! bot, beside) read → put before the engine → durable → answered. Nothing moves before it is proved.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Body as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body;
use super::counts::{HookLabels, PassedLabels};
use super::events::no_answer;
use super::forward::{self, BotAnswer, Forward, Onward};
use super::peer::Peer;
use super::reply::{self, Reply};
use super::site::{Hooks, Site};
use crate::engine::desk::Request as Ask;
use crate::engine::inboxes::{self, LineInbox, Sorted, Source};
use crate::engine::ports::{Handshake, Unreadable, Webhook};
use crate::engine::request::{Inbound, Rejected};
use crate::limits;
use crate::shapes::problem::{Kind, Problem};

/// A request for a line that takes webhooks.
struct Arrived {
    hooks: Arc<Hooks>,
    name: Arc<str>,
    line: LineInbox,
    parts: Parts,
    /// What follows the line's name in the path.
    rest: String,
    peer: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

/// What became of our part.
enum Ours {
    /// It is durable; the message that it brought, where it brought one.
    Kept(Option<Box<Inbound>>),
    /// It is not what the provider sends, and would be no better another time.
    Unreadable(Problem),
    /// It could not be kept.
    NotKept(Problem),
}

impl Arrived {
    fn new(site: &Site, parts: Parts) -> Result<Arrived, Problem> {
        let hooks = site.hooks();
        let path = parts.uri.path().strip_prefix("/hooks/").unwrap_or_default();
        let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        let (name, line) = hooks.inboxes.get(name).map(|(name, line)| (Arc::clone(name), line.clone())).ok_or_else(|| {
            Problem::new(Kind::NoWebhooks, "no line of this name takes webhooks of a provider; events go to POST /v1/events")
        })?;
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Unknown);
        let peer = hooks.proxies.origin(peer, &parts.headers).map(|address| address.to_string());
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        let rest = rest.to_owned();
        Ok(Arrived { hooks, name, line, parts, rest, peer, headers, body: Bytes::new() })
    }

    fn webhook(&self) -> Webhook<'_> {
        let target = self.parts.uri.path_and_query().map_or("", |target| target.as_str());
        Webhook { target, headers: &self.headers, peer: self.peer.as_deref(), body: &self.body }
    }

    fn labels(&self, verdict: &'static str) -> HookLabels {
        HookLabels { line: self.name.to_string(), verdict }
    }

    fn onward(&self) -> Onward {
        Onward {
            method: self.parts.method.clone(),
            rest: self.rest.clone(),
            query: self.parts.uri.query().map(str::to_owned),
            headers: forward::end_to_end(&self.parts.headers),
            body: self.body.clone(),
        }
    }
}

/// `GET`: the provider asks whether this is the right address. The answer is ours alone.
pub(super) async fn handshake(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let arrived = Arrived::new(&site, request.into_parts().0)?;
    match arrived.line.inbox.handshake(&arrived.webhook()) {
        Handshake::Challenge(word) => {
            let mut response = reply::with(StatusCode::OK, "text/plain; charset=utf-8", word);
            // What came in the query goes back as text, whatever it looks like.
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            Ok(response)
        }
        Handshake::Refused => {
            let message = "the word does not agree with the line's; give the provider the one in the line's verify_token";
            Err(Problem::new(Kind::WrongWord, message).into())
        }
        Handshake::Unasked => {
            let mut response =
                reply::problem(&Problem::new(Kind::MethodNotAllowed, "this line's provider sets up its webhooks without a handshake"));
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            Ok(response)
        }
    }
}

/// `POST`: a webhook.
pub(super) async fn post(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let mut arrived = Arrived::new(&site, parts)?;
    let counts = &site.counts.webhooks;
    let whole = whole(&site, &arrived, body).await;
    let (bytes, place) = whole.inspect_err(|_| _ = counts.get_or_create(&arrived.labels("incomplete")).inc())?;
    arrived.body = bytes;
    if let Err(forged) = arrived.line.inbox.verify(&arrived.webhook()) {
        counts.get_or_create(&arrived.labels("unproved")).inc();
        if site.forged.admits((site.settings.elapsed)()) {
            let (line, peer) = (&arrived.name, arrived.peer.as_deref().unwrap_or("unknown"));
            tracing::warn!(%line, peer, why = forged.0, "a webhook does not prove that the provider sent it; nothing of it is read");
        }
        let message = format!("this webhook does not prove that the line's provider sent it: {}", forged.0);
        return Err(Problem::new(Kind::Unproved, message).into());
    }
    let share = site.share(&arrived.name).ok_or_else(|| {
        counts.get_or_create(&arrived.labels("too_many")).inc();
        Problem::new(Kind::Overloaded, "too many webhooks of this line at once; send this one again in a second")
    })?;
    // On its own, so that a provider that hangs up leaves nothing half done: it may never send this again.
    let taking = tokio::spawn(async move {
        let response = take(&site, &arrived).await;
        drop((place, share));
        response
    });
    taking.await.map_err(|_| no_answer().into())
}

/// The whole body. Of large ones only so many are in memory at once: until they are whole, anybody may have sent them.
async fn whole(site: &Site, arrived: &Arrived, body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Problem> {
    let small = body.size_hint().upper().is_some_and(|upper| upper <= limits::WEBHOOK_SMALL as u64);
    let place = if small {
        None
    } else {
        let waiting = timeout(site.settings.body, Arc::clone(&site.large).acquire_owned()).await;
        let busy = || Problem::new(Kind::Overloaded, "too many large webhooks at once; send this one again in a second");
        Some(waiting.ok().and_then(Result::ok).ok_or_else(busy)?)
    };
    let bytes = body::whole(&arrived.parts.headers, body, limits::WEBHOOK_BYTES, &site.settings).await?;
    Ok((bytes, place))
}

/// Keeps what a proved webhook says, hands it on where there is a bot, and answers when both are done.
async fn take(site: &Site, arrived: &Arrived) -> Response<Body> {
    let bot = arrived.hooks.bots.get(&arrived.name);
    let (mut ours, bots) = match bot {
        None => (keep(site, arrived).await, None),
        Some(bot) => {
            let (ours, bots) = tokio::join!(keep(site, arrived), hand_on(site, arrived, bot.as_ref()));
            (ours, Some(bots))
        }
    };
    if let (Ours::Kept(Some(message)), Some(Some(answer))) = (&ours, &bots)
        && let Err(problem) = keep_answer(site, arrived, message, answer).await
    {
        ours = Ours::NotKept(problem);
    }
    let verdict = match &ours {
        Ours::Kept(_) => "kept",
        Ours::Unreadable(_) => "unreadable",
        Ours::NotKept(_) => "not_kept",
    };
    site.counts.webhooks.get_or_create(&arrived.labels(verdict)).inc();
    let redelivers = arrived.line.inbox.redelivers();
    match (ours, bots) {
        (Ours::Kept(_), None) => Response::new(Body::empty()),
        (Ours::Unreadable(problem), None) => reply::problem(&problem),
        // What we cannot read, the bot may.
        (Ours::Kept(_) | Ours::Unreadable(_), Some(Some(answer))) if forward::is_answer(&answer) => forward::bots(answer),
        (Ours::Kept(_) | Ours::Unreadable(_), Some(_)) => forward::bot_failed(redelivers),
        (Ours::NotKept(problem), bots) => forward::not_kept(&problem, bots.flatten(), redelivers),
    }
}

async fn hand_on(site: &Site, arrived: &Arrived, bot: &dyn Forward) -> Option<BotAnswer> {
    let answer = bot.hand_on(arrived.onward()).await;
    let verdict = match &answer {
        Ok(answer) if forward::is_answer(answer) => "answered",
        Ok(answer) => {
            tracing::warn!(line = %arrived.name, status = answer.status.as_u16(), "the bot did not take a webhook");
            "failed"
        }
        Err(why) => {
            tracing::warn!(line = %arrived.name, why, "the bot did not take a webhook");
            "failed"
        }
    };
    site.counts.handed_on.get_or_create(&arrived.labels(verdict)).inc();
    answer.ok()
}

/// Reads a proved webhook and puts it before the engine, whole.
async fn keep(site: &Site, arrived: &Arrived) -> Ours {
    // Reading is pure: where it panics nothing is half done, and the bot still gets what we could not read.
    let read = catch_unwind(AssertUnwindSafe(|| arrived.line.inbox.read(&arrived.webhook())));
    let items = match read.unwrap_or_else(|_| Err(Unreadable("reading it met a fault in this program; report it".to_owned()))) {
        Ok(items) => items,
        Err(unreadable) => {
            tracing::warn!(line = %arrived.name, why = unreadable.0, "a webhook cannot be read, though the provider sent it");
            return Ours::Unreadable(Problem::new(
                Kind::BadWebhook,
                format!("this is no webhook of the line's provider: {}", unreadable.0),
            ));
        }
    };
    let Sorted { events, templates, passed } = arrived.hooks.inboxes.sort(&arrived.name, items, Source::Webhook);
    for (kind, count) in passed {
        site.counts.passed.get_or_create(&PassedLabels { line: arrived.name.to_string(), kind }).inc_by(count);
    }
    let message = inboxes::spoken(&events).map(|message| Box::new(message.clone()));
    let kept = async {
        put(site, events).await?;
        if templates.is_empty() {
            return Ok(());
        }
        let inside = site.inside().ok_or_else(reply::starting)?;
        let told = timeout(site.settings.answer, inside.desk.ask(|reply| Ask::Template(templates, reply)));
        told.await.map_err(|_| no_answer())?.map_err(|rejected| reply::rejected(rejected).0)
    };
    match kept.await {
        Ok(()) => Ours::Kept(message),
        Err(problem) => Ours::NotKept(problem),
    }
}

/// Puts events before the engine as one group. What the engine refuses for good is counted, and is no reason to be told it again.
async fn put(site: &Site, events: Vec<Inbound>) -> Result<(), Problem> {
    let inside = site.inside().ok_or_else(reply::starting)?;
    if events.is_empty() {
        return Ok(());
    }
    let answers = timeout(site.settings.answer, inside.desk.events(events)).await.map_err(|_| no_answer())?;
    let mut kept = Ok(());
    for answer in answers {
        site.counts.events.count(answer.as_ref());
        match answer {
            Err(rejected @ (Rejected::Unavailable(_) | Rejected::Overloaded | Rejected::NotYet)) => kept = Err(rejected.into()),
            Err(rejected @ Rejected::Damaged(_)) => drop(reply::rejected(rejected)),
            Err(rejected) => tracing::debug!(kind = Problem::from(rejected).kind.slug(), "what a webhook tells has no place here"),
            Ok(_) => {}
        }
    }
    kept
}

/// What the bot says to the person in its answer counts as the bot speaking.
async fn keep_answer(site: &Site, arrived: &Arrived, message: &Inbound, answer: &BotAnswer) -> Result<(), Problem> {
    if !answer.status.is_success() || answer.content_encoding.is_some() {
        return Ok(());
    }
    let kind = answer.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    match arrived.line.inbox.answered(kind, &answer.body) {
        Some(text) => put(site, vec![inboxes::answer_to(message, text)]).await,
        None => Ok(()),
    }
}

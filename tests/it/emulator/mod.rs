//! One local server for each provider, behaving as its documentation says: strict about what it takes, scripted about what it does with
//! it, and signing the webhooks that it sends. Written from the documentation alone, so that our writers meet an independent reading.
//!
//! Not the providers: what is unconfirmed there is one choice here, said where it is made. Built on the server of `stub.rs`.

mod behaviour;
mod fixtures;
mod form;
mod gupshup;
mod json;
pub(crate) mod sign;
mod truora;
mod twilio;
mod whatsapp;
mod whatsapp_hooks;
mod whatsapp_templates;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::Moment;

pub(crate) use gupshup::Gupshup;
pub(crate) use truora::Truora;
pub(crate) use twilio::Twilio;
pub(crate) use whatsapp::Meta;

use crate::stub::{self, Mood, Request, Stub};

/// Longer than anything takes on a busy machine; a bound for failures, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an emulator does with the next request that hands a message over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Script {
    /// Takes it.
    Accept,
    /// Takes it, and once it has answered reports these fates in this order.
    Report(Vec<Fate>),
    /// Takes it, answers twice, and reports nothing.
    Twice,
    /// Takes it, and closes the connection without an answer.
    Lose,
    /// Takes it, and says nothing until the client goes.
    Hang,
    /// Does not take it, and closes the connection.
    Close,
    /// Refuses it with the documented error of this code.
    Refuse(u32),
    /// Too many requests; with `Retry-After`, where a number of seconds stands here.
    Throttle(Option<u32>),
    /// The credentials are not valid any more.
    Expired,
    /// A server error of this status: nobody knows whether it was taken.
    Broken(u16),
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Sent,
    Delivered,
    Read,
    /// It did not arrive, for the reason of this code.
    Failed(u32),
}

/// A person, as all providers know them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Person {
    /// Digits with country code.
    pub(crate) phone: String,
    /// The business-scoped user id.
    pub(crate) user: String,
    pub(crate) name: String,
}

impl Person {
    /// A person of the fixtures' kind: 0 is Camila, 1 is Luis, others have a name of their own.
    pub(crate) fn number(n: usize) -> Person {
        let name = ["Camila Ríos", "Luis"].get(n).map_or_else(|| format!("Persona {n}"), |name| (*name).to_owned());
        Person { phone: format!("57318{}", 1_230_000 + n), user: format!("CO.1349120865530274{}", 1_918 + n), name }
    }
}

/// One message that an emulator took.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Sent {
    /// The provider's id of it.
    pub(crate) id: String,
    /// To whom, digits alone.
    pub(crate) to: String,
    /// The text; empty where it is the template's own.
    pub(crate) text: String,
    /// The template, as the provider names it.
    pub(crate) template: Option<String>,
    /// The values of the template's variables, in their order.
    pub(crate) vars: Vec<String>,
    /// What the buttons carry, and what stands on them.
    pub(crate) buttons: Vec<(String, String)>,
    /// Our field that comes back in statuses or taps; empty where there is none.
    pub(crate) correlation: String,
}

/// An answer over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Further header lines, without the content type.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Answer {
        Answer { status, headers: String::new(), body: body.into() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let more = if self.headers.is_empty() { String::new() } else { format!("\r\n{}", self.headers) };
        stub::answer(self.status, &format!("content-type: application/json{more}"), &self.body)
    }
}

/// What a provider makes of a request, its own faults aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// A message, and the answer that takes it.
    Send(Box<Sent>, Answer),
    /// A question that sends nothing.
    Read(Answer),
    /// The request is not one that the provider takes.
    Wrong(Answer),
}

/// A webhook, signed and not yet sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hook {
    /// What follows the address of the line: a query with its question mark, or nothing.
    pub(crate) query: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What tells one provider from another. Its own numbers of messages begin where the fixtures do.
pub(crate) trait Manners: Send + Sync + 'static {
    /// Judges a request; `number` counts the messages taken before.
    fn hear(&self, request: &Request, number: u64) -> Heard;

    /// The documented error of this code.
    fn error(&self, code: u32) -> Answer;

    /// Too many requests.
    fn throttled(&self) -> Answer;

    /// The credentials are not valid.
    fn expired(&self) -> Answer;

    /// The webhook that reports this; `None` where the provider reports no fates.
    fn status(&self, sent: &Sent, fate: Fate, at: Moment) -> Option<Hook>;
}

#[derive(Default)]
struct Book {
    taken: Vec<Sent>,
    /// Requests that would have been taken, faults aside; and requests that no provider takes.
    calls: usize,
    wrong: Vec<String>,
    reads: usize,
    queue: VecDeque<Script>,
    standing: Option<Script>,
    /// Where webhooks go: the address of the line.
    hooks: String,
    /// The time of the fates that it reports.
    clock: Clock,
    /// What the daemon answered to the webhooks that followed an answer.
    reported: Vec<u16>,
}

type Shared = Arc<(Mutex<Book>, Condvar)>;

/// A provider's server on a loopback socket. It ends with the test's process.
pub(crate) struct Emulator<M> {
    pub(crate) manners: Arc<M>,
    stub: Stub,
    book: Shared,
    client: reqwest::Client,
}

impl<M: Manners> Emulator<M> {
    /// Listens; to be called where a runtime is, by which webhooks are sent.
    pub(crate) fn start(manners: M) -> Emulator<M> {
        let (manners, book, client) = (Arc::new(manners), Shared::default(), client());
        let runtime = tokio::runtime::Handle::current();
        let (m, b, c) = (Arc::clone(&manners), Arc::clone(&book), client.clone());
        let stub = Stub::new(Mood::Play(Arc::new(move |request| {
            let (mood, hooks) = play(&*m, &b, request);
            let (book, client, runtime) = (Arc::clone(&b), c.clone(), runtime.clone());
            let report = move || {
                for hook in hooks {
                    let address = lock(&book).hooks.clone();
                    let mut status = 503;
                    // As providers do, tells again what was not taken: a status may overtake the answer to its own call.
                    for _ in 0..200 {
                        status = runtime.block_on(post(&client, &address, &hook)).0;
                        if status != 503 {
                            break;
                        }
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    note(&book, |book| book.reported.push(status));
                }
            };
            (mood, Box::new(report))
        })));
        Emulator { manners, stub, book, client }
    }

    /// The base of its API: `http://127.0.0.1:PORT` and this path.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://{}{path}", self.stub.address)
    }

    /// Webhooks go to this line of the daemon at `base`.
    pub(crate) fn calls(&self, base: &str, line: &str) {
        lock(&self.book).hooks = format!("{base}/hooks/{line}");
    }

    /// Its time is that of this clock.
    pub(crate) fn keeps(&self, clock: Clock) {
        lock(&self.book).clock = clock;
    }

    /// What it does with the next requests that hand a message over, in this order; after them it accepts.
    pub(crate) fn script(&self, scripts: impl IntoIterator<Item = Script>) {
        lock(&self.book).queue.extend(scripts);
    }

    /// What it does with every request, questions included, until told otherwise.
    pub(crate) fn always(&self, script: Option<Script>) {
        lock(&self.book).standing = script;
    }

    /// The messages that it took, in order, once there are so many.
    pub(crate) fn taken(&self, at_least: usize) -> Vec<Sent> {
        self.until("messages taken", at_least, |book| book.taken.len());
        lock(&self.book).taken.clone()
    }

    /// How many times a message was handed over, taken or not, once it is so many.
    pub(crate) fn called(&self, at_least: usize) -> usize {
        self.until("calls", at_least, |book| book.calls);
        lock(&self.book).calls
    }

    /// How many questions were asked that send nothing, once it is so many.
    pub(crate) fn read(&self, at_least: usize) -> usize {
        self.until("questions", at_least, |book| book.reads);
        lock(&self.book).reads
    }

    /// What the daemon answered to the webhooks that followed messages, once there are so many.
    pub(crate) fn reported(&self, at_least: usize) -> Vec<u16> {
        self.until("webhooks", at_least, |book| book.reported.len());
        lock(&self.book).reported.clone()
    }

    /// Every request that arrived whole.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.stub.requests()
    }

    /// Why requests were refused that no provider takes; a writer that knows its provider leaves this empty.
    pub(crate) fn wrong(&self) -> Vec<String> {
        lock(&self.book).wrong.clone()
    }

    /// Sends a webhook to the line; the status of the answer.
    pub(crate) async fn deliver(&self, hook: &Hook) -> u16 {
        self.exchange(hook).await.0
    }

    /// Sends a webhook to the line; the status and the body of the answer.
    pub(crate) async fn exchange(&self, hook: &Hook) -> (u16, String) {
        let address = lock(&self.book).hooks.clone();
        post(&self.client, &address, hook).await
    }

    fn until(&self, what: &str, at_least: usize, count: impl Fn(&Book) -> usize) {
        let waited = self.book.1.wait_timeout_while(lock(&self.book), PATIENCE, |book| count(book) < at_least);
        let (book, waited) = waited.expect("no test panics while it holds this");
        assert!(!waited.timed_out(), "{} of {at_least} {what} in a minute; wrong: {:?}", count(&book), book.wrong);
    }
}

/// Judges a request, notes it, and says how to behave and what to report after that.
fn play<M: Manners>(manners: &M, book: &Shared, request: &Request) -> (Mood, Vec<Hook>) {
    let mut play = (Mood::CloseAfterRequest, Vec::new());
    note(book, |book| {
        let number = book.taken.len() as u64;
        let heard = manners.hear(request, number);
        let standing = book.standing.clone();
        let script = match &heard {
            Heard::Send(..) => standing.or_else(|| book.queue.pop_front()).unwrap_or(Script::Accept),
            Heard::Read(_) => standing.unwrap_or(Script::Accept),
            Heard::Wrong(_) => Script::Accept,
        };
        let (sent, answer) = match heard {
            Heard::Send(sent, answer) => (Some(*sent), answer),
            Heard::Read(answer) => (None, answer),
            Heard::Wrong(answer) => {
                book.wrong.push(answer.body.clone());
                play.0 = Mood::Answer(answer.bytes());
                return;
            }
        };
        match &sent {
            Some(_) => book.calls += 1,
            None => book.reads += 1,
        }
        let taken = matches!(script, Script::Accept | Script::Report(_) | Script::Twice | Script::Lose | Script::Hang);
        play.0 = mood(manners, &script, &answer);
        let Some(sent) = sent.filter(|_| taken) else { return };
        if let Script::Report(fates) = script {
            let now = book.clock.now();
            play.1 = fates.into_iter().filter_map(|fate| manners.status(&sent, fate, now)).collect();
        }
        book.taken.push(sent);
    });
    play
}

fn mood<M: Manners>(manners: &M, script: &Script, answer: &Answer) -> Mood {
    let answer = match script {
        Script::Accept | Script::Report(_) => answer.clone(),
        Script::Twice => return Mood::Answer(answer.bytes().repeat(2)),
        Script::Lose | Script::Close => return Mood::CloseAfterRequest,
        Script::Hang => return Mood::Hang,
        Script::Refuse(code) => manners.error(*code),
        Script::Throttle(None) => manners.throttled(),
        Script::Throttle(Some(seconds)) => Answer { headers: format!("retry-after: {seconds}"), ..manners.throttled() },
        Script::Expired => manners.expired(),
        Script::Broken(status) => Answer::new(*status, "{}"),
    };
    Mood::Answer(answer.bytes())
}

fn lock(book: &Shared) -> MutexGuard<'_, Book> {
    book.0.lock().expect("no test panics while it holds this")
}

fn note(book: &Shared, what: impl FnOnce(&mut Book)) {
    what(&mut lock(book));
    book.1.notify_all();
}

/// Posts a webhook; status 0 where no answer came.
async fn post(client: &reqwest::Client, address: &str, hook: &Hook) -> (u16, String) {
    let mut request = client.post(format!("{address}{}", hook.query)).body(hook.body.clone());
    for (name, value) in &hook.headers {
        request = request.header(*name, value);
    }
    match request.send().await {
        Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
        Err(_) => (0, String::new()),
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's own client: it follows no redirect that it meets")]
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
}

//! A stream of events, a line each, and a stream of answers, a line each, in the same order.
//!
//! Not one commit a line: what is at hand goes to the engine together, and several such groups are on their way at once, so that a
//! stream is not bound to one disk write after the other. An answer line is written as soon as its own event is durable.
//! Whoever does not read the answers is not read any further: nothing piles up here.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::time::{Sleep, sleep};

use super::body::{Lines, NDJSON, Piece};
use super::reply;
use super::site::{Site, stopped};
use crate::engine::desk::Desk;
use crate::engine::request::{Answer, Inbound, Rejected, Who};
use crate::limits;
use crate::shapes::answer::Answered;
use crate::shapes::event::{self, BadEvent};
use crate::shapes::problem::{Kind, Problem};

/// Events handed to the engine together, at most.
const GROUP: usize = 512;
/// Answers written together, at most about so many bytes.
const ANSWER_BYTES: usize = 64 * 1024;
/// Lines of one stream on their way, at most, but for the last group.
const UNDER_WAY: usize = 8_192;

/// Answers a stream of events. The response begins at once: its status says only that the stream is being read.
pub(super) fn answer(site: Arc<Site>, desk: Desk, body: Body) -> Response<Body> {
    let stopping = site.stopping();
    let exchange = Exchange {
        lines: Lines::new(body, limits::EVENT_BYTES),
        taken: Taken::default(),
        silence: Box::pin(sleep(site.settings.body)),
        site,
        desk,
        stopping,
        under_way: VecDeque::new(),
        unanswered: 0,
        ending: None,
    };
    let answers = stream::unfold(exchange, |mut exchange| async move {
        let bytes = exchange.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), exchange))
    });
    reply::with(StatusCode::OK, NDJSON, Body::from_stream(answers))
}

/// One stream while it lasts.
struct Exchange {
    site: Arc<Site>,
    desk: Desk,
    stopping: watch::Receiver<bool>,
    lines: Lines,
    /// Lines that are not handed in yet, because more may be at hand.
    taken: Taken,
    under_way: VecDeque<Group>,
    /// Lines in them.
    unanswered: usize,
    /// Ends when the silence of the other side has lasted too long.
    silence: Pin<Box<Sleep>>,
    /// Nothing more is read; the last line to write, if there is one.
    ending: Option<Option<Problem>>,
}

/// Lines that were at hand together.
struct Group {
    lines: Vec<Line>,
    answers: oneshot::Receiver<Vec<Result<Answer, Rejected>>>,
}

/// What a line was.
enum Line {
    /// An event of this conversation; its answer comes from the engine.
    Event(Who),
    /// None.
    Bad(BadEvent),
}

/// Lines, and the events in them.
#[derive(Default)]
struct Taken {
    lines: Vec<Line>,
    events: Vec<Inbound>,
}

/// What happens next.
enum Turn {
    /// The group that has waited longest is answered.
    Answered(Result<Vec<Result<Answer, Rejected>>, oneshot::error::RecvError>),
    /// Lines came.
    Came(Taken),
    /// Nothing more comes; the problem that a last line tells, if there is one.
    Ends(Option<Problem>),
}

impl Exchange {
    /// The next answer lines; `None` when all are written.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.under_way.is_empty() {
                match self.ending.take() {
                    Some(None) => return None,
                    Some(Some(problem)) => {
                        self.ending = Some(None);
                        let mut out = Vec::new();
                        line_of(&mut out, &problem);
                        return Some(out.into());
                    }
                    None => {}
                }
            }
            match self.turn().await {
                Turn::Answered(answers) => {
                    // Whoever waits for answers before they write more is not silent while we are slow.
                    self.silence.set(sleep(self.site.settings.body));
                    return Some(self.tell(answers.ok()));
                }
                Turn::Came(taken) => {
                    self.silence.set(sleep(self.site.settings.body));
                    self.hand_in(taken).await;
                }
                Turn::Ends(problem) => {
                    self.ending = Some(problem);
                    let taken = std::mem::take(&mut self.taken);
                    if !taken.lines.is_empty() {
                        self.hand_in(taken).await;
                    }
                }
            }
        }
    }

    /// Waits for whichever comes first: an answer, further lines, or a reason to end.
    async fn turn(&mut self) -> Turn {
        let reading = self.ending.is_none() && self.unanswered < UNDER_WAY;
        let (lines, taken, under_way) = (&mut self.lines, &mut self.taken, &mut self.under_way);
        let answered = async {
            match under_way.front_mut() {
                Some(group) => (&mut group.answers).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answers = answered => Turn::Answered(answers),
            turn = gather(lines, taken), if reading => turn,
            () = stopped(&mut self.stopping), if reading => Turn::Ends(Some(stopping())),
            () = self.silence.as_mut(), if reading => Turn::Ends(Some(silent())),
        }
    }

    async fn hand_in(&mut self, Taken { lines, events }: Taken) {
        // A group without events is answered by nobody: its place is kept so that the order is.
        let (none, empty) = oneshot::channel();
        let answers = if events.is_empty() {
            let _ = none.send(Vec::new());
            empty
        } else {
            match self.desk.place(events).await {
                Ok(answers) => answers,
                Err(_) => {
                    // The sender is dropped with `none`, which the lines are told as "stopping".
                    drop(none);
                    empty
                }
            }
        };
        self.unanswered += lines.len();
        self.under_way.push_back(Group { lines, answers });
    }

    /// The answers to the group that has waited longest, and to those behind it whose answers are there: written together.
    fn tell(&mut self, mut answers: Option<Vec<Result<Answer, Rejected>>>) -> Bytes {
        let mut out = Vec::with_capacity(4_096);
        while let Some(group) = self.under_way.pop_front() {
            self.unanswered -= group.lines.len();
            self.write(&mut out, group.lines, answers);
            let next = self.under_way.front_mut().filter(|_| out.len() < ANSWER_BYTES);
            answers = match next.map(|group| group.answers.try_recv()) {
                Some(Ok(there)) => Some(there),
                Some(Err(oneshot::error::TryRecvError::Closed)) => None,
                Some(Err(oneshot::error::TryRecvError::Empty)) | None => break,
            };
        }
        out.into()
    }

    fn write(&self, out: &mut Vec<u8>, lines: Vec<Line>, answers: Option<Vec<Result<Answer, Rejected>>>) {
        let known = answers.is_some();
        let mut answers = answers.unwrap_or_default().into_iter();
        for line in lines {
            match line {
                Line::Bad(bad) => {
                    self.site.counts.events.bad.inc();
                    line_of(out, &Problem::from(bad));
                }
                Line::Event(_) if !known => line_of(out, &stopping()),
                Line::Event(who) => {
                    let answer = answers.next().unwrap_or_else(|| Err(Rejected::Unavailable("the engine gave no answer".to_owned())));
                    self.site.counts.events.count(answer.as_ref());
                    match answer {
                        Ok(answer) => line_of(out, &Answered { who: &who, answer: &answer }),
                        Err(rejected) => line_of(out, &reply::rejected(rejected).0),
                    }
                }
            }
        }
    }
}

fn line_of(out: &mut Vec<u8>, value: &impl Serialize) {
    reply::write(out, value);
    out.push(b'\n');
}

/// Waits for a line, and takes all that are at hand with it. Cancelling loses nothing: what it took so far is in `taken`.
async fn gather(lines: &mut Lines, taken: &mut Taken) -> Turn {
    std::future::poll_fn(|cx| {
        let before = taken.lines.len();
        while taken.lines.len() < GROUP {
            match lines.poll_next(cx) {
                Poll::Pending if taken.lines.is_empty() => return Poll::Pending,
                // The connection hands a frame at a time over, and is polled by the same task: it has its turn before we go on without.
                Poll::Pending if taken.lines.len() > before => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
                Poll::Ready(Piece::End | Piece::Broken) if !taken.lines.is_empty() => break,
                Poll::Ready(Piece::End) => return Poll::Ready(Turn::Ends(None)),
                Poll::Ready(Piece::Broken) => return Poll::Ready(Turn::Ends(Some(broken()))),
                Poll::Ready(Piece::TooLong) => taken.lines.push(Line::Bad(event::too_large())),
                Poll::Ready(Piece::Line(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
                Poll::Ready(Piece::Line(line)) => match event::read(&line) {
                    Ok(event) => {
                        taken.lines.push(Line::Event(event.who.clone()));
                        taken.events.push(event);
                    }
                    Err(bad) => taken.lines.push(Line::Bad(bad)),
                },
            }
        }
        Poll::Ready(Turn::Came(std::mem::take(taken)))
    })
    .await
}

fn silent() -> Problem {
    Problem::new(Kind::BodyTimeout, "no further line came in time, so the stream ends here; open another when there is more")
}

fn stopping() -> Problem {
    Problem::new(Kind::Unavailable, "the daemon is stopping; send what has no answer again later")
}

fn broken() -> Problem {
    Problem::new(Kind::BadRequest, "the body broke off")
}

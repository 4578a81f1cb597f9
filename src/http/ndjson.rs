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
/// Groups of one stream on their way, at most.
const UNDER_WAY: usize = 16;

/// Answers a stream of events. The response begins at once: its status says only that the stream is being read.
pub(super) fn answer(site: Arc<Site>, desk: Desk, body: Body) -> Response<Body> {
    let stopping = site.stopping();
    let exchange = Exchange {
        lines: Lines::new(body, limits::EVENT_BYTES),
        silence: Box::pin(sleep(site.settings.body)),
        site,
        desk,
        stopping,
        under_way: VecDeque::new(),
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
    under_way: VecDeque<Group>,
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

/// What happens next.
enum Turn {
    /// The group that has waited longest is answered.
    Answered(Result<Vec<Result<Answer, Rejected>>, oneshot::error::RecvError>),
    /// Lines came.
    Came(Vec<Line>, Vec<Inbound>),
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
                        return Some(self.write(|out| line_of(out, &problem)));
                    }
                    None => {}
                }
            }
            match self.turn().await {
                Turn::Answered(answers) => {
                    // Whoever waits for answers before they write more is not silent while we are slow.
                    self.silence.set(sleep(self.site.settings.body));
                    if let Some(group) = self.under_way.pop_front() {
                        return Some(self.tell(group.lines, answers.ok()));
                    }
                }
                Turn::Came(lines, events) => {
                    self.silence.set(sleep(self.site.settings.body));
                    self.hand_in(lines, events).await;
                }
                Turn::Ends(problem) => self.ending = Some(problem),
            }
        }
    }

    /// Waits for whichever comes first: an answer, further lines, or a reason to end.
    async fn turn(&mut self) -> Turn {
        let reading = self.ending.is_none() && self.under_way.len() < UNDER_WAY;
        let (lines, under_way) = (&mut self.lines, &mut self.under_way);
        let answered = async {
            match under_way.front_mut() {
                Some(group) => (&mut group.answers).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answers = answered => Turn::Answered(answers),
            turn = gather(lines), if reading => turn,
            () = stopped(&mut self.stopping), if reading => Turn::Ends(Some(stopping())),
            () = self.silence.as_mut(), if reading => Turn::Ends(Some(silent())),
        }
    }

    async fn hand_in(&mut self, lines: Vec<Line>, events: Vec<Inbound>) {
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
        self.under_way.push_back(Group { lines, answers });
    }

    fn tell(&self, lines: Vec<Line>, answers: Option<Vec<Result<Answer, Rejected>>>) -> Bytes {
        let known = answers.is_some();
        let mut answers = answers.unwrap_or_default().into_iter();
        self.write(|out| {
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
        })
    }

    fn write(&self, lines: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut out = Vec::with_capacity(1024);
        lines(&mut out);
        out.into()
    }
}

fn line_of(out: &mut Vec<u8>, value: &impl Serialize) {
    reply::write(out, value);
    out.push(b'\n');
}

/// Waits for a line, and takes all that are at hand with it. Cancelling loses nothing: only a whole group is taken.
async fn gather(lines: &mut Lines) -> Turn {
    std::future::poll_fn(|cx| {
        let (mut read, mut events) = (Vec::new(), Vec::new());
        while read.len() < GROUP {
            match lines.poll_next(cx) {
                Poll::Pending if read.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Piece::End | Piece::Broken) if !read.is_empty() => break,
                Poll::Ready(Piece::End) => return Poll::Ready(Turn::Ends(None)),
                Poll::Ready(Piece::Broken) => return Poll::Ready(Turn::Ends(Some(broken()))),
                Poll::Ready(Piece::TooLong) => read.push(Line::Bad(event::too_large())),
                Poll::Ready(Piece::Line(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
                Poll::Ready(Piece::Line(line)) => match event::read(&line) {
                    Ok(event) => {
                        read.push(Line::Event(event.who.clone()));
                        events.push(event);
                    }
                    Err(bad) => read.push(Line::Bad(bad)),
                },
            }
        }
        Poll::Ready(Turn::Came(read, events))
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

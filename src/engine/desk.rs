//! The desk: where the edges hand requests to the running engine and wait for answers that are durable.
//!
//! Not the engine: a cheap handle, cloned into every server task. The loop behind it is `daemon/wakeups.rs`.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::engine::heard::TemplateNews;
use crate::engine::registry::{Filing, Register, Shelf};
use crate::engine::request::{
    Answer, DeadLetter, Doubt, Filter, Inbound, Invitation, LateOnes, Listed, Rejected, Standing, Target, Upcoming, View, Who,
};
use crate::id::ConversationId;

/// The name of a line and that of something of its own.
pub type OfLine = (Arc<str>, Arc<str>);

/// One request, with the place for its answer.
#[derive(Debug)]
pub enum Request {
    /// Events, answered each for itself once durable, in order.
    Events(Vec<Inbound>, oneshot::Sender<Vec<Result<Answer, Rejected>>>),
    /// One conversation, whole.
    Show(Who, oneshot::Sender<Result<View, Rejected>>),
    /// A page of conversations.
    List(Filter, oneshot::Sender<Result<Listed, Rejected>>),
    /// All traces of a conversation go; the opt-out stays.
    Erase(Who, oneshot::Sender<Result<ConversationId, Rejected>>),
    /// Pause (`true`) or resume.
    Pause(Target, bool, oneshot::Sender<Result<Standing, Rejected>>),
    /// Sends in doubt.
    Doubts(oneshot::Sender<Result<Vec<Doubt>, Rejected>>),
    /// A send in doubt is made again, because an operator says so.
    Resend(crate::id::SendId, oneshot::Sender<Result<Answer, Rejected>>),
    /// Follow-ups per hour and line.
    Upcoming(oneshot::Sender<Result<Vec<Upcoming>, Rejected>>),
    /// Follow-ups that cannot go out in time, at most so many.
    Late(usize, oneshot::Sender<Result<LateOnes, Rejected>>),
    /// Dead letters of hooks, from a number on.
    Dead(u64, usize, oneshot::Sender<Result<Vec<DeadLetter>, Rejected>>),
    /// Dead letters are delivered again: of this hook, this one or all; answers how many.
    Replay(String, Option<u64>, oneshot::Sender<Result<usize, Rejected>>),
    /// A provider told of templates of lines.
    Template(Vec<(String, TemplateNews)>, oneshot::Sender<Result<(), Rejected>>),
    /// Templates of lines that cannot be sent at present: line and template, as the rules name it.
    Unusable(oneshot::Sender<Result<Vec<OfLine>, Rejected>>),
    /// A register, as it is.
    Shelf(Register, oneshot::Sender<Result<Shelf, Rejected>>),
    /// A change of a register; answers the record's id.
    File(Box<Filing>, oneshot::Sender<Result<Arc<str>, Rejected>>),
    /// A message that goes out of our own accord; answered once its claim to go out is durable.
    Invite(Box<Invitation>, oneshot::Sender<Result<Answer, Rejected>>),
    /// What holds sending at present.
    Standing(oneshot::Sender<Result<Standing, Rejected>>),
}

/// The handle of the edges.
#[derive(Clone, Debug)]
pub struct Desk {
    requests: mpsc::Sender<Request>,
}

impl Desk {
    /// A desk whose requests arrive at `requests`.
    #[must_use]
    pub fn new(requests: mpsc::Sender<Request>) -> Desk {
        Desk { requests }
    }

    /// Takes events in; each answer is durable. Refused with [`Rejected::Overloaded`] before anything is kept where too many wait.
    pub async fn events(&self, events: Vec<Inbound>) -> Vec<Result<Answer, Rejected>> {
        let n = events.len();
        let (reply, answer) = oneshot::channel();
        let refused = match self.requests.try_send(Request::Events(events, reply)) {
            Ok(()) => match answer.await {
                Ok(answers) => return answers,
                Err(_) => Rejected::Unavailable("the daemon is stopping".to_owned()),
            },
            Err(mpsc::error::TrySendError::Full(_)) => Rejected::Overloaded,
            Err(mpsc::error::TrySendError::Closed(_)) => Rejected::Unavailable("the daemon is stopping".to_owned()),
        };
        (0..n).map(|_| Err(refused.clone())).collect()
    }

    /// Takes events in as [`Desk::events`] does, but waits for a place where too many wait: for streams, whose source is slowed
    /// down by it. When this returns the events have their place in the order; their answers come later.
    ///
    /// # Errors
    /// [`Rejected::Unavailable`] where the daemon is stopping.
    pub async fn place(&self, events: Vec<Inbound>) -> Result<oneshot::Receiver<Vec<Result<Answer, Rejected>>>, Rejected> {
        let (reply, answers) = oneshot::channel();
        let placed = self.requests.send(Request::Events(events, reply)).await;
        placed.map(|()| answers).map_err(|_| Rejected::Unavailable("the daemon is stopping".to_owned()))
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// [`Rejected`], with nothing kept.
    pub async fn event(&self, event: Inbound) -> Result<Answer, Rejected> {
        let mut answers = self.events(vec![event]).await;
        answers.pop().unwrap_or_else(|| Err(Rejected::Unavailable("the daemon gave no answer".to_owned())))
    }

    /// Asks anything else: `ask(|reply| Request::Doubts(reply))`.
    ///
    /// # Errors
    /// [`Rejected`], as the request says.
    pub async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T, Rejected>>) -> Request) -> Result<T, Rejected> {
        let stopping = || Rejected::Unavailable("the daemon is stopping".to_owned());
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

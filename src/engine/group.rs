//! A group: what must wait until a stretch of changes is durable — answers, calls, hook records.
//!
//! Not the changes: those went to the store when they were decided.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::conversation::Send;
use crate::engine::heard::TemplateNews;
use crate::engine::ports::Durable;
use crate::engine::record::NameId;
use crate::engine::registry::Register;
use crate::engine::request::{Answer, Rejected};
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;

/// The answers to one request for events.
pub type Answers = Vec<Result<Answer, Rejected>>;

/// A call to make: its claim and its ledger entry are durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its identity.
    pub id: SendId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// On which line.
    pub line: NameId,
    /// In which flow.
    pub flow: NameId,
    /// What the machine wants sent.
    pub send: Send,
}

/// A hook record that may be delivered: it is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// To which hook.
    pub hook: NameId,
    /// The record's number.
    pub seq: u64,
    /// Whose it is: records of one conversation are delivered in order.
    pub conversation: ConversationId,
    /// When it was made: its age decides when it is given up.
    pub at: Moment,
}

/// Something durable that the daemon has to look after beside conversations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A record was added to the registry.
    Filed(Register, Arc<str>),
    /// A provider told of a template of this line.
    Template(String, TemplateNews),
}

/// The answer to something that an operator had done, with the place where it is waited for.
pub struct Done(Box<Tell>);

/// Tells whoever waits: that it is durable, or why it was not kept.
type Tell = dyn FnOnce(Result<(), &str>) + std::marker::Send;

impl Done {
    /// The answer `answer` for whoever waits at `reply`.
    pub(super) fn new<T: std::marker::Send + 'static>(reply: oneshot::Sender<Result<T, Rejected>>, answer: Result<T, Rejected>) -> Done {
        Done(Box::new(move |kept| {
            let answer = match kept {
                Ok(()) => answer,
                Err(why) => answer.and(Err(Rejected::Unavailable(why.to_owned()))),
            };
            // Whoever asked may be gone; then nobody misses the answer.
            let _ = reply.send(answer);
        }))
    }

    /// It is durable: gives the answer.
    pub fn tell(self) {
        (self.0)(Ok(()));
    }

    fn refuse(self, why: &str) {
        (self.0)(Err(why));
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done(..)")
    }
}

/// What waits for the disk.
#[derive(Debug, Default)]
pub struct Group {
    pub(super) seq: u64,
    pub(super) released: Released,
}

/// What a durable group lets out.
#[derive(Debug, Default)]
pub struct Released {
    /// Answers, with the places where they are waited for.
    pub answers: Vec<(oneshot::Sender<Answers>, Answers)>,
    /// Answers to operators.
    pub done: Vec<Done>,
    /// Calls to make.
    pub calls: Vec<Call>,
    /// Hook records to deliver.
    pub told: Vec<Told>,
    /// What the daemon looks after.
    pub notices: Vec<Notice>,
}

impl Released {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Released { answers, done, calls, told, notices } = self;
        calls.is_empty() && answers.is_empty() && done.is_empty() && told.is_empty() && notices.is_empty()
    }
}

impl Group {
    /// Lets everything out, for the proof that its changes are durable; gives the group back where the proof does not reach so far.
    ///
    /// # Errors
    /// The group itself, untouched.
    pub fn release(self, durable: Durable) -> Result<Released, Box<Group>> {
        if durable.covers(self.seq) { Ok(self.released) } else { Err(Box::new(self)) }
    }

    /// The store failed: what was to be acknowledged is refused; calls are not made.
    pub fn refuse(self, why: &str) {
        for (reply, answers) in self.released.answers {
            let refused = answers.into_iter().map(|answer| answer.and(Err(Rejected::Unavailable(why.to_owned())))).collect();
            // Whoever asked may be gone; the refusal is then moot.
            let _ = reply.send(refused);
        }
        for done in self.released.done {
            done.refuse(why);
        }
    }
}

//! A group: what must wait until a stretch of changes is durable — answers, calls, permits, hook records.
//!
//! Not the changes: those went to the store when they were decided.

use std::fmt;

use tokio::sync::oneshot;

use crate::conversation::Send;
use crate::engine::ports::Durable;
use crate::engine::record::NameId;
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
    /// Lines whose permits come back, one each.
    pub permits: Vec<NameId>,
    /// Hook records to deliver.
    pub told: Vec<Told>,
}

impl Released {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Released { answers, done, calls, permits, told } = self;
        answers.is_empty() && done.is_empty() && calls.is_empty() && permits.is_empty() && told.is_empty()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot::Receiver;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::conversation::Policy;
    use crate::engine::Engine;
    use crate::engine::book::{Book, Line};
    use crate::engine::desk::Request;
    use crate::engine::ports::Store;
    use crate::engine::request::{Inbound, Standing, Target, What, Who};
    use crate::id::Keys;
    use crate::store::MemoryStore;

    const NOW: Moment = Moment(1_790_000_000_000);

    fn engine(store: &Arc<MemoryStore>) -> Engine {
        let policy = Policy::retired();
        let (line, flow): (Arc<str>, Arc<str>) = (Arc::from("support"), Arc::from("chat"));
        let rules = Line { flow: Some(flow.clone()), max_in_flight: 1, rate: None, catch_up_wait: 0, capabilities: policy.line };
        let book = Book {
            lines: [(line.clone(), rules)].into(),
            hooks: Vec::new(),
            flows: vec![flow.clone()],
            policies: [(line, [(flow, Arc::new(policy))].into())].into(),
        };
        Engine::recover(Arc::clone(store) as Arc<dyn Store>, Arc::new(book), NOW).unwrap()
    }

    fn ask<T>(engine: &mut Engine, request: impl FnOnce(oneshot::Sender<Result<T, Rejected>>) -> Request) -> Receiver<Result<T, Rejected>> {
        let (reply, answer) = oneshot::channel();
        engine.serve(request(reply), NOW);
        answer
    }

    fn pause(engine: &mut Engine) -> Receiver<Result<Standing, Rejected>> {
        ask(engine, |reply| Request::Pause(Target::All, true, reply))
    }

    fn written(engine: &mut Engine) -> ConversationId {
        let event = Inbound {
            id: None,
            who: Who::Caller("ana".to_owned()),
            at: None,
            what: What::UserMessage("hello".to_owned()),
            line: None,
            flow: None,
            to: None,
            vars: Vec::new(),
            attributes: Vec::new(),
        };
        engine.take_one(NOW, &event).unwrap().conversation
    }

    fn refused<T: fmt::Debug>(answer: &mut Receiver<Result<T, Rejected>>) -> String {
        match answer.try_recv().unwrap().unwrap_err() {
            Rejected::Unavailable(why) => why,
            other => panic!("refused otherwise: {other:?}"),
        }
    }

    #[test]
    fn what_operators_change_is_answered_when_it_is_durable() {
        let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
        let mut engine = engine(&store);
        let id = written(&mut engine);
        let mut paused = pause(&mut engine);
        let mut erased = ask(&mut engine, |reply| Request::Erase(Who::Id(id), reply));
        let mut resent = ask(&mut engine, |reply| Request::Resend(SendId(7), reply));
        let mut replayed = ask(&mut engine, |reply| Request::Replay("crm".to_owned(), None, reply));
        let group = engine.cut().unwrap();
        assert!(store.unflushed() > 0);
        assert_eq!(paused.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(erased.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(resent.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(replayed.try_recv(), Err(TryRecvError::Empty));
        let released = group.release(store.flush().unwrap()).unwrap();
        released.done.into_iter().for_each(Done::tell);
        assert_eq!(paused.try_recv().unwrap().unwrap().paused, ["all"]);
        assert_eq!(erased.try_recv().unwrap(), Ok(id));
        assert!(matches!(resent.try_recv().unwrap(), Err(Rejected::Impossible(_))));
        assert!(matches!(replayed.try_recv().unwrap(), Err(Rejected::Impossible(_))));
    }

    #[test]
    fn an_answer_alone_is_not_an_idle_group() {
        let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
        let mut engine = engine(&store);
        assert!(engine.cut().is_none());
        let mut resent = ask(&mut engine, |reply| Request::Resend(SendId(7), reply));
        let group = engine.cut().unwrap();
        group.release(store.flush().unwrap()).unwrap().done.into_iter().for_each(Done::tell);
        assert!(matches!(resent.try_recv().unwrap(), Err(Rejected::Impossible(_))));
        assert!(engine.cut().is_none());
    }

    #[test]
    fn what_the_store_did_not_keep_is_refused() {
        let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
        let mut engine = engine(&store);
        let mut paused = pause(&mut engine);
        store.fail_flush(true);
        assert!(store.flush().is_err());
        engine.cut().unwrap().refuse("the disk is full");
        assert_eq!(refused(&mut paused), "the disk is full");
    }

    #[test]
    fn a_failed_engine_changes_nothing_for_anybody() {
        let store = Arc::new(MemoryStore::new(Keys::new(&[1; 32])));
        let mut engine = engine(&store);
        let id = written(&mut engine);
        engine.cut().unwrap().refuse("gone");
        let before = store.unflushed();
        engine.fail("the disk is full");
        let mut paused = pause(&mut engine);
        let mut erased = ask(&mut engine, |reply| Request::Erase(Who::Id(id), reply));
        let group = engine.cut().unwrap();
        group.refuse("later");
        assert_eq!(refused(&mut paused), "the disk is full");
        assert_eq!(refused(&mut erased), "the disk is full");
        assert_eq!(store.unflushed(), before);
        assert!(engine.standing().paused.is_empty());
    }
}

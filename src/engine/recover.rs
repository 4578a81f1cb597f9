//! A start: everything that the store tells goes into the engine's tables, and the engine goes on from there.
//!
//! Not what became of calls whose process is gone: that is `orphans.rs`.

use std::sync::Arc;

use crate::engine::book::Book;
use crate::engine::core::Engine;
use crate::engine::group::Told;
use crate::engine::ports::{Fault, Restored, Store};
use crate::engine::record::Stored;
use crate::limits;
use crate::moment::Moment;

impl Engine {
    /// An engine on this store, under these rules, gone on from where the store stands. Claims of a process that is gone
    /// become doubts; sending is held where the store says so.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub fn recover(store: Arc<dyn Store>, book: Arc<Book>, now: Moment) -> Result<Engine, Fault> {
        let mut engine = Engine::empty(store, book);
        let (mut alive, mut dangling) = (None, Vec::new());
        let store = Arc::clone(&engine.store);
        store.recover(&mut |restored| match restored {
            Restored::Conversation(Stored { id, line, flow, state }) => {
                let slot = engine.hot.restore(id, line, flow, &state);
                state.wake_at().into_iter().for_each(|wake| engine.wheel.restore(wake, slot));
            }
            Restored::Alive(at) => alive = Some(at),
            Restored::Dangling(standing) | Restored::Ended(standing) => {
                engine.names.reserve(standing.line);
                dangling.push(standing);
            }
            other => engine.restore(other),
        })?;
        engine.all_is_told();
        engine.last_alive = alive;
        engine.book = engine.in_force(&engine.book);
        engine.number_names();
        let down = alive.map_or(0, |at| now.since(at));
        engine.adopt_orphans(dangling, now);
        engine.recover_pace(now);
        if down > limits::DOWN {
            engine.wait_for_queued_answers(now);
        }
        Ok(engine)
    }

    fn restore(&mut self, restored: Restored) {
        match restored {
            Restored::About(conversations) => {
                self.hot.reserve(conversations);
                self.wheel.reserve(conversations);
            }
            Restored::Identity(key, day) => self.identities.restore(key, day),
            Restored::Name(id, name) => self.names.restore(id, name),
            Restored::OptOut(person, at) => {
                self.opted_out.insert(person, at);
            }
            Restored::Pause(scope) => {
                self.pauses.insert(scope);
            }
            Restored::Template(line, template) => {
                self.unusable.insert((line, template));
            }
            Restored::Filed(register, id, value) => self.registry.restore(register, id, value),
            Restored::Hook(record) => {
                self.next_hook = self.next_hook.max(record.seq + 1);
                for hook in &record.hooks {
                    self.pending().told.push(Told { hook: *hook, seq: record.seq, conversation: record.conversation, at: record.at });
                }
            }
            Restored::Held(why) => self.held = Some(why),
            Restored::LastHook(seq) => self.next_hook = self.next_hook.max(seq + 1),
            Restored::Conversation(_) | Restored::Dangling(_) | Restored::Ended(_) | Restored::Alive(_) => {}
        }
    }

    fn all_is_told(&mut self) {
        self.hot.settle();
        self.wheel.settle();
        self.identities.settle();
    }

    fn wait_for_queued_answers(&mut self, now: Moment) {
        let book = Arc::clone(&self.book);
        for (name, line) in &book.lines {
            if line.catch_up_wait > 0 {
                let (id, steady) = (self.number(name), self.steady.at(now));
                self.paces.entry(id).or_default().close_until(steady.plus(line.catch_up_wait));
            }
        }
    }
}

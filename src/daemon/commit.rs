//! The commit thread: puts what the engine decided on disk, and only then lets answers and calls out.
//!
//! Not a decision: groups arrive whole, in order, and leave in order. The only thread that flushes the store; folding, which takes
//! longer than a commit may, has a thread of its own (`folding.rs`).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use tokio::sync::mpsc::UnboundedSender;

use crate::daemon::approvals::Errand;
use crate::daemon::patience::Hurry;
use crate::daemon::wakeups::Wakeup;
use crate::engine::group::{Call, Group, Told};
use crate::engine::ports::{Durable, Fault, Store};
use crate::points;

/// Where what a durable group lets out goes.
pub(super) struct Outlets {
    /// The engine's loop.
    pub(super) wakeups: UnboundedSender<Wakeup>,
    /// Those who make calls.
    pub(super) calls: UnboundedSender<Call>,
    /// Those who tell hooks.
    pub(super) told: UnboundedSender<Told>,
    /// Those who look after outbounds.
    pub(super) errands: UnboundedSender<Errand>,
}

/// Runs until the engine lets go of its end, or the store fails. `_folding` ends with it, and ends the fold thread.
pub(super) fn run(store: &Arc<dyn Store>, groups: &Receiver<Group>, outlets: &Outlets, hurry: &Hurry, _folding: Sender<()>) {
    while let Ok(first) = groups.recv() {
        let mut waiting = vec![first];
        waiting.extend(groups.try_iter());
        match store.flush() {
            Ok(durable) => {
                points::at("commit.acknowledge");
                waiting.into_iter().for_each(|group| release(group, durable, outlets));
                // What has come together while the disk worked is decided at once.
                hurry.up();
                points::at("commit.released");
            }
            Err(fault) => return fail(waiting, &fault, groups, outlets, hurry),
        }
    }
}

fn release(group: Group, durable: Durable, outlets: &Outlets) {
    let released = match group.release(durable) {
        Ok(released) => released,
        Err(group) => return group.refuse("the store did not cover what it was given"),
    };
    // Whoever waits at the other end of these may be gone: a caller that hung up, or a loop that has stopped.
    for (reply, answers) in released.answers {
        let _ = reply.send(answers);
    }
    for done in released.done {
        done.tell();
    }
    for call in released.calls {
        let _ = outlets.calls.send(call);
    }
    for told in released.told {
        let _ = outlets.told.send(told);
    }
    for notice in released.notices {
        let _ = outlets.errands.send(Errand::Notice(notice));
    }
    let _ = outlets.wakeups.send(Wakeup::Durable);
}

/// The store failed: nothing is acknowledged any more, nothing is called, and the process ends.
fn fail(waiting: Vec<Group>, fault: &Fault, groups: &Receiver<Group>, outlets: &Outlets, hurry: &Hurry) {
    let why = fault.to_string();
    let _ = outlets.wakeups.send(Wakeup::Failed(fault.clone()));
    hurry.up();
    waiting.into_iter().for_each(|group| group.refuse(&why));
    // Until the loop has stopped, whoever still asks is refused.
    while let Ok(group) = groups.recv() {
        group.refuse(&why);
    }
}

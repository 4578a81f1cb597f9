//! Telling systemd how we are: ready, reloading, stopping, alive. Silent where nobody asked.
//!
//! Not a health check for others: that is `/healthz` and `/readyz`.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;

/// As long as this systemd waits after each word of [`waiting`], in microseconds.
const PATIENCE: u32 = 60_000_000;

/// How long is waited for the next word to the watchdog, each time.
const MISSED: Duration = Duration::from_secs(10);
/// So many in a row, and the process ends. Counted, since a process that was stopped for an hour missed nothing meanwhile.
const MOST_MISSED: u32 = 6;
/// The code with which it ends: start it again.
const AGAIN: i32 = 75;

/// Everything is up: events are taken in.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Not up yet, for a reason that is no fault of the daemon's: it is not to be shot for taking so long.
pub(super) fn waiting(status: &str) {
    tell(&[NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(PATIENCE)]);
}

/// A new configuration is being read.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// On the way out.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// What feeds the watchdog: called when the engine and the store were both seen to move. A thread does it, since whoever listens
/// may be slow to read, or not read at all, and the engine does not wait for that. Where nothing has moved for a minute, it ends the
/// process, also where nobody watches: sled 0.34.7 can wait for ever for a write that has failed.
pub(super) fn feeder() -> Box<dyn Fn() + Send> {
    let (feed, fed) = sync_channel::<()>(1);
    let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let mut missed = 0;
        while missed < MOST_MISSED {
            match fed.recv_timeout(MISSED) {
                Ok(()) => {
                    missed = 0;
                    tell(&[NotifyState::Watchdog]);
                }
                Err(RecvTimeoutError::Timeout) => missed += 1,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        tracing::error!(
            "neither the engine nor the disk has moved for a minute; nothing more can be kept, so the process ends, to be started again"
        );
        #[allow(clippy::disallowed_methods, reason = "whoever would return the code is the one that never comes back")]
        std::process::exit(AGAIN);
    });
    if let Err(error) = thread {
        tracing::error!(%error, "nobody feeds the watchdog; systemd will start the daemon again");
    }
    // A word that waits to be told is as good as two.
    Box::new(move || {
        let _ = feed.try_send(());
    })
}

fn tell(states: &[NotifyState<'_>]) {
    // A supervisor that does not listen is its own trouble.
    let _ = sd_notify::notify(states);
}

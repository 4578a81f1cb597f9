//! Telling systemd how we are: ready, reloading, stopping, alive. Silent where nobody asked.
//!
//! Not a health check for others: that is `/healthz` and `/readyz`.

use std::sync::mpsc::sync_channel;

use sd_notify::NotifyState;

/// As long as this systemd waits after each word of [`waiting`], in microseconds.
const PATIENCE: u32 = 60_000_000;

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
/// may be slow to read, or not read at all, and the engine does not wait for that.
pub(super) fn feeder() -> Box<dyn Fn() + Send> {
    let (feed, fed) = sync_channel::<()>(1);
    let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        while fed.recv().is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
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

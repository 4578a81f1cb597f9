//! Telling systemd how we are: ready, reloading, stopping, alive. Silent where nobody asked.
//!
//! Not a health check for others: that is `/healthz` and `/readyz`.

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

/// The engine and the store were both seen to move.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    // A supervisor that does not listen is its own trouble.
    let _ = sd_notify::notify(states);
}

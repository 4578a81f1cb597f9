//! Named places at which a test build dies, waits, panics or does the wrong thing when `FAILPOINTS` says so (the crate `fail`).
//!
//! Not in any release: without the feature `failpoints` nothing here does anything, and the variable is not read. Not in the layers
//! that decide, which are pure: their every path can be reached without it.

#[cfg(feature = "failpoints")]
mod built_in {
    /// The points that the environment arms, for as long as this lives.
    pub(crate) struct Armed {
        _scenario: fail::FailScenario<'static>,
    }

    /// Arms what the environment names: `commit.durable=7*off->return(kill)`.
    pub(crate) fn arm() -> Armed {
        Armed { _scenario: fail::FailScenario::setup() }
    }

    /// A place at which the process may die (`return(kill)`), wait (`sleep(9)`) or panic.
    pub(crate) fn at(name: &str) {
        if fail::eval(name, |told| told).flatten().as_deref() == Some("kill") {
            // The process is gone before the call returns; that it cannot kill itself cannot be.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }

    /// Whether the program shall do the wrong thing at this place, so that the checks of the tests are checked.
    pub(crate) fn wrong(name: &str) -> bool {
        fail::eval(name, |_| ()).is_some()
    }
}

#[cfg(not(feature = "failpoints"))]
mod built_in {
    /// Nothing is armed.
    pub(crate) struct Armed;

    pub(crate) fn arm() -> Armed {
        Armed
    }

    #[inline(always)]
    pub(crate) fn at(_name: &str) {}

    #[inline(always)]
    pub(crate) fn wrong(_name: &str) -> bool {
        false
    }
}

pub(crate) use built_in::{arm, at, wrong};

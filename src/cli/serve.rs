//! `reengaged serve`: the configuration read, the log begun, the runtime started, the daemon run.
//!
//! Not the daemon itself: that is `daemon/`.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::config::{self, env};
use crate::daemon::{self, Start, logs};
use crate::points;

/// What `serve` was asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The configuration file; looked for in the usual places where absent.
    pub config: Option<PathBuf>,
    /// Conversations whose line or flow is no longer configured are called off.
    pub drop: bool,
    /// A damaged store, or one that went back in time, is taken as it is.
    pub accept_loss: bool,
    /// The clock in the words of [`Clock::described`]: the demo's; the machine's where absent.
    pub clock: Option<String>,
}

/// Runs the daemon; answers the exit code.
#[must_use]
pub fn serve(asked: Asked) -> u8 {
    let _armed = points::arm();
    let file = env::locate(asked.config);
    let config = match config::load(&file) {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return 78;
        }
    };
    logs::begin(config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let clock = match asked.clock.as_deref().map_or_else(|| Ok(Clock::system()), Clock::like) {
        Ok(clock) => clock,
        Err(why) => {
            eprintln!("reengaged serve: --clock: {why}");
            return 2;
        }
    };
    if let Err(failure) = daemon::threads::enough() {
        eprintln!("reengaged serve: {failure}");
        return failure.code;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("reengaged serve: starting the runtime: {error}");
            return 75;
        }
    };
    match runtime.block_on(daemon::run(Start { config, file, clock, drop: asked.drop, accept_loss: asked.accept_loss })) {
        Ok(()) => 0,
        Err(failure) => {
            tracing::error!("{failure}");
            eprintln!("reengaged serve: {failure}");
            failure.code
        }
    }
}

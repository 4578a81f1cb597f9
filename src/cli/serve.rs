//! `reengaged serve`: the configuration read, the log begun, the runtime started, the daemon run.
//!
//! Not the daemon itself: that is `daemon/`.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::config::{self, env};
use crate::daemon::{self, Start, logs};
use crate::moment::Moment;

/// What `serve` was asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The configuration file; looked for in the usual places where absent.
    pub config: Option<PathBuf>,
    /// Conversations whose line or flow is no longer configured are called off.
    pub drop: bool,
    /// Schedule time that begins at an instant and runs so many times faster: the demo's.
    pub scaled: Option<(Moment, u32)>,
}

/// Runs the daemon; answers the exit code.
#[must_use]
pub fn serve(asked: Asked) -> u8 {
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
    let clock = match asked.scaled {
        Some((start, factor)) => Clock::scaled(factor, start),
        None => Clock::system(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("reengaged serve: starting the runtime: {error}");
            return 75;
        }
    };
    match runtime.block_on(daemon::run(Start { config, file, clock, drop: asked.drop })) {
        Ok(()) => 0,
        Err(failure) => {
            tracing::error!("{failure}");
            eprintln!("reengaged serve: {failure}");
            failure.code
        }
    }
}

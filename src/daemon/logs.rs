//! The log: for people on a terminal, JSON or the journal elsewhere.
//!
//! Not a record: what must be known later is in the store. Numbers of people never reach the log.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::env;
use crate::config::settings::{LogConfig, LogFormat, LogLevel};
use crate::http;

/// Begins logging as configured, to standard error. A second call changes nothing.
pub fn begin(config: LogConfig) {
    let level = match config.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // What the libraries beneath have to say is seldom ours to tell; their warnings are.
    // Who acted is told at any level.
    let filter = EnvFilter::new(format!("warn,reengaged={level},{}=info", http::AUDIT));
    let registry = tracing_subscriber::registry().with(filter);
    let journal = || tracing_journald::layer().ok();
    let format = match config.format {
        LogFormat::Auto if std::io::stderr().is_terminal() => LogFormat::Human,
        LogFormat::Auto if env::variable("JOURNAL_STREAM").is_some() => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Json,
        chosen => chosen,
    };
    // Logging that has begun already goes on as it is.
    let begun = match (format, journal()) {
        (LogFormat::Journald, Some(layer)) => registry.with(layer).try_init(),
        (LogFormat::Human, _) => {
            let colours = std::io::stderr().is_terminal() && env::variable("NO_COLOR").is_none_or(|v| v.is_empty());
            registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false)).try_init()
        }
        _ => registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init(),
    };
    if begun.is_err() {
        tracing::debug!("logging had begun already");
    }
}

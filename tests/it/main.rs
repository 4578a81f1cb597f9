//! The tests of the whole: one binary, one module per concern. Not the laws of single modules: those stand beside their code.

mod answers;
mod asking;
mod check;
mod config;
mod config_example;
mod dependencies;
mod docs;
mod emulator;
mod engine;
mod fixtures;
mod format;
mod golden_calls;
mod group;
mod guide;
mod heard;
mod help;
mod hooks;
mod http;
mod kill;
mod lines;
mod missed;
mod named;
mod paced;
mod provider_contract;
mod readers;
mod readers_forms;
mod reliability;
#[expect(dead_code, reason = "unit tests of the store use the rest")]
mod samples;
mod scenarios;
mod security;
mod store_backup;
mod store_bytes;
mod store_contract;
mod store_cuts;
mod store_damage;
mod store_kill;
mod store_rescue;
mod stub;
mod support;
mod systemd;
mod tidy;
mod typed;
mod vectors;
mod whole;
mod wire;

use std::path::PathBuf;

/// The folder of the shared vectors and fixtures: `REENGAGED_SHARED`, else beside the repository.
pub fn shared() -> PathBuf {
    #[allow(clippy::disallowed_methods)]
    let named = std::env::var_os("REENGAGED_SHARED");
    named.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

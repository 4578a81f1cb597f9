//! The program: reads the command line, runs the verb, ends with its exit code. Not a verb itself.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use reengaged::cli::args::Arguments;
use reengaged::cli::serve::{self, Asked};
use reengaged::cli::{self, Own};
use reengaged::demo;

/// A third of what folding costs with the system's allocator is allocating: sled makes a page anew with each change of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(cli::run(Arguments::parse(), own))
}

/// The verbs that run the engine, or the whole daemon, in or beneath this process.
fn own(verb: Own) -> u8 {
    match verb {
        Own::Serve(config, options) => {
            serve::serve(Asked { config, drop: options.drop, accept_loss: options.accept_loss, clock: options.clock })
        }
        Own::Demo => play(),
    }
}

fn play() -> u8 {
    let played = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(demo::run()),
        Err(error) => Err(format!("starting the runtime: {error}")),
    };
    match played {
        Ok(()) => 0,
        Err(why) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "reengaged: playing the demo: {why}");
            1
        }
    }
}

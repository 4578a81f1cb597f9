//! The command line: one file a verb.
//!
//! Not the work behind a verb: that lives in the layers above.

pub mod args;
pub mod check;
pub mod client;
pub mod explain;
mod guide;
pub mod guide_args;
pub mod keep;
pub mod plan;
mod play;
pub mod print;
pub mod serve;
pub mod shut;
pub mod simulate;
pub mod verbs;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::CommandFactory;

use crate::clock::Clock;
use crate::config::{self, Withheld, env};
use crate::schedule;
use args::{Arguments, ServeOptions, Verb};
use keep::Keeping;
use print::{Failure, Paint, code};

/// The verbs that run the engine in this process.
#[derive(Debug)]
pub enum Own {
    /// `serve`.
    Serve(Option<PathBuf>, ServeOptions),
    /// `demo`.
    Demo,
}

/// Runs what the command line asks for and returns the exit code; `own` runs the verbs that need the engine in this process.
/// A failure is one line on the standard error.
pub fn run(arguments: Arguments, own: impl FnOnce(Own) -> u8) -> u8 {
    let Arguments { config, verb } = arguments;
    let done = match verb {
        Verb::Serve(options) => return own(Own::Serve(config, options)),
        Verb::Demo => return own(Own::Demo),
        Verb::Simulate(options) => simulate::run(config, &options, &mut io::stdout()).map(|()| code::FINE),
        Verb::Check(options) => {
            check::run(config, &options, Clock::system().now(), &mut io::stdout(), &mut io::stderr()).map_err(Failure::from)
        }
        Verb::Plan(options) => plan_stream(config, options.flow.as_deref()),
        Verb::Backup(options) => keeping(config).backup(&options),
        Verb::Restore(options) => keeping(config).restore(&options),
        Verb::Fsck(options) => keeping(config).fsck(&options),
        Verb::Completions { shell } => {
            // Into memory first: the generator panics where a reader goes away.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "reengaged", &mut script);
            io::stdout().write_all(&script).map(|()| code::FINE).map_err(Failure::from)
        }
        Verb::Version => version(&mut io::stdout()).map_err(Failure::from),
        Verb::Client(verb) => {
            let mut desk = verbs::Desk { config, now: Clock::system().now(), out: &mut io::stdout(), paint: Paint::of_stdout() };
            verbs::run(verb, &mut desk).map(|()| code::FINE)
        }
    };
    done.unwrap_or_else(|failure| {
        if !failure.message.is_empty() {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "reengaged: {}", failure.message);
        }
        failure.code
    })
}

fn keeping(config: Option<PathBuf>) -> Keeping {
    Keeping { config, now: Clock::system().now() }
}

fn version(out: &mut dyn Write) -> io::Result<u8> {
    writeln!(out, "reengaged {} (time zones {})", env!("CARGO_PKG_VERSION"), schedule::TZDATA)?;
    Ok(code::FINE)
}

/// `plan`: the policy of requests that bring none is the flow's, where one is named.
fn plan_stream(path: Option<PathBuf>, flow: Option<&str>) -> Result<u8, Failure> {
    let rules = match flow {
        None => None,
        Some(name) => {
            let path = env::locate(path);
            let config = config::load_with(&path, &Withheld)
                .map_err(|mistakes| Failure::new(code::CONFIG, format!("taking the policy of flow {name}: {mistakes}")))?;
            let (name, _) = config.flow(name).ok_or_else(|| {
                let there: Vec<&str> = config.flows.keys().map(String::as_str).collect();
                Failure::new(
                    code::USAGE,
                    format!("taking the policy of flow {name}: there is none of that name; there are {}", there.join(", ")),
                )
            })?;
            let mut all = config.rules_of(name).into_iter();
            let first = all.next().map(|(rules, lines)| (rules, lines.join(", ")));
            if let (Some((_, lines)), Some(_)) = (&first, all.next()) {
                eprintln!("flow {name} has other rules on other lines; these are those of {lines}");
            }
            first.map(|(rules, _)| rules)
        }
    };
    let fine = plan::stream(io::stdin().lock(), io::stdout().lock(), rules)?;
    Ok(if fine { code::FINE } else { code::FAILED })
}

//! `reengaged simulate`: a configuration rehearsed on a virtual clock, and a table of what came of it.
//!
//! Not the rehearsal: that is `sim/rehearse.rs`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::cli::args::SimulateOptions;
use crate::cli::print::{Failure, code};
use crate::clock::Clock;
use crate::config::{self, Withheld, env};
use crate::moment::{DAY, Moment};
use crate::provider::console::Console;
use crate::sim;
use crate::sim::rehearse::{Rehearsal, rehearse};

/// Rehearses the configuration; messages and the table go to `out`.
///
/// # Errors
/// A [`Failure`] with its exit code.
pub fn run(config: Option<PathBuf>, options: &SimulateOptions, out: &mut dyn Write) -> Result<(), Failure> {
    if options.faults {
        return replay(options.seed, out);
    }
    let path = env::locate(config);
    let failed = |why: String| Failure::new(code::FAILED, format!("simulating {}: {why}", path.display()));
    let config = config::load_with(&path, &Withheld).map_err(|mistakes| Failure::new(code::CONFIG, mistakes.to_string()))?;
    // From the next midnight on, UTC: the calendar of days that will really come.
    let now = Clock::system().now();
    let start = Moment((now.0.div_euclid(DAY) + 1) * DAY);
    let printer: Arc<Mutex<dyn Write + Send>> =
        if options.json { Arc::new(Mutex::new(io::sink())) } else { Arc::new(Mutex::new(io::stdout())) };
    let console = Console::new(printer, false, false);
    let told = rehearse(Arc::new(config.book), &console, options.seed, start, options.days, options.conversations)
        .map_err(|fault| failed(fault.to_string()))?;
    let printed = if options.json { print_json(&told, out) } else { print_table(&told, options, out) };
    printed.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(failed(format!("printing: {error}"))) })
}

/// A seed of the fault tests again, with its trace where it breaks a promise.
fn replay(seed: u64, out: &mut dyn Write) -> Result<(), Failure> {
    match sim::live(seed, true) {
        Ok(lived) => Ok(writeln!(out, "seed {seed}: {} turns, every promise kept", lived.tally.turns)?),
        Err(broken) => Err(Failure::new(code::FAILED, broken.to_string())),
    }
}

fn print_json(told: &Rehearsal, out: &mut dyn Write) -> io::Result<()> {
    let value = json!({
        "conversations": told.conversations,
        "answered_unprompted": told.answered_unprompted,
        "follow_ups": {"at_once": told.at_once, "deferred": told.deferred, "advanced": told.advanced, "templates": told.templates},
        "asked_again": told.asked_again,
        "by_hour_utc": told.by_hour,
        "busiest_second": told.busiest_second,
        "sends": told.sends,
        "ends": told.ends,
    });
    writeln!(out, "{value}")
}

fn print_table(told: &Rehearsal, options: &SimulateOptions, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{} days, {} conversations, seed {}; how people behave is assumed:", options.days, told.conversations, options.seed)?;
    writeln!(
        out,
        "a third answers unprompted; of those followed up 4 in 10 say yes, 1 no, 1 something else, 3 in 100 stop, the rest nothing"
    )?;
    writeln!(out)?;
    let sent = told.at_once + told.deferred + told.advanced;
    writeln!(
        out,
        "follow-ups {sent:>20}   at once {}, deferred {}, advanced {}; templates {}",
        told.at_once, told.deferred, told.advanced, told.templates
    )?;
    writeln!(out, "questions asked again {:>9}", told.asked_again)?;
    writeln!(out, "answered unprompted {:>11}", told.answered_unprompted)?;
    writeln!(out, "most in one second {:>12}", told.busiest_second)?;
    writeln!(out, "\nsends by outcome")?;
    for (outcome, count) in &told.sends {
        writeln!(out, "  {outcome:<24}{count:>5}")?;
    }
    writeln!(out, "\nconversations by end")?;
    for (end, count) in &told.ends {
        writeln!(out, "  {end:<24}{count:>5}")?;
    }
    writeln!(out, "\nhand-overs by hour, UTC")?;
    let most = told.by_hour.iter().copied().max().unwrap_or(0).max(1);
    for (hour, count) in told.by_hour.iter().enumerate() {
        writeln!(out, "  {hour:>2}:00 {count:>6}  {}", "#".repeat((count * 50 / most) as usize))?;
    }
    Ok(())
}

//! `reengaged check`: is the configuration right, and what does it come to?
//!
//! Not the reading of it ([`crate::config`]), and not a look at the store: what a provider says of templates is asked of the running
//! daemon, where there is one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hyper::Method;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::config::explain::{MINUTES, Shares, shares};
use crate::config::{self, Config, Mistake, Mistakes, Warning, env};
use crate::moment::Moment;

/// Options of the verb.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Options {
    /// Print the values in force, and what becomes of a week's follow-ups
    #[arg(long)]
    pub explain: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Checks the configuration at `path` (or where it is looked for). Mistakes and warnings go to `err`, everything else to `out`;
/// with `--json` all of it is one object in `out`. Returns the exit code: 0, or 2 where there is a mistake.
///
/// # Errors
/// What writing met.
pub fn run(path: Option<PathBuf>, options: &Options, now: Moment, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let path = env::locate(path);
    let mut result = config::load(&path);
    if let Ok(config) = &mut result {
        let more = unusable_templates(config, &path, &Client::of(config));
        config.warnings.extend(more);
    }
    let code = if result.is_ok() { 0 } else { 2 };
    if options.json {
        let answer = answer(&path, &result, options.explain, now);
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(code);
    }
    let (mistakes, warnings) = match &result {
        Ok(config) => (&[][..], &config.warnings),
        Err(Mistakes { mistakes, warnings }) => (mistakes.as_slice(), warnings),
    };
    for mistake in mistakes {
        writeln!(err, "{mistake}")?;
    }
    for warning in warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let counted = format!("{}, {}", number(mistakes.len(), "mistake"), number(warnings.len(), "warning"));
    match &result {
        Err(_) => writeln!(err, "{}: {counted}", path.display())?,
        Ok(config) => {
            writeln!(out, "{}: {}", path.display(), if warnings.is_empty() { "fine".to_owned() } else { format!("fine; {counted}") })?;
            if options.explain {
                explain(config, now, out)?;
            }
        }
    }
    Ok(code)
}

/// Who relies on a template that cannot be sent at present, as far as the running daemon knows; nothing where none runs, or it
/// does not say.
fn unusable_templates(config: &Config, path: &Path, daemon: &Client) -> Vec<Warning> {
    let Ok(told) = daemon.ask("asking about templates", Method::GET, "/v1/templates", None) else { return Vec::new() };
    let told = told["unusable"].as_array().into_iter().flatten();
    let unusable: Vec<(&str, &str)> = told.filter_map(|one| Some((one["line"].as_str()?, one["template"].as_str()?))).collect();
    let mut warnings = Vec::new();
    for (line, flows) in &config.book.policies {
        for (flow, policy) in flows {
            let Some(template) = policy.rules.session.as_ref().and_then(|session| session.template.as_deref()) else { continue };
            if unusable.contains(&(&**line, template)) {
                let cure =
                    format!("the provider of line {line:?} has paused or rejected it: what needs it there is skipped until it may be sent");
                let (file, key) = (path.display().to_string(), format!("flows.{flow}.session.template"));
                warnings.push(Warning { file, line: 0, key, value: format!("{template:?}"), cure });
            }
        }
    }
    warnings
}

fn number(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

/// Prints the values in force and the shares of each flow.
fn explain(config: &Config, now: Moment, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nThe values in force; # marks what the file leaves to its default.\n")?;
    for setting in &config.settings {
        match &setting.value {
            Some(value) if setting.given => writeln!(out, "  {} = {value}", setting.key)?,
            Some(value) => writeln!(out, "# {} = {value}", setting.key)?,
            None => writeln!(out, "# {} is not set", setting.key)?,
        }
    }
    for (name, of, shares) in all_shares(config, now) {
        let off = if shares.enabled { "" } else { " It sends none now (enable_follow_up = false); if it did:" };
        writeln!(
            out,
            "\nflow {name}{}: the first follow-up, for a silence that begins at each minute of the week from {}.{off}",
            of.map_or_else(String::new, |lines| format!(" on {}", lines.join(", "))),
            day(&shares)
        )?;
        for (word, count, meaning) in rows(&shares) {
            let percent = f64::from(count) * 100.0 / f64::from(MINUTES);
            writeln!(out, "  {word:<9}{percent:>6.1} %  {meaning}")?;
        }
    }
    Ok(())
}

/// The shares of each flow; with the lines they are of, where those differ.
fn all_shares(config: &Config, now: Moment) -> Vec<(&str, Option<Vec<&str>>, Shares)> {
    let mut all = Vec::new();
    for name in config.flows.keys() {
        let rules = config.rules_of(name);
        let differ = rules.len() > 1;
        all.extend(rules.into_iter().map(|(rules, lines)| (name.as_str(), differ.then_some(lines), shares(&rules, now))));
    }
    all
}

fn day(shares: &Shares) -> String {
    let day = shares.from.to_string().chars().take(10).collect::<String>();
    let kind =
        if shares.ordinary { "a week without holidays and changes of clocks" } else { "no week of the next year is like its neighbours" };
    format!("Monday {day} UTC, {kind}")
}

fn rows(shares: &Shares) -> [(&'static str, u32, &'static str); 5] {
    [
        ("at once", shares.at_once, "goes when the wait is over"),
        ("deferred", shares.deferred, "waits for the next opening"),
        ("advanced", shares.advanced, "is brought forward into the messaging window"),
        ("template", shares.template, "needs the approved template"),
        ("dropped", shares.dropped, "is not sent"),
    ]
}

fn answer(path: &Path, result: &Result<Config, Mistakes>, explain: bool, now: Moment) -> Value {
    let (mistakes, warnings) = match result {
        Ok(config) => (&[][..], &config.warnings),
        Err(Mistakes { mistakes, warnings }) => (mistakes.as_slice(), warnings),
    };
    let mut answer = json!({
        "file": path.display().to_string(),
        "fine": result.is_ok(),
        "mistakes": mistakes.iter().map(remark).collect::<Vec<_>>(),
        "warnings": warnings.iter().map(remark).collect::<Vec<_>>(),
    });
    if let (Ok(config), true) = (result, explain) {
        let settings = config.settings.iter().map(|s| json!({ "key": s.key, "value": s.value, "given": s.given }));
        answer["settings"] = settings.collect();
        // A flow whose rules differ by line is told for the first, and under `lines` for each.
        for (name, lines, shares) in all_shares(config, now) {
            let flow = &mut answer["flows"][name];
            if flow.is_null() {
                *flow = shares_json(&shares);
            }
            for line in lines.unwrap_or_default() {
                flow["lines"][line] = shares_json(&shares);
            }
        }
    }
    answer
}

fn remark(mistake: &Mistake) -> Value {
    json!({ "line": mistake.line, "key": mistake.key, "value": mistake.value, "cure": mistake.cure, "message": mistake.to_string() })
}

fn shares_json(shares: &Shares) -> Value {
    json!({
        "enabled": shares.enabled,
        "week": shares.from.to_string(),
        "ordinary": shares.ordinary,
        "minutes": MINUTES,
        "at_once": shares.at_once,
        "deferred": shares.deferred,
        "advanced": shares.advanced,
        "template": shares.template,
        "dropped": shares.dropped,
    })
}

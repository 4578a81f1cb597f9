//! The command line as clap understands it: every verb, with its help and an example.
//!
//! Not what the verbs do.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::cli::check;
use crate::cli::guide_args::{Inbounds, Outbounds};
use crate::moment::Moment;

const STYLES: Styles = Styles::styled().header(AnsiColor::Green.on_default().bold()).usage(AnsiColor::Green.on_default().bold());

/// Brings people back to the conversation they left: durable, calendar-aware follow-ups for chat bots.
#[derive(Parser, Debug)]
#[command(name = "reengaged", version, styles = STYLES, max_term_width = 100, disable_help_subcommand = false)]
#[command(after_help = "Begin with:\n  reengaged demo")]
pub struct Arguments {
    /// The configuration [else $REENGAGED_CONFIG, /etc/reengaged/config.toml, ./config.toml]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Run the daemon
    #[command(after_help = "Example:\n  reengaged serve --config /etc/reengaged/config.toml")]
    Serve(ServeOptions),
    /// Read the configuration and print every mistake
    #[command(after_help = "Example:\n  reengaged check --explain --config config.toml")]
    Check(check::Options),
    /// Decide when follow-ups would go out: JSON requests in, JSON answers out, a line each
    #[command(after_help = "Example:\n  reengaged plan --flow onboarding < requests.jsonl > answers.jsonl")]
    Plan(PlanOptions),
    /// See the whole thing in half a minute; needs no account
    #[command(after_help = "Example:\n  reengaged demo")]
    Demo,
    /// Rehearse: the real engine on a virtual clock, with the console provider
    #[command(after_help = "Example:\n  reengaged simulate --days 30 --conversations 1000 --seed 7 --config config.toml")]
    Simulate(SimulateOptions),
    /// Write a consistent copy of the store to a file, while the daemon runs; nothing is overwritten
    #[command(after_help = "Example:\n  reengaged backup /var/backups/reengaged/2026-03-02.backup")]
    Backup(BackupOptions),
    /// Make a store from a backup, where there is none; sending starts held until `resume`
    #[command(after_help = "Example:\n  reengaged restore /var/backups/reengaged/2026-03-02.backup")]
    Restore(RestoreOptions),
    /// Check every record of the store: in the running daemon, or at rest, which sees more; nothing is changed
    #[command(after_help = "Example:\n  reengaged fsck")]
    Fsck(FsckOptions),
    /// Print the script that completes commands in a shell
    #[command(after_help = "Example:\n  reengaged completions bash > /etc/bash_completion.d/reengaged")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the versions of the program and of its time zone data
    #[command(after_help = "Example:\n  reengaged version")]
    Version,
    /// What is asked of the running daemon.
    #[command(flatten)]
    Client(ClientVerb),
}

/// Verbs that talk to the running daemon.
#[derive(Subcommand, Debug)]
pub enum ClientVerb {
    /// Tell everything about one conversation: where it stands, what comes next and why, and what was decided before
    #[command(after_help = "Example:\n  reengaged explain alice")]
    Explain {
        /// Our id (cnv_...) or your own name of the conversation
        id: String,
        /// Print its decisions as a story that the tests replay: for a bug report; it names nobody
        #[arg(long, conflicts_with = "json")]
        as_scenario: bool,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List conversations, look at one, and act on it
    #[command(after_help = "Example:\n  reengaged conversations list --state waiting")]
    Conversations {
        /// What to do
        #[command(subcommand)]
        what: Conversations,
    },
    /// Hooks: what is configured, what they did not take, and delivering that again
    #[command(after_help = "Example:\n  reengaged hooks dead")]
    Hooks {
        /// What to do
        #[command(subcommand)]
        what: Hooks,
    },
    /// Messages with which people start a flow: create, list, edit, delete, link, test
    #[command(after_help = "Example:\n  reengaged inbounds create --line support --flow onboarding \"Quiero empezar\"")]
    Inbounds {
        /// What to do
        #[command(subcommand)]
        what: Inbounds,
    },
    /// Messages that reach people first: create, follow their approval, send
    #[command(after_help = "Example:\n  reengaged outbounds status OTB0123456789abcdef0123456789abcdef")]
    Outbounds {
        /// What to do
        #[command(subcommand)]
        what: Outbounds,
    },
    /// Stop sending: everything, a line or a flow; nothing is lost
    #[command(after_help = "Example:\n  reengaged pause --line support")]
    Pause {
        /// What.
        #[command(flatten)]
        scope: Scope,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Send again what was paused or held, at the line's pace
    #[command(after_help = "Example:\n  reengaged resume")]
    Resume {
        /// What.
        #[command(flatten)]
        scope: Scope,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Sends of which nobody knows whether they were taken
    #[command(
        after_help = "Example:\n  reengaged doubts\n  reengaged doubts resend snd_7yrdkfbj94yskcs3q6w6wmwpc4",
        args_conflicts_with_subcommands = true
    )]
    Doubts {
        /// What to do; lists them where left out
        #[command(subcommand)]
        what: Option<Doubts>,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// How many follow-ups are due, by hour and line
    #[command(after_help = "Example:\n  reengaged upcoming\n  reengaged upcoming --late")]
    Upcoming {
        /// List those that cannot go out in time at the rate of their line instead
        #[arg(long)]
        late: bool,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// How the running daemon is reached, and how its answer is printed.
#[derive(Args, Clone, Debug, Default)]
pub struct Daemon {
    /// Where the daemon listens: http://HOST:PORT or unix:/PATH [else as configured]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A file that holds the token [else one that is configured]
    #[arg(long, value_name = "PATH")]
    pub token_file: Option<PathBuf>,
    /// Print the daemon's JSON as it stands, numbers unmasked
    #[arg(long)]
    pub json: bool,
}

/// Options of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeOptions {
    /// Start even if a line or flow that conversations still use is gone from the configuration; what they waited for is dropped
    #[arg(long)]
    pub drop: bool,
    /// Start on a damaged store, or one that went back in time, with what is left of it; what cannot be read is set aside and
    /// named, and sending starts held
    #[arg(long)]
    pub accept_loss: bool,
    /// A clock that is not the machine's: the demo's
    #[arg(long, hide = true)]
    pub clock: Option<String>,
}

/// Options of `backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupOptions {
    /// The file to write, on the daemon's machine; it must not exist
    pub dest: PathBuf,
    /// How the daemon is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Options of `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreOptions {
    /// The backup
    pub source: PathBuf,
    /// Go on although the ledger is lost, so that what was sent since the backup may be sent again
    #[arg(long)]
    pub without_ledger: bool,
}

/// Options of `fsck`.
#[derive(Args, Clone, Debug)]
pub struct FsckOptions {
    /// Where the database of a store at rest is copied to, to be looked at [else beside it]
    #[arg(long, value_name = "DIRECTORY")]
    pub scratch: Option<PathBuf>,
    /// How the daemon is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Options of `plan`.
#[derive(Args, Clone, Debug, Default)]
pub struct PlanOptions {
    /// Take the policy of this flow of the configuration, where a request has none
    #[arg(long, value_name = "FLOW")]
    pub flow: Option<String>,
}

/// Options of `simulate`.
#[derive(Args, Clone, Debug)]
pub struct SimulateOptions {
    /// Days to live through
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub days: u32,
    /// Conversations that begin in that time
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub conversations: u32,
    /// The same seed lives the same days
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Live a seed of the tests again instead, with every fault and its trace
    #[arg(long, hide = true)]
    pub faults: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What is done with conversations.
#[derive(Subcommand, Debug)]
pub enum Conversations {
    /// List conversations, in the order of their ids
    #[command(after_help = "Example:\n  reengaged conversations list --state answering --flow onboarding")]
    List {
        /// Which.
        #[command(flatten)]
        filter: Filter,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Look at one
    #[command(after_help = "Example:\n  reengaged conversations show alice")]
    Show(One),
    /// Call it off: nothing more is sent
    #[command(after_help = "Example:\n  reengaged conversations cancel alice")]
    Cancel(One),
    /// Send nothing before an instant
    #[command(
        after_help = "Example:\n  reengaged conversations postpone alice 2026-03-02T12:00:00Z\n  reengaged conversations postpone alice 3h"
    )]
    Postpone {
        /// Our id (cnv_...) or your own name of it
        id: String,
        /// RFC 3339, or from now: 90m, 3h, 2d
        until: Until,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Send the follow-up now, within hours and not before 30 minutes of silence
    #[command(after_help = "Example:\n  reengaged conversations send-now alice")]
    SendNow(One),
    /// A human takes over: nothing is sent until released
    #[command(after_help = "Example:\n  reengaged conversations hold alice")]
    Hold(One),
    /// The human is done
    #[command(after_help = "Example:\n  reengaged conversations release alice")]
    Release(One),
    /// Erase all traces of it; an opt-out stays, as a keyed hash
    #[command(after_help = "Example:\n  reengaged conversations erase alice")]
    Erase(One),
}

/// One conversation.
#[derive(Args, Debug)]
pub struct One {
    /// Our id (cnv_...) or your own name of it
    pub id: String,
    /// How it is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Which conversations a list shows.
#[derive(Args, Debug)]
pub struct Filter {
    /// Only in this state
    #[arg(long, value_parser = ["quiet", "waiting", "sending", "retrying", "answering", "finished"])]
    pub state: Option<String>,
    /// Only of this flow
    #[arg(long)]
    pub flow: Option<String>,
    /// Only on this line
    #[arg(long)]
    pub line: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
    /// After this id: the next page
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

/// What is done with hooks.
#[derive(Subcommand, Debug)]
pub enum Hooks {
    /// List the hooks of the configuration
    #[command(after_help = "Example:\n  reengaged hooks list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List what a hook did not take within 3 days
    #[command(after_help = "Example:\n  reengaged hooks dead")]
    Dead {
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Deliver again what a hook did not take: one, or all
    #[command(after_help = "Example:\n  reengaged hooks replay crm\n  reengaged hooks replay crm 4711")]
    Replay {
        /// The hook's name
        name: String,
        /// The number of one dead letter [else all]
        seq: Option<u64>,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// What is paused or resumed.
#[derive(Args, Debug)]
pub struct Scope {
    /// Only this line
    #[arg(long, conflicts_with = "flow")]
    pub line: Option<String>,
    /// Only this flow
    #[arg(long)]
    pub flow: Option<String>,
}

/// What is done with sends in doubt.
#[derive(Subcommand, Debug)]
pub enum Doubts {
    /// Send one again, knowing that the person may get it twice; the decision is recorded
    #[command(after_help = "Example:\n  reengaged doubts resend snd_7yrdkfbj94yskcs3q6w6wmwpc4")]
    Resend {
        /// The send, snd_...
        id: String,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// An instant, or a time from now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// That instant.
    At(Moment),
    /// So many milliseconds from now.
    In(i64),
}

impl std::str::FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Until, String> {
        use crate::moment::{DAY, HOUR, MINUTE, SECOND};
        if let Some(at) = Moment::parse(text) {
            return Ok(Until::At(at));
        }
        let unit = match text.chars().next_back() {
            Some('s') => SECOND,
            Some('m') => MINUTE,
            Some('h') => HOUR,
            Some('d') => DAY,
            _ => 0,
        };
        let count = text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok()).filter(|_| unit > 0);
        count
            .map(|count| Until::In(i64::from(count) * unit))
            .ok_or_else(|| "write an instant as 2026-03-02T12:00:00Z, or a time from now as 3h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn clap_finds_no_fault() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_instant_or_a_time_from_now() {
        assert_eq!("3h".parse(), Ok(Until::In(10_800_000)));
        assert_eq!("2026-03-02T12:00:00Z".parse(), Ok(Until::At(Moment(1_772_452_800_000))));
        for wrong in ["", "h", "3", "-3h", "3y", "99999999999d", "3 h", "tomorrow", "é"] {
            assert!(wrong.parse::<Until>().is_err(), "{wrong}");
        }
    }
}

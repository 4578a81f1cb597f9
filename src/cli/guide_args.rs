//! The options of `inbounds` and `outbounds`: the guide's calls, as the command line has them.
//!
//! Not what the verbs do.

use clap::{Args, Subcommand};

use crate::cli::args::Daemon;

/// What is done with inbounds.
#[derive(Subcommand, Debug)]
pub enum Inbounds {
    /// File the message with which people start a flow; prints the link that opens a chat with it
    #[command(after_help = "Example:\n  reengaged inbounds create --line support --flow onboarding \"Quiero empezar\"")]
    Create {
        /// Which line.
        #[command(flatten)]
        line: Line,
        /// The flow, by name or id (IPF...)
        #[arg(long)]
        flow: String,
        /// What the person sends
        message: String,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List them
    #[command(after_help = "Example:\n  reengaged inbounds list")]
    List(Page),
    /// Change one: what is not named stays
    #[command(after_help = "Example:\n  reengaged inbounds edit INB0123456789abcdef0123456789abcdef --flow onboarding")]
    Edit {
        /// Its id, INB...
        id: String,
        /// The line's number
        #[arg(long)]
        phone: Option<String>,
        /// The line's provider
        #[arg(long)]
        provider: Option<String>,
        /// The flow, by name or id (IPF...)
        #[arg(long)]
        flow: Option<String>,
        /// What the person sends
        #[arg(long)]
        message: Option<String>,
        /// How it is reached.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Take one away: its message starts nothing any more
    #[command(after_help = "Example:\n  reengaged inbounds delete INB0123456789abcdef0123456789abcdef")]
    Delete(Record),
    /// Print the link that opens a chat with its message
    #[command(after_help = "Example:\n  reengaged inbounds link INB0123456789abcdef0123456789abcdef")]
    Link(Record),
    /// Play the start of the conversation here; nobody is sent anything
    #[command(after_help = "Example:\n  reengaged inbounds test INB0123456789abcdef0123456789abcdef")]
    Test(Record),
}

/// What is done with outbounds.
#[derive(Subcommand, Debug)]
pub enum Outbounds {
    /// Create a message and submit it for approval
    #[command(
        after_help = "Example:\n  reengaged outbounds create --line support --name Welcome --category UTILITY --language es \\\n      --continue Continuar --cancel Cancelar --var name=Ana \"Hola {{.name}}, ¿empezamos?\""
    )]
    Create(Box<Create>),
    /// List them, with where their approval stands
    #[command(after_help = "Example:\n  reengaged outbounds list")]
    List(Page),
    /// Tell where the approval of one stands
    #[command(after_help = "Example:\n  reengaged outbounds status OTB0123456789abcdef0123456789abcdef")]
    Status(Record),
    /// Send an approved one to a person who has agreed to it
    #[command(
        after_help = "Example:\n  reengaged outbounds send OTB0123456789abcdef0123456789abcdef --country 57 --number 3181230000 \\\n      --authorized --flow onboarding --var name=Roger"
    )]
    Send(Send),
    /// Take one away; what was asked to be sent of it before still goes out
    #[command(after_help = "Example:\n  reengaged outbounds delete OTB0123456789abcdef0123456789abcdef")]
    Delete(Record),
}

/// Which line: by its name in the configuration, or by number and provider.
#[derive(Args, Debug)]
pub struct Line {
    /// The line, by its name in the configuration
    #[arg(long, conflicts_with_all = ["phone", "provider"], required_unless_present = "phone")]
    pub line: Option<String>,
    /// The line's number, with country code
    #[arg(long)]
    pub phone: Option<String>,
    /// The line's provider, as gupshup
    #[arg(long)]
    pub provider: Option<String>,
}

/// One record.
#[derive(Args, Debug)]
pub struct Record {
    /// Its id
    pub id: String,
    /// How it is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// A page of a list.
#[derive(Args, Debug)]
pub struct Page {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
    /// After this id: the next page
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// How it is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// A new outbound.
#[derive(Args, Debug)]
pub struct Create {
    /// The line, by its name in the configuration
    #[arg(long, conflicts_with = "phone", required_unless_present = "phone")]
    pub line: Option<String>,
    /// The line's number, with country code
    #[arg(long)]
    pub phone: Option<String>,
    /// A name to find it by
    #[arg(long)]
    pub name: String,
    /// A single notification: it starts no flow and has no continue and cancel
    #[arg(long)]
    pub notification: bool,
    /// The category
    #[arg(long, value_parser = ["MARKETING", "AUTHENTICATION", "UTILITY"])]
    pub category: String,
    /// What stands above the text
    #[arg(long = "type", default_value = "TEXT", value_parser = ["TEXT", "VIDEO", "IMAGE", "DOCUMENT"])]
    pub kind: String,
    /// Where the picture, video or document is
    #[arg(long, value_name = "URL")]
    pub media_url: Option<String>,
    /// The language, as es or pt-BR
    #[arg(long)]
    pub language: String,
    /// The label of the button that starts the flow
    #[arg(long = "continue", value_name = "LABEL")]
    pub go_on: Option<String>,
    /// The label of the button that declines
    #[arg(long, value_name = "LABEL")]
    pub cancel: Option<String>,
    /// An example of a variable of the text; one for each
    #[arg(long = "var", value_name = "NAME=EXAMPLE")]
    pub vars: Vec<String>,
    /// The label of a button that calls
    #[arg(long, value_name = "LABEL", requires = "call_number")]
    pub call: Option<String>,
    /// The number that it calls
    #[arg(long, value_name = "NUMBER", requires = "call")]
    pub call_number: Option<String>,
    /// The label of a button that opens an address
    #[arg(long, value_name = "LABEL", requires = "link_url")]
    pub link: Option<String>,
    /// The address that it opens
    #[arg(long, value_name = "URL", requires = "link")]
    pub link_url: Option<String>,
    /// The text, with variables as {{.name}}
    pub content: String,
    /// How it is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// An outbound to one person.
#[derive(Args, Debug)]
pub struct Send {
    /// Its id, OTB...
    pub id: String,
    /// The country code of the person's number
    #[arg(long, value_name = "CODE")]
    pub country: String,
    /// The person's number without country code
    #[arg(long)]
    pub number: String,
    /// The person has agreed to be written to; without it nothing is sent
    #[arg(long)]
    pub authorized: bool,
    /// The flow that it starts, by name or id (IPF...)
    #[arg(long)]
    pub flow: Option<String>,
    /// The value of a variable; one for each
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// How it is reached.
    #[command(flatten)]
    pub daemon: Daemon,
}

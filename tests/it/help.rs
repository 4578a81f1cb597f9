//! The help of every verb, word for word in `help/golden.txt`, and that each shows an example.
//! Not what the verbs do.

use std::path::Path;

use clap::{Command, CommandFactory};
use reengaged::cli::args::Arguments;

#[test]
fn the_help_of_every_verb_is_as_it_was() {
    let mut all = String::new();
    each(Arguments::command(), "", &mut |path, command| {
        all += &format!("$ reengaged{path} --help\n{}\n", command.render_help());
    });
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help/golden.txt");
    #[allow(clippy::disallowed_methods)]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &all).unwrap();
    }
    let was = std::fs::read_to_string(&golden).unwrap_or_default();
    for (line, (was, is)) in was.lines().zip(all.lines()).enumerate() {
        assert_eq!(is, was, "{}:{}; UPDATE_GOLDEN=1 rewrites it, then read the diff", golden.display(), line + 1);
    }
    assert_eq!(all.lines().count(), was.lines().count(), "{} has another length; UPDATE_GOLDEN=1 rewrites it", golden.display());
}

#[test]
fn every_verb_shows_an_example() {
    each(Arguments::command(), "", &mut |path, command| {
        let help = command.render_help().to_string();
        assert!(path.is_empty() || help.contains("Example:\n"), "{path} has no example");
        assert!(path.is_empty() || help.contains(&format!("reengaged{}", path)), "the example of{path} does not call it");
    });
}

/// Each command with the words that lead to it, `help` itself left out.
fn each(mut command: Command, path: &str, see: &mut dyn FnMut(&str, &mut Command)) {
    command.build();
    command = command.term_width(100);
    see(path, &mut command);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        each(sub.clone(), &format!("{path} {}", sub.get_name()), see);
    }
}

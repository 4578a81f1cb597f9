//! Stories: every file of `tests/scenarios/` is told again, and must come out word for word. `UPDATE_GOLDEN=1` writes down what came
//! out instead; read the difference before you commit it. Not the laws: those hold for all stories at once.

mod sentences;
mod world;

use std::path::PathBuf;

use reengaged::conversation::State;
use reengaged::id::ConversationId;
use reengaged::shapes::story::{self, Story};

use world::World;

#[test]
fn every_story_comes_out_as_it_was_told() {
    let mut wrong = Vec::new();
    let mut told = 0;
    for path in paths() {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {name}: {error}"));
        let story = Story::read(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        let came_out = tell(&story).unwrap_or_else(|why| panic!("{name}: {why}"));
        told += 1;
        if came_out == story.expected {
            continue;
        }
        if update() {
            std::fs::write(&path, format!("{}{came_out}", story.head)).unwrap_or_else(|error| panic!("writing {name}: {error}"));
        } else {
            wrong.push(format!("{name}: {}", first_difference(&story.expected, &came_out)));
        }
    }
    assert!(told >= 40, "only {told} stories were found");
    assert!(wrong.is_empty(), "{} stories come out otherwise (UPDATE_GOLDEN=1 writes them anew):\n{}", wrong.len(), wrong.join("\n"));
}

/// A story made from what a conversation decided is decided the same again, whatever the conversation met.
#[test]
fn what_explain_tells_as_a_story_replays() {
    let mut replayed = 0;
    for path in paths() {
        let text = std::fs::read_to_string(&path).expect("a story");
        let story = Story::read(&text).expect("a story that reads");
        if story.recorded.is_some() || story.events.iter().any(|line| line.words.starts_with("rules become")) {
            continue;
        }
        let mut world = World::new(&story);
        for line in &story.events {
            world.take(line).expect("a story that can be told");
        }
        for view in world.views() {
            let recorded = story::of_view(&view);
            if view.policy.as_ref().is_none_or(|policy| view.details.decisions.iter().any(|d| d.fingerprint != policy.fingerprint())) {
                continue;
            }
            let read = Story::read(&recorded).unwrap_or_else(|why| panic!("{}: {why}\n{recorded}", path.display()));
            let again = tell(&read).unwrap_or_else(|why| panic!("{}: {why}\n{recorded}", path.display()));
            assert_eq!(again, read.expected, "{}:\n{recorded}", path.display());
            replayed += 1;
        }
    }
    assert!(replayed >= 40, "only {replayed} conversations were replayed");
}

fn tell(story: &Story) -> Result<String, String> {
    if let Some(begins) = &story.recorded {
        return story::replay(story, begins);
    }
    let mut world = World::new(story);
    for line in &story.events {
        world.take(line)?;
    }
    Ok(world.transcript())
}

fn paths() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "txt"));
    paths.sort();
    paths
}

fn update() -> bool {
    #[allow(clippy::disallowed_methods)]
    let asked = std::env::var_os("UPDATE_GOLDEN");
    asked.is_some_and(|value| value == "1")
}

fn first_difference(expected: &str, came_out: &str) -> String {
    let pairs = expected.lines().chain(std::iter::repeat("(nothing)")).zip(came_out.lines().chain(["(nothing)"]));
    let found = pairs.enumerate().find(|(_, (expected, came_out))| expected != came_out);
    found.map_or_else(String::new, |(i, (expected, came_out))| format!("transcript line {}:\n  - {expected}\n  + {came_out}", i + 1))
}

#[test]
fn a_recorded_story_begins_anywhere() {
    let text = "policy 45m\nrecorded quiet; started; episode 3; episodes-sent 2\n2026-03-02 15:00Z  bot asks\n2026-03-02 15:45Z  timer\n";
    let story = Story::read(text).expect("a story");
    let begins = story.recorded.expect("recorded");
    assert_eq!(begins, State { started: true, episode: 3, episodes_sent: 2, ..State::new(ConversationId(0), false) });
    let came_out = story::replay(&story, &begins).expect("events of the machine");
    assert!(
        came_out.ends_with(
            "timer\n    sending; follow-up 1 of 1, call 1\n    silence  2026-03-02 15:45Z  45 min of silence are over\n    \
        open     2026-03-02 15:45Z  the hours are open then\n"
        ),
        "{came_out}"
    );
    let broken = Story::read("policy 45m\nrecorded quiet\n2026-03-02 15:00Z  person sings\n").expect("a story");
    assert!(tell(&broken).unwrap_err().contains("person sings"));
}

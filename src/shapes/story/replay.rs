//! Recorded stories: made from the decisions of a conversation, and decided again by the machine.
//!
//! Not a judgement: whether the same comes out is the reader's question, or the test's.

use crate::conversation::{Policy, State, step};
use crate::engine::request::View;
use crate::moment::Moment;
use crate::schedule::Trail;
use crate::shapes::story::state::write_state;
use crate::shapes::story::words::read_words;
use crate::shapes::story::{COLUMN, RULE, Story, reasons, standing, words, write_moment, write_policy};

/// The story of a conversation, from its decisions: a text that the tests replay. It names nobody and quotes nobody.
#[must_use]
pub fn of_view(view: &View) -> String {
    let retired = Policy::retired();
    let policy = view.policy.as_deref().unwrap_or(&retired);
    let decisions = &view.details.decisions;
    let others = decisions.iter().filter(|decision| decision.fingerprint != policy.fingerprint()).count();
    let mut story = String::new();
    if others > 0 {
        story.push_str(&format!("# {others} of {} decisions were made under other rules than these\n", decisions.len()));
    }
    story.push_str(&format!("{:COLUMN$}{}\n", "policy", write_policy(policy)));
    if let Some(first) = decisions.front() {
        story.push_str(&format!("{:COLUMN$}{}\n", "recorded", write_state(&first.before)));
    }
    let mut transcript = String::new();
    for (i, decision) in decisions.iter().enumerate() {
        let words = words(&decision.event, decision.now);
        let after = decisions.get(i + 1).map_or(&view.stored.state, |next| &next.before);
        story.push_str(&format!("{}  {words}\n", write_moment(decision.now)));
        transcript.push_str(&block(decision.now, &words, after, policy, &decision.trail));
    }
    format!("{story}{RULE}\n{transcript}")
}

/// Decides a recorded story again; its transcript.
///
/// # Errors
/// The event that is none.
pub fn replay(story: &Story, begins: &State) -> Result<String, String> {
    let (mut state, mut transcript) = (*begins, String::new());
    for line in &story.events {
        let event = read_words(&line.words, line.at, &state).ok_or_else(|| format!("{:?}: not an event of the machine", line.words))?;
        let decided = step(&story.policy, &state, &event, line.at);
        state = decided.state;
        transcript.push_str(&block(line.at, &line.words, &state, &story.policy, &decided.trail));
    }
    Ok(transcript)
}

fn block(now: Moment, words: &str, after: &State, policy: &Policy, trail: &Trail) -> String {
    format!("{}  {words}\n    {}\n{}", write_moment(now), standing(after, policy), reasons(trail))
}

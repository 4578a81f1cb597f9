//! Stories on a line of Gupshup. Those that all lines have in common stand in `common.rs`.

use super::common::chat_stories;
use super::story::{Plot, Story};
use crate::emulator::{Fate, Gupshup, Manners, Person, Script};

chat_stories!(Gupshup::new());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gupshup_tells_of_itself_moves_nobody() {
    let (story, person) = (Story::begin(Gupshup::new(), &Plot::default()), Person::number(0));
    let name = story.asked(&person, 5).await;
    let before = story.shown(&name).await;
    let gupshup = &story.provider.manners;
    story.hears(&gupshup.user_event(&person, "sandbox-start", story.clock.now())).await;
    assert_eq!(story.shown(&name).await, before);
    story.hears(&gupshup.user_event(&person, "opted-out", story.clock.now())).await;
    let shown = story.shown(&name).await;
    assert_eq!((shown["outcome"].as_str(), shown["opted_out"].as_bool()), (Some("opted_out"), Some(true)), "{shown}");
    assert!(story.everybody_else_was_nudged().await.is_empty());
}

/// The message is first known by Gupshup's id and then by WhatsApp's, and Gupshup's own failures come in the place of WhatsApp's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_gupshups_own_is_a_closed_window_too() {
    let (story, person) = (Story::begin(Gupshup::new(), &Plot::default()), Person::number(0));
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    story.answering(&name).await;
    story.hears(&story.provider.manners.enqueued(&sent, story.clock.now())).await;
    let failed = story.provider.manners.status(&sent, Fate::Failed(1_005), story.clock.now()).expect("Gupshup reports fates");
    story.hears(&failed).await;
    let template = story.provider.taken(2).remove(1);
    assert_eq!(template.template.as_deref(), Some("c6aecef6-bcb0-4fb1-8100-28c094e3bc6b"));
    story.hears(&failed).await;
    story.answering(&name).await;
    story.taps(&person, &template, 0).await;
    assert_eq!(story.told(&name, "resumed").last().map(|record| record["type"].clone()), Some("conversation.resumed".into()));
}

/// Nothing correlates a message with a call that had no answer, so nothing settles it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_an_answer_ends_unknown_and_is_never_repeated() {
    let (mut story, person) = (Story::begin(Gupshup::new(), &Plot::default()), Person::number(0));
    story.provider.script([Script::Lose]);
    let name = story.asked(&person, 31).await;
    story.provider.taken(1);
    story.until(&name, "in doubt", |shown| shown["in_doubt"] == true).await;
    story = story.killed();
    let shown = story.shown(&name).await;
    assert_eq!((shown["state"].as_str(), shown["in_doubt"].as_bool()), (Some("answering"), Some(true)), "{shown}");
    assert_eq!(story.everybody_else_was_nudged().await.len(), 1, "twice would be worse than never");
}

/// The secret stands in a header where the subscription can send one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_may_stand_in_a_header() {
    let manners = Gupshup { webhook_header: Some("x-hook-token"), ..Gupshup::new() };
    let plot = Plot { line: format!("{}\nwebhook_header = \"x-hook-token\"", Plot::default().line), ..Plot::default() };
    let (story, person) = (Story::begin(manners, &plot), Person::number(0));
    let mut hook = story.provider.manners.says(&person, "hola", story.clock.now());
    story.hears(&hook).await;
    hook.headers.retain(|(name, _)| *name != "x-hook-token");
    hook.query = "?token=test-only-gupshup-url-token".to_owned();
    assert_eq!(story.provider.deliver(&hook).await, 401);
}

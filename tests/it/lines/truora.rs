//! Stories on a line of Truora, whose own bot hears the person: what we know of them comes by our own API, and by hooks at the end.

use serde_json::json;

use super::common::stories;
use super::story::{Plot, Story};
use crate::emulator::{Person, Truora};

stories! { Truora::new();
    silence_after_the_follow_up_expires
    a_token_that_expired_for_an_hour_costs_nobody_the_follow_up
    throttled_at_the_bell_everybody_gets_one_follow_up
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_person_gets_the_outbound_and_yes_is_left_to_the_bot() {
    let (story, person) = (Story::begin(Truora::new(), &Plot::default()), Person::number(0));
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    assert_eq!(sent.template.as_deref(), Some("OTB00000000000000000000000000000001"));
    assert_eq!((&sent.to, sent.vars.as_slice()), (&person.phone, &[person.name.clone()][..]));
    story.answering(&name).await;
    story.event(&json!({"type": "answer", "conversation": name, "choice": "yes"})).await;
    let told = story.told(&name, "resumed");
    assert_eq!(told.last().map(|record| &record["data"]["question"]["id"]), Some(&json!("email")));
    assert_eq!(story.everybody_else_was_nudged().await.len(), 1, "the flow goes on at Truora, not here");
    assert_eq!(story.provider.wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_tell_how_it_ended() {
    let story = Story::begin(Truora::new(), &Plot::default());
    let truora = &story.provider.manners;
    let (good, bad) = (Person::number(0), Person::number(1));
    let (succeeds, fails) = (story.asked(&good, 5).await, story.asked(&bad, 5).await);
    let process = ("identity_process_id", "IDP00000000000000000000000000000001");
    let hook = truora.tells(&[("some_future_action", &[("account_id", &fails)]), ("succeeded", &[process, ("account_id", &succeeds)])]);
    story.hears(&hook).await;
    story.hears(&hook).await;
    assert_eq!(story.shown(&succeeds).await["outcome"], "succeeded");
    assert_eq!(story.shown(&fails).await["state"], "waiting", "an action that nobody knows moves nobody");
    story.hears(&truora.tells(&[("failed", &[("process_id", "IDP9"), ("account_id", &fails)])])).await;
    assert_eq!(story.shown(&fails).await["outcome"], "failed");
    // A process that nobody here knows is no mistake.
    story.hears(&truora.tells(&[("succeeded", &[process])])).await;
    assert!(story.everybody_else_was_nudged().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_under_another_secret_or_algorithm_is_not_heard() {
    let (story, person) = (Story::begin(Truora::new(), &Plot::default()), Person::number(0));
    let name = story.asked(&person, 5).await;
    let before = story.shown(&name).await;
    let event: &[(&str, &[(&str, &str)])] = &[("succeeded", &[("account_id", &name)])];
    let another = Truora { hook_secret: "another".to_owned(), ..Truora::new() };
    let stronger = Truora { algorithm: "HS512", ..Truora::new() };
    for forged in [another.tells(event), stronger.tells(event)] {
        assert_eq!(story.provider.deliver(&forged).await, 401);
    }
    assert_eq!(story.shown(&name).await, before);
    story.hears(&story.provider.manners.tells(event)).await;
    assert_eq!(story.shown(&name).await["outcome"], "succeeded");
}

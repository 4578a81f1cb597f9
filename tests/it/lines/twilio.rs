//! Stories on a line of Twilio. Those that all lines have in common stand in `common.rs`.

use reengaged::clock::Clock;

use super::common::chat_stories;
use super::story::{FOLLOW_UP, Plot, QUESTION, Story};
use crate::emulator::{Person, Script, Twilio};
use crate::stub::Stub;

chat_stories!(Twilio::new());

/// Twilio tells nothing twice, so what people wrote while nobody listened is read from its list, before anything overdue goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_while_the_daemon_was_down_is_not_nudged() {
    let plot = Plot { line: "pair_gap = \"0s\"\ncatch_up_wait = \"60m\"".to_owned(), ..Plot::fast() };
    let mut story = Story::begin(Twilio { page: 2, ..Twilio::new() }, &plot);
    let people: Vec<Person> = (0..5).map(Person::number).collect();
    // All are due, and have to wait an hour.
    story.provider.always(Some(Script::Throttle(Some(3_600))));
    let mut names = Vec::new();
    for person in &people {
        names.push(story.asked(person, 31).await);
    }
    for name in &names {
        story.until(name, "put off", |shown| shown["state"] == "retrying" || shown["state"] == "waiting").await;
    }
    story = story.killed_while(|story| {
        for person in &people {
            story.provider.manners.says_unheard(person, "sigo aquí", story.clock.now());
        }
        story.provider.always(None);
        // Two hours later everybody is overdue.
        story.clock = Clock::scaled(900, story.ago(-120));
    });
    assert!(story.provider.read(3) >= 3, "the pages of the list");
    for name in &names {
        story.until(name, "heard", |shown| shown["state"] == "quiet").await;
    }
    assert!(story.everybody_else_was_nudged().await.is_empty());
}

/// What the bot answers to a webhook goes back to Twilio, which sends it: so the bot spoke.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bot_answers_to_a_webhook_arms() {
    let said = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message>{QUESTION}</Message></Response>");
    let bot = Stub::answering(200, "content-type: text/xml", &said);
    let plot = Plot { line: format!("{}\nforward_to = \"{}\"", Plot::default().line, bot.url("/twilio")), ..Plot::fast() };
    let (story, person) = (Story::begin(Twilio::new(), &plot), Person::number(0));
    let hook = story.provider.manners.says(&person, "hola");
    assert_eq!(story.provider.exchange(&hook).await, (200, said), "Twilio gets the bot's answer");
    let handed = bot.requests().remove(0);
    assert_eq!((handed.target(), &handed.body), ("/twilio", &hook.body));
    assert_eq!(handed.header("x-twilio-signature"), hook.headers[1].1);
    // Half an hour on, the follow-up.
    let sent = story.provider.taken(1).remove(0);
    assert_eq!((sent.to, sent.text.as_str()), (person.phone, FOLLOW_UP));
}

/// Without a content template the labels are typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_buttons_the_answer_is_typed() {
    let mut manners = Twilio::new();
    manners.quick_reply = false;
    let (story, person) = (Story::begin(manners, &Plot::default()), Person::number(0));
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    assert_eq!((sent.text, sent.buttons.len()), (format!("{FOLLOW_UP}\n\nSí, continuar / No, gracias"), 0));
    story.answering(&name).await;
    story.hears(&story.provider.manners.says(&person, "NO GRACIAS")).await;
    assert_eq!(story.shown(&name).await["outcome"], "declined");
}

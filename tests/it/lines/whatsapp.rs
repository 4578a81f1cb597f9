//! Stories on a line of the Cloud API. Those that all lines have in common stand in `common.rs`.

use reengaged::moment::DAY;

use super::Line as _;
use super::common::chat_stories;
use super::story::{FOLLOW_UP, Plot, QUESTION, Story};
use crate::emulator::{Fate, Manners, Meta, Person, Script, Sent};
use crate::stub::{Mood, Stub, answer};

chat_stories!(Meta::new());

fn camila() -> Person {
    Person::number(0)
}

/// With correlation, a doubt is settled by the status; across a crash as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_an_answer_is_settled_by_its_status_and_never_repeated() {
    let (mut story, person) = (Story::begin(Meta::new(), &Plot::default()), camila());
    story.provider.script([Script::Lose]);
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    story.until(&name, "in doubt", |shown| shown["in_doubt"] == true).await;
    story = story.killed();
    let delivered = story.provider.manners.status(&sent, Fate::Delivered, story.clock.now()).expect("Meta reports fates");
    story.hears(&delivered).await;
    story.answering(&name).await;
    story.taps(&person, &sent, 1).await;
    assert_eq!(story.shown(&name).await["outcome"], "declined");
    assert_eq!(story.everybody_else_was_nudged().await.len(), 1);
}

/// One answer that comes twice is one message, and the next call does not take the second for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_twice_is_one() {
    let story = Story::begin(Meta::new(), &Plot::default());
    story.provider.script([Script::Twice, Script::Refuse(131_026)]);
    let (first, second) = (story.asked(&camila(), 31).await, Person::number(1));
    story.provider.taken(1);
    story.answering(&first).await;
    let second = story.asked(&second, 31).await;
    let told = story.told(&second, "skipped");
    assert!(!told.iter().any(|record| record["type"] == "conversation.follow_up_sent"), "the refusal was heard: {told:?}");
    assert_eq!(story.provider.called(2), 2);
}

/// The bot is not ours to hear, but its messages are seen: in echoes with their words, in statuses without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bots_own_messages_arm() {
    let story = Story::begin(Meta::new(), &Plot::default());
    let meta = &story.provider.manners;
    let (seen, read) = (Person::number(0), Person::number(1));
    for person in [&seen, &read] {
        story.hears(&meta.says(person, "hola", story.ago(40))).await;
    }
    let bots = Sent { id: "wamid.bot".to_owned(), to: seen.phone.clone(), ..Sent::default() };
    story.hears(&meta.status(&bots, Fate::Sent, story.ago(31)).expect("Meta reports fates")).await;
    story.hears(&meta.echo(&read, QUESTION, story.ago(31))).await;
    let taken = story.provider.taken(2);
    let follow_up = taken.iter().find(|sent| sent.to == read.phone).expect("both are nudged");
    assert!(taken.iter().all(|sent| sent.text == FOLLOW_UP) && taken[0].to != taken[1].to, "{taken:?}");
    // The tap carries the conversation and the send, so it may come at any time after the message.
    story.taps(&read, follow_up, 0).await;
    let taken = story.provider.taken(3);
    assert_eq!((taken[2].text.as_str(), &taken[2].to), (QUESTION, &read.phone), "asked again in its own words");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_old_batch_that_comes_again_moves_nobody_and_sends_nothing() {
    let story = Story::begin(Meta::new(), &Plot::default());
    let (waits, nudged) = (Person::number(0), Person::number(1));
    let due = story.asked(&waits, 5).await;
    let out = story.asked(&nudged, 31).await;
    story.answering(&out).await;
    let (before, out_before) = (story.shown(&due).await, story.shown(&out).await);
    let said: Vec<(Person, String)> = (0..1_000).map(|n| (Person::number(n), "hola".to_owned())).collect();
    let week_ago = story.clock.now().plus(-7 * DAY);
    let batch = story.provider.manners.batch(&said, week_ago);
    for _ in 0..2 {
        story.hears(&batch).await;
        assert_eq!(story.shown(&due).await, before);
        assert_eq!(story.shown(&out).await, out_before);
    }
    assert_eq!(story.everybody_else_was_nudged().await.len(), 1, "the one that was out before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_a_thousand_and_three_megabytes_is_taken_whole() {
    let story = Story::begin(Meta::new(), &Plot::default());
    let said: Vec<(Person, String)> = (0..1_000).map(|n| (Person::number(n), "ñ".repeat(440))).collect();
    let batch = story.provider.manners.batch(&said, story.ago(1));
    assert!((2_900_000..=3_145_728).contains(&batch.body.len()), "{} bytes", batch.body.len());
    story.hears(&batch).await;
    let (status, listed) = story.get("/v1/conversations?line=whatsapp&limit=1000").await;
    assert_eq!((status, listed["conversations"].as_array().map(Vec::len)), (200, Some(1_000)));
    // And again, as Meta does when it did not hear our answer.
    story.hears(&batch).await;
    let (_, again) = story.get("/v1/conversations?line=whatsapp&limit=1000").await;
    assert_eq!(again, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_marketing_hears_nothing_more() {
    let (story, person) = (Story::begin(Meta::new(), &Plot::default()), camila());
    let name = story.asked(&person, 5).await;
    story.hears(&story.provider.manners.stops(&person, story.clock.now())).await;
    let shown = story.shown(&name).await;
    assert_eq!((shown["outcome"].as_str(), shown["opted_out"].as_bool()), (Some("opted_out"), Some(true)), "{shown}");
    assert!(story.everybody_else_was_nudged().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_is_paused_is_not_sent_until_it_may() {
    let (story, person) = (Story::begin(Meta::new(), &Plot::default()), camila());
    let becomes = |event| story.provider.manners.template_becomes("reengage_es", "es", event, story.clock.now());
    story.hears(&becomes("PAUSED")).await;
    // Her day is over, so it would be the template.
    story.wrote(&person, "hola", 25 * 60).await;
    let name = story.asks(&person, 31).await;
    let told = story.told(&name, "skipped");
    assert_eq!(told.last().map(|record| record["data"]["reason"].clone()), Some("template_unavailable".into()), "{told:?}");
    story.hears(&becomes("APPROVED")).await;
    let other = Person::number(1);
    story.wrote(&other, "hola", 25 * 60).await;
    story.asks(&other, 31).await;
    let taken = story.provider.taken(1);
    assert_eq!((taken[0].template.as_deref(), &taken[0].to), (Some("reengage_es/es"), &other.phone));
    assert_eq!(taken.len(), 1);
}

/// A bot stands behind the line, and hears everything as Meta sent it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_behind_the_line_hears_everything_and_its_outage_costs_nothing() {
    let down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_down = std::sync::Arc::clone(&down);
    let bot = Stub::new(Mood::Decide(std::sync::Arc::new(move |_| {
        let status = if is_down.load(std::sync::atomic::Ordering::SeqCst) { 500 } else { 200 };
        answer(status, "content-type: text/plain", "EVENT_RECEIVED")
    })));
    let plot = Plot { line: format!("{}\nforward_to = \"{}\"", Plot::default().line, bot.url("/meta")), ..Plot::default() };
    let (story, person) = (Story::begin(Meta::new(), &plot), camila());
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    story.answering(&name).await;

    down.store(true, std::sync::atomic::Ordering::SeqCst);
    let tap = Meta::taps(&story.provider.manners, &person, &sent, 0, story.clock.now());
    let (status, _) = story.provider.exchange(&tap).await;
    assert!((500..600).contains(&status), "Meta has to send it again, for the bot: {status}");
    story.told(&name, "resumed");

    down.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(story.provider.exchange(&tap).await, (200, "EVENT_RECEIVED".to_owned()));
    let handed = bot.requests().pop().expect("the bot heard it");
    assert_eq!((handed.target(), &handed.body), ("/meta", &tap.body));
    assert_eq!(handed.header("x-hub-signature-256"), tap.headers[1].1);
    // The bot hears the yes, so it is the bot that goes on.
    assert_eq!(story.everybody_else_was_nudged().await.len(), 1);

    let mut forged = story.provider.manners.writes(&person, "hola", story.clock.now());
    forged.headers[1].1 = tap.headers[1].1.clone();
    let heard = bot.requests().len();
    assert_eq!(story.provider.deliver(&forged).await, 401);
    assert_eq!(bot.requests().len(), heard, "what is not proved is not handed on");
}

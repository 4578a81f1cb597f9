//! The stories that every chat line has in common, told once and lived on each of them. Not what one provider alone does.

use std::collections::BTreeMap;

use reengaged::moment::{HOUR, MINUTE, Moment};
use serde_json::Value;

use super::Line;
use super::story::{FOLLOW_UP, Plot, QUESTION, Story};
use crate::emulator::{Fate, Person, Script, Sent};

/// Lives stories on a line.
macro_rules! stories {
    ($manners:expr; $($story:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                $crate::lines::common::$story($manners).await;
            }
        )*
    };
}
pub(super) use stories;

/// Lives all of them, on a line on which the person is heard.
macro_rules! chat_stories {
    ($manners:expr) => {
        $crate::lines::common::stories! { $manners;
            a_silent_person_is_nudged_says_yes_and_is_asked_again
            a_silent_person_says_no_and_is_left_alone
            silence_after_the_follow_up_expires
            nobody_is_nudged_after_an_answer_that_was_acknowledged
            a_window_that_turns_out_closed_is_the_template_once
            a_token_that_expired_for_an_hour_costs_nobody_the_follow_up
            throttled_at_the_bell_everybody_gets_one_follow_up
            what_is_not_signed_is_not_heard
        }
    };
}
pub(super) use chat_stories;

fn camila() -> Person {
    Person::number(0)
}

/// What went out inside the window: the follow-up with its two buttons; or, where nothing else can go out, the template.
fn assert_follow_up<M: Line>(sent: &Sent, person: &Person) {
    if !M::CHATS {
        assert_eq!((sent.template.as_deref(), &sent.to), (Some(M::TEMPLATE), &person.phone));
        return;
    }
    assert_eq!((sent.text.as_str(), &sent.to), (FOLLOW_UP, &person.phone));
    let labels: Vec<&str> = sent.buttons.iter().map(|(_, label)| label.as_str()).collect();
    assert_eq!(labels, ["Sí, continuar", "No, gracias"]);
}

pub(super) async fn a_silent_person_is_nudged_says_yes_and_is_asked_again<M: Line>(manners: M) {
    let (story, person) = (Story::begin(manners, &Plot::default()), camila());
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    assert_follow_up::<M>(&sent, &person);
    story.answering(&name).await;

    story.taps(&person, &sent, 0).await;
    let taken = story.provider.taken(2);
    assert_eq!((taken[1].text.as_str(), &taken[1].to, taken[1].buttons.len()), (QUESTION, &person.phone, 0));
    let told = story.told(&name, "resumed");
    let resumed = told.iter().find(|record| record["type"] == "conversation.resumed").expect("it was told");
    assert_eq!(resumed["data"]["question"]["id"], "email", "{resumed}");
    assert_eq!(story.everybody_else_was_nudged().await.len(), 2, "the follow-up and the question, once each");
    assert_eq!(story.provider.wrong(), Vec::<String>::new());
}

pub(super) async fn a_silent_person_says_no_and_is_left_alone<M: Line>(manners: M) {
    let (story, person) = (Story::begin(manners, &Plot::default()), camila());
    let name = story.asked(&person, 31).await;
    let sent = story.provider.taken(1).remove(0);
    story.answering(&name).await;
    let tap = story.provider.manners.taps(&person, &sent, 1, story.clock.now());
    story.hears(&tap).await;
    // The provider tells it twice.
    story.hears(&tap).await;
    let shown = story.shown(&name).await;
    assert_eq!((&shown["state"], &shown["outcome"]), (&Value::from("finished"), &Value::from("declined")), "{shown}");
    assert_eq!(story.everybody_else_was_nudged().await.len(), 1);
    let declined = story.told(&name, "declined").iter().filter(|record| record["type"] == "conversation.declined").count();
    assert_eq!(declined, 1);
}

pub(super) async fn silence_after_the_follow_up_expires<M: Line>(manners: M) {
    let (story, person) = (Story::begin(manners, &Plot { expires_after: "30m", ..Plot::fast() }), camila());
    story.provider.script([Script::Report(vec![Fate::Delivered, Fate::Sent, Fate::Read, Fate::Read])]);
    let name = story.asked(&person, 31).await;
    story.answering(&name).await;
    let shown = story.finished(&name).await;
    assert_eq!(shown["outcome"], "expired", "{shown}");
    let instant = |key: &str| Moment::parse(shown[key].as_str().unwrap_or_default()).unwrap_or_else(|| panic!("{key}: {shown}"));
    let silence = instant("ended_at").since(instant("handed_over_at"));
    assert!((30 * MINUTE..6 * HOUR).contains(&silence), "{silence} ms after the hand-over");
    let statuses = if M::CHATS { 4 } else { 0 };
    assert_eq!(story.provider.reported(statuses), vec![200; statuses], "statuses in disorder and twice are taken");
    let delivered = story.told(&name, "expired").iter().filter(|record| record["type"] == "conversation.follow_up_delivered").count();
    assert_eq!(delivered, usize::from(M::CHATS));
    assert_eq!(story.provider.taken(1).len(), 1);
}

/// People answer while their follow-ups are going out. Whoever was not claimed before the answer was acknowledged gets nothing.
pub(super) async fn nobody_is_nudged_after_an_answer_that_was_acknowledged<M: Line>(manners: M) {
    let story =
        Story::begin(manners, &Plot { line: "pair_gap = \"0s\"\nmax_in_flight = 1\ncatch_up_wait = \"0s\"".to_owned(), ..Plot::default() });
    let people: Vec<Person> = (0..24).map(Person::number).collect();
    let mut unclaimed = Vec::new();
    for (place, person) in people.iter().enumerate() {
        story.wrote(person, "hola", 40).await;
        // Due at once, or within the next moments: for some it comes before their answer, for others after it.
        let due = if place % 2 == 0 { 0 } else { 4 * i64::try_from(place).unwrap_or(0) };
        let name = story.asks_at(person, story.ago(30).plus(due)).await;
        story.hears(&story.provider.manners.writes(person, "perdón, sigo aquí", story.clock.now())).await;
        let (_, why) = story.get(&format!("/v1/conversations/{name}/explain")).await;
        let decisions = why["decisions"].as_array().unwrap_or_else(|| panic!("{why}"));
        if decisions.iter().all(|decision| ["quiet", "waiting"].iter().any(|state| decision["before"]["state"] == *state)) {
            unclaimed.push(person.phone.clone());
        }
        assert_eq!(story.shown(&name).await["state"], "quiet");
    }
    let taken = story.everybody_else_was_nudged().await;
    let mut count = BTreeMap::new();
    taken.iter().for_each(|sent| *count.entry(sent.to.clone()).or_insert(0) += 1);
    assert!(count.values().all(|count| *count == 1), "{count:?}");
    assert!(unclaimed.iter().all(|phone| !count.contains_key(phone)), "{unclaimed:?} answered in time, and were nudged: {count:?}");
}

pub(super) async fn a_window_that_turns_out_closed_is_the_template_once<M: Line>(manners: M) {
    let story = Story::begin(manners, &Plot::default());
    let (sync, later) = M::CLOSED;
    let mut before = 0;
    let stories = [(0, sync.map(Script::Refuse)), (1, Some(Script::Report(vec![Fate::Sent, Fate::Failed(later)])))];
    for (place, closed) in stories.into_iter().filter_map(|(place, closed)| closed.map(|closed| (place, closed))) {
        let person = Person::number(place);
        let free_text = usize::from(matches!(closed, Script::Report(_)));
        // The template is not delivered either: that is the end of it.
        story.provider.script([closed, Script::Report(vec![Fate::Failed(later)])]);
        let name = story.asked(&person, 31).await;
        let template = story.provider.taken(before + free_text + 1).pop().expect("it was taken");
        assert_eq!((template.template.as_deref(), &template.to), (Some(M::TEMPLATE), &person.phone));
        assert_eq!(template.vars, [person.name.as_str()]);
        story.told(&name, "skipped");
        let taken = story.everybody_else_was_nudged().await;
        let mine = taken.iter().filter(|sent| sent.to == person.phone).count();
        assert_eq!(mine, free_text + 1, "{taken:?}");
        before = story.provider.taken(0).len();
    }
    assert_eq!(story.provider.wrong(), Vec::<String>::new());
}

pub(super) async fn a_token_that_expired_for_an_hour_costs_nobody_the_follow_up<M: Line>(manners: M) {
    let (mut story, person) = (Story::begin(manners, &Plot::fast()), camila());
    story.provider.always(Some(Script::Expired));
    let expired = story.clock.now();
    let name = story.asked(&person, 31).await;
    // The call that finds out, and then the questions, or the sends in their place, of an hour.
    story.provider.called(1);
    let mut asked = 0;
    while story.clock.now() < expired.plus(HOUR) {
        asked = if M::PROBES { story.provider.read(asked + 1) } else { story.provider.called(asked + 1) };
    }
    let shown = story.shown(&name).await;
    assert!(["waiting", "retrying", "sending"].iter().any(|state| shown["state"] == *state), "{shown}");
    assert_eq!(story.provider.taken(0).len(), 0);
    if M::PROBES {
        assert_eq!(story.provider.called(1), 1, "one call found out, and then nothing was handed over");
    }
    story.provider.always(None);
    let sent = story.provider.taken(1).remove(0);
    assert_follow_up::<M>(&sent, &person);
    let shown = story.until(&name, "answering or over", |shown| shown["handed_over_at"].is_string()).await;
    assert!(shown["handed_over_at"].as_str().is_some_and(|at| Moment::parse(at) >= Some(expired.plus(HOUR))), "{shown}");
    // Who comes due now goes out at once, and after a restart too.
    story = story.killed();
    story.asked(&Person::number(1), 31).await;
    assert_eq!(story.provider.taken(2)[1].to, Person::number(1).phone);
}

pub(super) async fn throttled_at_the_bell_everybody_gets_one_follow_up<M: Line>(manners: M) {
    let day = Moment(reengaged::clock::Clock::system().wall().0.div_euclid(24 * HOUR) * 24 * HOUR);
    let hours = ("08:00".to_owned(), "19:00".to_owned());
    // An hour before the opening, at ten minutes a second: the bell rings when everybody is there.
    let plot = Plot { hours, clock: Some((600, day.plus(7 * HOUR))), ..Plot::default() };
    let story = Story::begin(manners, &plot);
    story.provider.script([Script::Throttle(None), Script::Throttle(Some(30)), Script::Throttle(None)]);
    let people: Vec<Person> = (0..8).map(Person::number).collect();
    let mut names = Vec::new();
    for person in &people {
        names.push(story.asked(person, 31).await);
    }
    let taken = story.provider.taken(people.len());
    for name in &names {
        let shown = story.until(name, "handed over", |shown| shown["handed_over_at"].is_string()).await;
        let at = shown["handed_over_at"].as_str().and_then(Moment::parse).expect("an instant");
        assert!((8 * HOUR..19 * HOUR).contains(&at.since(day)), "handed over outside the hours: {shown}");
    }
    let mut to: Vec<&str> = taken.iter().map(|sent| sent.to.as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, people.iter().map(|person| person.phone.as_str()).collect::<Vec<_>>());
    assert!(story.provider.called(people.len() + 1) > people.len(), "nobody was throttled");
}

pub(super) async fn what_is_not_signed_is_not_heard<M: Line>(manners: M) {
    let (story, person) = (Story::begin(manners, &Plot::default()), camila());
    let name = story.asked(&person, 5).await;
    let before = story.shown(&name).await;
    let good = story.provider.manners.writes(&person, "hola", story.clock.now());
    let mut forged = vec![good.clone(), good.clone()];
    forged[0].query = forged[0].query.replace("test-only", "test-lost");
    forged[1].query.clear();
    for (_, value) in forged[0].headers.iter_mut().filter(|(name, _)| name.contains("signature")) {
        *value = value.chars().map(|c| if c.is_ascii_lowercase() { 'a' } else { c }).collect();
    }
    forged[1].headers.retain(|(name, _)| !name.contains("signature"));
    for hook in &forged {
        assert_eq!(story.provider.deliver(hook).await, 401);
    }
    // The bytes are signed, not the meaning.
    let mut other = good.clone();
    other.body.push(b' ');
    let status = story.provider.deliver(&other).await;
    assert_eq!(status == 401, !good.headers.iter().all(|(name, _)| !name.contains("signature")), "{status}");
    if status == 401 {
        assert_eq!(story.shown(&name).await, before);
    }
    story.hears(&good).await;
    assert_eq!(story.shown(&name).await["state"], "quiet");
}

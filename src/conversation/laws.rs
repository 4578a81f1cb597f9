//! The laws of the machine, as properties over random lives of a conversation. Not examples: those are the stories in
//! `tests/scenarios/`.

mod lives;

use lives::{Act, Life, T, acts, always_open, policies, three_policies, verdicts};
use proptest::prelude::*;

use super::*;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::{DAY, HOUR, MINUTE, Moment};
use crate::schedule::{Reason, Rules, SkipReason};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: every state holds together, and every claim is one that may be made.
    #[test]
    fn every_life_keeps_the_promises(policies in three_policies(), acts in prop::collection::vec(acts(), 1..40)) {
        Life::live(policies, &acts);
    }

    /// When nothing more is said, every conversation comes to rest: no timer runs for ever.
    #[test]
    fn everything_comes_to_rest(policies in three_policies(), acts in prop::collection::vec(acts(), 1..25), verdict in verdicts()) {
        let mut life = Life::live(policies, &acts);
        for turn in 0..400 {
            match (life.state.phase, life.state.wake_at()) {
                (Phase::Quiet | Phase::Finished(_), wake) => {
                    prop_assert_eq!(wake, None);
                    return Ok(());
                }
                (Phase::Sending, _) if !life.state.doubt => {
                    // A line that has stopped keeps its follow-ups for as long as that takes; but that ends.
                    let verdict = if turn > 200 && verdict == Verdict::Stopped { Verdict::Accepted(Moment(0)) } else { verdict };
                    life.act(&Act::Called(verdict, false));
                    life.now = life.now.plus(if verdict == Verdict::Stopped { HOUR } else { 0 });
                }
                (_, wake) => {
                    prop_assert!(wake.is_some(), "stranded: {:?}", life.state);
                    life.act(&Act::Wake);
                }
            }
        }
        prop_assert!(false, "does not come to rest: {:?} at {}", life.state, life.now);
    }

    /// A timer that came due leads on: at once, or after an end of doubt that is an end of the conversation as well.
    #[test]
    fn a_wake_leads_on(policies in three_policies(), acts in prop::collection::vec(acts(), 1..25)) {
        let mut life = Life::live(policies, &acts);
        life.act(&Act::Wake);
        life.act(&Act::Spurious);
        let now = life.now;
        prop_assert!(life.state.wake_at().is_none_or(|wake| wake > now), "{:?} at {now}", life.state);
        let rested = life.state;
        life.act(&Act::Spurious);
        prop_assert_eq!(life.state, rested);
    }

    /// A stopped line costs a send nothing, however often it is met: no call, no refusal, and the next one goes out as if it had not
    /// been, as long as it may go out at all.
    #[test]
    fn a_stopped_line_costs_nothing(
        policies in three_policies(), acts in prop::collection::vec(acts(), 1..25), times in 1usize..40, wait in 0..MINUTE
    ) {
        let mut life = Life::live(policies, &acts);
        life.act(&Act::Wake);
        for _ in 0..times {
            let before = life.state;
            if before.phase != Phase::Sending || before.doubt {
                return Ok(());
            }
            let stopped = Event::Sent { silence: before.silence, step: before.step, verdict: Verdict::Stopped };
            let Step { state, ended, reports, .. } = life.take(&stopped);
            prop_assert_eq!((state.phase, state.attempt, state.wake), (Phase::Retrying, before.attempt - 1, Some(life.now)));
            prop_assert_eq!((ended, reports), (None, [None; 3]));
            life.now = life.now.plus(wait);
            let step = life.take(&Event::Woke);
            match step.send {
                Some(send) => prop_assert_eq!((send.silence, send.step, send.attempt), (before.silence, before.step, before.attempt)),
                // Too late by now, or closed: as for anything that waited.
                None => {
                    let (now, policy) = (life.now, life.policy());
                    let late = now > before.not_after || policy.max_lateness.is_some();
                    let over = state.expires.is_some_and(|at| at <= now) || !policy.rules.hours.is_open(now);
                    prop_assert!(late || over, "{:?}", step);
                }
            }
        }
    }

    /// New rules twice are new rules once, and a replan at the same moment decides the same.
    #[test]
    fn planning_again_changes_nothing(policies in three_policies(), acts in prop::collection::vec(acts(), 1..25)) {
        let mut life = Life::live(policies, &acts);
        life.take(&Event::PolicyChanged);
        let once = life.state;
        life.take(&Event::PolicyChanged);
        prop_assert_eq!(life.state, once);
    }

    /// Yes, no and later are words like any other, unless a follow-up is out that they can answer.
    #[test]
    fn typed_answers_count_only_after_a_follow_up(
        policies in three_policies(), acts in prop::collection::vec(acts(), 1..25), ago in 0..2 * HOUR,
        choice in prop::sample::select(vec![Choice::Yes, Choice::No, Choice::Later]),
    ) {
        let life = Life::live(policies, &acts);
        let at = life.now.plus(-ago);
        let invited = life.state.purpose == Purpose::Invite && life.state.may_be_read(at);
        if invited || life.state.out_since().is_some_and(|out| out <= at.plus(999)) {
            return Ok(());
        }
        let say = |typed| step(life.policy(), &life.state, &Event::Message { at, typed }, life.now);
        let (plain, typed) = (say(None), say(Some(choice)));
        prop_assert_eq!((typed.state, typed.reports, typed.ignored), (plain.state, plain.reports, plain.ignored));
    }

    /// "Later" plans again three hours on; hours and window still rule.
    #[test]
    fn later_is_three_hours(policy in policies(), reply in 0..DAY) {
        let mut policy = Policy { expires_after: 60 * DAY, max_lateness: None, ..policy };
        policy.rules = Rules { enabled: true, hours: always_open(), session: None, ..policy.rules };
        policy.line.free_text = true;
        let mut life = Life::new(vec![policy]);
        life.act(&Act::Question(0, None));
        life.act(&Act::Wake);
        life.act(&Act::Called(Verdict::Accepted(Moment(0)), false));
        life.now = life.now.plus(reply);
        let at = life.now;
        let said = life.take(&Event::Message { at, typed: Some(Choice::Later) });
        prop_assert_eq!((life.state.phase, life.state.due), (Phase::Waiting, Some(at.plus(limits::LATER))));
        let silence = Reason::Silence { at: at.plus(limits::LATER), wait: limits::LATER };
        prop_assert!(said.trail.iter().any(|reason| *reason == silence));
    }
}

/// What is said to an order of events: the time of each is fixed, the order of arrival is not.
fn told() -> impl Strategy<Value = (Vec<Event>, Vec<usize>)> {
    let typed = prop::option::of(prop::sample::select(vec![Choice::Yes, Choice::No, Choice::Later]));
    let word = prop_oneof![
        3 => typed.prop_map(|typed| Event::Message { at: T, typed }),
        3 => Just(Event::Question { at: T, obstacle: None }),
    ];
    let fact = prop_oneof![
        2 => prop::sample::select(vec![Finish::Succeeded, Finish::Failed, Finish::Cancelled]).prop_map(|how| Event::Finish { at: T, how }),
        1 => Just(Event::OptOut { at: T }),
    ];
    let events = (prop::collection::vec(word, 1..6), prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(fact, 1..4)]);
    let events = events.prop_map(|(words, facts)| {
        let mut at = T;
        words
            .into_iter()
            .chain(facts)
            .map(|event| {
                timed(event, {
                    at = at.plus(2 * MINUTE);
                    at
                })
            })
            .collect::<Vec<Event>>()
    });
    events.prop_flat_map(|events| {
        let order: Vec<usize> = (0..events.len()).collect();
        (Just(events), Just(order).prop_shuffle())
    })
}

fn timed(event: Event, at: Moment) -> Event {
    match event {
        Event::Message { typed, .. } => Event::Message { at, typed },
        Event::Question { obstacle, .. } => Event::Question { at, obstacle },
        Event::Finish { how, .. } => Event::Finish { at, how },
        Event::OptOut { .. } => Event::OptOut { at },
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The order of arrival does not matter. Pinned where the contract itself says otherwise, so that the events here keep clear of it:
    /// a message less than 60 s older than the armed question cancels it, though in order it would have come before (times are 2 min
    /// apart); and a final fact always applies, however late, so it ends what was said after it (facts come last here).
    #[test]
    fn the_order_of_arrival_does_not_matter(policy in policies(), (events, order) in told()) {
        let now = T.plus(HOUR);
        let tell = |events: &mut dyn Iterator<Item = &Event>| {
            let mut life = Life::new(vec![policy.clone()]);
            life.now = now;
            for event in events {
                life.take(event);
            }
            let State { phase, opted_out, last_inbound, due, skip, .. } = life.state;
            let armed = (phase == Phase::Waiting).then_some((life.state.question, life.state.silence));
            (phase, opted_out, last_inbound, armed, due, skip)
        };
        prop_assert_eq!(tell(&mut order.iter().map(|i| &events[*i])), tell(&mut events.iter()));
    }
}

fn any_moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        2 => (-3 * DAY..3 * DAY).prop_map(|by| T.plus(by)),
        1 => any::<i64>().prop_map(Moment),
        1 => prop::sample::select(vec![Moment::MIN, Moment::MAX, Moment(0), Moment(-1)]),
    ]
}

fn maybe_moment() -> impl Strategy<Value = Option<Moment>> {
    prop::option::of(any_moment())
}

/// Any state that memory could hold, whether or not a life leads there.
fn any_state() -> impl Strategy<Value = State> {
    let phases = vec![Phase::Quiet, Phase::Waiting, Phase::Sending, Phase::Retrying, Phase::Answering];
    let finished = prop::sample::select(Outcome::ALL.to_vec()).prop_map(Phase::Finished);
    let phase = prop_oneof![5 => prop::sample::select(phases), 1 => finished];
    let small = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u32>(), any::<u32>());
    let sent = prop::sample::select(vec![
        None,
        Some(SendOutcome::Accepted),
        Some(SendOutcome::Unknown),
        Some(SendOutcome::Skipped(SkipReason::Capped)),
        Some(SendOutcome::Cancelled),
    ]);
    let skip = prop::option::of(prop::sample::select(SkipReason::ALL.to_vec()));
    let moments = (any_moment(), any_moment(), any_moment(), prop::array::uniform7(maybe_moment()));
    (phase, prop::array::uniform8(any::<bool>()), small, sent, skip, moments).prop_map(|(phase, flags, small, sent, skip, moments)| {
        let [held, started, opted_out, doubt, hurried, later, sent_in_episode, own] = flags;
        let (step, attempt, episodes_sent, episode, salt) = small;
        let (begun, silence, not_after, [question, last_inbound, handed_over, earliest, wake, due, expires]) = moments;
        let purpose = if own { Purpose::of_step(251 + step % 5) } else { Purpose::FollowUp };
        let form = if doubt { Form::Template } else { Form::Message };
        let phases = State { phase, held, started, opted_out, doubt, hurried, later, ..State::new(ConversationId(0), false) };
        let counts = State { episode, episodes_sent, sent_in_episode, step, attempt, purpose, form, skip, sent, obstacle: skip, ..phases };
        State { salt, begun, silence, question, last_inbound, handed_over, earliest, wake, due, not_after, expires, ..counts }
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let choice = || prop::sample::select(Choice::ALL.to_vec());
    prop_oneof![
        (any_moment(), prop::option::of(choice())).prop_map(|(at, typed)| Event::Message { at, typed }),
        (any_moment(), choice(), maybe_moment()).prop_map(|(at, choice, silence)| Event::Answer { at, choice, silence }),
        any_moment().prop_map(|at| Event::Question { at, obstacle: None }),
        any_moment().prop_map(|at| Event::Finish { at, how: Finish::Superseded }),
        any_moment().prop_map(|at| Event::OptOut { at }),
        any_moment().prop_map(|at| Event::Ask { at }),
        any_moment().prop_map(|at| Event::Invite { at }),
        any_moment().prop_map(|at| Event::Notify { at }),
        any_moment().prop_map(|at| Event::Close { at }),
        Just(Event::Blocked { reason: SkipReason::OptedOut }),
        any_moment().prop_map(|until| Event::Postpone { until }),
        prop::sample::select(vec![Event::Hold, Event::Release, Event::SendNow, Event::Woke, Event::Orphaned, Event::Resend]),
        Just(Event::PolicyChanged),
        (any_moment(), any::<u8>()).prop_map(|(silence, step)| Event::Undelivered { silence, step, refusal: Refusal::WindowClosed }),
        (verdicts(), any::<bool>(), any_moment()).prop_map(|(verdict, found, silence)| {
            if found { Event::Found { silence, step: 0, verdict } } else { Event::Sent { silence, step: 0, verdict } }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Total: whatever state a damaged or future store hands it, whatever the clocks say, the machine answers.
    #[test]
    fn it_is_total(policy in policies(), state in any_state(), event in any_event(), now in any_moment()) {
        let event = match event {
            // Half the point of a verdict is that it is of the call in hand.
            Event::Sent { verdict, .. } => Event::Sent { silence: state.silence, step: state.step, verdict },
            Event::Found { verdict, .. } => Event::Found { silence: state.silence, step: state.step, verdict },
            Event::Undelivered { step, refusal, .. } => Event::Undelivered { silence: state.silence, step, refusal },
            other => other,
        };
        let step = step(&policy, &state, &event, now);
        prop_assert!(step.send.is_none() || step.state.phase == Phase::Sending);
        prop_assert!(step.reports.iter().flatten().count() <= 3);
    }
}

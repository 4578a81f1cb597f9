//! Random lives of a conversation, with the promises that every step of one must keep. Not the laws: those are in `laws.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use crate::conversation::*;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use crate::schedule::{Calendar, Daily, Hours, Notation, Otherwise, Rules, Session, SkipReason, WhenClosed, Zone};

/// A Monday, 15:00 UTC.
pub(super) const T: Moment = Moment(1_772_463_600_000);

pub(super) fn always_open() -> Hours {
    Hours::Daily(Daily::new(0, 0))
}

fn hours() -> impl Strategy<Value = Hours> {
    let calendar = |text: &str| {
        let notation = Notation::read(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        Hours::Calendar(Arc::new(Calendar::new(Zone::named("America/Bogota").unwrap(), notation, &[])))
    };
    prop_oneof![
        Just(always_open()),
        (0..DAY, 0..DAY).prop_map(|(start, end)| Hours::Daily(Daily::new(start, end))),
        Just(calendar("Mo-Fr 08:00-12:00,14:00-18:00")),
        Just(calendar("2030 Jan 1 08:00-12:00")),
    ]
}

fn session() -> impl Strategy<Value = Option<Session>> {
    let choices = prop::collection::vec(prop::sample::select(Otherwise::ALL.to_vec()), 0..4);
    let session = (1..3_000_i64, choices, any::<bool>()).prop_map(|(window, choices, template)| Session {
        window: window * MINUTE,
        margin: window.min(10) * MINUTE / 2,
        when_closed: WhenClosed::new(&choices),
        template: template.then(|| Arc::from("OTB1")),
        ..Session::default()
    });
    prop_oneof![2 => Just(None), 1 => Just(Some(Session::default())), 2 => session.prop_map(Some)]
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let schedule = (hours(), session(), prop::bool::weighted(0.9), limits::WAIT_FLOOR..=limits::WAIT_CEILING, 0..3 * HOUR);
    let delays = prop::collection::vec(limits::WAIT_FLOOR..4 * DAY, 0..4);
    let words = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>(), prop::bool::weighted(0.9));
    let words = (words, prop::bool::weighted(0.3));
    (schedule, delays, words, HOUR..5 * DAY, prop::option::of(0..3 * DAY)).prop_map(
        |((hours, session, enabled, wait, spread), delays, words, expires_after, max_lateness)| {
            let ((ask, any_message, resend, correlation, free_text), asks) = words;
            Policy {
                rules: Rules { enabled, wait, hours, session, spread },
                steps: delays.into_iter().map(|delay| StepRule { delay, message: Arc::from("") }).collect(),
                on_yes: if ask { OnYes::Ask } else { OnYes::Hook },
                expires_after,
                max_lateness,
                arm_on: if any_message { ArmOn::AnyMessage } else { ArmOn::Question },
                in_doubt: if resend { InDoubt::Resend } else { InDoubt::Unknown },
                line: Capabilities { free_text, buttons: true, template: true, correlation, recipient: false },
                asks,
                ..Policy::retired()
            }
        },
    )
}

/// Something that may happen next, told relative to the state and the time in which it does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// The person's word, so long ago.
    Message(i64, Option<Choice>),
    /// A button, so long ago; of the present silence, or of an old one.
    Answer(i64, Choice, Option<bool>),
    Question(i64, Option<SkipReason>),
    Finish(i64, Finish),
    /// What we say of our own accord, or in reply to what was said so long ago.
    Own(i64, Purpose),
    OptOut(i64),
    Other(Event),
    Postpone(i64),
    /// The timer, when it is due.
    Wake,
    /// The timer, at any moment.
    Spurious,
    /// The call in hand ends; `true`: it is found in the ledger instead.
    Called(Verdict, bool),
    /// The message that is out turns out not to have arrived.
    Lost(Refusal),
    /// Other rules from here on.
    Reload(usize),
}

pub(super) fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Accepted(Moment(0))),
        2 => prop::sample::select(vec![0, SECOND, HOUR, DAY]).prop_map(Verdict::Busy),
        1 => Just(Verdict::Refused(Refusal::Recipient)),
        1 => Just(Verdict::Refused(Refusal::WindowClosed)),
        2 => Just(Verdict::Unknown),
        1 => Just(Verdict::NotBegun),
        1 => Just(Verdict::Stopped),
    ]
}

pub(super) fn acts() -> impl Strategy<Value = (i64, Act)> {
    let ago = || prop_oneof![3 => 0..5 * SECOND, 2 => 0..5 * MINUTE, 1 => 0..40 * HOUR, 1 => -10 * MINUTE..0];
    let typed = || prop::option::of(prop::sample::select(Choice::ALL.to_vec()));
    let choice = || prop::sample::select(Choice::ALL.to_vec());
    let obstacle = prop_oneof![8 => Just(None), 1 => Just(Some(SkipReason::NoRecipient))];
    let finish = prop::sample::select(vec![Finish::Succeeded, Finish::Failed, Finish::Cancelled, Finish::Superseded]);
    let other = prop::sample::select(vec![
        Event::OptIn { at: T },
        Event::Hold,
        Event::Release,
        Event::SendNow,
        Event::Orphaned,
        Event::Resend,
        Event::PolicyChanged,
        Event::Blocked { reason: SkipReason::TemplateUnavailable },
    ]);
    let act = prop_oneof![
        4 => (ago(), typed()).prop_map(|(ago, typed)| Act::Message(ago, typed)),
        2 => (ago(), choice(), prop::option::of(any::<bool>())).prop_map(|(ago, choice, old)| Act::Answer(ago, choice, old)),
        6 => (ago(), obstacle).prop_map(|(ago, obstacle)| Act::Question(ago, obstacle)),
        2 => (ago(), prop::sample::select(vec![Purpose::Ask, Purpose::Ask, Purpose::Invite, Purpose::Notify, Purpose::Close]))
            .prop_map(|(ago, purpose)| Act::Own(ago, purpose)),
        1 => (ago(), finish).prop_map(|(ago, how)| Act::Finish(ago, how)),
        1 => ago().prop_map(Act::OptOut),
        3 => other.prop_map(Act::Other),
        1 => (-DAY..3 * DAY).prop_map(Act::Postpone),
        8 => Just(Act::Wake),
        1 => Just(Act::Spurious),
        8 => (verdicts(), prop::bool::weighted(0.1)).prop_map(|(verdict, found)| Act::Called(verdict, found)),
        2 => prop::sample::select(vec![Refusal::WindowClosed, Refusal::WindowClosed, Refusal::Recipient]).prop_map(Act::Lost),
        1 => (0..3_usize).prop_map(Act::Reload),
    ];
    // Mostly time goes on; sometimes the clock is set back.
    let pass = prop_oneof![4 => 0..MINUTE, 3 => 0..2 * HOUR, 1 => 0..2 * DAY, 1 => -HOUR..0];
    (pass, act)
}

/// A conversation on its way through random acts, with what must hold kept beside it.
pub(super) struct Life {
    policies: Vec<Policy>,
    policy: usize,
    pub(super) state: State,
    pub(super) now: Moment,
    /// Sends of which another call may not be made.
    settled: BTreeSet<(Moment, u8)>,
    /// Silences that an acknowledged word of the person, or a newer question, ended.
    over: BTreeSet<Moment>,
}

impl Life {
    pub(super) fn new(policies: Vec<Policy>) -> Life {
        let state = State::new(ConversationId(7 << 96), false);
        Life { policies, policy: 0, state, now: T, settled: BTreeSet::new(), over: BTreeSet::new() }
    }

    pub(super) fn live(policies: Vec<Policy>, acts: &[(i64, Act)]) -> Life {
        let mut life = Life::new(policies);
        for (pass, act) in acts {
            life.now = life.now.plus(*pass);
            life.act(act);
        }
        life
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policies[self.policy % self.policies.len()]
    }

    pub(super) fn act(&mut self, act: &Act) {
        let (state, now) = (self.state, self.now);
        let in_hand = (state.silence, state.step);
        let event = match *act {
            Act::Message(ago, typed) => Event::Message { at: now.plus(-ago), typed },
            Act::Answer(ago, choice, old) => {
                let silence = old.map(|old| if old { state.silence.plus(-HOUR) } else { state.silence });
                Event::Answer { at: now.plus(-ago), choice, silence }
            }
            Act::Question(ago, obstacle) => Event::Question { at: now.plus(-ago), obstacle },
            Act::Own(ago, Purpose::Ask | Purpose::FollowUp) => Event::Ask { at: now.plus(-ago) },
            Act::Own(ago, Purpose::Close) => Event::Close { at: now.plus(-ago) },
            Act::Own(_, Purpose::Invite) => Event::Invite { at: now },
            Act::Own(_, Purpose::Notify) => Event::Notify { at: now },
            Act::Finish(ago, how) => Event::Finish { at: now.plus(-ago), how },
            Act::OptOut(ago) => Event::OptOut { at: now.plus(-ago) },
            Act::Other(event) => event,
            Act::Postpone(by) => Event::Postpone { until: now.plus(by) },
            Act::Wake => {
                self.now = state.wake_at().map_or(now, |wake| wake.max(now));
                Event::Woke
            }
            Act::Spurious => Event::Woke,
            Act::Called(verdict, found) => {
                let verdict = if let Verdict::Accepted(_) = verdict { Verdict::Accepted(now) } else { verdict };
                let (silence, step) = in_hand;
                if found { Event::Found { silence, step, verdict } } else { Event::Sent { silence, step, verdict } }
            }
            Act::Lost(refusal) => {
                let out = if state.wake.is_some() { state.step.saturating_sub(1) } else { state.step };
                Event::Undelivered { silence: state.silence, step: out, refusal }
            }
            Act::Reload(policy) => {
                self.policy = policy;
                Event::PolicyChanged
            }
        };
        self.take(&event);
    }

    pub(super) fn take(&mut self, event: &Event) -> Step {
        let (before, now) = (self.state, self.now);
        let step = step(self.policy(), &before, event, now);
        let said = || format!("{event:?} at {now}\nbefore {before:?}\nafter {:?}", step.state);
        assert_eq!(step.state.check(), None, "{}", said());
        assert!(step.state.episodes_sent <= limits::EPISODES_WITH_SENDS, "{}", said());
        assert!(step.ignored.is_none() || step.send.is_none(), "{}", said());
        if *event == Event::Woke && before.wake_at().is_none_or(|wake| wake > now) {
            assert!(step.state == before && step.ignored.is_some(), "woken early: {}", said());
        }
        self.note_words(event, &before, &step);
        self.note_calls(event, &before);
        if let Some(send) = step.send {
            self.may_send(&send, &step.state, &said());
        }
        if step.state.episode != before.episode || step.state.silence != before.silence {
            // A question of the very millisecond of an old silence has its sends' identities; the ledger keeps those from going out.
            self.over.remove(&step.state.silence);
            self.settled.retain(|(silence, _)| *silence != step.state.silence);
        }
        self.state = step.state;
        step
    }

    fn note_words(&mut self, event: &Event, before: &State, step: &Step) {
        let word = matches!(event, Event::Message { .. } | Event::Answer { .. } | Event::Question { .. });
        let ends = matches!(event, Event::OptOut { .. } | Event::Finish { .. });
        if step.ignored.is_none() && (word || ends) && step.state.episode != before.episode {
            self.over.insert(before.silence);
        }
        if step.ignored.is_none() && matches!(step.state.phase, Phase::Quiet | Phase::Finished(_)) {
            self.over.insert(before.silence);
        }
    }

    fn note_calls(&mut self, event: &Event, before: &State) {
        let resends = self.policy().in_doubt == InDoubt::Resend;
        let send = (before.silence, before.step);
        match *event {
            Event::Sent { verdict, .. } if before.phase == Phase::Sending => match verdict {
                // The proof that it was not taken, also where it was in doubt before.
                Verdict::Busy(_) | Verdict::NotBegun | Verdict::Stopped | Verdict::Refused(Refusal::WindowClosed) => {
                    self.settled.remove(&send);
                }
                Verdict::Unknown if resends => {}
                _ => drop(self.settled.insert(send)),
            },
            Event::Orphaned if before.phase == Phase::Sending && !resends => drop(self.settled.insert(send)),
            Event::Undelivered { silence, step, .. } => drop(self.settled.remove(&(silence, step))),
            // An operator takes the doubt on.
            Event::Resend => self.settled.clear(),
            _ => {}
        }
    }

    /// What must hold of every claim.
    fn may_send(&self, send: &Send, state: &State, said: &str) {
        let (policy, now) = (self.policy(), self.now);
        assert_eq!(state.phase, Phase::Sending, "{said}");
        assert!(!state.opted_out && !state.held, "claimed for nobody: {said}");
        assert!(now <= send.not_after, "claimed too late: {said}");
        assert!(send.attempt <= limits::ATTEMPTS, "{said}");
        let follow_up = send.purpose == Purpose::FollowUp;
        assert!(!follow_up || policy.rules.enabled, "{said}");
        assert!(!follow_up || policy.rules.hours.is_open(now), "claimed while closed: {said}");
        let anchor = if send.step == 0 { send.silence } else { state.handed_over.unwrap_or(send.silence) };
        assert!(!follow_up || now.since(anchor) >= limits::WAIT_FLOOR, "claimed before the floor: {said}");
        assert!(!follow_up || !state.shut || send.form == Form::Template, "free text into a window that is closed: {said}");
        if let (Some(session), Form::Message) = (&policy.rules.session, send.form) {
            assert!(state.last_inbound.is_some_and(|last| send.not_after <= session.closes(last)), "claimed after the window: {said}");
        }
        assert!(!self.settled.contains(&(send.silence, send.step)), "claimed a second time: {said}");
        assert!(!self.over.contains(&send.silence), "claimed after the answer: {said}");
        let first_word = matches!(send.purpose, Purpose::Invite | Purpose::Notify);
        assert_eq!(first_word, !follow_up && send.form == Form::Template, "free text that nobody asked for: {said}");
        assert_eq!(Purpose::of_step(send.step), send.purpose, "{said}");
    }
}

pub(super) fn three_policies() -> impl Strategy<Value = Vec<Policy>> {
    prop::collection::vec(policies(), 1..4)
}

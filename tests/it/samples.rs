//! Random states, events and changes, for the store's properties. Shared: the library's own tests include this file too.
//!
//! Not stories: nothing here makes sense as a conversation, and a store must keep it all the same.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use reengaged::conversation::{Choice, Event, Finish, Form, Outcome, Phase, Purpose, Refusal, Report, SendOutcome, State, Verdict};
use reengaged::engine::record::{
    Change, Decision, Delta, Header, HookRecord, LedgerEnd, LedgerEntry, Moved, NameId, Outgoing, PauseScope, Question, Reach, Stored,
};
use reengaged::engine::registry::{Filed, OutboundNews, Register};
use reengaged::id::{AliasKey, ConversationId, EventKey, PersonKey, SendId};
use reengaged::moment::{DAY, HOUR, Moment};
use reengaged::schedule::{Reason, SkipReason, Trail, Tzdata};

/// A conversation as most are: armed, its follow-up some hours on.
pub(crate) fn waiting(id: ConversationId, at: Moment) -> Stored {
    let mut state = State::new(id, false);
    state.phase = Phase::Waiting;
    state.episode = 3;
    state.begun = at.plus(-DAY);
    state.silence = at;
    state.question = Some(at);
    state.last_inbound = Some(at.plus(-90_000));
    state.wake = Some(at.plus(5 * HOUR));
    state.due = state.wake;
    state.not_after = at.plus(9 * HOUR);
    state.expires = Some(at.plus(53 * HOUR));
    Stored { id, line: NameId(1), flow: NameId(2), state }
}

/// An instant: mostly of our time, sometimes the ends of all time.
pub(crate) fn moment() -> BoxedStrategy<Moment> {
    prop_oneof![
        8 => (1_770_000_000_000..1_780_000_000_000i64).prop_map(Moment),
        1 => any::<i64>().prop_map(Moment),
        1 => prop_oneof![Just(Moment::MIN), Just(Moment::MAX), Just(Moment(0))],
    ]
    .boxed()
}

/// One of a few conversations, or any.
pub(crate) fn conversation() -> BoxedStrategy<ConversationId> {
    prop_oneof![9 => few().prop_map(ConversationId), 1 => any::<u128>().prop_map(ConversationId)].boxed()
}

/// A conversation with its state.
pub(crate) fn stored() -> BoxedStrategy<Stored> {
    conversation().prop_flat_map(stored_of).boxed()
}

/// An event.
pub(crate) fn event() -> BoxedStrategy<Event> {
    let step = any::<u8>();
    prop_oneof![
        (moment(), option::of(choice())).prop_map(|(at, typed)| Event::Message { at, typed }),
        (moment(), choice(), option::of(moment())).prop_map(|(at, choice, silence)| Event::Answer { at, choice, silence }),
        (moment(), option::of(skip())).prop_map(|(at, obstacle)| Event::Question { at, obstacle }),
        (moment(), finish()).prop_map(|(at, how)| Event::Finish { at, how }),
        moment().prop_map(|at| Event::OptOut { at }),
        moment().prop_map(|at| Event::OptIn { at }),
        moment().prop_map(|until| Event::Postpone { until }),
        moment().prop_map(|at| Event::Ask { at }),
        moment().prop_map(|at| Event::Invite { at }),
        moment().prop_map(|at| Event::Notify { at }),
        moment().prop_map(|at| Event::Close { at }),
        skip().prop_map(|reason| Event::Blocked { reason }),
        (moment(), step, verdict()).prop_map(|(silence, step, verdict)| Event::Sent { silence, step, verdict }),
        (moment(), step, verdict()).prop_map(|(silence, step, verdict)| Event::Found { silence, step, verdict }),
        (moment(), step, refusal()).prop_map(|(silence, step, refusal)| Event::Undelivered { silence, step, refusal }),
        prop::sample::select(vec![Event::Hold, Event::Release, Event::SendNow, Event::Woke, Event::Orphaned, Event::PolicyChanged]),
    ]
    .boxed()
}

/// The reasons of a decision.
pub(crate) fn trail() -> BoxedStrategy<Trail> {
    let reason = (any::<u8>(), moment(), prop_oneof![1..13i64, any::<i64>()])
        .prop_map(|(code, at, number)| (0..=255u8).find_map(|step| Reason::from_parts(code.wrapping_add(step), at, number)));
    vec(reason, 0..12)
        .prop_map(|reasons| {
            let mut trail = Trail::new();
            reasons.into_iter().flatten().for_each(|reason| trail.push(reason));
            trail
        })
        .boxed()
}

/// What a hook is told.
pub(crate) fn report() -> BoxedStrategy<Report> {
    prop_oneof![
        any::<bool>().prop_map(|unknown| Report::FollowUpSent { unknown }),
        any::<bool>().prop_map(|revived| Report::Resumed { revived }),
        skip().prop_map(Report::Skipped),
        prop::sample::select(vec![
            Report::Started,
            Report::FollowUpDelivered,
            Report::Declined,
            Report::Succeeded,
            Report::Failed,
            Report::Expired,
            Report::OptedOut,
            Report::OutboundApproved,
            Report::OutboundRejected
        ]),
    ]
    .boxed()
}

/// A hook record of any number.
pub(crate) fn hook_record() -> BoxedStrategy<HookRecord> {
    let ids = (any::<u64>(), conversation(), report(), moment());
    let about = (option::of(any::<u128>()), option::of(question()), pairs(), option::weighted(0.2, outbound_news()));
    (ids, (any::<u32>(), any::<u8>(), about, vec(name(), 0..4)))
        .prop_map(|((seq, conversation, report, at), (episode, step, (send, question, answers, outbound), mut hooks))| {
            hooks.sort();
            hooks.dedup();
            let (send, outbound) = (send.map(SendId), outbound.map(Box::new));
            HookRecord { seq, conversation, report, at, episode, step, send, question, answers, outbound, hooks }
        })
        .boxed()
}

fn outbound_news() -> BoxedStrategy<OutboundNews> {
    ("OTB[0-9a-f]{1,3}", "[a-z ]{0,9}", "[a-z]{1,5}", "[a-z ]{0,9}")
        .prop_map(|(id, name, line, why)| OutboundNews { id: Arc::from(id), name, line, why })
        .boxed()
}

/// A record of the registry, one of a few: short, or longer than one value of the database.
fn filed() -> BoxedStrategy<Filed> {
    let register = prop::sample::select(Register::ALL.to_vec());
    let length = prop_oneof![4 => 0..90usize, 1 => 1_900..9_000usize];
    // Ids of different lengths, one the beginning of another, one ending as the number of a chunk looks.
    let id = prop::sample::select(vec!["OTB0", "OTB00", "OTB0\u{0}\u{0}", "INB1", "INB12"]);
    let value = option::weighted(0.7, (any::<u8>(), length)).prop_map(|v| v.map(|(byte, n)| Arc::from(vec![byte; n])));
    (register, id, value, vec(hook_record(), 0..2))
        .prop_map(|(register, id, value, hooks)| Filed { register, id: Arc::from(id), value, hooks })
        .boxed()
}

/// Several changes of one conversation.
pub(crate) fn moves_of_one() -> BoxedStrategy<Vec<Moved>> {
    conversation().prop_flat_map(|id| vec(moved_of(id), 1..6)).boxed()
}

/// Any change.
pub(crate) fn change() -> BoxedStrategy<Change> {
    let hook_seq = 0..12u64;
    prop_oneof![
        12 => conversation().prop_flat_map(moved_of).prop_map(|moved| Change::Moved(Box::new(moved))),
        1 => (name(), "[a-z]{1,9}").prop_map(|(id, name)| Change::Named(id, Arc::from(name))),
        1 => (few(), moment()).prop_map(|(person, at)| Change::OptedOut(PersonKey(person), at)),
        1 => (few(), moment()).prop_map(|(person, at)| Change::OptedIn(PersonKey(person), at)),
        1 => (scope(), any::<bool>()).prop_map(|(scope, paused)| Change::Paused(scope, paused)),
        1 => (name(), "[a-z/]{1,9}", any::<bool>()).prop_map(|(line, name, usable)| Change::Template(line, Arc::from(name), usable)),
        2 => filed().prop_map(|filed| Change::Filed(Box::new(filed))),
        2 => (name(), hook_seq.clone()).prop_map(|(hook, seq)| Change::HookDone(hook, seq)),
        2 => (name(), hook_seq.clone(), moment()).prop_map(|(hook, seq, at)| Change::HookDead(hook, seq, at)),
        1 => (name(), hook_seq).prop_map(|(hook, seq)| Change::HookReplay(hook, seq)),
        1 => moment().prop_map(|at| Change::DeadUntil(at.min(Moment(1_772_000_000_000)))),
        1 => ledger_entry().prop_map(Change::Ledger),
        2 => (conversation(), any::<bool>()).prop_map(|(id, erased)| Change::Forgotten(id, erased)),
        1 => (20_480..20_605i64).prop_map(Change::IdentitiesUntil),
        1 => moment().prop_map(Change::Alive),
    ]
    .boxed()
}

/// Changes as an engine would make them: every hook record has a number of its own, in order.
pub(crate) fn history(length: usize) -> BoxedStrategy<Vec<Change>> {
    vec(change(), 1..length)
        .prop_map(|mut changes| {
            let mut seq = 0;
            for change in &mut changes {
                let hooks = match change {
                    Change::Moved(moved) => &mut moved.hooks[..],
                    Change::Filed(filed) => &mut filed.hooks[..],
                    _ => &mut [],
                };
                for record in hooks {
                    record.seq = seq;
                    seq += 1;
                }
            }
            changes
        })
        .boxed()
}

fn few() -> BoxedStrategy<u128> {
    (1..9u128).prop_map(|n| n << 96).boxed()
}

fn name() -> BoxedStrategy<NameId> {
    prop_oneof![9 => (0..4u16).prop_map(NameId), 1 => any::<u16>().prop_map(NameId)].boxed()
}

fn skip() -> BoxedStrategy<SkipReason> {
    prop::sample::select(SkipReason::ALL.to_vec()).boxed()
}

fn choice() -> BoxedStrategy<Choice> {
    prop::sample::select(Choice::ALL.to_vec()).boxed()
}

fn finish() -> BoxedStrategy<Finish> {
    prop::sample::select(vec![Finish::Succeeded, Finish::Failed, Finish::Cancelled, Finish::Superseded]).boxed()
}

fn refusal() -> BoxedStrategy<Refusal> {
    use Refusal::{Line, OptedOut, Recipient, Template, WindowClosed};
    prop::sample::select(vec![WindowClosed, Template, Recipient, Line, OptedOut]).boxed()
}

fn verdict() -> BoxedStrategy<Verdict> {
    prop_oneof![
        moment().prop_map(Verdict::Accepted),
        any::<i64>().prop_map(Verdict::Busy),
        refusal().prop_map(Verdict::Refused),
        Just(Verdict::Unknown),
        Just(Verdict::NotBegun),
        Just(Verdict::Stopped),
    ]
    .boxed()
}

fn outcome() -> BoxedStrategy<SendOutcome> {
    prop_oneof![
        Just(SendOutcome::Accepted),
        skip().prop_map(SendOutcome::Rejected),
        Just(SendOutcome::Unknown),
        skip().prop_map(SendOutcome::Skipped),
        Just(SendOutcome::Cancelled),
    ]
    .boxed()
}

fn phase() -> BoxedStrategy<Phase> {
    prop_oneof![
        3 => prop::sample::select(vec![Phase::Quiet, Phase::Waiting, Phase::Sending, Phase::Retrying, Phase::Answering]),
        1 => prop::sample::select(Outcome::ALL.to_vec()).prop_map(Phase::Finished),
    ]
    .boxed()
}

fn purpose() -> BoxedStrategy<Purpose> {
    use Purpose::{Ask, Close, FollowUp, Invite, Notify};
    prop::sample::select(vec![FollowUp, FollowUp, FollowUp, Ask, Invite, Notify, Close]).boxed()
}

fn outgoing() -> BoxedStrategy<Outgoing> {
    let header = prop::sample::select(Header::ALL.to_vec());
    ("OTB[0-9a-f]{4}", "[a-z]{0,9}", ".{0,40}", (header, option::of("https://[a-z]{1,9}")), pairs())
        .prop_map(|(outbound, template, text, (header, media), vars)| {
            let (yes, no, category) = ("Continuar".to_owned(), "Cancelar".to_owned(), "UTILITY".to_owned());
            Outgoing { outbound, template, text, yes, no, vars, header, media, category }
        })
        .boxed()
}

fn stored_of(id: ConversationId) -> BoxedStrategy<Stored> {
    let flags = (any::<[bool; 9]>(), phase(), any::<u32>(), any::<[u8; 3]>(), purpose());
    let reasons = (option::of(outcome()), option::of(skip()), option::of(skip()));
    let times = (moment(), moment(), vec(option::of(moment()), 7), prop_oneof![Just(Moment::MAX), moment()], any::<[bool; 2]>());
    (flags, reasons, times, name(), name())
        .prop_map(move |(flags, reasons, times, line, flow)| {
            let (bits, phase, episode, [episodes_sent, step, attempt], purpose) = flags;
            let (sent, obstacle, skip) = reasons;
            let (begun, silence, at, not_after, [asked_at_silence, due_at_wake]) = times;
            let mut state = State::new(id, bits[0]);
            state.phase = phase;
            state.held = bits[1];
            state.started = bits[6];
            state.doubt = bits[2];
            state.shut = bits[8];
            state.hurried = bits[3];
            state.later = bits[4];
            state.sent_in_episode = bits[5];
            state.purpose = purpose;
            state.form = if bits[7] { Form::Template } else { Form::Message };
            (state.episode, state.episodes_sent, state.step, state.attempt) = (episode, episodes_sent, step, attempt);
            (state.sent, state.obstacle, state.skip) = (sent, obstacle, skip);
            (state.begun, state.silence, state.not_after) = (begun, silence, not_after);
            state.question = if asked_at_silence { Some(silence) } else { at[0] };
            (state.last_inbound, state.handed_over, state.earliest, state.wake) = (at[1], at[2], at[3], at[4]);
            state.due = if due_at_wake { state.wake } else { at[5] };
            state.expires = at[6];
            Stored { id, line, flow, state }
        })
        .boxed()
}

fn question() -> BoxedStrategy<Question> {
    let long = prop_oneof![9 => 0..60usize, 1 => 3_000..4_000usize];
    ("[a-z0-9]{0,8}", long, "(\\{\"a\":[0-9]{1,6}\\})?", vec("[a-z]{1,9}", 0..4))
        .prop_map(|(id, n, payload, choices)| Question { id, text: "¿Sí? ".repeat(n / 6), payload, choices })
        .boxed()
}

fn pairs() -> BoxedStrategy<Vec<(String, String)>> {
    vec(("[a-f]{1,2}", prop_oneof![9 => 0..20usize, 1 => 1_000..1_025usize].prop_map(|n| "v".repeat(n))), 0..4).boxed()
}

fn delta(id: ConversationId) -> BoxedStrategy<Delta> {
    prop_oneof![
        1 => "[a-z0-9-]{0,20}".prop_map(Delta::Caller),
        1 => "[0-9]{0,15}".prop_map(Delta::To),
        1 => pairs().prop_map(Delta::Vars),
        1 => pairs().prop_map(Delta::Attributes),
        1 => question().prop_map(Delta::Asked),
        1 => moment().prop_map(Delta::AskedAt),
        4 => decision(id).prop_map(|decision| Delta::Decided(Box::new(decision))),
        1 => (few(), few()).prop_map(|(send, message)| Delta::Handed(SendId(send), AliasKey(message))),
        1 => (few(), prop::sample::select(Reach::ALL.to_vec())).prop_map(|(send, reach)| Delta::Reached(SendId(send), reach)),
        1 => option::of(outgoing()).prop_map(|outgoing| Delta::Outbound(outgoing.map(Box::new))),
        1 => ("[a-c]", ".{0,20}").prop_map(|(question, answer)| Delta::Answered(question, answer)),
        1 => Just(Delta::AnswersCleared),
        2 => (few(), any::<u8>(), outcome(), moment())
            .prop_map(|(send, step, outcome, at)| Delta::Ended { send: SendId(send), step, outcome, at }),
    ]
    .boxed()
}

fn decision(id: ConversationId) -> BoxedStrategy<Decision> {
    (moment(), stored_of(id), event(), trail(), any::<u64>(), option::of(moment()))
        .prop_map(|(now, stored, event, trail, fingerprint, due)| Decision {
            now,
            before: stored.state,
            event,
            trail,
            fingerprint,
            tzdata: Tzdata::compiled_in(),
            due,
        })
        .boxed()
}

fn moved_of(id: ConversationId) -> BoxedStrategy<Moved> {
    let tables = (option::of(any::<u128>()), vec(few(), 0..2), vec(hook_record(), 0..2), option::of(ledger_entry()));
    (stored_of(id), moment(), vec(delta(id), 0..4), tables)
        .prop_map(|(stored, now, deltas, (identity, aliases, mut hooks, ledger))| {
            hooks.iter_mut().for_each(|record| record.conversation = stored.id);
            Moved {
                stored,
                identity: identity.map(EventKey),
                now,
                deltas,
                aliases: aliases.into_iter().map(AliasKey).collect(),
                hooks,
                ledger,
            }
        })
        .boxed()
}

fn scope() -> BoxedStrategy<PauseScope> {
    prop_oneof![Just(PauseScope::All), name().prop_map(PauseScope::Line), name().prop_map(PauseScope::Flow)].boxed()
}

fn ledger_entry() -> BoxedStrategy<LedgerEntry> {
    let end = prop::sample::select(vec![LedgerEnd::Accepted, LedgerEnd::Refused, LedgerEnd::Unknown, LedgerEnd::Undelivered]);
    // Within some weeks: the ledger drops what is older than months.
    let at = (1_770_000_000_000..1_772_000_000_000i64).prop_map(Moment);
    prop_oneof![
        (few(), 1..4u8, at.clone(), conversation(), name(), any::<bool>()).prop_map(|(send, attempt, at, conversation, line, template)| {
            LedgerEntry::Intent { send: SendId(send), attempt, at, conversation, line, template }
        }),
        (few(), 1..4u8, at, end).prop_map(|(send, attempt, at, end)| LedgerEntry::Ended { send: SendId(send), attempt, at, end }),
    ]
    .boxed()
}

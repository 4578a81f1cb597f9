//! The promises as sentences, asked of what is known for certain: at every hand-over, after every turn, after a crash, at the end.
//!
//! Not the engine's own opinion: hours are asked of their definition, order of the watched store, hand-overs of the provider.

use std::collections::BTreeMap;

use crate::conversation::{Form, InDoubt, Phase, Policy, Purpose};
use crate::engine::group::Call;
use crate::engine::ports::Store;
use crate::id::ConversationId;
use crate::limits;
use crate::moment::Moment;
use crate::schedule::Hours;

use super::broken::Broken;
use super::facts::{Facts, Handed, Kind, planned};
use super::process::Process;
use super::witness::Witness;

type Checked = Result<(), Broken>;

/// What a hand-over is judged by, beside the facts.
pub(super) struct Circumstances<'a> {
    /// The rules in force; `None` where there are none.
    pub(super) policy: Option<&'a Policy>,
    /// By the daemon's clock.
    pub(super) wall: Moment,
    /// Whether the clock never stepped, so that waits can be measured.
    pub(super) steady: bool,
    /// Somebody was told that sending is paused here.
    pub(super) paused: bool,
    /// The clock is not believed.
    pub(super) clock_held: bool,
    /// Other conversations of the person.
    pub(super) family: Vec<ConversationId>,
    /// The number of this one is known, so that what is said in the others is heard here.
    pub(super) numbered: bool,
}

/// Asked when a hand-over begins.
pub(super) fn hand_over(facts: &Facts, call: &Call, around: &Circumstances<'_>) -> Checked {
    let policy = around.policy.ok_or_else(|| Broken::new("Nothing is sent without rules.", format!("{} on {:?}", call.id, call.line)))?;
    never_twice(facts, call, policy)?;
    never_after_the_answer(facts, call, policy)?;
    never_to_whom_opted_out(facts, call, around)?;
    never_while_held(facts, call, around)?;
    never_at_the_wrong_hour(facts, call, policy, around)?;
    never_too_often(facts, call)?;
    never_from_history(facts, call)
}

fn never_twice(facts: &Facts, call: &Call, policy: &Policy) -> Checked {
    let Some(send) = facts.sends.get(&call.id) else {
        return Err(Broken::new("Only what was planned is sent.", call.id.to_string()));
    };
    let open = send.handed.iter().filter(|handed| **handed == Handed::Open).count();
    let taken = send.ended.contains(&"accepted");
    if open > send.again && (policy.in_doubt == InDoubt::Unknown || taken) {
        let why =
            format!("{} of {}, step {}, was handed over {open} times before: {:?}", call.id, call.conversation, send.step, send.handed);
        return Err(Broken::new("A send is handed over once, unless it was refused.", why));
    }
    Ok(())
}

fn never_after_the_answer(facts: &Facts, call: &Call, policy: &Policy) -> Checked {
    let Some(known) = facts.known.get(&call.conversation) else { return Ok(()) };
    // What is said before an invitation, a notification or a question of the flow's own is out is no answer to it; a wish to hear
    // nothing more is.
    let first_word = match call.send.purpose {
        Purpose::Invite | Purpose::Notify => true,
        Purpose::Ask | Purpose::Close => policy.asks,
        Purpose::FollowUp => false,
    };
    let ends = |kind| kind == Kind::OptOut || (kind == Kind::Word && !first_word);
    let late = known.activities.iter().find(|a| a.acked && ends(a.kind) && a.order > known.armed);
    match late {
        Some(activity) => {
            let why = format!("{} of {} was armed by change {}, and {activity:?} came after", call.id, call.conversation, known.armed);
            Err(Broken::new("Nothing is sent after an acknowledged word of the person.", why))
        }
        None => Ok(()),
    }
}

fn never_to_whom_opted_out(facts: &Facts, call: &Call, around: &Circumstances<'_>) -> Checked {
    let of = |id: &ConversationId| facts.known.get(id);
    let own = of(&call.conversation).into_iter().flat_map(|known| &known.activities);
    // What was said elsewhere counts where the number was known then, or was learnt since.
    let family = around.family.iter().filter_map(of);
    let elsewhere = family.flat_map(|known| known.activities.iter().map(move |a| (a, a.numbered || known.number.is_some())));
    // Taken back elsewhere before an erasure, it stays taken back, also where the number is not known since.
    let heard = elsewhere.filter(|(a, numbered)| if around.numbered { *numbered } else { a.numbered && a.kind == Kind::OptIn });
    let told = own.chain(heard.map(|(a, _)| a));
    let last = told.filter(|a| matches!(a.kind, Kind::OptOut | Kind::OptIn)).max_by_key(|a| a.order);
    match last {
        Some(a) if a.kind == Kind::OptOut && a.acked => {
            Err(Broken::new("Whoever opted out hears nothing more.", format!("{} of {}, after {a:?}", call.id, call.conversation)))
        }
        _ => Ok(()),
    }
}

fn never_while_held(facts: &Facts, call: &Call, around: &Circumstances<'_>) -> Checked {
    let held = facts.known.get(&call.conversation).and_then(|known| {
        let told = known.activities.iter().filter(|a| matches!(a.kind, Kind::Hold | Kind::Release) && a.order >= known.fresh);
        told.max_by_key(|a| a.order).filter(|a| a.kind == Kind::Hold && a.acked)
    });
    if let Some(held) = held {
        return Err(Broken::new("Nothing is sent while held.", format!("{} of {}: {held:?}", call.id, call.conversation)));
    }
    if around.paused || facts.held || around.clock_held {
        let why = format!("{}: paused {}, restored {}, clock {}", call.id, around.paused, facts.held, around.clock_held);
        return Err(Broken::new("Nothing is sent while sending is paused.", why));
    }
    Ok(())
}

fn never_at_the_wrong_hour(facts: &Facts, call: &Call, policy: &Policy, around: &Circumstances<'_>) -> Checked {
    let (wall, rules) = (around.wall, &policy.rules);
    // The question again answers the person's own tap: the hours of follow-ups do not bind it.
    if call.send.purpose == Purpose::FollowUp {
        let open = match &rules.hours {
            Hours::Daily(daily) => daily.is_open(wall),
            Hours::Calendar(calendar) => calendar.open_by_definition(wall),
        };
        if !open {
            return Err(Broken::new("Nothing is sent while closed.", format!("{} at {wall}, {:?}", call.id, rules.hours)));
        }
        let floor = call.send.silence.plus(limits::WAIT_FLOOR);
        if around.steady && wall < floor {
            return Err(Broken::new("Nothing is sent in the first half hour.", format!("{} at {wall}, not before {floor}", call.id)));
        }
    }
    let Some(session) = rules.session.as_ref().filter(|_| call.send.form == Form::Message) else { return Ok(()) };
    let closes = facts.last_inbound(call.conversation).map(|last| session.closes(last));
    if closes.is_none_or(|closes| wall > closes) {
        let why = format!("{} of {} at {wall}, the window closed at {closes:?}", call.id, call.conversation);
        return Err(Broken::new("Free text goes out inside the messaging window only.", why));
    }
    Ok(())
}

fn never_too_often(facts: &Facts, call: &Call) -> Checked {
    let Some(known) = facts.known.get(&call.conversation) else { return Ok(()) };
    let Some(stored) = known.stored.filter(|_| call.send.purpose == Purpose::FollowUp) else { return Ok(()) };
    let begun = stored.state.begun;
    let before = known.sent.iter().filter(|(run, silence)| *run == begun && *silence != call.send.silence).count();
    if before >= usize::from(limits::EPISODES_WITH_SENDS) {
        let why = format!("{} of {} would be number {}", call.id, call.conversation, before + 1);
        return Err(Broken::new("At most three episodes of a conversation have sends.", why));
    }
    Ok(())
}

fn never_from_history(facts: &Facts, call: &Call) -> Checked {
    match facts.known.get(&call.conversation) {
        Some(known) if known.live.is_empty() => {
            let why = format!("{} of {}, of which only history is known", call.id, call.conversation);
            Err(Broken::new("What is imported sends nothing by itself.", why))
        }
        _ => Ok(()),
    }
}

/// Asked after every cut: the engine's memory and the store tell the same.
pub(super) fn memory_is_store(process: &Process, store: &Witness) -> Checked {
    let mut count = 0;
    for hot in process.engine.hot() {
        count += 1;
        let stored = store.load(hot.id).ok().flatten().map(|(stored, _)| stored);
        if stored.is_none_or(|stored| stored.state != hot.state || stored.line != hot.line || stored.flow != hot.flow) {
            let why = format!("{}: {:?} in memory, {stored:?} in the store", hot.id, hot.state);
            return Err(Broken::new("Memory and store agree.", why));
        }
    }
    let mut live = 0;
    // Reading a store in memory does not fail.
    let _ = store.recover(&mut |restored| live += usize::from(matches!(restored, crate::engine::ports::Restored::Conversation(_))));
    if live != count {
        return Err(Broken::new("Memory and store agree.", format!("{count} conversations in memory, {live} in the store")));
    }
    Ok(())
}

/// Asked after the engine has looked at what is due until it found no more: `next` is when it wants to look again.
pub(super) fn nothing_is_stranded(process: &Process, wall: Moment, next: Option<Moment>) -> Checked {
    if process.clock_held {
        // Nothing is over by a clock that is not believed; whether it is, is asked again soon.
        let soon = next.is_some_and(|next| next <= wall.plus(limits::NAP));
        return if soon {
            Ok(())
        } else {
            Err(Broken::new("A clock that is not believed is looked at again.", format!("next is {next:?}")))
        };
    }
    for hot in process.engine.hot() {
        let Some(wake) = hot.state.wake_at() else { continue };
        let why = || format!("{} wanted to wake at {wake}, it is {wall}, next is {next:?}: {:?}", hot.id, hot.state);
        if wake > wall {
            // Woken before the clock was set back, it waits for its line; whoever opens that looks at its deadline again.
            let queued = hot.waits.is_some() && !process.engine.may_claim(&hot, wall);
            if !queued && next.is_none_or(|next| next > wake) {
                return Err(Broken::new("The wheel knows every deadline.", why()));
            }
            continue;
        }
        let waits = planned(&hot.state).is_some() && hot.state.phase != Phase::Sending && !hot.state.held;
        let expired = hot.state.expires.is_some_and(|at| at <= wall);
        if !waits || expired || process.engine.may_claim(&hot, wall) {
            return Err(Broken::new("Nothing that is due is left lying.", why()));
        }
    }
    Ok(())
}

/// Asked after a crash, of the store that is left: what it holds is what was kept.
pub(super) fn store_is_what_was_kept(facts: &Facts, store: &Witness) -> Checked {
    for (id, known) in &facts.known {
        let stored = store.load(*id).ok().flatten().map(|(stored, _)| stored);
        if stored != known.stored {
            let why = format!("{id}: kept {:?}, found {stored:?}", known.stored);
            return Err(Broken::new("What was durable survives a crash.", why));
        }
    }
    Ok(())
}

/// Asked after a crash: how many sends of a line are in doubt because of it. `permits` says how many each line had at most in that life;
/// a line whose name went with the crash is any of them.
pub(super) fn doubt_is_bounded(facts: &Facts, store: &Witness, permits: &BTreeMap<String, usize>) -> Checked {
    let mut open: BTreeMap<_, usize> = BTreeMap::new();
    for standing in store.doubts(usize::MAX).iter().filter(|standing| standing.end.is_none()) {
        *open.entry(standing.line).or_default() += 1;
    }
    for (line, count) in open {
        let any = permits.values().copied().max();
        let most = permits.get(facts.name(line)).copied().or(any.filter(|_| !facts.is_named(line))).unwrap_or_default();
        if count > most {
            let why = format!("{count} sends of line {} with {most} permits", facts.name(line));
            return Err(Broken::new("A crash leaves at most max_in_flight sends of a line in doubt.", why));
        }
    }
    Ok(())
}

/// Asked at the end, when faults have stopped and time has run: everything has come to rest, and every send to one outcome.
pub(super) fn all_is_at_rest(facts: &Facts, process: &Process, store: &Witness) -> Checked {
    for (id, known) in &facts.known {
        let Some(state) = known.stored.map(|stored| stored.state) else { continue };
        if !matches!(state.phase, Phase::Quiet | Phase::Finished(_)) {
            return Err(Broken::new("Every conversation comes to rest.", format!("{id}: {state:?}")));
        }
    }
    for (id, send) in facts.sends.iter().filter(|(_, send)| !send.exempt) {
        if send.ended.is_empty() {
            let why = format!("{id} of {}, silence {}, step {}", send.conversation, send.silence, send.step);
            return Err(Broken::new("Every armed follow-up ends as exactly one outcome.", why));
        }
    }
    if let Some(open) = store.doubts(usize::MAX).iter().find(|standing| standing.end.is_none()) {
        return Err(Broken::new("No call is left without an end.", format!("{open:?}")));
    }
    if process.engine.permits_out() > 0 {
        return Err(Broken::new("All permits come back.", format!("{} are out", process.engine.permits_out())));
    }
    for (seq, record) in &facts.hooks {
        if let Some(hook) = record.hooks.iter().find(|hook| !facts.hooks_spent.contains(&(**hook, *seq))) {
            let why = format!("record {seq} of {} for {}", record.conversation, facts.name(*hook));
            return Err(Broken::new("Every hook record is delivered, or kept as a dead letter.", why));
        }
    }
    Ok(())
}

//! An engine that is a table: it answers each event with a state, keeps nothing and decides nothing.
//! Not a mock with expectations: what matters is what the edge makes of the answers.

use std::sync::Arc;
use std::time::Duration;

use reengaged::config::{self, Withheld};
use reengaged::conversation::{Event, Form, Phase, Policy, State, step};
use reengaged::engine::desk::{Desk, Request};
use reengaged::engine::record::{Decision, Details, HookRecord, NameId, Question, Stored};
use reengaged::engine::request::{
    Action, Answer, DeadLetter, Doubt, Inbound, Late, LateOnes, Listed, Rejected, Standing, Target, Upcoming, View, What, Who,
};
use reengaged::engine::upkeep::{Caretaker, Ended, Task, Work};
use reengaged::id::{ConversationId, SendId};
use reengaged::moment::{HOUR, Moment};
use tokio::sync::mpsc;

/// When alice was asked.
pub(super) const ASKED: Moment = Moment(1_772_404_200_000);

/// An engine that answers at once.
pub(super) fn engine() -> Desk {
    let (desk, mut requests) = desk();
    tokio::spawn(async move {
        let mut standing = Standing::default();
        while let Some(request) = requests.recv().await {
            serve(request, &mut standing);
        }
    });
    desk
}

/// A desk whose requests a test answers itself.
pub(super) fn desk() -> (Desk, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel(64);
    (Desk::new(sender), receiver)
}

/// Monotone, from wherever: the edge only subtracts.
pub(super) fn elapsed() -> Duration {
    reengaged::clock::Clock::system().elapsed()
}

fn serve(request: Request, standing: &mut Standing) {
    // A test that went away needs no answer.
    match request {
        Request::Events(events, reply) => drop(reply.send(events.iter().map(answer).collect())),
        Request::Show(who, reply) => drop(reply.send(show(&who))),
        Request::List(filter, reply) => {
            let all = [alice(), bare(2), bare(3)];
            let after = |view: &View| filter.after.is_none_or(|after| view.stored.id > after);
            let mut fit: Vec<View> = all.into_iter().filter(after).collect();
            fit.sort_by_key(|view| view.stored.id);
            let next = (fit.len() > filter.limit).then(|| fit[filter.limit - 1].stored.id);
            fit.truncate(filter.limit);
            drop(reply.send(Ok(Listed { conversations: fit, next })));
        }
        Request::Erase(who, reply) => drop(reply.send(show(&who).map(|view| view.stored.id))),
        Request::Pause(target, on, reply) => {
            let name = match target {
                Target::All => "all".to_owned(),
                Target::Line(line) => format!("line {line}"),
                Target::Flow(flow) => format!("flow {flow}"),
            };
            standing.paused.retain(|paused| *paused != name);
            if on {
                standing.paused.push(name);
            }
            drop(reply.send(Ok(standing.clone())));
        }
        Request::Invite(_, reply) => drop(reply.send(Ok(Answer::of(ConversationId(1), &State::new(ConversationId(1), false))))),
        Request::Doubts(reply) => {
            let doubt = Doubt {
                send: SendId(5),
                conversation: ConversationId(1),
                caller: "573001112233".into(),
                line: "support".into(),
                since: ASKED,
                open: true,
            };
            drop(reply.send(Ok(vec![doubt])));
        }
        Request::Resend(SendId(5), reply) => drop(reply.send(Ok(Answer::of(ConversationId(1), &alice().stored.state)))),
        Request::Resend(send, reply) => drop(reply.send(Err(Rejected::Impossible(format!("sending {send} again: it is not in doubt"))))),
        Request::Upcoming(reply) => drop(reply.send(Ok(vec![Upcoming { hour: ASKED, line: "support".into(), count: 7, late: 2 }]))),
        Request::Late(limit, reply) => {
            let late = |n: u128| Late {
                conversation: ConversationId(n),
                caller: format!("57311222333{n}"),
                line: "support".into(),
                due: ASKED,
                not_after: ASKED.plus(HOUR),
            };
            drop(reply.send(Ok(LateOnes { late: (1..3).take(limit).map(late).collect(), total: 2 })));
        }
        Request::Dead(from, limit, reply) => drop(reply.send(Ok((from..9).take(limit).map(dead).collect()))),
        Request::Replay(_, seq, reply) => drop(reply.send(Ok(if seq == Some(404) { 0 } else { 1 }))),
        Request::Unusable(reply) => drop(reply.send(Ok(vec![("support".into(), "back/es".into())]))),
        Request::Shelf(_, reply) => drop(reply.send(Err(Rejected::Unavailable("this desk files nothing".into())))),
        Request::File(_, reply) => drop(reply.send(Err(Rejected::Unavailable("this desk files nothing".into())))),
        Request::Template(_, reply) => drop(reply.send(Ok(()))),
        Request::Standing(reply) => drop(reply.send(Ok(standing.clone()))),
    }
}

/// Answers by the conversation's name.
pub(super) fn answer(event: &Inbound) -> Result<Answer, Rejected> {
    let Who::Caller(name) = &event.who else {
        return show(&event.who).map(|view| Answer { held: event.what == What::Hold, ..Answer::of(view.stored.id, &view.stored.state) });
    };
    match name.as_str() {
        "nobody" => Err(Rejected::UnknownConversation(name.clone())),
        "full" => Err(Rejected::Overloaded),
        "failed" => Err(Rejected::Unavailable("/var/lib/reengaged: no space left".into())),
        "damaged" => Err(Rejected::Damaged("block 7 of /var/lib/reengaged/store".into())),
        "taken" => Err(Rejected::AliasTaken(ConversationId(9))),
        "elsewhere" => Err(Rejected::OtherLine("support".into(), "sales".into())),
        "lineless" => Err(Rejected::LineMissing(vec!["sales".into(), "support".into()])),
        _ => Ok(Answer {
            conversation: ConversationId(name.bytes().fold(7, |sum, byte| sum * 31 + u128::from(byte))),
            state: Phase::Waiting,
            held: false,
            action: Action::Send(Form::Message),
            due_at: event.at.map(|at| at.plus(2_700_000)),
            episode: 1,
            ignored: None,
            not_deduplicated: event.at.is_none() && event.id.is_none(),
        }),
    }
}

fn show(who: &Who) -> Result<View, Rejected> {
    match who {
        Who::Caller(name) if name == "alice" || name == "a/b ñ" => Ok(alice()),
        Who::Id(id) if *id == alice().stored.id => Ok(alice()),
        Who::Caller(name) => Err(Rejected::UnknownConversation(name.clone())),
        Who::Id(id) => Err(Rejected::UnknownConversation(id.to_string())),
        Who::Person(_) | Who::Named(_) | Who::Message => unreachable!("the API names conversations"),
    }
}

fn dead(seq: u64) -> DeadLetter {
    let report = reengaged::conversation::Report::Declined;
    let record = HookRecord {
        seq,
        conversation: ConversationId(1),
        report,
        at: ASKED,
        episode: 1,
        step: 0,
        send: None,
        question: None,
        outbound: None,
        answers: Vec::new(),
        hooks: vec![NameId(3)],
    };
    DeadLetter { hook: "crm".into(), record, since: ASKED.plus(259_200_000) }
}

fn bare(id: u128) -> View {
    let id = ConversationId(id);
    let stored = Stored { id, line: NameId(0), flow: NameId(1), state: State::new(id, false) };
    let details = Details { caller: format!("57300111223{}", id.0), ..Details::default() };
    View { stored, line: "support".into(), flow: "onboarding".into(), details, policy: None }
}

/// A conversation that was asked something, by the real machine under a real policy.
pub(super) fn alice() -> View {
    let policy = policy();
    let mut view = View { policy: Some(Arc::clone(&policy)), ..bare(1) };
    let before = view.stored.state;
    let event = Event::Question { at: ASKED, obstacle: None };
    let made = step(&policy, &before, &event, ASKED);
    view.stored.state = made.state;
    let decision = Decision {
        now: ASKED,
        before,
        event,
        trail: made.trail,
        fingerprint: policy.fingerprint(),
        tzdata: reengaged::schedule::Tzdata::compiled_in(),
        due: made.state.due,
    };
    view.details = Details {
        caller: "alice".into(),
        to: "573001112233".into(),
        vars: vec![("name".into(), "Ana".into())],
        question: Some(Question {
            id: "q".into(), text: "¿Tu nombre?".into(), payload: r#"{"field":"name"}"#.into(), choices: Vec::new()
        }),
        decisions: [decision, Decision { due: None, ..decision }, Decision { fingerprint: 1, ..decision }].into(),
        ..Details::default()
    };
    view
}

fn policy() -> Arc<Policy> {
    let text = "[lines.support]\nprovider = \"console\"\nflow = \"onboarding\"\n[flows.onboarding]\nenable_follow_up = true\nfollow_up_delay = 45\n";
    let config = config::parse(text, "test", &Withheld).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Arc::clone(config.book.policy("support", "onboarding").unwrap())
}

/// A caretaker that does nothing, and says that it did.
pub(crate) struct Idle;

impl Caretaker for Idle {
    fn begin(&self, _: Task) -> Result<(), Rejected> {
        Ok(())
    }

    fn works(&self) -> Vec<Work> {
        let ended = Some((ASKED, Ended::Damaged(1, vec!["store/details key 01: its checksum is wrong".to_owned()])));
        let backup = Work { task: Task::Backup("/b".to_owned()), began: ASKED, records: 7, bytes: 0, ended: None };
        vec![backup, Work { task: Task::Fsck, began: ASKED, records: 9, bytes: 0, ended }]
    }
}

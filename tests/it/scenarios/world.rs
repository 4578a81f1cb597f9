//! The world of a story: the real engine on a store in memory, a clock that jumps, a provider that does as it is told.
//! Not the sentences, and not chance: that is the simulator's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use reengaged::conversation::{Form, Policy, Refusal, Report, Verdict};
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Hook, Line as LineRules};
use reengaged::engine::compose::compose;
use reengaged::engine::group::Call;
use reengaged::engine::heard::{Fate, Status, Trouble};
use reengaged::engine::ports::Store;
use reengaged::engine::record::Outgoing;
use reengaged::engine::request::{Inbound, Invitation, View, What, Who};
use reengaged::id::{ConversationId, Keys, SendId};
use reengaged::moment::Moment;
use reengaged::shapes::story::{Line, Story, read_ending, read_policy, reasons, standing, words, write_moment};
use reengaged::store::MemoryStore;

use super::sentences::{self, ANA, Said};

/// Turns in which something may happen at one instant; more is a loop.
const TURNS: usize = 100;
/// The line on which people are, where a story does not say.
const LINE: &str = "line";
/// The number that invitations and notifications go to.
const PHONE: &str = "573001112233";

pub(super) struct World {
    store: Arc<MemoryStore>,
    /// `None` while the daemon is down.
    engine: Option<Engine>,
    book: Arc<Book>,
    now: Moment,
    /// How calls end; `None`: they hang.
    calls: Option<String>,
    hanging: Vec<Call>,
    last_send: Option<SendId>,
    /// Statuses told so far.
    statuses: usize,
    backup: Option<MemoryStore>,
    people: Vec<String>,
    /// Conversations that began with a word of ours.
    invited: Vec<ConversationId>,
    /// How many decisions of each conversation have been told.
    told: BTreeMap<ConversationId, usize>,
    transcript: String,
}

impl World {
    pub(super) fn new(story: &Story) -> World {
        let mut flows = vec![("main".to_owned(), story.policy.clone())];
        flows.extend(story.flows.iter().cloned());
        let lines = std::iter::once(LINE.to_owned()).chain(story.lines.iter().cloned()).collect::<Vec<_>>();
        let questions: Arc<[_]> = Arc::from(story.questions.clone());
        let book = Arc::new(Book { questions: [(Arc::from("main"), questions)].into(), ..book(&lines, &flows) });
        let store = Arc::new(MemoryStore::new(Keys::new(&[7; 32])));
        let now = story.events.first().map_or(Moment(0), |line| line.at);
        let mut world = World {
            store,
            engine: None,
            book,
            now,
            calls: Some("taken".to_owned()),
            hanging: Vec::new(),
            last_send: None,
            statuses: 0,
            backup: None,
            people: vec![ANA.to_owned()],
            invited: Vec::new(),
            told: BTreeMap::new(),
            transcript: String::new(),
        };
        world.start();
        world
    }

    /// Lets time pass to a line of the story, and then what it says happen.
    pub(super) fn take(&mut self, line: &Line) -> Result<(), String> {
        let said = sentences::read(&line.words, line.at).ok_or_else(|| format!("{:?}: no sentence of a story", line.words))?;
        self.pass_until(line.at);
        let _ = writeln!(self.transcript, "{}  {}", write_moment(self.now), line.words);
        self.happen(said)?;
        self.tell(false);
        self.run();
        Ok(())
    }

    pub(super) fn transcript(self) -> String {
        self.transcript
    }

    /// Everything that is known of everybody.
    pub(super) fn views(&mut self) -> Vec<View> {
        let mut views: Vec<View> = Vec::new();
        let Some(engine) = &mut self.engine else { return views };
        let names = self.people.iter().map(|name| Who::Caller(name.clone()));
        for who in names.chain(self.invited.iter().map(|id| Who::Id(*id))) {
            if let Ok(view) = engine.show(&who)
                && views.iter().all(|known| known.stored.id != view.stored.id)
            {
                views.push(view);
            }
        }
        views
    }

    fn happen(&mut self, said: Said) -> Result<(), String> {
        let now = self.now;
        match said {
            Said::End => {}
            Said::Calls(ending) => self.calls = ending,
            Said::Starts => self.start(),
            Said::Stops => self.stop(),
            Said::BackupTaken => self.backup = Some(MemoryStore::clone(&self.store)),
            Said::BackupRestored => {
                self.stop();
                self.store.restore(self.backup.as_ref().ok_or("no backup was taken")?);
                self.told.clear();
                self.start();
                self.skip_to_the_present();
            }
            Said::RulesBecome(rules) => self.rules_become(&rules)?,
            Said::Event(event) => {
                let Who::Caller(name) = &event.who else { return Err("a story names people by name".to_owned()) };
                if !self.people.contains(name) {
                    self.people.push(name.clone());
                }
                let answer = self.engine()?.take_one(now, &event);
                let note = match answer {
                    Ok(answer) => answer.ignored.map(|why| format!("changes nothing: {}", why.as_str())),
                    Err(why) => Some(format!("refused: {why}")),
                };
                self.note(note);
            }
            Said::CallEnds(ending) => {
                let call = if self.hanging.is_empty() { None } else { Some(self.hanging.remove(0)) }.ok_or("no call hangs")?;
                let verdict = read_ending(&ending, now).ok_or("no end of a call")?;
                self.engine()?.settle(call.id, verdict, now);
            }
            Said::Status(ending) => {
                let send = self.last_send.ok_or("no call was made")?;
                let verdict = read_ending(&ending, now).ok_or("no end of a call")?;
                let (fate, at) = match verdict {
                    Verdict::Accepted(at) => (Fate::Sent, at),
                    Verdict::Refused(Refusal::WindowClosed) => (Fate::Failed(Trouble::WindowClosed), now),
                    Verdict::Refused(Refusal::OptedOut) => (Fate::Failed(Trouble::OptOut), now),
                    Verdict::Refused(_) => (Fate::Failed(Trouble::Permanent), now),
                    other => return Err(format!("no status says {other:?}")),
                };
                let what = What::Status(Status { message: format!("m-{}", self.statuses), send: Some(send), fate });
                self.statuses += 1;
                let line = Some(LINE.to_owned());
                let told = self.engine()?.take_one(now, &Inbound { line, ..Inbound::of(Who::Message, Some(at), what) });
                self.note(told.err().map(|why| format!("refused: {why}")));
            }
            Said::Invite(flow, id) => self.invite(flow, id)?,
            Said::Pause(target, on) => {
                let paused = self.engine()?.pause(&target, on).map_err(|why| why.to_string())?;
                let standing = [paused.paused.join(", "), paused.held.unwrap_or_default()].join(" ");
                self.note(Some(format!("on hold: {}", if standing.trim().is_empty() { "nothing" } else { standing.trim() })));
            }
            Said::Erase(name) => {
                let erased = self.engine()?.erase(&Who::Caller(name));
                self.note(erased.err().map(|why| format!("refused: {why}")));
                self.told.clear();
            }
            Said::Resend => {
                let send = self.last_send.ok_or("no call was made")?;
                let answer = self.engine()?.resend(send, now);
                self.note(answer.err().map(|why| format!("refused: {why}")));
            }
        }
        Ok(())
    }

    fn invite(&mut self, flow: Option<String>, id: Option<String>) -> Result<(), String> {
        let now = self.now;
        let answer = self.engine()?.invite(&invitation(flow, id), now);
        if let Ok(answer) = &answer {
            self.invited.push(answer.conversation);
        }
        self.note(match answer {
            Ok(answer) => answer.ignored.map(|why| format!("changes nothing: {}", why.as_str())),
            Err(why) => Some(format!("refused: {why}")),
        });
        Ok(())
    }

    fn rules_become(&mut self, rules: &str) -> Result<(), String> {
        let mut flows: BTreeMap<String, Policy> = BTreeMap::new();
        for (name, policy) in self.book.policies.values().flatten() {
            flows.insert(name.to_string(), Policy::clone(policy));
        }
        flows.insert("main".to_owned(), read_policy(rules)?);
        let lines: Vec<String> = self.book.lines.keys().map(ToString::to_string).collect();
        let flows: Vec<(String, Policy)> = flows.into_iter().collect();
        self.book = Arc::new(book(&lines, &flows));
        let (book, now) = (Arc::clone(&self.book), self.now);
        let engine = self.engine()?;
        engine.reload(book);
        while engine.replan_some(now) {}
        Ok(())
    }

    fn engine(&mut self) -> Result<&mut Engine, String> {
        self.engine.as_mut().ok_or_else(|| "the daemon is down".to_owned())
    }

    fn note(&mut self, note: Option<String>) {
        if let Some(note) = note {
            let _ = writeln!(self.transcript, "    {note}");
        }
    }

    fn stop(&mut self) {
        self.engine = None;
        self.hanging.clear();
        self.store.crash(|_| 0);
    }

    fn start(&mut self) {
        let store: Arc<dyn Store> = Arc::clone(&self.store) as Arc<dyn Store>;
        let engine = Engine::recover(store, Arc::clone(&self.book), self.now);
        self.engine = Some(engine.expect("a store in memory recovers"));
    }

    /// After a restore only what happens from here on is told.
    fn skip_to_the_present(&mut self) {
        for view in self.views() {
            self.told.insert(view.stored.id, view.details.decisions.len());
        }
        let held = self.engine.as_ref().and_then(|engine| engine.standing().held);
        self.note(held.map(|why| format!("on hold: {why}")));
    }

    fn pass_until(&mut self, at: Moment) {
        while let Some(next) = self.run().filter(|next| *next < at) {
            self.now = next.max(self.now.plus(1));
        }
        self.now = at;
    }

    /// Everything that happens by itself at this instant; answers when there is more.
    fn run(&mut self) -> Option<Moment> {
        for _ in 0..TURNS {
            let now = self.now;
            let next = self.engine.as_mut()?.fire(now);
            if !self.tell(true) {
                return next;
            }
        }
        panic!("something happens for ever at {}", self.now);
    }

    /// Makes everything durable, tells what was decided, makes the calls that may be made; whether anything happened.
    fn tell(&mut self, by_itself: bool) -> bool {
        let Some(engine) = &mut self.engine else { return false };
        let Some(group) = engine.cut() else { return false };
        let durable = self.store.flush().expect("a store in memory flushes");
        let released = group.release(durable).expect("just flushed");
        let told = self.tell_decisions(by_itself);
        for hook in &released.told {
            let record = self.store.hook(hook.seq).expect("a store in memory").expect("a record just kept");
            let question = record.question.map(|question| format!(", question {:?}", question.text)).unwrap_or_default();
            let beside = match record.report {
                Report::Resumed { revived: true } => ", revived".to_owned(),
                Report::FollowUpSent { unknown: true } => ", unknown".to_owned(),
                Report::Skipped(reason) => format!(", {}", reason.as_str()),
                _ => String::new(),
            };
            let answers: String = record.answers.iter().map(|(name, answer)| format!(", {name}={answer}")).collect();
            self.note(Some(format!("hook: {}{beside}{question}{answers}", record.report.kind())));
        }
        for call in &released.calls {
            self.make(call);
        }
        told || !released.calls.is_empty()
    }

    fn tell_decisions(&mut self, by_itself: bool) -> bool {
        let mut any = false;
        for view in self.views() {
            let told = self.told.insert(view.stored.id, view.details.decisions.len()).unwrap_or(0);
            let retired = Policy::retired();
            let policy = view.policy.as_deref().unwrap_or(&retired);
            let known = if view.details.caller.is_empty() { &view.details.to } else { &view.details.caller };
            let name = if self.people.len() > 1 { format!("{known}: ") } else { String::new() };
            for (i, decision) in view.details.decisions.iter().enumerate().skip(told) {
                any = true;
                let after = view.details.decisions.get(i + 1).map_or(&view.stored.state, |next| &next.before);
                if by_itself {
                    let _ = writeln!(self.transcript, "{}  {name}{}", write_moment(decision.now), words(&decision.event, decision.now));
                }
                let _ = write!(self.transcript, "    {name}{}\n{}", standing(after, policy), reasons(&decision.trail));
            }
        }
        any
    }

    /// One call, as the daemon makes it: put together, the last look, the provider, the end.
    fn make(&mut self, call: &Call) {
        let (now, store) = (self.now, Arc::clone(&self.store));
        let Some(engine) = &mut self.engine else { return };
        let names = engine.names();
        let (line, flow) = (names.name(call.line), names.name(call.flow));
        let (_, details) = store.load(call.conversation).expect("a store in memory").expect("claimed, so there");
        let policy = self.book.policy(&line, &flow).expect("claimed under rules").clone();
        let message = compose(call, &details, &policy, (line, flow), 0, now);
        if !engine.door(call.id, now) {
            return engine.settle(call.id, reengaged::conversation::Verdict::NotBegun, now);
        }
        self.last_send = Some(call.id);
        let verdict = match &message {
            Err(refusal) => Verdict::Refused(*refusal),
            Ok(message) => {
                let to = if message.to.is_empty() { String::new() } else { format!(" to {}", message.to) };
                let form = message.template.as_ref().filter(|_| message.form == Form::Template);
                let form = form.map(|name| format!(" as template {name}")).unwrap_or_default();
                let buttons = message.buttons.as_ref().map(|(yes, no)| format!(" [{yes}] [{no}]")).unwrap_or_default();
                let choices: String = message.choices.iter().map(|(_, title)| format!(" [{title}]")).collect();
                let _ = writeln!(
                    self.transcript,
                    "{}  the provider is called{to}: {:?}{buttons}{choices}{form}",
                    write_moment(now),
                    message.text
                );
                match self.calls.as_deref() {
                    None => return self.hanging.push(*call),
                    Some(ending) => read_ending(ending, now).expect("no end of a call"),
                }
            }
        };
        engine.settle(call.id, verdict, now);
    }
}

/// What we say of our own accord in a story, to its one number.
fn invitation(flow: Option<String>, id: Option<String>) -> Invitation {
    let (text, yes, no) = match flow {
        Some(_) => ("Hola, Ana. ¿Empezamos?", "Continuar", "Cancelar"),
        None => ("Su código es 123456", "", ""),
    };
    let outgoing = Outgoing {
        outbound: "OTB1".to_owned(),
        template: "start".to_owned(),
        text: text.to_owned(),
        yes: yes.to_owned(),
        no: no.to_owned(),
        ..Outgoing::default()
    };
    Invitation { line: LINE.to_owned(), flow, phone: PHONE.to_owned(), outgoing, id }
}

/// Every flow on every line; one hook that hears everything.
fn book(lines: &[String], flows: &[(String, Policy)]) -> Book {
    let policies: BTreeMap<Arc<str>, Arc<Policy>> =
        flows.iter().map(|(name, policy)| (Arc::from(name.as_str()), Arc::new(policy.clone()))).collect();
    let rules = |policy: &Policy| LineRules {
        flow: Some(Arc::from("main")),
        max_in_flight: 64,
        rate: None,
        pair_gap: 0,
        daily: None,
        catch_up_wait: 0,
        capabilities: policy.line,
    };
    let main = &flows.iter().find(|(name, _)| name == "main").expect("there is a main flow").1;
    Book {
        lines: lines.iter().map(|line| (Arc::from(line.as_str()), rules(main))).collect(),
        hooks: vec![Hook { name: Arc::from("crm"), events: Vec::new(), flows: Vec::new() }],
        flows: flows.iter().map(|(name, _)| Arc::from(name.as_str())).collect(),
        policies: lines.iter().map(|line| (Arc::from(line.as_str()), policies.clone())).collect(),
        ..Book::default()
    }
}

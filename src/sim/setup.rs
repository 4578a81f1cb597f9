//! Rules for a seed: lines, flows, hooks, valid and varied, with limits small enough to be met.
//!
//! Not configuration: nothing is read here; `simulate` brings the operator's own rules instead.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::dice::Dice;
use crate::conversation::questionnaire::{Kind, Question};
use crate::conversation::{ArmOn, Capabilities, InDoubt, OnYes, Policy, StepRule};
use crate::engine::book::{Book, Hook, Line};
use crate::moment::{DAY, HOUR, MINUTE, SECOND};
use crate::schedule::{Calendar, Daily, Hours, Notation, Otherwise, Rules, Session, WhenClosed, Zone};

/// Lines and flows, as names.
pub(super) const LINES: [&str; 2] = ["ventas", "soporte"];
pub(super) const FLOWS: [&str; 2] = ["alta", "cobro"];
/// Hooks, as names.
const HOOKS: [&str; 2] = ["crm", "bot"];

/// What the flows of a seed ask where they ask their own questions, in this order.
pub(super) const QUESTIONS: [&str; 3] = ["name", "age", "colour"];

/// Flows that ask their own questions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    /// They end with a word of thanks.
    closing: bool,
}

impl Asks {
    /// Whether the flows of a seed ask; drawn beside its other chances, which stay what they are.
    pub(super) fn draw(seed: u64) -> Option<Asks> {
        let mut dice = Dice::new(seed ^ 0x5bd1_e995_9e37_79b9);
        dice.percent(25).then(|| Asks { closing: dice.percent(50) })
    }
}

/// What of the rules stays as it is for a seed, so that a reload changes flows and limits and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    lines: Vec<(Arc<str>, Capabilities, ArmOn, InDoubt)>,
    /// Lines whose providers can be asked whether they work.
    probes: Vec<Arc<str>>,
    hooks: Vec<Hook>,
    pub(super) asks: Option<Asks>,
}

impl Shape {
    pub(super) fn draw(dice: &mut Dice, asks: Option<Asks>) -> Shape {
        let lines = LINES[..dice.between(1, 2) as usize].iter().map(|name| {
            let (correlation, recipient) = (dice.percent(40), dice.percent(25));
            let capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation, recipient };
            let arm_on = if dice.percent(25) { ArmOn::AnyMessage } else { ArmOn::Question };
            let in_doubt = if dice.percent(15) { InDoubt::Resend } else { InDoubt::Unknown };
            (Arc::from(*name), capabilities, arm_on, in_doubt)
        });
        let lines: Vec<_> = lines.collect();
        let probes = lines.iter().map(|(name, ..)| Arc::clone(name)).filter(|_| dice.percent(50)).collect();
        let hooks = HOOKS[..*dice.pick(&[0, 0, 0, 1, 2])].iter().map(|name| {
            let some = vec!["conversation.resumed".to_owned(), "conversation.opted_out".to_owned()];
            Hook { name: Arc::from(*name), events: if dice.percent(70) { Vec::new() } else { some }, flows: Vec::new() }
        });
        Shape { lines, probes, hooks: hooks.collect(), asks }
    }

    /// Whether the provider of a line can be asked whether it works.
    pub(super) fn probes(&self, line: &str) -> bool {
        self.probes.iter().any(|name| **name == *line)
    }

    /// Rules of this shape: drawn anew each time, as an operator edits the file.
    pub(super) fn book(&self, dice: &mut Dice) -> Book {
        let flows: Vec<Arc<str>> = FLOWS.iter().map(|name| Arc::from(*name)).collect();
        let mut drafts: Vec<Policy> = flows.iter().map(|_| policy(dice)).collect();
        let mut book = Book { hooks: self.hooks.clone(), flows: flows.clone(), ..Book::default() };
        if let Some(asks) = self.asks {
            book.questions = flows.iter().map(|flow| (Arc::clone(flow), questions())).collect();
            for draft in &mut drafts {
                (draft.asks, draft.on_yes) = (true, OnYes::Ask);
                draft.closing = asks.closing.then(|| Arc::from("¡Gracias!"));
            }
        }
        for (name, capabilities, arm_on, in_doubt) in &self.lines {
            let policies: BTreeMap<Arc<str>, Arc<Policy>> = flows
                .iter()
                .zip(&drafts)
                .map(|(flow, draft)| {
                    let policy = Policy { line: *capabilities, arm_on: *arm_on, in_doubt: *in_doubt, ..draft.clone() };
                    (Arc::clone(flow), Arc::new(policy))
                })
                .collect();
            book.policies.insert(Arc::clone(name), policies);
            let line = Line {
                flow: Some(Arc::clone(dice.pick(&flows))),
                max_in_flight: dice.between(1, 3) as usize,
                rate: dice.percent(30).then(|| dice.between(1, 3) as u32),
                pair_gap: *dice.pick(&[0, 0, 6 * SECOND, 2 * MINUTE]),
                daily: dice.percent(25).then(|| dice.between(1, 2) as u32),
                catch_up_wait: if dice.percent(50) { MINUTE } else { 0 },
                capabilities: *capabilities,
            };
            book.lines.insert(Arc::clone(name), line);
        }
        book
    }
}

fn policy(dice: &mut Dice) -> Policy {
    let steps = (0..*dice.pick(&[0, 0, 1, 2, 3]))
        .map(|_| StepRule { delay: dice.stretch(30 * MINUTE, 2 * DAY), message: Arc::from("¿Seguimos?") });
    let steps = steps.collect();
    Policy {
        template_vars: Vec::new(),
        template_paused: false,
        rules: Rules {
            enabled: dice.percent(96),
            wait: dice.stretch(30 * MINUTE, 12 * HOUR),
            hours: hours(dice),
            session: dice.percent(50).then(|| session(dice)),
            spread: *dice.pick(&[0, 0, 5 * MINUTE, HOUR]),
        },
        message: Arc::from(if dice.percent(15) { "Hola, {{.name}}" } else { "Tienes un proceso activo en curso" }),
        steps,
        yes: Arc::from("Sí"),
        no: Arc::from("No"),
        on_yes: if dice.percent(60) { OnYes::Ask } else { OnYes::Hook },
        expires_after: dice.stretch(HOUR, 3 * DAY),
        max_lateness: dice.percent(30).then(|| dice.stretch(MINUTE, 6 * HOUR)),
        arm_on: ArmOn::Question,
        in_doubt: InDoubt::Unknown,
        line: Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false },
        asks: false,
        choices_label: Arc::from("Opciones"),
        closing: None,
    }
}

fn questions() -> Arc<[Question]> {
    let kinds = [Kind::Text, Kind::Number { min: None, max: None }, Kind::Choice(["rojo", "verde"].map(Arc::from).to_vec())];
    let asked = QUESTIONS.iter().zip(kinds);
    asked.map(|(id, kind)| Question { id: Arc::from(*id), prompt: Arc::from(format!("¿{id}?")), kind, retry: None }).collect()
}

fn hours(dice: &mut Dice) -> Hours {
    if dice.percent(50) {
        return Hours::Calendar(Arc::clone(dice.pick(calendars())));
    }
    let (start, end) = *dice.pick(&[(13, 24), (9, 17), (22, 6), (0, 0), (12, 13)]);
    Hours::Daily(Daily::new(start * HOUR, end * HOUR))
}

fn session(dice: &mut Dice) -> Session {
    let lists: [&[Otherwise]; 4] =
        [&Otherwise::ALL, &[Otherwise::Skip], &[Otherwise::Template], &[Otherwise::Template, Otherwise::Advance]];
    Session {
        window: *dice.pick(&[24 * HOUR, 24 * HOUR, 3 * HOUR]),
        margin: *dice.pick(&[10 * MINUTE, SECOND, HOUR]),
        when_closed: WhenClosed::new(lists[dice.below(lists.len())]),
        template: dice.percent(50).then(|| Arc::from("OTB1")),
        advance_lead: *dice.pick(&[15 * MINUTE, 0, HOUR]),
    }
}

/// Calendars are compiled once for all seeds: their tables are lazy, and an answer never depends on who asked before.
fn calendars() -> &'static [Arc<Calendar>] {
    static POOL: OnceLock<Vec<Arc<Calendar>>> = OnceLock::new();
    POOL.get_or_init(|| {
        let written = [
            ("America/Bogota", "Mo-Fr 09:00-18:00"),
            ("Europe/Madrid", "Mo-Sa 07:00-19:00; PH off"),
            ("America/New_York", "Mo-Fr 08:00-12:00, Mo-Fr 14:00-18:00, Sa 22:00-04:00"),
            ("Asia/Kathmandu", "Tu 10:00-10:30"),
            ("Africa/Casablanca", "00:00-24:00"),
            ("Africa/Casablanca", "00:00-24:00"),
            ("Pacific/Auckland", "Mo-Su 06:00-23:00"),
            ("America/Bogota", "Dec 24 10:00-11:00"),
        ];
        let holidays = ["2026-03-09", "2026-03-12"].map(|day| day.parse().expect("a date"));
        let calendar = |(zone, hours): (&str, &str)| {
            let zone = Zone::named(zone).expect("a zone of the IANA list");
            Arc::new(Calendar::new(zone, Notation::read(hours).expect("a notation that is taken"), &holidays))
        };
        written.into_iter().map(calendar).collect()
    })
}

/// Permits of each line.
pub(super) fn permits(book: &Book) -> BTreeMap<String, usize> {
    book.lines.iter().map(|(name, line)| (name.to_string(), line.max_in_flight)).collect()
}

/// Everything that can be paused, by its words.
pub(super) fn scopes(book: &Book) -> Vec<String> {
    let lines = book.lines.keys().map(|line| format!("line {line}"));
    let flows = book.flows.iter().map(|flow| format!("flow {flow}"));
    lines.chain(flows).chain(["all".to_owned()]).collect()
}

//! Who talks, on which line, and what they do: people and the bots that talk with them.
//!
//! Not the network: when and how often a word arrives is `network.rs`.

use super::dice::Dice;
use super::setup::{FLOWS, LINES};
use crate::conversation::Choice;
use crate::engine::record::Question;
use crate::engine::request::{Inbound, What, Who};
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};

/// A conversation, as those who talk see it.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    /// The caller's name of it.
    pub(super) name: String,
    /// Who: people may talk on several lines.
    pub(super) person: usize,
    pub(super) line: String,
    pub(super) number: Option<String>,
    /// The number is told with the first word; later otherwise.
    number_first: bool,
    /// Events bring an identity of their own.
    ids: bool,
    /// Times are whole seconds, as providers stamp them.
    whole_seconds: bool,
    /// Only words of long ago, never a new one.
    pub(super) imported: bool,
    name_known: bool,
    said: u32,
    asked: u32,
}

/// An event on its way, until its source has seen it acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) talk: usize,
    pub(super) event: Inbound,
    pub(super) acked: bool,
    pub(super) tries: u32,
}

/// What somebody decides to do after something happened.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) talk: usize,
    pub(super) what: What,
    /// How long after.
    pub(super) after: i64,
}

/// Those who talk.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) talks: Vec<Talk>,
    /// The flows ask their own questions: there is no bot.
    pub(super) asked: bool,
}

impl People {
    /// A few people, some of whom talk on both lines. `lines` there are.
    pub(super) fn draw(dice: &mut Dice, lines: usize, imports: bool) -> People {
        let mut people = People::default();
        for person in 0..dice.between(3, 8) as usize {
            let number = dice.percent(70).then(|| format!("5731770000{person:02}"));
            for line in LINES.iter().take(lines) {
                if lines > 1 && !people.talks.is_empty() && dice.percent(40) {
                    continue;
                }
                let name = format!("{line}-{person}");
                let talk = Talk {
                    number_first: dice.percent(70),
                    ids: dice.percent(70),
                    whole_seconds: dice.percent(40),
                    imported: imports && dice.percent(25),
                    ..Talk::new(name, person, line, number.clone())
                };
                people.talks.push(talk);
            }
        }
        people
    }

    /// What somebody says, as an event that happened at `at`.
    pub(super) fn say(&mut self, dice: &mut Dice, talk: usize, what: What, at: Moment) -> Post {
        let talking = &mut self.talks[talk];
        talking.said += 1;
        let first = !talking.name_known;
        talking.name_known = true;
        let at = if talking.whole_seconds { Moment(at.0 - at.0.rem_euclid(SECOND)) } else { at };
        let id = talking.ids.then(|| format!("{}/{}", talking.name, talking.said));
        let arrival_will_do = id.is_some() && !talking.imported && dice.percent(5);
        let begins = matches!(what, What::Question(_) | What::UserMessage(_));
        let event = Inbound {
            id,
            who: Who::Caller(talking.name.clone()),
            at: (!arrival_will_do).then_some(at),
            // Anything may overtake the first word, so each could be the first.
            line: Some(talking.line.clone()),
            flow: (begins && dice.percent(10)).then(|| (*dice.pick(&FLOWS)).to_owned()),
            to: talking.number.clone().filter(|_| if first { talking.number_first } else { dice.percent(40) }),
            vars: if dice.percent(20) { vec![("name".to_owned(), "Ana".to_owned())] } else { Vec::new() },
            attributes: Vec::new(),
            what,
        };
        Post { talk, event, acked: false, tries: 0 }
    }

    /// The bot asks. Where there is none, the person says something instead.
    pub(super) fn question(&mut self, talk: usize) -> What {
        if self.asked {
            return What::UserMessage("buenas".to_owned());
        }
        let talking = &mut self.talks[talk];
        talking.asked += 1;
        let id = format!("{}?{}", talking.name, talking.asked);
        What::Question(Question { text: format!("{id} ¿Su nombre?"), payload: String::new(), choices: Vec::new(), id })
    }

    /// How a conversation begins.
    pub(super) fn begin(&mut self, dice: &mut Dice, talk: usize) -> Vec<Deed> {
        let asked = Deed { talk, what: self.question(talk), after: 0 };
        if dice.percent(40) {
            return vec![asked];
        }
        let hello = Deed { talk, what: What::UserMessage("hola".to_owned()), after: 0 };
        vec![hello, Deed { after: dice.between(0, 2 * SECOND), ..asked }]
    }

    /// What the bot does after the person's word.
    pub(super) fn bot(&mut self, dice: &mut Dice, talk: usize) -> Option<Deed> {
        let what = match dice.below(20) {
            0 => What::Succeeded,
            1 => What::Failed,
            2 => What::Cancelled,
            3 | 4 => return None,
            _ if self.asked => return None,
            _ => self.question(talk),
        };
        Some(Deed { talk, what, after: dice.stretch(1, 2 * MINUTE) })
    }

    /// What the person does when a question of the flow's own reaches them: they answer it, more often than not in a way that counts.
    pub(super) fn answer(dice: &mut Dice, talk: usize) -> Option<Deed> {
        let what = match dice.below(20) {
            0..=4 => "Ana",
            5..=9 => "42",
            10..=14 => "rojo",
            15 => "no sé",
            16 => "sí",
            _ => return None,
        };
        let after = if dice.percent(70) { dice.stretch(SECOND, 10 * MINUTE) } else { dice.stretch(SECOND, DAY) };
        Some(Deed { talk, what: What::UserMessage(what.to_owned()), after })
    }

    /// What the person does when something of ours reaches them.
    pub(super) fn react(dice: &mut Dice, talk: usize) -> Option<Deed> {
        let typed = |text: &str| What::UserMessage(text.to_owned());
        let what = match dice.below(20) {
            0..=2 => What::Answer(Choice::Yes),
            3 => What::Answer(Choice::No),
            4 => What::Answer(Choice::Later),
            5 => What::Answer(Choice::Stop),
            6 | 7 => typed("sí"),
            8 => typed("no"),
            9 => typed("luego"),
            10 => typed("stop"),
            11..=13 => typed("mi nombre es Ana"),
            _ => return None,
        };
        Some(Deed { talk, what, after: dice.stretch(SECOND, DAY) })
    }

    /// What happens out of the blue.
    pub(super) fn whim(&mut self, dice: &mut Dice, talk: usize) -> Deed {
        let what = match dice.below(20) {
            0 => What::OptOut,
            1 | 2 => What::OptIn,
            3 => What::Hold,
            4 => What::Release,
            5 => What::Succeeded,
            6 => What::Cancelled,
            7 => What::Answer(*dice.pick(&Choice::ALL)),
            8..=12 => What::UserMessage((*dice.pick(&["hola", "sí", "no", "luego", "¿están ahí?", "👍"])).to_owned()),
            _ => self.question(talk),
        };
        Deed { talk, what, after: 0 }
    }

    /// What the person does just when something of ours is on its way to them.
    pub(super) fn coincidence(dice: &mut Dice, talk: usize) -> Deed {
        let what = match dice.below(8) {
            0 => What::OptOut,
            1 => What::Answer(*dice.pick(&Choice::ALL)),
            2 => What::Hold,
            3 => What::Cancelled,
            _ => What::UserMessage("espera, ya sigo".to_owned()),
        };
        Deed { talk, what, after: dice.between(0, 2 * SECOND) }
    }

    /// A word of long ago, for imports.
    pub(super) fn memory(&mut self, dice: &mut Dice, talk: usize) -> Deed {
        let mut deed = if dice.percent(50) { Deed { talk, what: self.question(talk), after: 0 } } else { self.whim(dice, talk) };
        deed.after = -dice.stretch(25 * HOUR, 60 * DAY);
        deed
    }
}

impl Talk {
    pub(super) fn new(name: String, person: usize, line: &str, number: Option<String>) -> Talk {
        Talk {
            name,
            person,
            line: line.to_owned(),
            number,
            number_first: true,
            ids: true,
            whole_seconds: false,
            imported: false,
            name_known: false,
            said: 0,
            asked: 0,
        }
    }
}

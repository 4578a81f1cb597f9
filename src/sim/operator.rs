//! What operators do, at any time: pause, resume, hold, postpone, send now, erase, make again, new rules, backup, restore, restart.
//!
//! Not events of conversations alone: some go by the desk, some by the daemon's own hand.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::broken::Broken;
use super::network::Reply;
use super::people::Deed;
use super::setup;
use super::world::{Happening, World};
use crate::engine::desk::Request;
use crate::engine::request::{Target, What, Who};
use crate::moment::{DAY, HOUR, MINUTE};

impl World {
    /// When the operator does something next.
    pub(super) fn next_operation(&mut self) {
        if self.weather.operator > 0 {
            let wait = self.dice.stretch(MINUTE, 2 * DAY / i64::from(self.weather.operator));
            self.later(wait, Happening::Operate);
        }
    }

    /// The operator does something.
    pub(super) fn operate(&mut self) -> Result<(), Broken> {
        self.next_operation();
        match self.dice.below(14) {
            0 | 1 => self.pause(),
            2 => self.tell(What::Hold),
            3 => self.tell(What::Release),
            4 => {
                let until = self.now.plus(self.dice.stretch(MINUTE, 2 * DAY));
                self.tell(What::Postpone(until));
            }
            5 => self.tell(What::SendNow),
            7 => self.resend(),
            8 | 9 if self.weather.reloads => self.reload(),
            6 | 9 => self.erase(),
            10 if self.weather.restore => return self.back_up_or_restore(),
            11 => return self.restart(),
            12 | 13 => self.reach_out(),
            _ => self.forget(),
        }
        Ok(())
    }

    fn tell(&mut self, what: What) {
        let talk = self.dice.below(self.people.talks.len());
        self.strike("operator's word");
        self.speak(&Deed { talk, what, after: 0 });
    }

    fn pause(&mut self) {
        let what = self.dice.pick(&setup::scopes(&self.book)).clone();
        let wait = self.dice.stretch(MINUTE, 12 * HOUR);
        if self.ask_to_pause(&what, true) {
            self.strike("pause");
            self.later(wait, Happening::Resume(what));
        }
    }

    /// The operator resumes what was paused; again, should nobody be there to hear it.
    pub(super) fn resume(&mut self, what: &str) {
        self.paused.remove(what);
        // A pause whose answer is still on its way is over before it is known.
        for reply in &mut self.replies {
            if let Reply::Pause(paused, on, ..) = reply {
                *on &= paused != what;
            }
        }
        if !self.ask_to_pause(what, false) {
            self.later(MINUTE, Happening::Resume(what.to_owned()));
        }
    }

    fn ask_to_pause(&mut self, what: &str, on: bool) -> bool {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return false };
        let target = match what.split_once(' ') {
            Some(("line", line)) => Target::Line(line.to_owned()),
            Some((_, flow)) => Target::Flow(flow.to_owned()),
            None => Target::All,
        };
        let (reply, answer) = oneshot::channel();
        process.engine.serve(Request::Pause(target, on, reply), wall);
        // Whoever resumes everything believes the clock as it is.
        process.clock_held &= on || what != "all";
        process.touched();
        let order = process.position(&self.store);
        self.replies.push(Reply::Pause(what.to_owned(), on, order, answer));
        if !on {
            self.lines_resumed(what);
        }
        self.note(|| format!("{} {what}", if on { "pause" } else { "resume" }));
        true
    }

    fn erase(&mut self) {
        let wall = self.wall();
        let talk = self.dice.below(self.people.talks.len());
        let id = self.keys.conversation(&self.people.talks[talk].name);
        self.strike("erase");
        let Some(process) = &mut self.process else { return };
        let (reply, answer) = oneshot::channel();
        process.engine.serve(Request::Erase(Who::Id(id), reply), wall);
        process.touched();
        let order = process.position(&self.store);
        self.replies.push(Reply::Erase(order, answer));
        self.note(|| format!("erase {id}"));
    }

    fn resend(&mut self) {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return };
        let doubts = process.engine.doubts().unwrap_or_default();
        if doubts.is_empty() {
            return;
        }
        let send = doubts[self.dice.below(doubts.len())].send;
        let (reply, answer) = oneshot::channel();
        process.engine.serve(Request::Resend(send, reply), wall);
        process.touched();
        let order = process.position(&self.store);
        self.replies.push(Reply::Resend(order, answer));
        self.note(|| format!("resend {send}"));
        self.strike("resend");
    }

    fn reload(&mut self) {
        let book = Arc::new(self.shape.book(&mut self.dice));
        for (line, permits) in setup::permits(&book) {
            let most = self.permits.entry(line).or_default();
            *most = (*most).max(permits);
        }
        self.pace_anew();
        self.book = book;
        let rules = self.rules();
        if let Some(process) = &mut self.process {
            process.engine.reload(rules);
            process.replanning = true;
            process.catch_up = false;
            process.touched();
        }
        self.strike("reload");
        self.note(|| "reload".to_owned());
    }

    fn back_up_or_restore(&mut self) -> Result<(), Broken> {
        let Some((store, facts)) = self.backup.take() else {
            let mut facts = self.facts.clone();
            facts.lose_after(facts.upto);
            self.backup = Some((self.store.inner().clone(), facts));
            self.note(|| "backup".to_owned());
            return Ok(());
        };
        self.crash("crash")?;
        self.strike("restore");
        self.note(|| "restore".to_owned());
        self.store.inner().restore(&store);
        self.facts.go_back_to(facts);
        self.paused.clear();
        self.weather.restore = false;
        let wait = self.dice.stretch(MINUTE, 6 * HOUR);
        self.later(wait, Happening::Resume("all".to_owned()));
        Ok(())
    }

    /// A restart as systemd does it: calls under way are given up as unknown, everything is flushed, nothing is lost.
    fn restart(&mut self) -> Result<(), Broken> {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return Ok(()) };
        process.engine.abandon_calls(wall);
        process.calls.clear();
        if let Some(group) = process.engine.cut() {
            process.groups.push_back(group);
        }
        self.note(|| "stop".to_owned());
        self.perform(super::work::Work::Flush)?;
        self.collect_replies()?;
        self.crash("stop")
    }

    fn forget(&mut self) {
        let before = self.wall().plus(-30 * DAY);
        if let Some(process) = &mut self.process {
            // The store in memory reads without fail; what there is to forget beyond a batch is forgotten next time.
            let _ = process.engine.forget(before);
            process.touched();
            self.tally.count("retention");
        }
    }
}

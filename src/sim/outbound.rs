//! Messages of our own accord among the lives of people: invitations to a flow, and notifications, asked for at any time, twice
//! now and then.
//!
//! Not their courses: those are stories. Here they meet crashes, doubts, pauses and whatever people say meanwhile.

use tokio::sync::oneshot;

use super::network::Reply;
use super::setup::FLOWS;
use super::world::World;
use crate::engine::desk::Request;
use crate::engine::ports::Store;
use crate::engine::record::Outgoing;
use crate::engine::request::{Invitation, Who};

impl World {
    /// Somebody whose number is known is invited or notified.
    pub(super) fn reach_out(&mut self) {
        let wall = self.wall();
        let number = self.dice.below(self.people.talks.len());
        let talk = self.people.talks[number].clone();
        let flow = self.dice.percent(50).then(|| (*self.dice.pick(&FLOWS)).to_owned());
        let twice = self.dice.percent(30);
        let (Some(process), Some(phone)) = (&mut self.process, talk.number) else { return };
        let own = self.keys.conversation(&talk.name);
        // Reading makes what was decided visible; an unknown one has no number either.
        let _ = process.engine.show(&Who::Id(own));
        if self.store.alias(self.keys.alias_on(&talk.line, &phone)) != Ok(Some(own)) {
            return;
        }
        self.asked_out += 1;
        let id = format!("out-{}", self.asked_out);
        let conversation = match flow {
            Some(_) => own,
            None => self.keys.conversation_on(&talk.line, &format!("notification {id}")),
        };
        let outgoing =
            Outgoing { template: "start".to_owned(), yes: "Continuar".to_owned(), no: "Cancelar".to_owned(), ..Outgoing::default() };
        let what = if flow.is_some() { "invited" } else { "notified" };
        let invitation = Invitation { line: talk.line, flow, phone, outgoing, id: Some(id) };
        for _ in 0..=usize::from(twice) {
            let Some(process) = &mut self.process else { return };
            let (reply, answer) = oneshot::channel();
            process.engine.serve(Request::Invite(Box::new(invitation.clone()), reply), wall);
            process.touched();
            let order = process.position(&self.store);
            self.replies.push(Reply::Invite(order, answer));
            self.facts.known.entry(conversation).or_default().live.push(order);
        }
        self.talk_of.insert(conversation, number);
        self.strike(what);
        self.note(|| format!("{conversation} is {what}"));
    }
}

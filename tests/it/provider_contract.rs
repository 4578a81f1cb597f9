//! What every provider with an API and webhooks of its own has to hold: one suite, each provider registered in [`all`].
//!
//! Not what its webhooks mean, nor its error codes: those differ, and are tested where they stand.

mod gupshup;
mod truora;
mod twilio;
mod whatsapp;

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use reengaged::conversation::{Form, Purpose};
use reengaged::engine::ports::{CallEnd, Handshake, Inbox, Message};
use reengaged::engine::record::Question;
use reengaged::id::{ConversationId, SendId};
use reengaged::moment::{MINUTE, Moment};
use reengaged::provider::client::{Ended, Reply};
use reengaged::provider::remote::{Api, Outgoing};

use crate::fixtures::Delivery;

pub(crate) use gupshup::gupshup;
use truora::truora;
use twilio::twilio;
pub(crate) use whatsapp::whatsapp;

/// A provider under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) api: Box<dyn Api>,
    pub(crate) inbox: Box<dyn Inbox>,
    /// A delivery that proves itself.
    pub(crate) proven: Delivery,
    /// The same with its proof missing, wrong or doubled, by what was done to it.
    pub(crate) forgeries: Vec<(&'static str, Delivery)>,
    /// The proof is over the body: any other body disproves it.
    pub(crate) signs_body: bool,
    /// The question whether this is the right address with its challenge, and questions by others; `None` where none is asked.
    pub(crate) handshake: Option<(Delivery, &'static str, Vec<Delivery>)>,
    /// An answer that takes a message: status, body, the message's id.
    pub(crate) taken: (u16, &'static str, &'static str),
    /// A success without an id is one all the same: what the provider answers is not confirmed.
    pub(crate) idless: bool,
    /// Whether it takes such a message, ordinary as it is.
    pub(crate) takes: fn(&Message) -> bool,
    /// A template as the line names them.
    pub(crate) template: &'static str,
    /// Whether a request is within the provider's documented limits: what is wrong with it.
    pub(crate) fits: fn(&Outgoing) -> Result<(), String>,
}

/// Every provider, made once.
fn all() -> &'static [Subject] {
    static ALL: OnceLock<Vec<Subject>> = OnceLock::new();
    ALL.get_or_init(|| vec![whatsapp(), gupshup(), twilio(), truora()])
}

/// A follow-up with buttons, inside the window.
pub(crate) fn message() -> Message {
    Message {
        send: SendId(7),
        conversation: ConversationId(42),
        caller: "lead-42".into(),
        to: "573001234567".into(),
        line: "support".into(),
        flow: "onboarding".into(),
        purpose: Purpose::FollowUp,
        form: Form::Message,
        text: "¿Seguimos?".into(),
        buttons: Some(("Sí".into(), "No".into())),
        template: None,
        template_vars: Vec::new(),
        choices: Vec::new(),
        choices_label: "Opciones".into(),
        media: None,
        password: false,
        vars: Vec::new(),
        question: Some(Question::default()),
        step: 0,
        episode: 1,
        attempt: 1,
        silence: Moment(1_800_000_000_000),
        now: Moment(1_800_000_000_000 + 60 * MINUTE),
    }
}

#[test]
fn the_handshake_is_answered_to_who_knows_the_word() {
    for subject in all() {
        match &subject.handshake {
            Some((asked, challenge, others)) => {
                assert_eq!(subject.inbox.handshake(&asked.hook()), Handshake::Challenge((*challenge).into()), "{}", subject.name);
                assert!(!others.is_empty());
                for other in others {
                    assert_eq!(subject.inbox.handshake(&other.hook()), Handshake::Refused, "{}: {}", subject.name, other.target);
                }
            }
            None => assert_eq!(subject.inbox.handshake(&subject.proven.hook()), Handshake::Unasked, "{}", subject.name),
        }
    }
}

#[test]
fn only_what_proves_itself_comes_in() {
    for subject in all() {
        assert_eq!(subject.inbox.verify(&subject.proven.hook()), Ok(()), "{}", subject.name);
        assert!(subject.forgeries.len() >= 3, "{}: missing, wrong and doubled at least", subject.name);
        for (how, forgery) in &subject.forgeries {
            assert!(subject.inbox.verify(&forgery.hook()).is_err(), "{}: {how}", subject.name);
        }
    }
}

#[test]
fn any_bit_of_a_signed_body_counts() {
    let signed: Vec<&Subject> = all().iter().filter(|subject| subject.signs_body).collect();
    assert!(!signed.is_empty());
    for subject in signed {
        let mut delivery = subject.proven.clone();
        for at in 0..delivery.body.len() {
            for bit in 0..8 {
                delivery.body[at] ^= 1 << bit;
                assert!(subject.inbox.verify(&delivery.hook()).is_err(), "{}: bit {bit} of byte {at}", subject.name);
                delivery.body[at] ^= 1 << bit;
            }
        }
        for change in [&b" "[..], b"\n", b"}"] {
            let longer = Delivery { body: [&subject.proven.body[..], change].concat(), ..subject.proven.clone() };
            assert!(subject.inbox.verify(&longer.hook()).is_err(), "{}: {change:?} at the end", subject.name);
        }
    }
}

#[test]
fn a_proven_webhook_is_read_and_an_empty_one_is_not() {
    for subject in all() {
        assert!(!subject.inbox.read(&subject.proven.hook()).unwrap().is_empty(), "{}", subject.name);
        let empty = Delivery { body: Vec::new(), ..subject.proven.clone() };
        assert!(subject.inbox.read(&empty.hook()).is_err(), "{}", subject.name);
    }
}

fn reply(status: u16, body: &str) -> Ended {
    Ended::Reply(Reply { status, retry_after: None, body: body.into(), broken: None })
}

#[test]
fn only_an_answer_with_an_id_is_an_acceptance_and_only_a_refusal_is_called_again() {
    for subject in all() {
        let judge = |ended: Ended| subject.api.judge(&message(), &ended);
        let (status, body, id) = subject.taken;
        let called = judge(reply(status, body));
        assert_eq!((called.end, called.message.as_deref(), called.trouble), (CallEnd::Accepted, Some(id), None), "{}", subject.name);

        assert_eq!(judge(Ended::NotSent("no route".into())).end, CallEnd::Busy(0), "{}", subject.name);
        assert_eq!(judge(Ended::Lost("reset".into())).end, CallEnd::Unknown, "{}", subject.name);
        for status in [100, 408, 500, 502, 503, 504, 599] {
            for page in ["", "<html>bad gateway</html>", body] {
                assert_eq!(judge(reply(status, page)).end, CallEnd::Unknown, "{}: HTTP {status} {page}", subject.name);
            }
        }
        let cut = &body[..body.len() / 2];
        let empty = (!subject.idless).then_some("{}");
        for junk in ["", "<html>ok</html>", "null", "[]", "true", "\"ok\"", cut].into_iter().chain(empty) {
            for status in [200, 201, 202, 204] {
                assert_eq!(judge(reply(status, junk)).end, CallEnd::Unknown, "{}: HTTP {status} {junk}", subject.name);
            }
        }
        let broken = Reply { status, retry_after: None, body: cut.into(), broken: Some("end of stream".into()) };
        assert_eq!(judge(Ended::Reply(broken)).end, CallEnd::Unknown, "{}", subject.name);
        for status in [301, 302, 303, 307, 308] {
            let end = judge(reply(status, body)).end;
            assert!(!matches!(end, CallEnd::Accepted | CallEnd::Busy(_)), "{}: HTTP {status} {end:?}", subject.name);
        }
        for status in [400, 401, 403, 404, 413, 422, 429] {
            let called = judge(reply(status, "<html>"));
            assert!(matches!(called.end, CallEnd::Busy(_) | CallEnd::Refused(_)), "{}: HTTP {status} {called:?}", subject.name);
            assert!(called.trouble.is_some(), "{}: HTTP {status}", subject.name);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for subject in all() {
            let delivery = Delivery { body: body.clone(), ..subject.proven.clone() };
            let _ = subject.inbox.verify(&delivery.hook());
            let _ = subject.inbox.read(&delivery.hook());
            let _ = subject.inbox.handshake(&delivery.hook());
            let answer = Reply { status: 200, retry_after: None, body: body.clone(), broken: None };
            let end = subject.api.judge(&message(), &Ended::Reply(answer)).end;
            prop_assert!(subject.idless || end != CallEnd::Accepted, "{}", subject.name);
        }
    }

    #[test]
    fn a_webhook_with_bytes_changed_lost_or_doubled_is_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..6),
        target in "/hooks/[ -~]{0,60}",
    ) {
        for subject in all() {
            let mut delivery = Delivery { target: target.clone(), ..subject.proven.clone() };
            for (at, byte, how) in &changes {
                let at = at.index(delivery.body.len());
                match how {
                    0 => delivery.body[at] = *byte,
                    1 => delivery.body.truncate(at.max(1)),
                    _ => delivery.body.insert(at, delivery.body[at]),
                }
            }
            let _ = subject.inbox.read(&delivery.hook());
            let changed = delivery.body != subject.proven.body;
            prop_assert!(!(subject.signs_body && changed) || subject.inbox.verify(&delivery.hook()).is_err());
            let _ = subject.inbox.handshake(&delivery.hook());
        }
    }

    #[test]
    fn whatever_is_written_is_within_the_limits(message in messages()) {
        for subject in all() {
            let message = Message { template: message.template.as_ref().map(|_| subject.template.into()), ..message.clone() };
            if let Ok(outgoing) = subject.api.write(&message) {
                prop_assert_eq!((subject.fits)(&outgoing), Ok(()), "{}: {:?}", subject.name, message);
            }
        }
    }

    #[test]
    fn what_is_ordinary_is_written(text in "[a-zA-Zñé¿? ]{0,30}x[a-z ]{0,2000}", purpose in purposes(), form in forms()) {
        for subject in all() {
            let template = (form == Form::Template).then(|| Arc::from(subject.template));
            let message = Message { text: text.clone(), purpose, form, template, ..message() };
            let outgoing = subject.api.write(&message);
            prop_assert_eq!(outgoing.is_ok(), (subject.takes)(&message), "{}: {:?}", subject.name, outgoing);
            if let Ok(outgoing) = outgoing {
                prop_assert_eq!((subject.fits)(&outgoing), Ok(()), "{}", subject.name);
            }
        }
    }
}

fn purposes() -> impl Strategy<Value = Purpose> {
    prop_oneof![Just(Purpose::FollowUp), Just(Purpose::Ask)]
}

fn forms() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Message), Just(Form::Template)]
}

/// Messages with any text, labels and variables, and recipients that are or are none.
fn messages() -> impl Strategy<Value = Message> {
    let text = || prop_oneof![any::<String>(), "[a-z 😀\n]{0,5000}", "😀{900,1100}"];
    let label = || prop_oneof!["[a-zá😀 ]{0,40}", any::<String>()];
    let to = prop_oneof![Just("573001234567".to_owned()), Just("CO.13491208655302741918".to_owned()), any::<String>()];
    let vars = prop::collection::vec(("[a-z]{1,8}", any::<String>()), 0..4);
    let form_and_vars = (forms(), vars).prop_map(|(form, vars)| match form {
        Form::Template => (form, Some(Arc::from("x")), vars),
        Form::Message => (form, None, Vec::new()),
    });
    (text(), prop::option::of((label(), label())), to, purposes(), form_and_vars).prop_map(
        |(text, buttons, to, purpose, (form, template, template_vars))| {
            let buttons = buttons.map(|(yes, no)| (yes.into(), no.into()));
            Message { text, buttons, to, purpose, form, template, template_vars, ..message() }
        },
    )
}

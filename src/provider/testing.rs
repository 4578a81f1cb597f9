//! What the tests of providers share: one message, and a way to wait for it. Not a stub of a server: `tests/it` has that.

use crate::conversation::{Form, Purpose};
use crate::engine::approval::{CallButton, TemplateCategory, TemplateDraft};
use crate::engine::ports::Message;
use crate::engine::record::Question;
use crate::id::{ConversationId, SendId};
use crate::moment::Moment;

pub(super) fn message() -> Message {
    Message {
        send: SendId(7),
        conversation: ConversationId(42),
        caller: "lead-42".into(),
        to: "573001234567".into(),
        line: "support".into(),
        flow: "onboarding".into(),
        purpose: Purpose::FollowUp,
        form: Form::Message,
        text: "¿Seguimos, Ana?".into(),
        buttons: Some(("Sí".into(), "No".into())),
        template: None,
        vars: vec![("name".into(), "Ana".into())],
        template_vars: Vec::new(),
        choices: Vec::new(),
        choices_label: "Opciones".into(),
        media: None,
        password: false,
        question: Some(Question {
            id: "q7".into(),
            text: "¿Tu correo?".into(),
            payload: r#"{"field":"email"}"#.into(),
            choices: Vec::new(),
        }),
        step: 0,
        episode: 1,
        attempt: 1,
        silence: Moment::parse("2026-03-02T11:00:00Z").expect("an instant"),
        now: Moment::parse("2026-03-02T12:00:00Z").expect("an instant"),
    }
}

/// A template that has everything but media.
pub(super) fn draft() -> TemplateDraft {
    TemplateDraft {
        name: "reengaged_otb1".into(),
        title: "Welcome".into(),
        phone: "57317770000".into(),
        notification: false,
        text: "Hello {{.name}} {{.lastname}}, ready?".into(),
        variables: vec![("name".into(), "Jhon".into()), ("lastname".into(), "Doe".into())],
        category: TemplateCategory::Utility,
        language: "pt-BR".into(),
        media: None,
        buttons: Some(("Continue".into(), "Cancel".into())),
        call: Some(CallButton { label: "Call us".into(), target: "+573181230000".into() }),
        link: Some(CallButton { label: "Follow us".into(), target: "https://my-page.com".into() }),
    }
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A fixture of the contract, byte for byte.
#[allow(clippy::disallowed_methods, reason = "tests find the shared folder as tests/it does")]
pub(super) fn fixture(name: &str) -> Vec<u8> {
    let named = std::env::var_os("REENGAGED_SHARED").map(std::path::PathBuf::from);
    let shared = named.unwrap_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    std::fs::read(shared.join("fixtures").join(name)).unwrap_or_else(|error| panic!("reading fixture {name}: {error}"))
}

//! A flow that asks its own questions, lived on a line of the Cloud API: asked, left, followed up, taken up again, completed.
//! Not its twists: those are `asking.rs` beside the engine's tests.

use reengaged::clock::Clock;
use reengaged::moment::Moment;
use reengaged::shapes::signature::{self, Signed, SigningKey};
use serde_json::{Value, json};

use super::Line as _;
use super::story::{FOLLOW_UP, Plot, Story};
use crate::emulator::{Meta, Person, Sent};
use crate::whole::process::SECRET;

/// Three questions of our own.
const ASKS: &str = r#"
completed_message = "Listo, {{.nombre}}"
[[flows.onboarding.questions]]
id = "nombre"
prompt = "¿Cómo te llamas?"
[[flows.onboarding.questions]]
id = "color"
prompt = "{{.nombre}}, ¿qué color?"
kind = "choice"
choices = ["Rojo", "Verde", "Azul", "Amarillo"]
[[flows.onboarding.questions]]
id = "correo"
prompt = "¿Cuál es tu correo?"
kind = "email"
retry = "Eso no parece un correo. ¿Cuál es?"
"#;

/// The question with this id is out and waits: the next thing that is planned is a follow-up.
async fn waits_for(story: &Story<Meta>, name: &str, question: &str) {
    let is_out = |shown: &Value| shown["state"] == "waiting" && shown["step"] == 0 && shown["question"]["id"] == question;
    story.until(name, question, is_out).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_questionnaire_is_asked_left_followed_up_and_completed() {
    let story = Story::begin(Meta::new(), &Plot { flow: ASKS.to_owned(), ..Plot::fast() });
    let person = Person::number(0);
    let says = |said: &'static str| story.provider.manners.writes(&person, said, story.clock.now());
    let labels = |sent: &Sent| sent.buttons.iter().map(|(_, label)| label.clone()).collect::<Vec<_>>();

    story.hears(&says("hola")).await;
    let (_, listed) = story.get("/v1/conversations").await;
    let name = listed["conversations"][0]["conversation_id"].as_str().expect("it has begun").to_owned();
    assert_eq!(story.provider.taken(1)[0].text, "¿Cómo te llamas?");
    waits_for(&story, &name, "nombre").await;
    story.hears(&says("Ana")).await;
    let list = story.provider.taken(2).remove(1);
    assert_eq!(
        (list.text.as_str(), labels(&list)),
        ("Ana, ¿qué color?", ["Rojo", "Verde", "Azul", "Amarillo"].map(str::to_owned).to_vec())
    );
    waits_for(&story, &name, "color").await;
    story.taps(&person, &list, 2).await;
    assert_eq!(story.provider.taken(3)[2].text, "¿Cuál es tu correo?");

    // Silence, and then the follow-up, which is answered by its button: the third question once more.
    let nudge = story.provider.taken(4).remove(3);
    assert_eq!((nudge.text.as_str(), labels(&nudge)), (FOLLOW_UP, vec!["Sí, continuar".to_owned(), "No, gracias".to_owned()]));
    story.answering(&name).await;
    story.taps(&person, &nudge, 0).await;
    assert_eq!(story.provider.taken(5)[4].text, "¿Cuál es tu correo?");
    waits_for(&story, &name, "correo").await;
    story.hears(&says("mañana te lo doy")).await;
    assert_eq!(story.provider.taken(6)[5].text, "Eso no parece un correo. ¿Cuál es?");
    waits_for(&story, &name, "correo").await;
    story.hears(&says("Ana@Example.com")).await;
    assert_eq!(story.provider.taken(7)[6].text, "Listo, Ana");

    let succeeded = story.told(&name, "succeeded").pop().expect("it was told");
    assert_eq!(succeeded["data"]["answers"], json!({"nombre": "Ana", "color": "Azul", "correo": "Ana@example.com"}));
    let kinds: Vec<Value> = story.told(&name, "succeeded").iter().map(|told| told["type"].clone()).collect();
    assert_eq!(kinds, ["started", "follow_up_sent", "resumed", "succeeded"].map(|kind| json!(format!("conversation.{kind}"))));
    let last =
        story.hook.requests().into_iter().rfind(|request| request.json()["type"] == "conversation.succeeded").expect("it was posted");
    let header = |name: &str| last.header(name).to_owned();
    let signed = Signed { id: header("webhook-id"), timestamp: header("webhook-timestamp"), signature: header("webhook-signature") };
    let key = SigningKey::read(SECRET).expect("a key");
    // Whoever takes a hook goes by a clock of their own.
    let posted = Moment(signed.timestamp.parse::<i64>().expect("seconds") * 1_000);
    assert_eq!(signature::verify(&[key], &signed, &last.body, posted), Ok(()), "at {}", Clock::system().wall());
    assert_eq!(story.provider.wrong(), Vec::<String>::new());
}

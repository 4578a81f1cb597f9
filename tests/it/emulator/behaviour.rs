//! The emulators over their sockets: what they take, what they refuse and how, and what they do when told to behave badly. Not the program.

use reengaged::moment::Moment;
use serde_json::{Value, json};

use super::fixtures::fixture;
use super::{Emulator, Fate, Gupshup, Manners, Meta, Person, Script, Truora, Twilio, client};
use crate::stub::Stub;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request to an emulator, with its credentials: status, `Retry-After` and body; `None` where no answer came.
async fn call<M: Manners>(
    emulator: &Emulator<M>,
    path: &str,
    auth: (&str, String),
    body: Option<(&str, Vec<u8>)>,
) -> Option<(u16, String, Value)> {
    let url = emulator.api(path);
    let request = match body {
        Some((kind, body)) => client().post(url).header("content-type", kind).body(body),
        None => client().get(url),
    };
    let answer = request.header(auth.0, auth.1).send().await.ok()?;
    let retry = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let status = answer.status().as_u16();
    Some((status, retry, serde_json::from_slice(&answer.bytes().await.ok()?).unwrap_or_default()))
}

async fn meta(emulator: &Emulator<Meta>, body: &Value) -> (u16, Value) {
    let auth = ("authorization", format!("Bearer {}", emulator.manners.token));
    let answer = call(emulator, "/v25.0/106540352242922/messages", auth, Some((JSON, body.to_string().into_bytes()))).await;
    answer.map_or((0, Value::Null), |(status, _, body)| (status, body))
}

fn golden(path: &str) -> Value {
    serde_json::from_slice(&fixture(path)).expect("the fixture is JSON")
}

/// The value with the member at this pointer replaced, or taken out where it is null.
fn with(value: &Value, pointer: &str, new: Value) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer begins with /");
    match (value.pointer_mut(parent).expect("the parent is there"), new) {
        (Value::Object(object), Value::Null) => drop(object.remove(name)),
        (Value::Object(object), new) => drop(object.insert(name.to_owned(), new)),
        (Value::Array(list), new) => list[name.parse::<usize>().expect("a place in a list")] = new,
        (other, _) => panic!("{other} has no members"),
    }
    value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_takes_what_is_documented() {
    let emulator = Emulator::start(Meta::new());
    let session = golden("whatsapp_cloud/req_interactive_buttons.json");
    let (status, answer) = meta(&emulator, &session).await;
    assert_eq!((status, answer), (200, golden("whatsapp_cloud/resp_send_ok.json")));
    let (status, answer) = meta(&emulator, &golden("whatsapp_cloud/req_template_quick_reply.json")).await;
    assert_eq!((status, answer["messages"][0]["message_status"].as_str()), (200, Some("accepted")));
    let taken = emulator.taken(2);
    assert_eq!(taken[0].text, "Tienes un proceso activo en curso");
    assert_eq!((taken[1].template.as_deref(), taken[1].vars.as_slice()), (Some("reengage_es/es"), &["Camila".to_owned()][..]));
    for sent in &taken {
        assert_eq!(sent.buttons[0], ("reengage:yes:conv-0001".to_owned(), "Sí, continuar".to_owned()));
        assert_eq!((sent.to.as_str(), sent.correlation.as_str()), ("573181230000", "conv-0001/attempt-1"));
    }
    let auth = ("authorization", "Bearer test-only-meta-token".to_owned());
    let number = call(&emulator, "/v25.0/106540352242922?fields=id", auth, None).await;
    assert!(matches!(number, Some((200, _, number)) if number["id"] == "106540352242922"));
    assert_eq!(emulator.read(1), 1);
    assert!(emulator.wrong().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_refuses_what_is_not_with_the_documented_code() {
    let emulator = Emulator::start(Meta::new());
    let (session, template) =
        (golden("whatsapp_cloud/req_interactive_buttons.json"), golden("whatsapp_cloud/req_template_quick_reply.json"));
    let buttons = "/interactive/action/buttons";
    let wrong = [
        (with(&session, "/messaging_product", Value::Null), 131_008),
        (with(&session, "/to", json!("+57 318")), 131_009),
        (with(&session, "/conversation", json!("x")), 100),
        (with(&session, "/type", json!("carousel")), 100),
        (with(&session, "/biz_opaque_callback_data", json!("x".repeat(513))), 131_009),
        (with(&session, "/interactive/body/text", json!("é".repeat(1_025))), 131_009),
        (with(&session, "/interactive/body/text", json!("")), 131_008),
        (with(&session, buttons, json!([])), 131_009),
        (with(&session, &format!("{buttons}/1/reply/title"), json!("Sí, continuar")), 131_009),
        (with(&session, &format!("{buttons}/0/reply/title"), json!("é".repeat(21))), 131_009),
        (with(&session, &format!("{buttons}/0/reply/id"), json!("x".repeat(257))), 131_009),
        (with(&template, "/template/name", json!("unknown")), 132_001),
        (with(&template, "/template/language/code", json!("pt_BR")), 132_001),
        (with(&template, "/template/components/0/parameters", json!([])), 132_000),
        (with(&template, "/template/components/0/parameters/0/text", json!("two\nlines")), 132_018),
        (with(&template, "/template/components/1/index", json!("2")), 132_000),
        (with(&template, "/template/components/1/parameters/0/payload", json!("x".repeat(257))), 131_009),
        (json!({"messaging_product": "whatsapp", "to": "+573181230000", "type": "text", "text": {"body": "x".repeat(4_097)}}), 131_009),
    ];
    for (body, code) in &wrong {
        let (status, answer) = meta(&emulator, body).await;
        assert_eq!((status, answer["error"]["code"].as_u64()), (400, Some(*code)), "{body}: {answer}");
    }
    assert_eq!(emulator.wrong().len(), wrong.len());
    let auth = ("authorization", "Bearer another".to_owned());
    let forged = call(&emulator, "/v25.0/106540352242922/messages", auth, Some((JSON, session.to_string().into_bytes()))).await;
    assert!(matches!(forged, Some((401, _, answer)) if answer["error"]["code"] == 190));
    assert_eq!(emulator.called(0), 0, "nothing of this was a message");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meta_addresses_a_user_id_where_it_is_set_up() {
    let emulator = Emulator::start(Meta { user_id_field: Some("recipient"), ..Meta::new() });
    let session = with(&golden("whatsapp_cloud/req_interactive_buttons.json"), "/to", Value::Null);
    assert_eq!(meta(&emulator, &session).await.0, 400);
    assert_eq!(meta(&emulator, &with(&session, "/recipient", json!("CO.13491208655302741918"))).await.0, 200);
    assert_eq!(emulator.taken(1)[0].to, "CO.13491208655302741918");
}

async fn gupshup(emulator: &Emulator<Gupshup>, path: &str, body: &str) -> (u16, Value) {
    let auth = ("apikey", emulator.manners.api_key.clone());
    let answer = call(emulator, path, auth, Some((FORM, body.as_bytes().to_vec()))).await;
    answer.map_or((0, Value::Null), |(status, _, body)| (status, body))
}

fn form(path: &str) -> String {
    String::from_utf8(fixture(path)).expect("the fixture is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gupshup_takes_what_is_documented_and_refuses_what_is_not() {
    let emulator = Emulator::start(Gupshup::new());
    let (session, template) = (form("gupshup/req_quick_reply.form"), form("gupshup/req_template.form"));
    let (status, answer) = gupshup(&emulator, "/wa/api/v1/msg", &session).await;
    assert_eq!((status, answer), (202, golden("gupshup/resp_send_ok_202.json")));
    assert_eq!(gupshup(&emulator, "/wa/api/v1/template/msg", &template).await.0, 202);
    let taken = emulator.taken(2);
    assert_eq!((taken[0].correlation.as_str(), taken[0].buttons.len()), ("reengage:conv-0001", 2));
    assert_eq!(taken[1].buttons[1].0, "reengage:no:conv-0001");

    let long = session.replace("No%2C+gracias", "una+etiqueta+demasiado+larga");
    let wrong = [
        ("/wa/api/v1/msg", session.replace("channel=whatsapp", "channel=sms"), "Invalid Channel"),
        ("/wa/api/v1/msg", session.replace("DemoApp", "Other"), "Invalid App Details"),
        ("/wa/api/v1/msg", session.replace("destination=573181230000", "destination=%2B573181230000"), "Invalid Destination"),
        ("/wa/api/v1/msg", session.replace("quick_reply", "poll"), "Invalid Message Type"),
        ("/wa/api/v1/msg", long, "Invalid Length"),
        ("/wa/api/v1/msg", session.replace("No%2C+gracias", "S%C3%AD%2C+continuar"), "Invalid Options"),
        ("/wa/api/v1/template/msg", template.replace("c6aecef6", "00000000"), "Template did not match"),
        ("/wa/api/v1/template/msg", template.replace("%22Camila%22", ""), "Template did not match"),
        ("/wa/api/v1/template/msg", template.replace("%22index%22%3A+1", "%22index%22%3A+2"), "Invalid Postback"),
    ];
    for (path, body, message) in wrong {
        let (status, answer) = gupshup(&emulator, path, &body).await;
        assert_eq!((status, answer["message"].as_str()), (400, Some(message)), "{body}");
    }
    let auth = ("apikey", "another".to_owned());
    let forged = call(&emulator, "/wa/api/v1/msg", auth, Some((FORM, session.into_bytes()))).await;
    assert!(matches!(forged, Some((401, ..))));
    assert_eq!(emulator.called(0), 2);
}

async fn twilio(emulator: &Emulator<Twilio>, body: Option<&str>, path: &str) -> (u16, Value) {
    use base64::Engine as _;
    let basic = format!("{}:{}", emulator.manners.account_sid, emulator.manners.auth_token);
    let auth = ("authorization", format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(basic)));
    let answer = call(emulator, path, auth, body.map(|body| (FORM, body.as_bytes().to_vec()))).await;
    answer.map_or((0, Value::Null), |(status, _, body)| (status, body))
}

const MESSAGES: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twilio_takes_what_is_documented_and_refuses_what_is_not() {
    let emulator = Emulator::start(Twilio { messaging_service_sid: Some("MG1".to_owned()), ..Twilio::new() });
    let content = form("twilio/req_content_template.form");
    let (status, answer) = twilio(&emulator, Some(&content), MESSAGES).await;
    let mut expected = golden("twilio/resp_create_201.json");
    for same in ["account_sid", "direction", "from", "to", "sid", "status", "uri", "subresource_uris", "error_code"] {
        assert_eq!(answer[same], expected[same].take(), "{same}");
    }
    assert_eq!(status, 201);
    let body = "To=whatsapp%3A%2B573181230000&MessagingServiceSid=MG1&Body=Hola";
    assert_eq!(twilio(&emulator, Some(body), MESSAGES).await.0, 201);
    let taps =
        "ContentSid=HX00000000000000000000000000000002&ContentVariables=%7B%221%22%3A%22Hola%22%2C%222%22%3A%22y%22%2C%223%22%3A%22n%22%7D";
    assert_eq!(twilio(&emulator, Some(&body.replace("Body=Hola", taps)), MESSAGES).await.0, 201);
    let taken = emulator.taken(3);
    assert_eq!(taken[1].text, "Hola");
    assert_eq!((taken[2].text.as_str(), taken[2].buttons[1].0.as_str()), ("Hola", "n"));

    let wrong = [
        (content.replace("To=whatsapp%3A%2B573181230000&", ""), 21_604),
        (content.replace("To=whatsapp%3A%2B", "To="), 21_211),
        (content.replace("From=whatsapp%3A%2B5716000001&", ""), 21_603),
        (content.replace("5716000001", "5716000002"), 63_007),
        (content.replace("HX00000000000000000000000000000001", "HX9"), 21_655),
        (content.replace("%7B%221%22", "%7B%222%22"), 21_656),
        (content.replace("reengaged.example", "re_engaged.example"), 21_609),
        (format!("{content}&ValidityPeriod=0"), 21_626),
        (format!("{content}&Body=x"), 21_619),
        (body.replace("MG1", "MG2"), 21_705),
        (body.replace("Hola", &"x".repeat(1_601)), 21_617),
        (body.replace("Body=Hola", "ContentSid=HX00000000000000000000000000000002"), 63_028),
    ];
    for (body, code) in wrong {
        let (status, answer) = twilio(&emulator, Some(&body), MESSAGES).await;
        assert_eq!((status, answer["code"].as_u64()), (400, Some(code)), "{body}");
    }
    let auth = ("authorization", "Basic eDp5".to_owned());
    assert!(matches!(call(&emulator, MESSAGES, auth, Some((FORM, content.into_bytes()))).await, Some((401, ..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twilio_lists_what_arrived_in_pages() {
    let emulator = Emulator::start(Twilio { page: 2, ..Twilio::new() });
    let noon = Moment::parse("2026-09-14T12:00:00Z").expect("a time");
    for hour in 0..5 {
        emulator.manners.says_unheard(&Person::number(0), &format!("at {hour}"), noon.plus(hour * reengaged::moment::HOUR));
    }
    let (mut path, mut bodies) = (format!("{MESSAGES}?To=whatsapp%3A%2B5716000001&DateSent%3E=2026-09-14T13%3A00%3A00Z"), Vec::new());
    loop {
        let (status, page) = twilio(&emulator, None, &path).await;
        assert_eq!(status, 200);
        bodies.extend(page["messages"].as_array().expect("messages").iter().map(|m| m["body"].as_str().unwrap_or_default().to_owned()));
        match page["next_page_uri"].as_str() {
            Some(next) => next.clone_into(&mut path),
            None => break,
        }
    }
    assert_eq!(bodies, ["at 4", "at 3", "at 2", "at 1"]);
    let day = format!("{MESSAGES}?DateSent%3E=2026-09-14&PageSize=1");
    let (_, page) = twilio(&emulator, None, &day).await;
    assert_eq!(page["messages"][0]["date_sent"], "Mon, 14 Sep 2026 16:00:00 +0000");
    assert_eq!((page["messages"].as_array().map(Vec::len), page["page_size"].as_u64()), (Some(1), Some(1)));
    let (status, account) = twilio(&emulator, None, "/2010-04-01/Accounts/AC00000000000000000000000000000001.json").await;
    assert_eq!((status, account["status"].as_str()), (200, Some("active")));
    assert_eq!(twilio(&emulator, None, "/2010-04-01/Accounts/AC2.json").await.0, 404);
}

async fn truora(emulator: &Emulator<Truora>, path: &str, body: Option<&str>) -> (u16, Value) {
    let auth = ("truora-api-key", emulator.manners.api_key.clone());
    let answer = call(emulator, path, auth, body.map(|body| (FORM, body.as_bytes().to_vec()))).await;
    answer.map_or((0, Value::Null), |(status, _, body)| (status, body))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truora_takes_what_is_documented_and_refuses_what_is_not() {
    let mut account = Truora::new();
    account.outbounds.insert("OTB00000000000000000000000000000002".to_owned(), ("PENDING", false));
    let emulator = Emulator::start(account);
    let (send, golden_send) = ("/v1/whatsapp/outbounds/send", form("truora/req_outbound_send.form"));
    assert_eq!(truora(&emulator, send, Some(&golden_send)).await.0, 200);
    let taken = emulator.taken(1);
    assert_eq!((taken[0].to.as_str(), taken[0].vars.as_slice()), ("573181230000", &["Camila Ríos".to_owned()][..]));
    let wrong = [
        (golden_send.replace("country_code=57&", ""), 400),
        (golden_send.replace("phone_number=3181230000", "phone_number=%2B573181230000"), 400),
        (golden_send.replace("user_authorized=true&", ""), 400),
        (golden_send.replace("flow_id=IPF", "flow_id=OTB"), 400),
        (golden_send.replace("outbound_id=OTB00000000000000000000000000000001", "outbound_id=OTB1"), 404),
        (golden_send.replace("outbound_id=OTB00000000000000000000000000000001", "outbound_id=OTB00000000000000000000000000000002"), 400),
    ];
    for (body, status) in wrong {
        let answer = truora(&emulator, send, Some(&body)).await;
        assert_eq!((answer.0, answer.1["http_code"].as_u64()), (status, Some(u64::from(status))), "{body}");
    }
    let pending = truora(&emulator, "/v1/whatsapp/outbounds/OTB00000000000000000000000000000002", None).await;
    assert_eq!((pending.0, pending.1["status"].as_str()), (200, Some("PENDING")));
    assert_eq!(truora(&emulator, "/v1/whatsapp/outbounds/OTB00000000000000000000000000000003", None).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_what_it_is_told() {
    let emulator = Emulator::start(Meta::new());
    let session = golden("whatsapp_cloud/req_interactive_buttons.json");
    let auth = || ("authorization", "Bearer test-only-meta-token".to_owned());
    emulator.script([
        Script::Refuse(131_047),
        Script::Throttle(None),
        Script::Throttle(Some(7)),
        Script::Broken(503),
        Script::Close,
        Script::Lose,
        Script::Accept,
    ]);
    let mut seen = Vec::new();
    for _ in 0..7 {
        let body = Some((JSON, session.to_string().into_bytes()));
        let answer = call(&emulator, "/v25.0/106540352242922/messages", auth(), body).await;
        seen.push(answer.map_or((0, String::new()), |(status, retry, _)| (status, retry)));
    }
    let none = String::new;
    let expected = [(400, none()), (429, none()), (429, "7".to_owned()), (503, none()), (0, none()), (0, none()), (200, none())];
    assert_eq!(seen, expected);
    assert_eq!((emulator.called(7), emulator.taken(2).len()), (7, 2), "lost after it was taken, and accepted");

    emulator.always(Some(Script::Expired));
    let probe = call(&emulator, "/v25.0/106540352242922", auth(), None).await;
    assert!(matches!(probe, Some((401, ..))), "{probe:?}");
    assert_eq!(meta(&emulator, &session).await.0, 401);
    emulator.always(None);
    assert_eq!(meta(&emulator, &session).await.0, 200);
    assert_eq!(emulator.requests().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_never_answers_when_told() {
    let emulator = std::sync::Arc::new(Emulator::start(Meta::new()));
    emulator.script([Script::Hang]);
    let session = golden("whatsapp_cloud/req_interactive_buttons.json");
    let (hanging, body) = (std::sync::Arc::clone(&emulator), session.clone());
    let call = tokio::spawn(async move { meta(&hanging, &body).await });
    assert_eq!(emulator.taken(1).len(), 1);
    // Others are answered meanwhile.
    assert_eq!(meta(&emulator, &session).await.0, 200);
    assert!(!call.is_finished());
    call.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_reports_what_became_of_a_message() {
    let daemon = Stub::answering(200, "", "");
    let emulator = Emulator::start(Meta::new());
    emulator.calls(&format!("http://{}", daemon.address), "whatsapp");
    emulator.script([Script::Report(vec![Fate::Read, Fate::Sent, Fate::Sent]), Script::Report(vec![Fate::Failed(131_047)])]);
    let session = golden("whatsapp_cloud/req_interactive_buttons.json");
    for _ in 0..2 {
        assert_eq!(meta(&emulator, &session).await.0, 200);
    }
    assert_eq!(emulator.reported(4), [200; 4]);
    let word = |place: usize, pointer: &str| {
        let webhook = daemon.requests()[place].json();
        webhook.pointer(&format!("/entry/0/changes/0/value/statuses/0/{pointer}")).cloned().unwrap_or_default()
    };
    let mut words: Vec<Value> = (0..4).map(|place| word(place, "status")).collect();
    words.sort_by_key(Value::to_string);
    assert_eq!(words, ["failed", "read", "sent", "sent"]);
    assert_eq!(daemon.requests()[0].target(), "/hooks/whatsapp");
    assert_eq!(word(0, "biz_opaque_callback_data"), "conv-0001/attempt-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_webhooks_reach_the_line_whole() {
    let daemon = Stub::answering(200, "", "");
    let emulator = Emulator::start(Meta::new());
    emulator.calls(&format!("http://{}", daemon.address), "whatsapp");
    let said: Vec<(Person, String)> = (0..1_000).map(|n| (Person::number(n), "ñ".repeat(400))).collect();
    let batch = emulator.manners.batch(&said, Moment(0));
    assert_eq!(emulator.deliver(&batch).await, 200);
    let arrived = &daemon.requests()[0];
    assert_eq!(arrived.body, batch.body);
    assert!(arrived.body.len() > 2_500_000 && arrived.body.len() <= 3_145_728, "{} bytes", arrived.body.len());
    assert_eq!(arrived.header("x-hub-signature-256"), batch.headers[1].1);
    let value = &arrived.json()["entry"][0]["changes"][0]["value"];
    assert_eq!(value["messages"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(value["messages"][999]["text"]["body"], said[999].1);

    let elsewhere = Emulator::start(Gupshup { webhook_header: Some("x-webhook-token"), ..Gupshup::new() });
    elsewhere.calls(&format!("http://{}", daemon.address), "gupshup");
    assert_eq!(elsewhere.deliver(&elsewhere.manners.says(&said[0].0, "hola", Moment(0))).await, 200);
    let arrived = daemon.requests().pop().expect("it arrived");
    assert_eq!((arrived.target(), arrived.header("x-webhook-token")), ("/hooks/gupshup", "test-only-gupshup-url-token"));
}

/// Two answers to one request: the client's next request must not take the second for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_twice_when_told() {
    use std::io::{Read as _, Write as _};
    let emulator = Emulator::start(Meta::new());
    emulator.script([Script::Twice]);
    let body = golden("whatsapp_cloud/req_interactive_buttons.json").to_string();
    let mut stream = std::net::TcpStream::connect(emulator.api("").trim_start_matches("http://")).expect("the emulator listens");
    let head =
        "POST /v25.0/106540352242922/messages HTTP/1.1\r\nauthorization: Bearer test-only-meta-token\r\ncontent-type: application/json";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("it reads");
    stream.shutdown(std::net::Shutdown::Write).expect("it reads to the end");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("it answers and closes");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(emulator.taken(1).len(), 1);
}

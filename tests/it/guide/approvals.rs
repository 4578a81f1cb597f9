//! The approval of an outbound: what may be sent and what not, and what hooks are told.
//!
//! Not the providers: what their answers mean is told beside each.

use std::sync::Arc;

use reengaged::conversation::Report;
use reengaged::engine::desk::Request;
use reengaged::engine::group::Notice;
use reengaged::engine::ports::Store;
use reengaged::engine::registry::{Filing, OutboundNews, Register};
use reengaged::engine::request::Rejected;
use reengaged::http::Tokens;
use reengaged::shapes::guide::outbound::{Outbound, Status};

use super::desk::{Guide, OUTBOUND, send, with};

/// Files an outbound as the daemon does when its provider has told.
async fn learn(guide: &Guide, id: &str, change: impl Fn(&mut Outbound)) {
    let shelf = guide.desk.ask(|reply| Request::Shelf(Register::Outbound, reply)).await.expect("a shelf");
    let mut outbound = Outbound::from_bytes(shelf.find(id).expect("it is there")).expect("an outbound");
    let before = outbound.status;
    change(&mut outbound);
    let approved = outbound.status == Status::Approved;
    let news =
        OutboundNews { id: Arc::from(id), name: outbound.outbound_name.clone(), line: "support".into(), why: outbound.reason.clone() };
    let tell = (before != outbound.status).then_some((approved, news));
    let (register, version) = (Register::Outbound, shelf.version);
    let filing = Filing { register, id: Some(Arc::from(id)), value: Some(outbound.to_bytes()), version, inbounds: None, tell };
    guide.desk.ask(|reply| Request::File(Box::new(filing.clone()), reply)).await.expect("it is filed");
    let again = guide.desk.ask(|reply| Request::File(Box::new(filing), reply)).await;
    assert_eq!(again, Err(Rejected::Outdated), "what was decided on an older shelf is decided again");
}

/// Approves one.
pub(super) async fn approve(guide: &Guide, id: &str) {
    let approve = |outbound: &mut Outbound| (outbound.status, outbound.template) = (Status::Approved, "reengaged_x/en".into());
    learn(guide, id, approve).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_approved_and_not_paused_is_sent() {
    let mut guide = Guide::start(Tokens::default()).await;
    let (status, created) = guide.form("POST", "/outbounds", &OUTBOUND).await;
    assert_eq!((status, &created["status"]), (200, &"PENDING".into()), "{created}");
    let id = created["outbound_id"].as_str().expect("an id").to_owned();
    assert!(Register::Outbound.is_id(&id), "OTB and 32 digits: {id}");
    assert_eq!(guide.notices.recv().await, Some(Notice::Filed(Register::Outbound, Arc::from(id.as_str()))), "it is to be submitted");
    let refused = async |guide: &Guide| {
        let (status, answer) = guide.form("POST", "/outbounds/send", &send(&id)).await;
        assert_eq!((status, answer["field"].as_str()), (409, Some("outbound_id")), "{answer}");
        answer["message"].as_str().expect("a message").to_owned()
    };
    assert!(refused(&guide).await.contains("PENDING"));
    approve(&guide, &id).await;
    let path = format!("/outbounds/{id}");
    assert_eq!(guide.get(&path).await.1["status"], "APPROVED");
    learn(&guide, &id, |outbound| outbound.paused = true).await;
    assert!(refused(&guide).await.contains("paused"));
    assert_eq!((guide.get(&path).await.1["paused"].as_bool(), guide.get(&path).await.1["status"].as_str()), (Some(true), Some("APPROVED")));
    learn(&guide, &id, |outbound| outbound.paused = false).await;
    assert_eq!(guide.form("POST", "/outbounds/send", &send(&id)).await.0, 200);
    learn(&guide, &id, |outbound| (outbound.status, outbound.reason) = (Status::Rejected, "PROMOTIONAL".into())).await;
    assert!(refused(&guide).await.contains("REJECTED"));
    assert_eq!(guide.get(&path).await.1["reason"], "PROMOTIONAL");
    let told: Vec<(Report, String)> = (0..9)
        .filter_map(|seq| guide.store.hook(seq).expect("memory reads"))
        .filter_map(|record| Some((record.report, record.outbound?.why)))
        .collect();
    assert_eq!(told, [(Report::OutboundApproved, String::new()), (Report::OutboundRejected, "PROMOTIONAL".to_owned())]);
    assert_eq!(guide.form("DELETE", &path, &[]).await.0, 200);
    assert_eq!(guide.get(&path).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_starts_no_flow_and_comes_once() {
    let guide = Guide::start(Tokens::default()).await;
    let notification = [
        ("is_notification", Some("true")),
        ("continue_process_message", None),
        ("cancel_process_message", None),
        ("category", Some("AUTHENTICATION")),
    ];
    let (_, created) = guide.form("POST", "/outbounds", &with(&OUTBOUND, &notification)).await;
    let id = created["outbound_id"].as_str().expect("an id").to_owned();
    approve(&guide, &id).await;
    let form = send(&id);
    let (status, answer) = guide.form("POST", "/outbounds/send", &form).await;
    assert_eq!((status, answer["field"].as_str()), (400, Some("flow_id")), "{answer}");
    let form = with(&form, &[("flow_id", None)]);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let mut answers = Vec::new();
    for key in ["one", "one", "two"] {
        let sent = crate::whole::process::client().post(format!("{}/outbounds/send", guide.base)).header("idempotency-key", key);
        let sent = sent.header("content-type", "application/x-www-form-urlencoded").body(body.clone()).send().await.expect("an answer");
        let answer: serde_json::Value = serde_json::from_str(&sent.text().await.expect("a body")).expect("JSON");
        answers.push((answer["conversation_id"].clone(), answer["ignored"].clone()));
    }
    assert_eq!(answers[0].0, answers[1].0);
    assert_ne!(answers[0].0, answers[2].0);
    assert_eq!(answers[1].1, "duplicate");
    assert!(answers[0].1.is_null() && answers[2].1.is_null(), "{answers:?}");
    let long = crate::whole::process::client().post(format!("{}/outbounds/send", guide.base)).header("idempotency-key", "x".repeat(200));
    let refused = long.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opted_out_is_sent_nothing() {
    let guide = Guide::start(Tokens::default()).await;
    let (_, created) = guide.form("POST", "/outbounds", &OUTBOUND).await;
    let id = created["outbound_id"].as_str().expect("an id").to_owned();
    approve(&guide, &id).await;
    use reengaged::engine::request::{Inbound, What, Who};
    let out = Inbound {
        line: Some("sales".into()),
        to: Some("573181230000".into()),
        ..Inbound::of(Who::Caller("ana".into()), None, What::OptOut)
    };
    guide.desk.event(out).await.expect("it is taken");
    let (status, answer) = guide.form("POST", "/outbounds/send", &send(&id)).await;
    assert_eq!((status, &answer["type"]), (409, &"urn:reengaged:opted-out".into()), "{answer}");
}

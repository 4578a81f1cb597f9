//! Every field of each call over the wire: missing, empty, doubled, too long, malformed, unknown. Each is told by its name, and
//! nothing is kept.
//!
//! Not what each field takes: `shapes/guide` tries that value by value.

use reengaged::http::{Scopes, Tokens};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::approvals::approve;
use super::desk::{Guide, INBOUND, OUTBOUND, send, with};

/// Sends a form with each of its fields spoilt in every way; `form` is right as it stands, and stays unsent.
async fn every_field_is_told(guide: &Guide, path: &str, form: &[(&str, &str)]) {
    let long = "9".repeat(3_000);
    for (name, value) in form {
        for (how, spoilt) in [
            ("missing", with(form, &[(name, None)])),
            ("empty", with(form, &[(name, Some(""))])),
            ("blank", with(form, &[(name, Some(" "))])),
            ("too long", with(form, &[(name, Some(&long))])),
            ("a control character", with(form, &[(name, Some("\u{7}"))])),
            ("doubled", [form, &[(*name, *value)]].concat()),
        ] {
            let (status, answer) = guide.form("POST", path, &spoilt).await;
            assert_eq!((status, answer["field"].as_str()), (400, Some(*name)), "{path} {name} {how}: {answer}");
            assert!(answer["message"].as_str().is_some_and(|message| message.starts_with(name)), "{path} {name} {how}: {answer}");
        }
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(with(form, &[(name, None)])).finish();
        for broken in ["%", "%4", "%zz", "%ff"] {
            let body = format!("{encoded}&{name}={broken}");
            let (status, answer) = guide.raw("POST", path, "application/x-www-form-urlencoded", body.into_bytes()).await;
            assert_eq!((status, answer["field"].as_str()), (400, Some(*name)), "{path} {name} {broken}: {answer}");
        }
    }
    let (status, answer) = guide.form("POST", path, &with(form, &[("colour", Some("red"))])).await;
    assert_eq!((status, answer["field"].as_str()), (400, Some("colour")), "{answer}");
    let (status, answer) = guide.raw("POST", path, "application/json", b"{}".to_vec()).await;
    assert_eq!((status, &answer["type"]), (415, &"urn:reengaged:unsupported-type".into()));
    let (status, _) = guide.raw("POST", path, "application/x-www-form-urlencoded", vec![b'a'; 65 * 1024]).await;
    assert_eq!(status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_an_inbound_is_told_when_it_is_wrong() {
    let guide = Guide::start(Tokens::default()).await;
    every_field_is_told(&guide, "/inbounds", &INBOUND).await;
    let (_, list) = guide.get("/inbounds").await;
    assert_eq!(list["inbounds"], Value::Array(Vec::new()), "nothing of all that was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_an_outbound_is_told_when_it_is_wrong() {
    let guide = Guide::start(Tokens::default()).await;
    let optional = [
        ("media_url", Some("https://my-page.com/a.png")),
        ("template_type", Some("IMAGE")),
        ("call_to_action.phone.message", Some("Call us")),
        ("call_to_action.phone.number", Some("+573181230000")),
        ("call_to_action.url.message", Some("Follow us")),
        ("call_to_action.url.url", Some("https://my-page.com")),
    ];
    every_field_is_told(&guide, "/outbounds", &with(&OUTBOUND, &optional)).await;
    let (_, list) = guide.get("/outbounds").await;
    assert_eq!(list["outbounds"], Value::Array(Vec::new()), "nothing of all that was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_send_is_told_when_it_is_wrong() {
    let guide = Guide::start(Tokens::default()).await;
    let (_, created) = guide.form("POST", "/outbounds", &OUTBOUND).await;
    let id = created["outbound_id"].as_str().expect("an id").to_owned();
    approve(&guide, &id).await;
    every_field_is_told(&guide, "/outbounds/send", &send(&id)).await;
    let own = send(&id);
    for (name, wrong) in [
        ("user_authorized", "false"),
        ("user_authorized", "TRUE"),
        ("flow_id", "nobody's"),
        ("var.city", "Cali"),
        ("country_code", "CO"),
        ("phone_number", "+573181230000"),
        ("outbound_id", "OTB"),
    ] {
        let (status, answer) = guide.form("POST", "/outbounds/send", &with(&own, &[(name, Some(wrong))])).await;
        assert_eq!((status, answer["field"].as_str()), (400, Some(name)), "{wrong}: {answer}");
        assert!(!answer.to_string().contains("3181230000") || name == "phone_number" && wrong.starts_with('+'), "{answer}");
    }
    let gone = format!("OTB{}", "0".repeat(32));
    let (status, answer) = guide.form("POST", "/outbounds/send", &with(&own, &[("outbound_id", Some(&gone))])).await;
    assert_eq!((status, answer["field"].as_str()), (404, Some("outbound_id")), "{answer}");
    // And as it stands it is right.
    let (status, answer) = guide.form("POST", "/outbounds/send", &own).await;
    assert_eq!((status, &answer["outbound_id"]), (200, &Value::from(id.as_str())), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inbounds_are_listed_changed_and_taken_away() {
    let guide = Guide::start(Tokens::default()).await;
    let (status, made) = guide.form("POST", "/inbounds", &INBOUND).await;
    assert_eq!((status, &made["waba_phone_number"], &made["inbound_message"]), (200, &INBOUND[1].1.into(), &"Testing message".into()));
    assert_eq!(made["link"], "https://api.whatsapp.com/send?phone=57317770000&text=Testing%20message");
    let path = format!("/inbounds/{}", made["inbound_id"].as_str().expect("an id"));
    let (status, twin) = guide.form("POST", "/inbounds", &with(&INBOUND, &[("inbound_message", Some("TÉSTING  message "))])).await;
    assert_eq!((status, twin["field"].as_str()), (409, Some("inbound_message")), "a person could not tell them apart: {twin}");
    let elsewhere = [("inbound_message", Some("testing message")), ("waba_phone_number", Some("5716000001"))];
    assert_eq!(guide.form("POST", "/inbounds", &with(&INBOUND, &elsewhere)).await.0, 200, "another line has its own");
    let flow = "ipf0123456789ABCDEF0123456789abcdef";
    let (status, edited) = guide.form("PATCH", &path, &[("flow_id", flow)]).await;
    assert_eq!((status, &edited["flow_id"], &edited["flow"]), (200, &flow.into(), &"onboarding".into()));
    assert_eq!(guide.form("PUT", &path, &INBOUND[..3]).await.0, 400, "put has every field");
    assert_eq!(guide.form("PUT", &path, &with(&INBOUND, &[("flow_id", Some("kyc"))])).await.1["flow"], "kyc");
    assert_eq!(guide.form("PATCH", &path, &[]).await.0, 400);
    assert_eq!(guide.get(&path).await.1["flow"], "kyc");
    let (_, page) = guide.get("/inbounds?limit=1").await;
    let next = page["next"].as_str().expect("there is more");
    let (_, rest) = guide.get(&format!("/inbounds?limit=1&after={next}")).await;
    assert_eq!((rest["inbounds"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    for wrong in ["/inbounds?limit=0", "/inbounds?colour=red"] {
        assert_eq!(guide.get(wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(guide.form("DELETE", &path, &[]).await.0, 200);
    assert_eq!(guide.form("DELETE", &path, &[]).await.0, 404);
    assert_eq!(
        (guide.get(&path).await.0, guide.get("/inbounds/x").await.0, guide.form("PATCH", "/inbounds/x", &[]).await.0),
        (404, 404, 404)
    );
    assert_eq!(guide.form("POST", &path, &INBOUND).await.0, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_header_is_a_token_with_its_scopes() {
    let token = |secret: &str, scopes: Scopes| (Sha256::digest(secret.as_bytes()).into(), scopes);
    let (read, operate) = (Scopes { read: true, ..Scopes::default() }, Scopes { operate: true, ..Scopes::default() });
    let guide = Guide::start(Tokens::new(vec![token("eye", read), token("hand", operate)])).await;
    let client = crate::whole::process::client();
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(INBOUND).finish();
    for (header, key, status) in [
        ("truora-api-key", "hand", 200),
        ("authorization", "Bearer hand", 409),
        ("truora-api-key", "eye", 403),
        ("truora-api-key", "nobody", 401),
        ("x-other", "hand", 401),
    ] {
        let sent = client.post(format!("{}/inbounds", guide.base)).header(header, key);
        let sent = sent.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
        let answer = sent.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{header}: {key}");
        let text = answer.text().await.expect("a body");
        assert!(status == 200 || text.starts_with(&format!("{{\"code\":{}", 10_000 + u32::from(status))), "{text}");
    }
    // Elsewhere it is no token.
    let elsewhere = guide.base.replace("/v1/whatsapp", "/v1/doubts");
    assert_eq!(client.get(elsewhere).header("truora-api-key", "hand").send().await.expect("an answer").status().as_u16(), 401);
    let listed = client.get(format!("{}/inbounds", guide.base)).header("truora-api-key", "eye").send().await.expect("an answer");
    assert_eq!(listed.status().as_u16(), 200, "to look is enough for a list");
}

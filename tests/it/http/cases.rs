//! Requests and their answers: statuses, shapes, tokens, and the agreement of `openapi.json` with the routes.
//! Not hostile bytes (`hostile`) and not streams (`stream`).

use std::collections::BTreeSet;

use reengaged::http::{Address, Listener, Need, OPENAPI, Scopes, Site, Tokens, routes};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fake;
use super::wire::{Server, inside, standard};

const EVENT: &str = r#"{"type":"question","id":"1","conversation":"carol","at":"2026-03-01T22:30:00Z","question":{"text":"?"}}"#;

#[tokio::test]
async fn an_event_is_answered() {
    let server = Server::start(standard()).await;
    let reply = server.post("/v1/events", EVENT).await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
    let answer = reply.json();
    assert_eq!(answer["conversation"], "carol");
    assert_eq!((&answer["status"], &answer["state"], &answer["action"]), (&json!(200), &json!("waiting"), &json!("message")));
    assert_eq!(answer["due_at"], "2026-03-01T23:15:00.000Z");
    assert_eq!(answer.get("not_deduplicated"), None);
    let nameless = server.post("/v1/events", r#"{"type":"hold","conversation":"carol"}"#).await;
    assert_eq!(nameless.json()["not_deduplicated"], true);
    server.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_status_and_word() {
    let server = Server::start(standard()).await;
    let event = |name: &str| format!(r#"{{"type":"hold","conversation":"{name}"}}"#);
    let big = format!(r#"{{"type":"hold","conversation":"{}"}}"#, "x".repeat(17_000));
    for (head, kind, body, status, slug) in [
        ("POST /v1/events", "application/json", "{", 400, "not-json"),
        ("POST /v1/events", "application/json", "", 400, "not-json"),
        ("POST /v1/events", "application/json", "{}", 422, "invalid"),
        ("POST /v1/events", "text/plain", EVENT, 415, "unsupported-type"),
        ("POST /v1/events", "application/json", &big, 413, "too-large"),
        ("POST /v1/events", "application/json", &event("nobody"), 404, "unknown-conversation"),
        ("POST /v1/events", "application/json", &event("taken"), 409, "alias-taken"),
        ("POST /v1/events", "application/json", &event("elsewhere"), 409, "other-line"),
        ("POST /v1/events", "application/json", &event("lineless"), 422, "line-missing"),
        ("POST /v1/events", "application/json", &event("full"), 503, "overloaded"),
        ("POST /v1/events", "application/json", &event("failed"), 503, "unavailable"),
        ("POST /v1/events", "application/json", &event("damaged"), 500, "damaged"),
        ("GET /v1/events", "", "", 405, "method-not-allowed"),
        ("GET /v1/nothing", "", "", 404, "not-found"),
        ("GET /admin", "", "", 404, "not-found"),
        ("GET /v1/conversations?limit=0", "", "", 400, "bad-request"),
        ("GET /v1/conversations?limit=1001", "", "", 400, "bad-request"),
        ("GET /v1/conversations?state=asleep", "", "", 400, "bad-request"),
        ("GET /v1/conversations?after=5", "", "", 400, "bad-request"),
        ("GET /v1/conversations?page=2", "", "", 400, "bad-request"),
        ("GET /v1/conversations/nobody", "", "", 404, "unknown-conversation"),
        ("GET /v1/conversations/cnv_0", "", "", 400, "bad-request"),
        ("GET /v1/conversations/%ff", "", "", 400, "bad-request"),
        ("POST /v1/conversations/nobody/cancel", "", "", 404, "unknown-conversation"),
        ("POST /v1/conversations/alice/postpone", "application/json", "{}", 422, "invalid"),
        ("POST /v1/conversations/alice/postpone", "application/json", r#"{"until":"later"}"#, 422, "invalid"),
        ("POST /v1/conversations/alice/postpone", "text/plain", r#"{"until":"2026-03-02T12:00:00Z"}"#, 415, "unsupported-type"),
        ("POST /v1/pause", "application/json", r#"{"line":"a","flow":"b"}"#, 422, "invalid"),
        ("POST /v1/pause", "application/json", r#"{"lines":"a"}"#, 422, "invalid"),
        ("POST /v1/doubts/5/resend", "", "", 400, "bad-request"),
        ("POST /v1/doubts/snd_00000000000000000000000006/resend", "", "", 409, "impossible"),
        ("GET /v1/hooks/dead?limit=9999", "", "", 400, "bad-request"),
        ("POST /v1/schedule/plan", "application/json", "{}", 422, "invalid"),
        ("POST /v1/schedule/plan", "application/json", " ", 400, "not-json"),
        ("POST /hooks/support", "application/json", "{}", 404, "no-webhooks"),
        ("GET /hooks/support", "", "", 404, "no-webhooks"),
    ] {
        let reply = server.ask(head, &[("content-type", kind)], body).await;
        assert_eq!((reply.status, reply.slug().as_str()), (status, slug), "{head} {body:.80}");
        assert_eq!(reply.head.contains("retry-after: "), status == 503, "{}", reply.head);
        assert!(!reply.body.contains("/var/lib"), "{}", reply.body);
        assert!(!reply.head.contains("server:") && !reply.body.contains("hyper"), "{}", reply.head);
    }
    let reply = server.ask("DELETE /v1/conversations", &[], "").await;
    assert!(reply.head.contains("allow: get,head"), "{}", reply.head);
    server.stop().await;
}

#[tokio::test]
async fn the_operators_calls_are_answered() {
    let server = Server::start(standard()).await;
    for verb in ["cancel", "send-now", "hold", "release"] {
        let reply = server.post(&format!("/v1/conversations/alice/{verb}"), "").await;
        assert_eq!((reply.status, reply.json()["conversation_id"].as_str().unwrap().len()), (200, 30), "{verb}");
        assert_eq!(reply.json().get("held").is_some(), verb == "hold");
    }
    let reply = server.post("/v1/conversations/a%2Fb%20%C3%B1/postpone", r#"{"until":"2026-03-02T12:00:00Z"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let reply = server.ask("DELETE /v1/conversations/alice", &[], "").await;
    assert_eq!(reply.json()["erased"], true);
    assert_eq!(server.post("/v1/pause", r#"{"line":"support"}"#).await.json()["paused"], json!(["line support"]));
    assert_eq!(server.get("/readyz").await.json(), json!({"status": 200, "ready": true, "paused": ["line support"], "stopped": []}));
    assert_eq!(
        server.post("/v1/resume", r#"{"line":"support"}"#).await.json(),
        json!({"paused": [], "stopped": [], "held": null, "failed": null})
    );
    assert_eq!(server.get("/v1/doubts").await.json()["doubts"][0]["send"], "snd_00000000000000000000000005");
    assert_eq!(server.post("/v1/doubts/snd_00000000000000000000000005/resend", "").await.status, 200);
    assert_eq!(
        server.get("/v1/schedule/upcoming").await.json()["upcoming"][0],
        json!({"hour": "2026-03-01T22:30:00.000Z", "line": "support", "count": 7, "late": 2})
    );
    let late = server.get("/v1/schedule/upcoming?late=true&limit=1").await.json();
    assert_eq!(
        late["late"][0],
        json!({
            "conversation": "573112223331",
            "conversation_id": "cnv_00000000000000000000000001",
            "line": "support",
            "due_at": "2026-03-01T22:30:00.000Z",
            "not_after": "2026-03-01T23:30:00.000Z"
        })
    );
    assert_eq!((late["late"].as_array().map(Vec::len), &late["total"]), (Some(1), &json!(2)));
    for wrong in ["late=true&limit=0", "late=true&limit=1001", "limit=5", "late=perhaps", "later=true"] {
        let reply = server.get(&format!("/v1/schedule/upcoming?{wrong}")).await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    assert_eq!(server.post("/v1/hooks/crm/replay", "").await.json()["replayed"], 1);
    let dead = server.get("/v1/hooks/dead?after=4&limit=3").await.json();
    assert_eq!((&dead["dead"][0]["seq"], &dead["dead"][0]["hook"], &dead["next"]), (&json!(5), &json!("crm"), &json!(6)));
    assert_eq!(server.get("/v1/hooks/dead?after=6").await.json()["next"], Value::Null);
    server.stop().await;
}

#[tokio::test]
async fn lists_go_on_where_the_page_before_ended() {
    let server = Server::start(standard()).await;
    let mut seen = Vec::new();
    let mut path = "/v1/conversations?limit=2&state=quiet".to_owned();
    loop {
        let page = server.get(&path).await.json();
        seen.extend(page["conversations"].as_array().unwrap().iter().map(|one| one["conversation"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/conversations?limit=2&after={next}");
    }
    assert_eq!(seen, ["alice", "573001112232", "573001112233"]);
    server.stop().await;
}

#[tokio::test]
async fn explain_tells_whether_the_same_would_be_decided_today() {
    let server = Server::start(standard()).await;
    let one = server.get("/v1/conversations/alice/explain").await.json();
    assert_eq!(
        one["question"],
        json!({"id": "q", "text": "¿Tu nombre?", "payload": {"field": "name"}, "asked_at": "2026-03-01T22:30:00.000Z", "unanswered": true})
    );
    let again: Vec<&Value> = one["decisions"].as_array().unwrap().iter().map(|decision| &decision["same_as_replay"]).collect();
    assert_eq!(again, [&json!(true), &json!(false), &Value::Null]);
    let decision = &one["decisions"][0];
    assert_eq!(decision["event"], json!({"type": "question", "at": "2026-03-01T22:30:00.000Z"}));
    assert_eq!(decision["fingerprint"], one["policy"]["fingerprint"]);
    assert_eq!(decision["due_at"], one["due_at"]);
    assert!(decision["reasons"].as_array().unwrap().iter().any(|reason| reason["rule"] == "silence"), "{decision}");
    assert_eq!(server.get("/v1/conversations/alice").await.json().get("decisions"), None);
    server.stop().await;
}

#[tokio::test]
async fn a_plan_over_http_is_a_plan() {
    let server = Server::start(standard()).await;
    let reply = server
        .post(
            "/v1/schedule/plan",
            r#"{"id":7,"policy":{"enable_follow_up":true,"follow_up_delay":45},"inactive_since":"2026-03-01T22:30:00Z"}"#,
        )
        .await;
    assert_eq!(
        (&reply.json()["id"], &reply.json()["action"], &reply.json()["due_at"]),
        (&json!(7), &json!("message"), &json!("2026-03-01T23:15:00.000Z"))
    );
    server.stop().await;
}

#[tokio::test]
async fn the_figures_begin_with_the_lateness() {
    let server = Server::start(standard()).await;
    server.post("/v1/events", EVENT).await;
    server.post("/v1/events", "{").await;
    let reply = server.get("/metrics").await;
    assert!(reply.head.contains("content-type: application/openmetrics-text"), "{}", reply.head);
    let values: Vec<&str> = reply.body.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(values[0], "reengaged_oldest_due_lateness_seconds 1.5");
    for line in [
        "reengaged_sends_total{outcome=\"accepted\"} 3.0",
        "reengaged_sends_total{outcome=\"unknown\"} 1.0",
        "reengaged_http_requests_total{route=\"/v1/events\",status=\"200\"} 1",
        "reengaged_http_requests_total{route=\"/v1/events\",status=\"400\"} 1",
        "reengaged_http_events_taken_total 1",
        "reengaged_http_events_bad_total 1",
    ] {
        assert!(values.contains(&line), "{line} is not in\n{}", reply.body);
    }
    assert_eq!(reply.body.matches("# TYPE reengaged_sends ").count(), 1, "{}", reply.body);
    assert!(reply.body.ends_with("# EOF\n"));
    server.stop().await;
}

/// A path of a route, with something in its places.
fn filled(path: &str) -> String {
    path.replace("{id}", "alice").replace("{name}", "crm").replace("{line}", "support").replace("{*rest}", "status")
}

fn token(secret: &str, scopes: Scopes) -> ([u8; 32], Scopes) {
    (Sha256::digest(secret.as_bytes()).into(), scopes)
}

fn tokens() -> Tokens {
    Tokens::new(vec![
        token("bot", Scopes { ingest: true, ..Scopes::default() }),
        token("eye", Scopes { read: true, ..Scopes::default() }),
        token("hand", Scopes { operate: true, ..Scopes::default() }),
    ])
}

#[tokio::test]
async fn each_route_asks_for_its_scope() {
    for (method, path, need) in routes() {
        // A server for each, so that the throttle of wrong tokens does not come between.
        let server = Server::with(standard(), tokens(), fake::engine()).await;
        let head = format!("{} {}", method.to_uppercase(), filled(path));
        for (token, lets_in) in [
            ("", need == Need::Nothing),
            ("wrong", need == Need::Nothing),
            ("bot", matches!(need, Need::Nothing | Need::Any | Need::Ingest)),
            ("eye", matches!(need, Need::Nothing | Need::Any | Need::Read)),
            ("hand", need != Need::Ingest),
        ] {
            let authorization = format!("Bearer {token}");
            let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &authorization)] };
            let reply = server.ask(&head, headers, "").await;
            let known = !matches!(token, "" | "wrong");
            match reply.status {
                401 => assert!(!lets_in && !known && reply.head.contains("www-authenticate: bearer"), "{head} {token}"),
                403 => assert!(!lets_in && known, "{head} {token}"),
                other => assert!(lets_in, "{head} {token}: {other}"),
            }
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_right_ones_are_not() {
    let server = Server::with(standard(), tokens(), fake::engine()).await;
    let mut seen = BTreeSet::new();
    for _ in 0..30 {
        seen.insert(server.ask("GET /v1/doubts", &[("authorization", "Bearer guess")], "").await.status);
    }
    assert_eq!(seen, BTreeSet::from([401, 429]));
    assert_eq!(server.ask("GET /v1/doubts", &[("authorization", "bearer eye")], "").await.status, 200);
    server.site.replace_tokens(Tokens::new(vec![token("new", Scopes { read: true, ..Scopes::default() })]));
    assert_ne!(server.ask("GET /v1/doubts", &[("authorization", "Bearer eye")], "").await.status, 200);
    assert_eq!(server.ask("GET /v1/doubts", &[("authorization", "Bearer new")], "").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn without_tokens_web_pages_are_kept_out() {
    let server = Server::start(standard()).await;
    let reply = server.ask("POST /v1/pause", &[("origin", "http://evil.example")], "").await;
    assert_eq!((reply.status, reply.slug().as_str()), (403, "foreign-origin"));
    server.stop().await;
}

#[tokio::test]
async fn before_the_engine_is_ready_only_health_answers() {
    let any: Address = "127.0.0.1:0".parse().unwrap();
    let site = Site::new(standard(), Tokens::default());
    let server = Server::at(Listener::everything(&any).await.unwrap(), site.clone());
    assert_eq!(server.get("/healthz").await.json(), json!({"status": 200, "alive": true}));
    for path in ["/readyz", "/v1/conversations", "/metrics"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.slug().as_str()), (503, "starting"), "{path}");
        assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
    }
    site.open(inside(fake::engine()));
    assert_eq!(server.get("/readyz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_outside_sees_webhooks_and_health_alone() {
    let any: Address = "127.0.0.1:0".parse().unwrap();
    let site = Site::new(standard(), tokens());
    site.open(inside(fake::engine()));
    let server = Server::at(Listener::webhooks(&any).await.unwrap(), site);
    for (_, path, _) in routes() {
        let path = filled(path);
        let reply = server.ask(&format!("GET {path}"), &[("authorization", "Bearer hand")], "").await;
        match path.as_str() {
            "/healthz" => assert_eq!(reply.status, 200),
            "/hooks/support" | "/hooks/support/status" => assert_eq!(reply.slug(), "no-webhooks"),
            _ => assert_eq!((reply.status, reply.slug().as_str()), (404, "not-found"), "{path}"),
        }
    }
    server.stop().await;
}

#[test]
fn openapi_and_the_routes_agree() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let open = operation["security"] == json!([]);
            let scope = operation["description"].as_str().unwrap_or_default();
            let scope = ["ingest", "read", "operate"].iter().find(|word| scope.contains(&format!("Scope: `{word}`"))).copied();
            described.insert((method.clone(), path.clone(), open, scope.unwrap_or_default()));
        }
    }
    let built: BTreeSet<(String, String, bool, &str)> = routes()
        .into_iter()
        .map(|(method, path, need)| (method.to_owned(), path.replace("{*rest}", "{rest}"), need == Need::Nothing, need.scope()))
        .collect();
    assert_eq!(described, built);
}

#[test]
fn openapi_refers_to_what_it_defines() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let text = document.to_string();
    let referred: BTreeSet<&str> = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(referred.len() > 10);
    for pointer in referred {
        assert!(document.pointer(pointer).is_some(), "{pointer} is not defined");
    }
}

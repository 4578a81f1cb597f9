//! The guide from top to bottom, with plain `curl`, against the real binary and an emulator of its provider: what somebody does who
//! has nothing but the guide and another host.
//!
//! Not the fields: those are tried one by one beside this. The stage is `stage.rs`.

use super::stage::{FAST, QUESTIONS, Walk, curl_is_there};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_from_top_to_bottom() {
    if !curl_is_there() {
        return;
    }
    let mut walk = Walk::begin("48h");
    let follow_up = walk.is_left_and_followed_up().await;
    walk.taps(&follow_up, 0).await;
    assert_eq!(walk.message(5).text, QUESTIONS[2], "from the last question left unanswered");
    walk.says("thirty").await;
    assert!(walk.message(6).text.contains(QUESTIONS[2]), "what is no number is asked again: {:?}", walk.message(6));
    walk.says("33").await;
    let told = walk.told("conversation.succeeded");
    let succeeded = told.iter().find(|record| record["type"] == "conversation.succeeded").expect("it was told");
    assert_eq!(
        succeeded["data"]["answers"],
        serde_json::json!({ "name": "Camila Ríos", "email": "camila@example.com", "age": "33" }),
        "{succeeded}"
    );
    let order: Vec<&str> = told.iter().filter_map(|record| record["type"].as_str()).collect();
    let of_interest = ["conversation.started", "conversation.follow_up_sent", "conversation.resumed", "conversation.succeeded"];
    assert_eq!(order.into_iter().filter(|kind| of_interest.contains(kind)).collect::<Vec<_>>(), of_interest);
    assert_eq!(walk.provider.wrong(), Vec::<String>::new(), "the provider understood everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_to_the_follow_up_ends_it() {
    if !curl_is_there() {
        return;
    }
    let mut walk = Walk::begin("48h");
    let follow_up = walk.is_left_and_followed_up().await;
    walk.taps(&follow_up, 1).await;
    let declined = walk.told_of("conversation.declined");
    assert_eq!(declined["data"]["answers"]["email"], "camila@example.com", "{declined}");
    assert!(!walk.told("conversation.declined").iter().any(|record| record["type"] == "conversation.succeeded"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_to_the_follow_up_expires() {
    if !curl_is_there() {
        return;
    }
    let mut walk = Walk::begin("6h");
    walk.is_left_and_followed_up().await;
    walk.time_passes(FAST);
    let expired = walk.told_of("conversation.expired");
    assert_eq!(expired["data"]["answers"]["name"], "Camila Ríos", "{expired}");
    assert_eq!(walk.provider.taken(4).len(), 4, "nothing more was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbound_starts_the_flow() {
    if !curl_is_there() {
        return;
    }
    let walk = Walk::begin("48h");
    let id = walk.has_an_approved_outbound().await;
    let invitation = walk.sends(&id);
    assert_eq!((&*invitation.to, &invitation.vars[..]), (&*walk.person.phone, &["Roger".to_owned()][..]));
    assert_eq!(invitation.template.as_deref(), Some(format!("reengaged_{}/es", id.to_ascii_lowercase()).as_str()));
    walk.taps(&invitation, 0).await;
    for (n, answer) in [(2, "Roger Federer"), (3, "roger@example.com"), (4, "44")] {
        assert_eq!(walk.message(n).text, QUESTIONS[n - 2]);
        walk.says(answer).await;
    }
    let succeeded = walk.told_of("conversation.succeeded");
    assert_eq!(succeeded["data"]["answers"]["name"], "Roger Federer", "{succeeded}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_under_an_outbound_declines_and_silence_expires() {
    if !curl_is_there() {
        return;
    }
    let walk = Walk::begin("1h");
    let id = walk.has_an_approved_outbound().await;
    let invitation = walk.sends(&id);
    walk.taps(&invitation, 1).await;
    walk.told_of("conversation.declined");
    let mut silent = Walk::begin("1h");
    let id = silent.has_an_approved_outbound().await;
    silent.sends(&id);
    silent.time_passes(FAST);
    silent.told_of("conversation.expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_is_found_out_by_polling_and_a_notification_is_sent() {
    if !curl_is_there() {
        return;
    }
    let walk = Walk::begin("48h");
    let id = walk.creates_an_outbound();
    walk.provider.read(1);
    walk.provider.manners.submitted.becomes("REJECTED", "PROMOTIONAL");
    let rejected = walk.waits_until(&id, "REJECTED");
    assert_eq!(rejected["reason"], "PROMOTIONAL", "{rejected}");
    assert_eq!(walk.told_of("outbound.rejected")["data"]["reason"], "PROMOTIONAL");
    let (_, code) = walk.curl(
        "POST",
        "/v1/whatsapp/outbounds",
        &[
            ("waba_phone_number", "5716000001"),
            ("is_notification", "true"),
            ("content", "{{.code}} is your code"),
            ("category", "UTILITY"),
            ("template_type", "TEXT"),
            ("language_code", "en"),
            ("outbound_name", "Code"),
            ("var.code", "1234"),
        ],
    );
    let id = code["outbound_id"].as_str().expect("an id").to_owned();
    while walk.provider.manners.submitted.all().len() < 2 {
        tokio::task::yield_now().await;
    }
    walk.provider.manners.submitted.becomes("APPROVED", "");
    walk.waits_until(&id, "APPROVED");
    let (status, sent) = walk.curl(
        "POST",
        "/v1/whatsapp/outbounds/send",
        &[
            ("phone_number", walk.person.phone.strip_prefix("57").expect("a number of Colombia")),
            ("country_code", "57"),
            ("outbound_id", &id),
            ("user_authorized", "true"),
            ("var.code", "987654"),
        ],
    );
    assert_eq!(status, 200, "{sent}");
    assert_eq!(walk.message(1).vars, ["987654"]);
    walk.told_of("conversation.succeeded");
}

//! The messages that arrived while nobody listened, from the list of Twilio's API: the same items, under the same identities, as
//! their webhooks would have been, so that what was heard already is known.
//!
//! Not taps: the list does not tell them from texts, so a tap is the text of its label here.

use chrono::{DateTime, SecondsFormat};
use serde::Deserialize;
use url::Url;

use super::read::listed;
use crate::engine::heard::Item;
use crate::limits;
use crate::moment::Moment;

/// Messages on one page: so many of the longest fit into [`limits::LISTING_BYTES`].
const PAGE: usize = 100;

/// The first page of what was sent to `phone` from `since` on; `list` is the address of the list.
pub(super) fn first(mut list: Url, phone: &str, since: Moment) -> Url {
    let since = DateTime::from_timestamp_millis(from(since).0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut query = list.query_pairs_mut();
    query.append_pair("To", &format!("whatsapp:+{phone}")).append_pair("DateSent>", &since);
    query.append_pair("PageSize", &PAGE.to_string());
    drop(query);
    list
}

/// The items of a page, and the address of the next one. Twilio may count `DateSent` in whole days: what is older is left out.
///
/// # Errors
/// Why the page cannot be read, or its next one not be followed: one line for people.
pub(super) fn read(api: &Url, since: Moment, body: &[u8]) -> Result<(Vec<Item>, Option<Url>), String> {
    let page: Page = serde_json::from_slice(body).map_err(|_| "a page of the list of messages is no such JSON, or was cut short")?;
    let next = page.next_page_uri.filter(|next| !next.is_empty()).map(|next| follow(api, &next)).transpose()?;
    Ok((page.messages.iter().filter_map(|row| item(row, from(since))).collect(), next))
}

/// Twilio's clock and ours need not agree to the second.
fn from(since: Moment) -> Moment {
    since.plus(-limits::DISORDER)
}

/// The next page, on the same host alone: the request carries our credentials.
fn follow(api: &Url, next: &str) -> Result<Url, String> {
    match api.join(next) {
        Ok(url) if url.origin() == api.origin() && url.username().is_empty() && url.password().is_none() => Ok(url),
        _ => Err("the list of messages goes on at another host, and credentials go to none but the configured one".into()),
    }
}

fn item(row: &Row, since: Moment) -> Option<Item> {
    let at = row.date_sent.as_deref().or(row.date_created.as_deref()).and_then(instant);
    if row.direction != "inbound" || at.is_some_and(|at| at < since) {
        return None;
    }
    Some(listed(&row.from, &row.to, &row.sid, at, row.body.as_deref().unwrap_or_default()))
}

/// The time of a row, as `Mon, 14 Sep 2026 17:00:00 +0000`.
fn instant(text: &str) -> Option<Moment> {
    Some(Moment(DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis()))
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Row>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    sid: String,
    #[serde(default)]
    direction: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    body: Option<String>,
    date_sent: Option<String>,
    date_created: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::heard::{Heard, Party, Person};
    use crate::engine::request::What;
    use proptest::prelude::*;
    use serde_json::json;

    const SINCE: &str = "2026-09-14T16:00:00Z";

    fn api() -> Url {
        "https://api.twilio.com".parse().unwrap()
    }

    fn since() -> Moment {
        Moment::parse(SINCE).unwrap()
    }

    #[test]
    fn the_list_is_asked_for_what_came_to_this_number() {
        let url = first("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json".parse().unwrap(), "5716000001", since());
        assert_eq!(url.path(), "/2010-04-01/Accounts/AC1/Messages.json");
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [("To", "whatsapp:+5716000001"), ("DateSent>", "2026-09-14T15:59:00Z"), ("PageSize", "100")];
        assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(first(api(), "57", Moment::MIN).query().is_some() && first(api(), "57", Moment::MAX).query().is_some(), "any instant");
    }

    #[test]
    fn a_page_says_what_the_webhooks_would_have() {
        let row = |sid: &str, direction: &str, sent: &str| {
            json!({"sid": sid, "direction": direction, "from": "whatsapp:+573181230000", "to": "whatsapp:+5716000001",
                "body": "Hola", "date_sent": sent, "date_created": "Mon, 14 Sep 2026 00:00:00 +0000", "status": "received"})
        };
        let body = json!({"messages": [
            row("SM1", "inbound", "Mon, 14 Sep 2026 17:00:00 +0000"),
            row("SM2", "outbound-api", "Mon, 14 Sep 2026 17:00:01 +0000"),
            row("SM3", "inbound", "Mon, 14 Sep 2026 15:58:59 +0000"),
            {"sid": "SM4", "direction": "inbound", "from": "+573181230000", "to": "+5716000001", "body": null, "date_sent": null},
        ], "next_page_uri": "/2010-04-01/Accounts/AC1/Messages.json?Page=1&PageToken=PASM1"});
        let (items, next) = read(&api(), since(), body.to_string().as_bytes()).unwrap();
        let expected = Heard {
            id: "SM1".into(),
            at: Moment::parse("2026-09-14T17:00:00Z"),
            address: "5716000001".into(),
            party: Party::Person(Person { phone: "573181230000".into(), user: String::new() }),
            what: What::UserMessage("Hola".into()),
        };
        assert_eq!(items, [Item::Event(Box::new(expected)), Item::Passed("other_channel")]);
        assert_eq!(next.unwrap().as_str(), "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json?Page=1&PageToken=PASM1");
    }

    #[test]
    fn credentials_follow_to_no_other_host() {
        for (next, followed) in [
            ("/2010-04-01/x", true),
            ("https://api.twilio.com/x", true),
            ("https://api.twilio.com:443/x", true),
            ("https://evil.test/x", false),
            ("//evil.test/x", false),
            ("http://api.twilio.com/x", false),
            ("https://api.twilio.com:8443/x", false),
            ("https://a:b@api.twilio.com/x", false),
        ] {
            let body = json!({"messages": [], "next_page_uri": next}).to_string();
            assert_eq!(read(&api(), since(), body.as_bytes()).is_ok(), followed, "{next}");
        }
        for last in [json!({"messages": [], "next_page_uri": null}), json!({"messages": []})] {
            assert_eq!(read(&api(), since(), last.to_string().as_bytes()), Ok((Vec::new(), None)));
        }
    }

    proptest! {
        #[test]
        fn it_is_total(body in ".{0,200}", next in ".{0,60}", sent in ".{0,40}") {
            let _ = read(&api(), since(), body.as_bytes());
            let row = json!({"direction": "inbound", "sid": "SM1", "date_sent": sent});
            let _ = read(&api(), since(), json!({"messages": [row], "next_page_uri": next}).to_string().as_bytes());
        }
    }
}

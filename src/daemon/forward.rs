//! Handing webhooks on to the operator's bot: one call each, no redirect, no second try.
//!
//! Not what is told to the provider: that is `http/forward.rs`. The bot's address is the operator's own and trusted.

use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use url::Url;

use crate::engine::ports::Waiting;
use crate::http::{BotAnswer, Forward, Onward};
use crate::limits;
use crate::provider::client;

/// A line's bot, called over HTTP.
pub struct Bot {
    client: reqwest::Client,
    to: Url,
    budget: Duration,
}

impl Bot {
    /// The bot at `to`; it has `budget` for each webhook.
    ///
    /// # Errors
    /// Why TLS cannot be set up.
    pub fn new(to: Url, budget: Duration) -> Result<Bot, String> {
        let client = client::build(&client::Settings::default()).map_err(|why| format!("forward_to: {why}"))?;
        Ok(Bot { client, to, budget })
    }

    /// The address of one webhook: the path and the query that came in stand behind those of the bot's own address.
    fn address(&self, rest: &str, query: Option<&str>) -> Url {
        let mut url = self.to.clone();
        if !rest.is_empty() {
            url.set_path(&format!("{}{rest}", self.to.path().trim_end_matches('/')));
        }
        match (self.to.query(), query) {
            (_, None) => {}
            (None, Some(query)) => url.set_query(Some(query)),
            (Some(own), Some(query)) => url.set_query(Some(&format!("{own}&{query}"))),
        }
        url
    }

    async fn call(&self, hook: Onward) -> Result<BotAnswer, String> {
        let url = self.address(&hook.rest, hook.query.as_deref());
        let told = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.client.request(hook.method, url).headers(hook.headers).body(hook.body).send().await.map_err(told)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            body.extend_from_slice(&chunk);
            if body.len() > limits::RESPONSE_BYTES {
                tracing::warn!(status = response.status().as_u16(), "a bot's answer to a webhook is too long; its status alone is told");
                body.clear();
                break;
            }
        }
        let header = |name| response.headers().get(name).cloned();
        Ok(BotAnswer {
            status: response.status(),
            content_type: header(CONTENT_TYPE),
            content_encoding: header(CONTENT_ENCODING),
            body: body.into(),
        })
    }
}

impl Forward for Bot {
    fn hand_on(&self, hook: Onward) -> Waiting<'_, Result<BotAnswer, String>> {
        Box::pin(async move {
            let called = tokio::time::timeout(self.budget, self.call(hook)).await;
            called.unwrap_or_else(|_| Err(format!("no answer within {} ms", self.budget.as_millis())))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_stands_behind_the_bots_own_address() {
        for (to, rest, query, expected) in [
            ("http://127.0.0.1:9000/webhook", "", None, "http://127.0.0.1:9000/webhook"),
            ("http://127.0.0.1:9000/webhook", "", Some("token=a%20b&x"), "http://127.0.0.1:9000/webhook?token=a%20b&x"),
            ("http://127.0.0.1:9000/webhook/", "/status", None, "http://127.0.0.1:9000/webhook/status"),
            ("http://127.0.0.1:9000", "/status", Some("a=1"), "http://127.0.0.1:9000/status?a=1"),
            ("http://bot.example/?key=1", "", Some("a=1"), "http://bot.example/?key=1&a=1"),
        ] {
            let bot = Bot::new(Url::parse(to).unwrap(), Duration::from_secs(1)).unwrap();
            assert_eq!(bot.address(rest, query).as_str(), expected);
        }
    }
}

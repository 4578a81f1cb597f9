//! `provider = "twilio"`: Programmable Messaging for WhatsApp.
//!
//! Not its calls, and not its webhooks.

use super::values::{api, api_at, check_plain, id, public};
use crate::config::read::Table;
use crate::config::secret::SecretSource;
use crate::config::settings::TwilioConfig;

/// Reads the keys of this provider.
pub(super) fn read(table: &Table<'_>, phone: Option<&str>, secrets: &dyn SecretSource) -> Option<TwilioConfig> {
    let api = api(table, "https://api.twilio.com");
    let content_api = api_at(table, "content_api", "https://content.twilio.com");
    let account_sid = table.need("account_sid", "write AC and 32 hexadecimal digits, from the console's front page", id("AC"));
    let auth_tokens = table.secret("auth_token", secrets, true);
    let messaging_service_sid = table.maybe("messaging_service_sid", id("MG"));
    let cure = "write the address of this line as Twilio calls it, as \"https://example.com/hooks/support\": it is part of what is signed";
    let public_url = table.need("public_url", cure, public);
    let status_callback = table.maybe("status_callback", public);
    let quick_reply = table.maybe("quick_reply", id("HX"));
    let (account_sid, public_url, phone) = (account_sid?, public_url?, phone?.to_owned());
    check_plain(table, "public_url", &public_url, "what people write could be read by others");
    Some(TwilioConfig {
        api,
        content_api,
        account_sid,
        auth_tokens,
        phone,
        messaging_service_sid,
        public_url,
        status_callback,
        quick_reply,
    })
}

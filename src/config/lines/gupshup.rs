//! `provider = "gupshup"`.
//!
//! Not its calls, and not its webhooks.

use ipnet::IpNet;

use super::GUESSABLE;
use super::values::{api, api_at};
use crate::config::read::{Table, text, truth};
use crate::config::secret::SecretSource;
use crate::config::sections::{Networks, networks};
use crate::config::settings::GupshupConfig;
use crate::shapes::Loose;

/// Reads the keys of this provider.
pub(super) fn read(table: &Table<'_>, phone: Option<&str>, secrets: &dyn SecretSource) -> Option<GupshupConfig> {
    let api = api(table, "https://api.gupshup.io");
    let api_keys = table.secret("api_key", secrets, true);
    let app = table.need("app", "write the app's name, as Gupshup's dashboard has it", text(1, 200));
    let partner_api = api_at(table, "partner_api", "https://partner.gupshup.io");
    let app_id = table.maybe("app_id", app_id);
    let partner_tokens = table.secret("partner_token", secrets, false);
    let webhook_tokens = table.secret("webhook_token", secrets, false);
    let webhook_header = table.maybe("webhook_header", header);
    let allow_from = table.or("allow_from", Networks(Vec::new()), networks).0;
    let reactions = table.or("reactions", false, truth);
    check_proof(table, &allow_from);
    for secret in &webhook_tokens {
        if secret.expose().len() < GUESSABLE {
            let key = ["webhook_token_file", "webhook_token_credential", "webhook_token_env"];
            let key = key.into_iter().find(|key| table.notes().is_given(&table.path(key))).unwrap_or("webhook_token_file");
            let meaning = "is so short that it could be guessed; make one with: head -c 32 /dev/urandom | base64 | tr -d /+=";
            table.notes().warn(&table.path(key), "(withheld)", meaning);
        }
    }
    let (app, phone) = (app?, phone?.to_owned());
    Some(GupshupConfig {
        api,
        api_keys,
        app,
        phone,
        partner_api,
        app_id,
        partner_tokens,
        webhook_tokens,
        webhook_header,
        allow_from,
        reactions,
    })
}

/// Nothing signs these webhooks: a secret in them, or where they come from, has to do.
fn check_proof(table: &Table<'_>, allow_from: &[IpNet]) {
    let given = |key: &str| table.notes().is_given(&table.path(key));
    let token = ["webhook_token_file", "webhook_token_credential", "webhook_token_env"].into_iter().any(given);
    if !token && allow_from.is_empty() && !given("allow_from") {
        let cure = "nothing would prove that a webhook comes from Gupshup: write where its secret is (the address you give to Gupshup then \
                    ends in ?token=SECRET), or the addresses it comes from, by allow_from";
        table.notes().mistake(&table.path("webhook_token_file"), "", cure);
    } else if !token && allow_from.is_empty() {
        let cure = "nothing would prove that a webhook comes from Gupshup: list its addresses, or write webhook_token_file";
        table.notes().mistake(&table.path("allow_from"), "[]", cure);
    }
    if let Some(header) = table.find("webhook_header").filter(|_| !token) {
        let cure = "names the header of a secret that is not there; write webhook_token_file";
        table.notes().mistake(&table.path("webhook_header"), header, cure);
    }
}

fn app_id(value: &Loose) -> Result<String, String> {
    match value {
        Loose::Text(id) if (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => Ok(id.clone()),
        _ => Err("write the app's id, as Gupshup's dashboard has it: letters, digits and dashes".to_owned()),
    }
}

fn header(value: &Loose) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match value {
        Loose::Text(name) if (1..=64).contains(&name.len()) && name.bytes().all(plain) => Ok(name.to_ascii_lowercase()),
        _ => Err("write the name of a header, as \"x-hook-token\"".to_owned()),
    }
}

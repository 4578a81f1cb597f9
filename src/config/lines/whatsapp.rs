//! `provider = "whatsapp_cloud"`: the Cloud API of Meta.
//!
//! Not its calls, and not its webhooks.

use super::values::api;
use crate::config::read::{Table, truth};
use crate::config::secret::SecretSource;
use crate::config::settings::WhatsAppConfig;
use crate::shapes::Loose;

/// Reads the keys of this provider.
pub(super) fn read(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<WhatsAppConfig> {
    let api = api(table, "https://graph.facebook.com/v25.0");
    let cure = "write the id of the number (not the number), from WhatsApp > API Setup of your app";
    let phone_number_id = table.need("phone_number_id", cure, number_id);
    let waba_id = table.maybe("waba_id", number_id);
    let tokens = table.secret("token", secrets, true);
    let app_secrets = table.secret("app_secret", secrets, true);
    let verify_tokens = table.secret("verify_token", secrets, true);
    let template_language = table.or("template_language", "es".to_owned(), language);
    let reactions = table.or("reactions", false, truth);
    let user_id_field = table.maybe("user_id_field", field);
    let phone_number_id = phone_number_id?;
    Some(WhatsAppConfig { api, phone_number_id, waba_id, tokens, app_secrets, verify_tokens, template_language, reactions, user_id_field })
}

fn number_id(value: &Loose) -> Result<String, String> {
    match value {
        Loose::Text(id) if (5..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) => Ok(id.clone()),
        _ => Err("write the id of the number in quotes, digits alone, as \"106540352242922\"".to_owned()),
    }
}

fn language(value: &Loose) -> Result<String, String> {
    let plain = |part: &str, most: usize| (2..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
    match value {
        Loose::Text(code) if code.split_once('_').map_or(plain(code, 3), |(one, two)| plain(one, 3) && plain(two, 4)) => Ok(code.clone()),
        _ => Err("write a language as templates have it, as \"es\" or \"es_MX\"".to_owned()),
    }
}

fn field(value: &Loose) -> Result<String, String> {
    match value {
        Loose::Text(name) if (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            Ok(name.clone())
        }
        _ => Err("write the field of the request that takes a user id, as \"to\" or \"recipient\"".to_owned()),
    }
}

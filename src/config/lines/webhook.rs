//! `provider = "webhook"`: a program of the operator's own.
//!
//! Not a hook: those hear of results, and stand in `[hooks]`.

use super::values::{address, check_address};
use crate::config::read::{Table, truth};
use crate::config::secret::{Secret, SecretSource};
use crate::config::sections::{Span, span};
use crate::config::settings::ProviderConfig;
use crate::limits;
use crate::moment::SECOND;
use crate::shapes::signature::SigningKey;

/// A secret shorter than this, in bytes, could be guessed: Standard Webhooks asks for 24 bytes of chance.
pub(in crate::config) const GUESSABLE: usize = 24;

/// Reads the keys of this provider.
pub(super) fn read(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<ProviderConfig> {
    let url = table.need("url", "write the address that is called, as \"http://127.0.0.1:9000/send\"", address);
    let signing = signing(table, secrets);
    let most = limits::CALL_BUDGET;
    let timeout = table.or("timeout", Span(most), span(SECOND / 10, most)).0;
    let allow_private = table.or("allow_private", true, truth);
    let url = url?;
    check_address(table, &url, allow_private);
    Some(ProviderConfig::Webhook { url, secrets: signing, timeout, allow_private })
}

/// Reads the secrets of what is signed by Standard Webhooks.
pub(in crate::config) fn signing(table: &Table<'_>, secrets: &dyn SecretSource) -> Vec<Secret> {
    let secrets = table.secret("secret", secrets, true);
    let key = ["secret_file", "secret_credential", "secret_env"].into_iter().find(|key| table.notes().is_given(&table.path(key)));
    let key = table.path(key.unwrap_or("secret_file"));
    for secret in &secrets {
        if let Err(why) = SigningKey::read(secret.expose()) {
            table.notes().mistake(&key, "(withheld)", why);
        } else if secret.expose().len() < GUESSABLE {
            table.notes().warn(&key, "(withheld)", "is so short that it could be guessed; make one with: head -c 32 /dev/urandom | base64");
        }
    }
    secrets
}

//! `provider = "truora"`: follow-ups go out as Truora's outbound messages.
//!
//! Not its calls, and not its hooks.

use super::values::{api, id, is_id};
use crate::config::read::{Table, texts};
use crate::config::secret::SecretSource;
use crate::config::settings::{HookAlgorithm, TruoraConfig};

/// Reads the keys of this provider.
pub(super) fn read(table: &Table<'_>, secrets: &dyn SecretSource) -> Option<TruoraConfig> {
    let api = api(table, "https://api.connect.truora.com");
    let api_keys = table.secret("api_key", secrets, true);
    let hook_secrets = table.secret("hook_secret", secrets, true);
    let algorithms = [("HS256", HookAlgorithm::Hs256), ("HS384", HookAlgorithm::Hs384), ("HS512", HookAlgorithm::Hs512)];
    let hook_algorithm = table.word("hook_algorithm", HookAlgorithm::Hs256, &algorithms);
    let flow_id = table.maybe("flow_id", id("IPF"));
    let identity_flows = table.or("identity_flows", Vec::new(), |value| {
        let flows = texts(value)?;
        let wrong = flows.iter().find(|flow| !is_id("IPF", flow));
        wrong.map_or(Ok(flows.clone()), |flow| Err(format!("{flow:?} is none; write IPF and 32 hexadecimal digits for each")))
    });
    Some(TruoraConfig { api, api_keys, hook_secrets, hook_algorithm, flow_id, identity_flows })
}

//! The rules as the engine has them, from lines and flows: what a flow comes to on a line of a given provider.
//!
//! Not checks: which flow a line cannot do is told by `relations`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::relations::default_flow;
use super::settings::{Config, FlowConfig, LineConfig, ProviderConfig, ProviderKind};
use crate::conversation::{OnYes, Policy};
use crate::engine::book::{Book, Hook, Line};
use crate::schedule::{Otherwise, Rules, Session, WhenClosed};

impl FlowConfig {
    /// When a follow-up of this flow goes out on a line of this provider. Without free text every follow-up is the template; where
    /// the file says nothing of a messaging window, there is one where the provider has it.
    #[must_use]
    pub fn rules_on(&self, provider: ProviderKind) -> Rules {
        let own = &self.rules.session;
        let session = if !provider.capabilities().free_text {
            let template = own.as_ref().and_then(|session| session.template.clone());
            let when_closed = WhenClosed::new(&[Otherwise::Template, Otherwise::Skip]);
            Some(Session { window: 0, margin: 0, when_closed, template, advance_lead: 0 })
        } else if self.session_by_line && provider.has_window() {
            Some(Session::default())
        } else {
            own.clone()
        };
        Rules { session, ..self.rules.clone() }
    }

    /// What "yes" does on a line: where a bot stands behind it that hears the answer, the bot goes on by itself.
    #[must_use]
    pub fn on_yes_on(&self, line: &LineConfig) -> OnYes {
        let bot_hears = line.forward.is_some() || !line.provider.capabilities().free_text;
        self.on_yes.unwrap_or(if bot_hears { OnYes::Hook } else { OnYes::Ask })
    }
}

impl Config {
    /// When follow-ups of a flow go out, and on which lines so: those whose own flow it is, or all where it is nobody's. Lines
    /// alike stand together; the first line comes first.
    #[must_use]
    pub fn rules_of(&self, name: &str) -> Vec<(Rules, Vec<&str>)> {
        let Some(flow) = self.flows.get(name) else { return Vec::new() };
        let own = |line: &LineConfig| default_flow(line, &self.flows) == Some(name);
        let any = self.lines.values().any(own);
        let mut all: Vec<(Rules, Vec<&str>)> = Vec::new();
        for (line, config) in self.lines.iter().filter(|(_, line)| !any || own(line)) {
            let rules = flow.rules_on(config.provider.kind());
            match all.iter_mut().find(|(known, _)| *known == rules) {
                Some((_, lines)) => lines.push(line),
                None => all.push((rules, vec![line])),
            }
        }
        all
    }
}

/// All rules. Any flow may be chosen on any line, so each line has a policy for each flow.
pub(super) fn book(lines: &BTreeMap<String, LineConfig>, flows: &BTreeMap<String, FlowConfig>, hooks: Vec<Hook>) -> Book {
    let names: BTreeMap<&String, Arc<str>> = flows.keys().map(|name| (name, Arc::from(name.as_str()))).collect();
    let completions = flows.iter().filter(|(_, flow)| !flow.completions.is_empty());
    let completions = completions.map(|(name, flow)| (names[name].clone(), flow.completions.clone())).collect();
    let flow_ids = flows.iter().filter_map(|(name, flow)| Some((flow.id.as_ref()?.to_ascii_lowercase(), names[name].clone())));
    let asking = flows.iter().filter(|(_, flow)| !flow.questions.is_empty());
    let questions = asking.map(|(name, flow)| (names[name].clone(), Arc::clone(&flow.questions))).collect();
    let mut book =
        Book { flow_ids: flow_ids.collect(), hooks, flows: names.values().cloned().collect(), completions, questions, ..Book::default() };
    for (name, line) in lines {
        let name: Arc<str> = Arc::from(name.as_str());
        let capabilities = line.provider.capabilities();
        let flow = line.flow.as_ref().and_then(|flow| names.get(flow).cloned());
        if let Some(phone) = &line.phone {
            book.numbers.entry(Arc::from(phone.as_str())).or_insert_with(|| name.clone());
        }
        book.providers.insert(name.clone(), line.provider.as_str());
        let policies = flows.iter().map(|(flow, config)| (names[flow].clone(), Arc::new(policy(line, config)))).collect();
        book.policies.insert(name.clone(), policies);
        book.lines.insert(
            name,
            Line {
                flow,
                max_in_flight: line.max_in_flight,
                rate: line.rate,
                pair_gap: line.pair_gap,
                daily: line.daily,
                catch_up_wait: line.catch_up_wait,
                capabilities,
            },
        );
    }
    book
}

/// The messaging window with its template under the name that the provider gives it when it tells of its state.
fn session(line: &LineConfig, flow: &FlowConfig) -> Option<Session> {
    let session = flow.rules_on(line.provider.kind()).session?;
    let template = session.template.map(|template| match &line.provider {
        ProviderConfig::WhatsApp(config) if !template.contains('/') => Arc::from(format!("{template}/{}", config.template_language)),
        _ => template,
    });
    Some(Session { template, ..session })
}

fn policy(line: &LineConfig, flow: &FlowConfig) -> Policy {
    Policy {
        rules: Rules { session: session(line, flow), ..flow.rules_on(line.provider.kind()) },
        message: flow.message.clone(),
        steps: flow.steps.clone(),
        template_vars: flow.template_vars.clone(),
        template_paused: false,
        yes: flow.yes.clone(),
        no: flow.no.clone(),
        on_yes: flow.on_yes_on(line),
        expires_after: flow.expires_after,
        max_lateness: flow.max_lateness,
        arm_on: line.arm_on,
        in_doubt: line.in_doubt,
        line: line.provider.capabilities(),
        asks: !flow.questions.is_empty(),
        choices_label: flow.choices_label.clone(),
        closing: flow.completed_message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Withheld, parse};

    #[test]
    fn a_template_of_the_cloud_api_has_its_language_in_its_name() {
        let line = |name: &str, id: u32, extra: &str| {
            format!(
                "[lines.{name}]\nprovider = \"whatsapp_cloud\"\nphone_number_id = \"{id}\"\ntoken_env = \"T\"\napp_secret_env = \"A\"\n\
                 verify_token_env = \"V\"\n{extra}\n"
            )
        };
        let text = format!(
            "[store]\npath = \"data\"\n{}{}[flows.plain]\nenable_follow_up = true\nsession = {{ template = \"back\" }}\n\
             [flows.named]\nenable_follow_up = true\nsession = {{ template = \"back/pt_BR\" }}\n",
            line("es", 106_540_352, ""),
            line("en", 106_540_353, "template_language = \"en\"")
        );
        let book = parse(&text, "config.toml", &Withheld).expect("a configuration").book;
        let template = |line, flow| book.policy(line, flow).and_then(|policy| policy.rules.session.as_ref()?.template.as_deref());
        assert_eq!((template("es", "plain"), template("en", "plain")), (Some("back/es"), Some("back/en")));
        assert_eq!(template("en", "named"), Some("back/pt_BR"));
    }
}

//! Templates on their way to approval: what is submitted, and what a provider says of it.
//!
//! Not the submission: each provider writes its own request from the draft.

use crate::engine::record::Header;
use crate::engine::template;

/// A template to be approved: complete, so that a provider needs nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateDraft {
    /// A name that no other has: small letters, digits and underscores.
    pub name: String,
    /// The operator's own name of it.
    pub title: String,
    /// The business number: digits with country code.
    pub phone: String,
    /// A single notification; otherwise it has the two labels of `buttons`.
    pub notification: bool,
    /// The text, with variables as `{{.name}}`.
    pub text: String,
    /// The variables with an example each, in the order of the text.
    pub variables: Vec<(String, String)>,
    /// Its category.
    pub category: TemplateCategory,
    /// Its language, as `es` or `pt-BR`.
    pub language: String,
    /// What stands above the text, and where it is.
    pub media: Option<(Header, String)>,
    /// The labels of *continue* and *cancel*.
    pub buttons: Option<(String, String)>,
    /// A button that calls a number.
    pub call: Option<CallButton>,
    /// A button that opens an address.
    pub link: Option<CallButton>,
}

impl TemplateDraft {
    /// The text with each variable as its number from 1 in double brackets: how providers want it.
    #[must_use]
    pub fn numbered(&self) -> String {
        let numbers: Vec<(String, String)> =
            (1..).zip(&self.variables).map(|(n, (name, _))| (name.clone(), format!("{{{{{n}}}}}"))).collect();
        self.filled(numbers)
    }

    /// The text with the examples in place of its variables.
    #[must_use]
    pub fn example(&self) -> String {
        self.filled(self.variables.clone())
    }

    fn filled(&self, mut values: Vec<(String, String)>) -> String {
        values.sort();
        // A text that cannot be filled is submitted as it stands, and the provider says what it thinks of it.
        template::fill(&self.text, &values).unwrap_or_else(|_| self.text.clone())
    }

    /// The language as most providers write it: `pt_BR`.
    #[must_use]
    pub fn locale(&self) -> String {
        self.language.replace('-', "_")
    }
}

/// What a template is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TemplateCategory {
    /// Campaigns.
    Marketing,
    /// One-time passwords.
    Authentication,
    /// Anything else.
    Utility,
}

impl TemplateCategory {
    /// The word that the guide and all providers use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TemplateCategory::Marketing => "MARKETING",
            TemplateCategory::Authentication => "AUTHENTICATION",
            TemplateCategory::Utility => "UTILITY",
        }
    }
}

/// A button that leads away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallButton {
    /// What stands on it.
    pub label: String,
    /// A number with country code and plus sign, or an address.
    pub target: String,
}

/// A template was submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submission {
    /// What the provider is asked with about it from now on.
    pub id: String,
    /// What it is called when it is sent.
    pub template: String,
    /// Where the approval stands at once.
    pub approval: Approval,
}

/// Where the approval of a template stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Approval {
    /// Under review.
    Pending,
    /// It may be sent.
    Approved,
    /// It was approved, and may not be sent at present.
    Paused,
    /// It may never be sent: why, in one line for people; empty where the provider does not say.
    Rejected(String),
}

/// Why a template was not submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unsubmitted {
    /// The provider refuses it for good: one line for people.
    Refused(String),
    /// Not now: it is submitted again at the next time. One line for people.
    Later(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_numbers_in_the_order_of_the_text() {
        let variable = |name: &str, example: &str| (name.to_owned(), example.to_owned());
        let draft = TemplateDraft {
            name: "n".into(),
            title: "t".into(),
            phone: "57317770000".into(),
            notification: true,
            text: "{{.name}} {{ .last }}, {{.name}}!".into(),
            variables: vec![variable("name", "Roger"), variable("last", "Federer")],
            category: TemplateCategory::Utility,
            language: "pt-BR".into(),
            media: None,
            buttons: None,
            call: None,
            link: None,
        };
        assert_eq!(draft.numbered(), "{{1}} {{2}}, {{1}}!");
        assert_eq!((draft.example(), draft.locale()), ("Roger Federer, Roger!".to_owned(), "pt_BR".to_owned()));
    }
}

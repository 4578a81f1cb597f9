//! Templates that a provider has paused or rejected: what stands on them is skipped, and planned again when they may be sent.
//!
//! Not their approval: that is asked for elsewhere. What a book says of a template is kept apart from what a provider says, so that
//! reading the configuration again forgets nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::conversation::Policy;
use crate::engine::book::Book;
use crate::engine::core::Engine;
use crate::engine::group::Notice;
use crate::engine::heard::TemplateNews;
use crate::engine::record::{Change, NameId};
use crate::engine::request::Rejected;
use crate::limits;

/// Templates that cannot be sent, by line.
pub(super) type Unusable = BTreeSet<(NameId, Arc<str>)>;

impl Engine {
    /// A provider tells of templates of lines; what waits is planned again where that changes anything.
    ///
    /// # Errors
    /// The store has failed; nothing was kept.
    pub fn hear_of_templates(&mut self, news: &[(String, TemplateNews)]) -> Result<(), Rejected> {
        if let Some(why) = &self.failed {
            return Err(Rejected::Unavailable(why.clone()));
        }
        let mut changed = false;
        for (line, news) in news {
            if !self.book.lines.contains_key(line.as_str()) || news.template.len() > limits::TEMPLATE_BYTES {
                continue;
            }
            let key = (self.number(line), Arc::from(news.template.as_str()));
            let moved = if news.usable { self.unusable.remove(&key) } else { self.unusable.insert(key.clone()) };
            if moved {
                self.push(Change::Template(key.0, key.1, news.usable));
                changed = true;
            }
            self.pending().notices.push(Notice::Template(line.clone(), news.clone()));
        }
        if changed {
            self.book = self.in_force(&self.book);
            self.replan = Some(0);
        }
        Ok(())
    }

    /// Templates that cannot be sent at present, with the line's name.
    #[must_use]
    pub fn unusable_templates(&self) -> Vec<(Arc<str>, Arc<str>)> {
        self.unusable.iter().map(|(line, template)| (self.names.name(*line), Arc::clone(template))).collect()
    }

    /// The rules of `book`, with what is known of templates.
    pub(super) fn in_force(&self, book: &Arc<Book>) -> Arc<Book> {
        let paused = |line: &str, policy: &Policy| {
            let template = policy.rules.session.as_ref().and_then(|session| session.template.clone());
            let line = self.names.find(line);
            line.zip(template).is_some_and(|key| self.unusable.contains(&key))
        };
        let differs = |line: &str, policy: &Policy| policy.template_paused != paused(line, policy);
        if !book.policies.iter().any(|(line, flows)| flows.values().any(|policy| differs(line, policy))) {
            return Arc::clone(book);
        }
        let mut book = Book::clone(book);
        for (line, flows) in &mut book.policies {
            for policy in flows.values_mut() {
                let template_paused = paused(line, policy);
                *policy = Arc::new(Policy { template_paused, ..Policy::clone(policy) });
            }
        }
        Arc::new(book)
    }
}

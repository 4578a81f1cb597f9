//! Templates that a provider has paused, rejected or approved.
//!
//! Not their sending, and not their approval.

use crate::engine::core::Engine;
use crate::engine::heard::TemplateNews;
use crate::engine::request::Rejected;

impl Engine {
    /// A provider tells of templates of lines. Nothing of it is kept: that a template cannot be sent is known from the calls.
    ///
    /// # Errors
    /// None so far; whoever asks must be ready for a store that can keep nothing.
    pub fn hear_of_templates(&mut self, news: &[(String, TemplateNews)]) -> Result<(), Rejected> {
        for (line, TemplateNews { template, word, .. }) in news {
            tracing::info!(line, template, word, "the provider tells of a template");
        }
        Ok(())
    }
}

//! Calendars that were compiled before, found again by what they were written from.
//!
//! Not a registry: it may forget at any time, and then a calendar is compiled again. Bounded in number and in bytes.

use crate::schedule::Calendar;
use std::collections::HashMap;
use std::sync::Arc;

/// Most calendars kept.
const MOST: usize = 2_048;
/// The longest key that is kept, in bytes.
const KEY_BYTES: usize = 4 << 10;
/// Most bytes of tables kept, over all calendars.
const BYTES: usize = 64 << 20;

/// Compiled calendars by (zone, hours, holidays).
#[derive(Default)]
pub struct Calendars {
    known: HashMap<Box<str>, Arc<Calendar>>,
}

impl Calendars {
    /// The calendar of this key, made where it is not at hand.
    ///
    /// # Errors
    /// Whatever `make` refuses; nothing is kept then.
    pub(super) fn get_or_make<E>(&mut self, key: &str, make: impl FnOnce() -> Result<Calendar, E>) -> Result<Arc<Calendar>, E> {
        if let Some(calendar) = self.known.get(key) {
            return Ok(calendar.clone());
        }
        let calendar = Arc::new(make()?);
        if self.is_full() {
            self.clear();
        }
        if key.len() <= KEY_BYTES {
            self.known.insert(key.into(), calendar.clone());
        }
        Ok(calendar)
    }

    /// Whether the next new calendar makes the others forgotten.
    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= MOST
    }

    /// Whether the tables outweigh the bound. They grow as they are asked, so this is looked at from time to time.
    pub(super) fn is_heavy(&self) -> bool {
        self.known.values().map(|calendar| calendar.held()).sum::<usize>() > BYTES
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

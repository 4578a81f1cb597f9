//! Names of lines, flows and hooks as small numbers.
//!
//! Not durable: they are derived from the store at start, and a new one is kept there with the change that first uses it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::engine::record::NameId;
use crate::engine::request::unnamed;

/// Names of lines, flows and hooks, each with its number for ever. Shared with those who render beside the engine.
#[derive(Debug, Default)]
pub struct Names {
    table: RwLock<NameTable>,
}

#[derive(Debug, Default)]
struct NameTable {
    by_name: HashMap<Arc<str>, NameId>,
    /// By number: they are given out one after the other.
    by_id: Vec<Option<Arc<str>>>,
}

impl Names {
    /// A name and number found in the store.
    pub fn restore(&self, id: NameId, name: Arc<str>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.by_name.insert(Arc::clone(&name), id);
        let at = usize::from(id.0);
        if table.by_id.len() <= at {
            table.by_id.resize(at + 1, None);
        }
        table.by_id[at] = Some(name);
    }

    /// The ledger speaks of this number, whose name may be lost: no other name is given it.
    pub(super) fn reserve(&self, id: NameId) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let least = usize::from(id.0) + 1;
        if table.by_id.len() < least {
            table.by_id.resize(least, None);
        }
    }

    /// The number of `name`; `None` where it has none yet.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NameId> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).copied()
    }

    /// The number of `name`, a new one where it has none; `true` where it is new and must be kept.
    pub fn number(&self, name: &str) -> (NameId, bool) {
        if let Some(id) = self.find(name) {
            return (id, false);
        }
        // 65 536 names of lines, flows and hooks over a store's life; beyond, the last number is shared and shown as such.
        let next = self.table.read().unwrap_or_else(PoisonError::into_inner).by_id.len();
        let next = NameId(u16::try_from(next).unwrap_or(u16::MAX));
        self.restore(next, Arc::from(name));
        (next, true)
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, id: NameId) -> Arc<str> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get(usize::from(id.0)).and_then(Option::as_ref).map_or_else(|| unnamed(id), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_for_ever() {
        let names = Names::default();
        names.restore(NameId(7), Arc::from("support"));
        assert_eq!(names.number("support"), (NameId(7), false));
        assert_eq!(names.number("ventas"), (NameId(8), true));
        assert_eq!(names.number("ventas"), (NameId(8), false));
        assert_eq!((names.find("ventas"), names.find("nobody")), (Some(NameId(8)), None));
        assert_eq!((&*names.name(NameId(7)), &*names.name(NameId(9))), ("support", "#9"));
        names.reserve(NameId(10));
        names.reserve(NameId(7));
        assert_eq!(names.number("soporte"), (NameId(11), true));
        assert_eq!((&*names.name(NameId(7)), &*names.name(NameId(10))), ("support", "#10"));
        names.restore(NameId(u16::MAX), Arc::from("the last"));
        assert_eq!(names.number("one too many"), (NameId(u16::MAX), true));
    }
}

//! What is noted down while a configuration is read: mistakes, warnings, the values in force, the keys that there are.
//!
//! Not the reading itself: `read` asks for keys and notes here what it met.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Warning};
use super::settings::Setting;

/// The notes of one reading.
pub(super) struct Notes {
    file: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    /// The line of every key that stands in the file.
    places: BTreeMap<String, usize>,
    inner: RefCell<Closed>,
}

/// What came of a reading.
#[derive(Default)]
pub(super) struct Closed {
    /// What is wrong.
    pub(super) mistakes: Vec<Mistake>,
    /// What is allowed and probably not meant.
    pub(super) warnings: Vec<Warning>,
    /// The values in force.
    pub(super) settings: Vec<Setting>,
    /// Every key that was asked for.
    pub(super) known: BTreeSet<String>,
}

impl Notes {
    /// Notes on a text that `file` holds.
    pub(super) fn new(file: &str, text: &str) -> Notes {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Notes { file: file.to_owned(), lines, places: BTreeMap::new(), inner: RefCell::default() }
    }

    /// Remembers where every key stands.
    pub(super) fn place(&mut self, root: &DeTable<'_>) {
        self.place_table("", root);
    }

    fn place_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            let line = self.line_at(key.span().start);
            self.place_value(&path, value.get_ref());
            self.places.insert(path, line);
        }
    }

    fn place_value(&mut self, path: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.place_table(path, table),
            DeValue::Array(list) => {
                for (i, item) in list.iter().enumerate() {
                    let path = element(path, i);
                    let line = self.line_at(item.span().start);
                    self.place_value(&path, item.get_ref());
                    self.places.insert(path, line);
                }
            }
            _ => {}
        }
    }

    /// The line of a byte, from 1.
    fn line_at(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// The line of a key, or of what it would stand in; 0 where nothing of that is in the file.
    fn line_of(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.places.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return 0,
            }
        }
    }

    /// Whether a key stands in the file.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Notes a mistake: the key's path, the value there (empty where it is missing) and what would be right.
    pub(super) fn mistake(&self, key: &str, value: impl ToString, cure: impl Into<String>) {
        let mistake = self.remark(key, value.to_string(), cure.into());
        self.inner.borrow_mut().mistakes.push(mistake);
    }

    /// Notes a mistake of the notation, at a byte.
    pub(super) fn mistake_at(&self, at: usize, cure: String) {
        let line = self.line_at(at);
        let mistake = Mistake { file: self.file.clone(), line, key: String::new(), value: String::new(), cure };
        self.inner.borrow_mut().mistakes.push(mistake);
    }

    /// Notes a warning.
    pub(super) fn warn(&self, key: &str, value: impl ToString, meaning: impl Into<String>) {
        let warning = self.remark(key, value.to_string(), meaning.into());
        self.inner.borrow_mut().warnings.push(warning);
    }

    fn remark(&self, key: &str, value: String, cure: String) -> Mistake {
        Mistake { file: self.file.clone(), line: self.line_of(key), key: key.to_owned(), value, cure }
    }

    /// Notes a value in force.
    pub(super) fn setting(&self, key: &str, value: Option<String>, optional: bool, mark: Option<[u8; 32]>) {
        let given = self.is_given(key);
        self.inner.borrow_mut().settings.push(Setting { key: key.to_owned(), value, given, optional, mark });
    }

    /// Notes that there is such a key; names of lines, flows and hooks stand as `*`.
    pub(super) fn known(&self, pattern: String) {
        self.inner.borrow_mut().known.insert(pattern);
    }

    /// Everything that was noted, in the order of the file.
    pub(super) fn close(self) -> Closed {
        let mut closed = self.inner.into_inner();
        for remarks in [&mut closed.mistakes, &mut closed.warnings] {
            remarks.sort();
            remarks.dedup();
        }
        closed
    }
}

/// The path of a key in a table.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of an element of a list.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

//! The reading of tables: each key is asked for by name, with its default and how it is read. Whatever nobody asked for is an
//! unknown key.
//!
//! Not serde, which stops at the first mistake and forgets where it stood. Not what the keys mean: that is in the sections.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::notes::{Notes, element, join};
use super::secret::{Secret, SecretSource, split};
use crate::shapes::Loose;

/// Most lines, flows, hooks or tokens.
const NAMED: usize = 256;
/// The longest name of one, in bytes.
const NAME_BYTES: usize = 64;
/// How alike two keys must be for the one to be offered for the other, 0 to 1.
const ALIKE: f64 = 0.84;

/// How a value is shown: as the file would have it.
pub(super) trait Show {
    /// The value as TOML.
    fn show(&self) -> String;
}

macro_rules! shown {
    ($($kind:ty => $show:expr;)*) => { $(impl Show for $kind {
        fn show(&self) -> String { let show: fn(&$kind) -> String = $show; show(self) }
    })* };
}

shown! {
    bool => ToString::to_string;
    i64 => ToString::to_string;
    String => |text| Loose::Text(text.clone()).to_string();
    Vec<String> => |texts| format!("[{}]", texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", "));
}

/// A table that is being read. Dropping it tells its unknown keys.
pub(super) struct Table<'a> {
    notes: &'a Notes,
    path: String,
    /// The path with `*` for names.
    pattern: String,
    items: Option<&'a DeTable<'a>>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Table<'a> {
    /// The whole document.
    pub(super) fn root(notes: &'a Notes, items: &'a DeTable<'a>) -> Table<'a> {
        Table { notes, path: String::new(), pattern: String::new(), items: Some(items), asked: RefCell::default() }
    }

    fn inner(&self, key: &str, pattern: &str, items: Option<&'a DeTable<'a>>) -> Table<'a> {
        Table { notes: self.notes, path: key.to_owned(), pattern: pattern.to_owned(), items, asked: RefCell::default() }
    }

    /// Where notes go.
    pub(super) fn notes(&self) -> &'a Notes {
        self.notes
    }

    /// The path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn ask(&self, key: &str) -> Option<&'a DeValue<'a>> {
        self.asked.borrow_mut().insert(key.to_owned());
        Some(self.items?.get(key)?.get_ref())
    }

    /// Whether a key stands there; this does not ask for it.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.items.is_some_and(|items| items.contains_key(key))
    }

    /// The value of a key, as it stands there.
    pub(super) fn find(&self, key: &str) -> Option<Loose> {
        self.notes.known(join(&self.pattern, key));
        self.ask(key).map(loose)
    }

    /// The value of a key that takes a table read elsewhere, with the keys that table has.
    pub(super) fn find_with(&self, key: &str, keys: &[&str]) -> Option<Loose> {
        for inner in keys {
            self.notes.known(join(&join(&self.pattern, key), inner));
        }
        self.find(key)
    }

    /// The value of a key, if it is there and right.
    pub(super) fn read<T>(&self, key: &str, read: impl Fn(&Loose) -> Result<T, String>) -> Option<T> {
        let value = self.find(key)?;
        read(&value).map_err(|cure| self.notes.mistake(&self.path(key), &value, cure)).ok()
    }

    /// A value with a default.
    pub(super) fn or<T: Show>(&self, key: &str, default: T, read: impl Fn(&Loose) -> Result<T, String>) -> T {
        let value = self.read(key, read).unwrap_or(default);
        self.notes.setting(&self.path(key), Some(value.show()), true, None);
        value
    }

    /// A value that may be absent and then has no default.
    pub(super) fn maybe<T: Show>(&self, key: &str, read: impl Fn(&Loose) -> Result<T, String>) -> Option<T> {
        let value = self.read(key, read);
        self.notes.setting(&self.path(key), value.as_ref().map(Show::show), false, None);
        value
    }

    /// A value that must be there; `cure` says what to write where it is not.
    pub(super) fn need<T: Show>(&self, key: &str, cure: &str, read: impl Fn(&Loose) -> Result<T, String>) -> Option<T> {
        if self.find(key).is_none() {
            self.notes.mistake(&self.path(key), "", cure);
        }
        self.maybe(key, read)
    }

    /// One word of a list of words, each with its meaning.
    pub(super) fn word<T: Copy + PartialEq>(&self, key: &str, default: T, words: &[(&str, T)]) -> T {
        let value = self.read_word(key, words).unwrap_or(default);
        self.notes.setting(&self.path(key), word_for(value, words), true, None);
        value
    }

    /// One word of a list of words that may be absent and then has no default.
    pub(super) fn maybe_word<T: Copy + PartialEq>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.read_word(key, words);
        self.notes.setting(&self.path(key), value.and_then(|value| word_for(value, words)), false, None);
        value
    }

    /// One word of a list of words that must be there; `cure` says what to write where it is not.
    pub(super) fn need_word<T: Copy + PartialEq>(&self, key: &str, cure: &str, words: &[(&str, T)]) -> Option<T> {
        if self.find(key).is_none() {
            self.notes.mistake(&self.path(key), "", cure);
        }
        self.maybe_word(key, words)
    }

    fn read_word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.read(key, |value| match value {
            Loose::Text(text) => words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning).ok_or_else(|| one_of(words)),
            _ => Err(one_of(words)),
        })
    }

    /// A key of the contract that this release does not have.
    pub(super) fn unbuilt(&self, key: &str, instead: &str) {
        if let Some(value) = self.find(key) {
            self.notes.mistake(&self.path(key), value, format!("not built in this release; {instead}"));
        }
    }

    /// A table, empty where it is absent.
    pub(super) fn table(&self, key: &str) -> Table<'a> {
        let path = self.path(key);
        let items = match self.ask(key) {
            None => None,
            Some(DeValue::Table(table)) => Some(table),
            Some(other) => {
                self.notes.mistake(&path, loose(other), format!("write a table, [{path}]"));
                None
            }
        };
        self.inner(&path, &join(&self.pattern, key), items)
    }

    /// Tables by names of the operator's own, in the order of the file.
    pub(super) fn named(&self, key: &str) -> Vec<(String, Table<'a>)> {
        let all = self.table(key);
        let mut found: Vec<_> = all.items.into_iter().flatten().collect();
        found.sort_by_key(|(name, _)| name.span().start);
        if found.len() > NAMED {
            self.notes.mistake(&all.path, format!("{} tables", found.len()), format!("at most {NAMED}; begin a second instance"));
        }
        let mut tables = Vec::with_capacity(found.len());
        for (name, value) in found.into_iter().take(NAMED) {
            let name = name.get_ref().as_ref();
            let path = all.path(name);
            all.asked.borrow_mut().insert(name.to_owned());
            if !is_name(name) {
                let cure = format!("write a name of letters, digits, - and _, at most {NAME_BYTES} bytes");
                self.notes.mistake(&path, format!("{name:?}"), cure);
            }
            match value.get_ref() {
                DeValue::Table(items) => tables.push((name.to_owned(), all.inner(&path, &join(&all.pattern, "*"), Some(items)))),
                other => self.notes.mistake(&path, loose(other), format!("write a table, [{}.NAME], and its keys below", all.path)),
            }
        }
        tables
    }

    /// A list of tables, `[[key]]`.
    pub(super) fn list(&self, key: &str) -> Vec<Table<'a>> {
        let path = self.path(key);
        let wrong = |value: &DeValue<'_>, at: &str| self.notes.mistake(at, loose(value), format!("write a table, [[{path}]]"));
        let items = match self.ask(key) {
            None => return Vec::new(),
            Some(DeValue::Array(items)) => items,
            Some(other) => {
                wrong(other, &path);
                return Vec::new();
            }
        };
        let mut tables = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    tables.push(self.inner(&element(&path, i), &format!("{}[]", join(&self.pattern, key)), Some(table)));
                }
                other => wrong(other, &element(&path, i)),
            }
        }
        tables
    }

    /// A secret, by `NAME_file`, `NAME_credential` or `NAME_env` (without the prefix where the name is empty). Empty where it is
    /// absent or cannot be read; `needed` makes its absence a mistake.
    pub(super) fn secret(&self, name: &str, source: &dyn SecretSource, needed: bool) -> Vec<Secret> {
        let key = |suffix: &str| if name.is_empty() { suffix.to_owned() } else { format!("{name}_{suffix}") };
        let open = if name.is_empty() { vec!["secret", "token"] } else { vec![name] };
        for open in open {
            if self.items.is_some_and(|items| items.contains_key(open)) {
                self.asked.borrow_mut().insert(open.to_owned());
                // The value is not repeated: this goes to logs.
                let cure = format!("secrets never stand in this file; write {}, and renew the secret", key("file"));
                self.notes.mistake(&self.path(open), "(withheld)", cure);
            }
        }
        let mut found: Option<(String, Vec<Secret>)> = None;
        for suffix in ["file", "credential", "env"] {
            let key = key(suffix);
            let Some(place) = self.read(&key, text(1, 4_096)) else { continue };
            let path = self.path(&key);
            let content = match suffix {
                "file" => source.file(Path::new(&place)),
                "credential" => source.credential(&place),
                _ => source.variable(&place),
            };
            let secrets = content.and_then(|content| split(&content)).unwrap_or_else(|why| {
                self.notes.mistake(&path, format!("{place:?}"), format!("it {why}"));
                Vec::new()
            });
            if let Some((other, _)) = &found {
                self.notes.mistake(&path, format!("{place:?}"), format!("{other} says where it is already; keep one of them"));
            }
            let mark = secrets.iter().fold([0; 32], |mark: [u8; 32], secret| {
                let digest = secret.digest();
                std::array::from_fn(|i| mark[i].rotate_left(1) ^ digest[i])
            });
            self.notes.setting(&path, Some(format!("{place:?}")), false, Some(mark));
            found = found.or(Some((key, secrets)));
        }
        let given = ["file", "credential", "env"].iter().any(|suffix| self.notes.is_given(&self.path(&key(suffix))));
        if needed && !given {
            let cure = format!("write where the secret is, by {}, {} or {}", key("file"), key("credential"), key("env"));
            self.notes.mistake(&self.path(&key("file")), "", cure);
        }
        found.map(|(_, secrets)| secrets).unwrap_or_default()
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        for (key, value) in self.items.into_iter().flatten() {
            let key = key.get_ref().as_ref();
            if !asked.contains(key) {
                let near = nearest(key, asked.iter().map(String::as_str));
                let cure = match near {
                    Some(near) => format!("unknown key; did you mean {near}?"),
                    None if asked.is_empty() => "unknown key; there are none here".to_owned(),
                    None => format!("unknown key; there are {}", asked.iter().cloned().collect::<Vec<_>>().join(", ")),
                };
                let secret = ["secret", "token", "password", "key"].iter().any(|word| key.to_ascii_lowercase().contains(word));
                let value = if secret { "(withheld)".to_owned() } else { loose(value.get_ref()).to_string() };
                self.notes.mistake(&self.path(key), value, cure);
            }
        }
    }
}

/// The word that is most like `word`, where one is alike enough.
pub(super) fn nearest<'w>(word: &str, among: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let likeness = among.map(|other| (strsim::jaro_winkler(&word.to_lowercase(), other), other));
    likeness.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| other)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(plain)
}

fn word_for<T: PartialEq>(value: T, words: &[(&str, T)]) -> Option<String> {
    words.iter().find(|(_, meaning)| *meaning == value).map(|(word, _)| format!("{word:?}"))
}

fn one_of<T>(words: &[(&str, T)]) -> String {
    let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    format!("write {}", words.join(" or "))
}

/// The value as the shapes know values.
fn loose(value: &DeValue<'_>) -> Loose {
    match value {
        DeValue::String(text) => Loose::Text(text.to_string()),
        DeValue::Integer(number) => {
            let beyond = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Loose::Whole(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(beyond))
        }
        DeValue::Float(number) => Loose::Fraction(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Loose::Bool(*truth),
        DeValue::Datetime(date) => Loose::Text(date.to_string()),
        DeValue::Array(list) => Loose::List(list.iter().map(|item| loose(item.get_ref())).collect()),
        DeValue::Table(table) => {
            Loose::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), loose(value.get_ref()))).collect())
        }
    }
}

/// Reads `true` or `false`.
pub(super) fn truth(value: &Loose) -> Result<bool, String> {
    match value {
        Loose::Bool(truth) => Ok(*truth),
        _ => Err("write true or false, without quotes".to_owned()),
    }
}

/// Reads a whole number from `least` to `most`.
pub(super) fn whole(least: i64, most: i64) -> impl Fn(&Loose) -> Result<i64, String> {
    move |value| match value {
        Loose::Whole(number) if (i128::from(least)..=i128::from(most)).contains(number) => Ok(*number as i64),
        _ => Err(format!("write a whole number, {least} to {most}, without quotes")),
    }
}

/// Reads a text of `least` to `most` characters, without control characters.
pub(super) fn text(least: usize, most: usize) -> impl Fn(&Loose) -> Result<String, String> {
    move |value| {
        let Loose::Text(text) = value else { return Err("write a text in quotes".to_owned()) };
        if !(least..=most).contains(&text.chars().count()) {
            return Err(format!("write {least} to {most} characters; these are {}", text.chars().count()));
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err("leave out the control characters".to_owned());
        }
        Ok(text.clone())
    }
}

/// Reads a list of texts.
pub(super) fn texts(value: &Loose) -> Result<Vec<String>, String> {
    let wrong = || "write a list of texts, as [\"one\", \"two\"]".to_owned();
    let Loose::List(list) = value else { return Err(wrong()) };
    let each = |item: &Loose| if let Loose::Text(text) = item { Ok(text.clone()) } else { Err(wrong()) };
    list.iter().map(each).collect()
}

//! Everything that a store can be asked, to hold one store against another. Shared: the library's own tests include this file too.
//!
//! Not a test: the suites that call it are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reengaged::engine::ports::{Restored, Standing, Store};
use reengaged::engine::record::{Details, HookRecord, NameId, Stored};
use reengaged::id::{AliasKey, ConversationId, EventKey, PersonKey};
use reengaged::moment::Moment;

/// In what two stores differ, shortly; `None` where they answer alike.
pub(crate) fn difference(left: &dyn Store, right: &dyn Store) -> Option<String> {
    let (left, right) = (answers(left), answers(right));
    let sides = [left.parts(), right.parts()];
    let differs = sides[0].iter().zip(&sides[1]).find(|(l, r)| l != r);
    differs.map(|((name, l), (_, r))| {
        let at = l.bytes().zip(r.bytes()).take_while(|(l, r)| l == r).count();
        let near = |text: &str| text.bytes().skip(at.saturating_sub(200)).take(400).map(char::from).collect::<String>();
        format!("{name}: ..{}.. against ..{}..", near(l), near(r))
    })
}

/// Everything that a store can be asked, about the conversations that samples speak of.
struct Answers {
    conversations: BTreeMap<ConversationId, Option<(Stored, Details)>>,
    pages: Vec<ConversationId>,
    aliases: Vec<Option<ConversationId>>,
    hooks: Vec<Option<HookRecord>>,
    dead: Vec<(NameId, HookRecord, Moment)>,
    outlived: BTreeSet<ConversationId>,
    doubts: Vec<Standing>,
    told: Vec<String>,
    identities: BTreeSet<EventKey>,
    people: BTreeMap<PersonKey, Moment>,
}

impl Answers {
    fn parts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("conversations", format!("{:?}", self.conversations)),
            ("pages", format!("{:?}", self.pages)),
            ("aliases", format!("{:?}", self.aliases)),
            ("hooks", format!("{:?}", self.hooks)),
            ("dead", format!("{:?}", self.dead)),
            ("outlived", format!("{:?}", self.outlived)),
            ("doubts", format!("{:?}", self.doubts)),
            ("told", self.told.join("\n")),
            ("identities", format!("{:?}", self.identities)),
            ("people", format!("{:?}", self.people)),
        ]
    }
}

fn answers(store: &dyn Store) -> Answers {
    let mut ids: BTreeSet<ConversationId> = (1..9u128).map(|n| ConversationId(n << 96)).collect();
    let mut pages = Vec::new();
    while let Some(page) = Some(store.page(pages.last().copied(), 3).unwrap()).filter(|page| !page.is_empty()) {
        pages.extend(page);
    }
    ids.extend(&pages);
    let mut told = Vec::new();
    let mut identities = BTreeSet::new();
    let mut people = BTreeMap::new();
    let take = &mut |restored| match restored {
        Restored::Identity(key, _) => drop(identities.insert(key)),
        Restored::OptOut(person, at) => drop(people.insert(person, at)),
        // What stood last in the ledger when it was opened is told once more: only a file knows that.
        Restored::Held(_) | Restored::Ended(_) | Restored::About(_) => {}
        other => told.push(format!("{other:?}")),
    };
    store.recover(take).unwrap();
    told.sort();
    Answers {
        conversations: ids.iter().map(|id| (*id, store.load(*id).unwrap())).collect(),
        pages,
        aliases: (1..9u128).map(|n| store.alias(AliasKey(n << 96)).unwrap()).collect(),
        hooks: (0..40).map(|n| store.hook(n).unwrap()).collect(),
        dead: store.dead(0, usize::MAX).unwrap(),
        outlived: store.outlived(Moment(1_775_000_000_000), usize::MAX).unwrap().into_iter().collect(),
        doubts: store.doubts(usize::MAX),
        told,
        identities,
        people,
    }
}

/// The directory as a process that is killed leaves it: what it had not written is not there.
pub(crate) fn killed(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(from, to.path());
    to
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

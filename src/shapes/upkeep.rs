//! Long works as JSON.
//!
//! Not the works.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::engine::upkeep::{Ended, Task, Work};
use crate::shapes::answer::Instant;

/// The works, each under its word.
#[derive(Debug)]
pub struct WorksShape<'a>(pub &'a [Work]);

impl Serialize for WorksShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        for word in ["backup", "fsck"] {
            map.serialize_entry(word, &self.0.iter().find(|work| work.task.word() == word).map(WorkShape))?;
        }
        map.end()
    }
}

struct WorkShape<'a>(&'a Work);

impl Serialize for WorkShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Work { task, began, records, bytes, ended } = self.0;
        let mut map = serializer.serialize_map(None)?;
        let state = match ended {
            None => "running",
            Some((_, Ended::Fine)) => "fine",
            Some((_, Ended::Damaged(..))) => "damaged",
            Some((_, Ended::Failed(..))) => "failed",
        };
        map.serialize_entry("state", state)?;
        if let Task::Backup(to) = task {
            map.serialize_entry("to", to)?;
            map.serialize_entry("bytes", bytes)?;
        }
        map.serialize_entry("records", records)?;
        map.serialize_entry("began_at", &Instant(*began))?;
        map.serialize_entry("ended_at", &ended.as_ref().map(|(at, _)| Instant(*at)))?;
        match ended {
            Some((_, Ended::Damaged(count, places))) => {
                map.serialize_entry("damaged", count)?;
                map.serialize_entry("places", places)?;
            }
            Some((_, Ended::Failed(why, again))) => {
                map.serialize_entry("why", why)?;
                map.serialize_entry("again", again)?;
            }
            _ => {}
        }
        map.end()
    }
}

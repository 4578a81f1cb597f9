//! Every record of the ledger looked at, and what can be read of a damaged one written anew.
//!
//! Not the way in which a start reads it, which stops at the first damage.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::{Ledger, RECORD, SEGMENT_RECORDS, begin, decode, encode, path_of, records, segments_in, torn};
use crate::engine::ports::Fault;
use crate::engine::record::LedgerEntry;
use crate::store::check::Checked;
use crate::store::files::{exchange, failed, finish_exchange, remove_dir, sync_dir};

/// Looks at every record. `running`: somebody may be appending just now, so that the last one may be half there.
///
/// # Errors
/// [`Fault::Unavailable`] where a file cannot be read at all.
pub(crate) fn check(dir: &Path, running: bool, checked: &mut Checked) -> Result<(), Fault> {
    if !dir.is_dir() {
        checked.found(dir, "whole", "the ledger is not there: what was sent is not known");
        return Ok(());
    }
    let numbers = segments_in(dir)?;
    let Some(last) = numbers.last().copied() else {
        checked.found(dir, "whole", "the ledger has no segment: what was sent is not known");
        return Ok(());
    };
    for pair in numbers.windows(2) {
        for missing in pair[0] + 1..pair[1] {
            checked.found(path_of(dir, missing), "whole", "the segment is missing: the sends in it are not known");
        }
    }
    for number in numbers {
        let path = path_of(dir, number);
        let records = records(&read(&path)?, number, number == last);
        let whole = records.iter().take_while(|record| record.is_some()).count();
        checked.records += records.iter().flatten().count() as u64;
        let end = number == last && (running || whole > 0) && torn(&records[whole..], whole);
        if !end {
            for (i, _) in records.iter().enumerate().filter(|(_, record)| record.is_none()) {
                checked.found(&path, format!("byte {}", i * RECORD), "the record of a send is damaged");
            }
        }
        if records.is_empty() && number != last {
            checked.found(&path, "byte 0", "the segment is empty: the sends in it are not known");
        }
    }
    Ok(())
}

/// Writes what can be read of a damaged ledger anew, and sets the damaged one aside. Answers where that is, and what is lost.
///
/// # Errors
/// Where the disk refuses.
pub(crate) fn rescue(dir: &Path) -> Result<(Option<PathBuf>, Checked), Fault> {
    finish_exchange(dir)?;
    let mut lost = Checked::default();
    check(dir, false, &mut lost)?;
    let fresh = dir.with_extension("new");
    remove_dir(&fresh)?;
    remove_dir(&dir.with_extension("whole"))?;
    if !dir.is_dir() {
        Ledger::create(dir)?;
        return Ok((None, lost));
    }
    let entries = readable(dir)?;
    fs::create_dir(&fresh).map_err(|e| failed("making the directory", &fresh, &e))?;
    let mut number = 1;
    let mut rest = entries.as_slice();
    loop {
        let (now, later) = rest.split_at(rest.len().min(SEGMENT_RECORDS as usize - 1));
        let mut file = begin(&fresh, number)?;
        let bytes: Vec<u8> = (1..).zip(now).flat_map(|(i, entry)| encode(entry, number, i, i)).collect();
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        written.map_err(|e| failed("writing the ledger", &path_of(&fresh, number), &e))?;
        if later.is_empty() {
            break;
        }
        (rest, number) = (later, number + 1);
    }
    sync_dir(&fresh)?;
    Ok((Some(exchange(dir)?), lost))
}

/// Every entry that can be read, in order.
fn readable(dir: &Path) -> Result<Vec<LedgerEntry>, Fault> {
    let mut entries = Vec::new();
    for number in segments_in(dir)? {
        let bytes = read(&path_of(dir, number))?;
        let records = bytes.chunks(RECORD).enumerate().filter_map(|(i, chunk)| decode(chunk, number, i));
        entries.extend(records.filter_map(|record| record.entry));
    }
    Ok(entries)
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|e| failed("reading", path, &e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::record::NameId;
    use crate::id::{ConversationId, SendId};
    use crate::moment::Moment;

    #[test]
    fn every_damaged_record_is_named_and_the_others_are_rescued() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("ledger");
        Ledger::create(&dir).unwrap();
        let (mut ledger, _) = Ledger::open(&dir).unwrap();
        for n in 1..=20u8 {
            let at = Moment(i64::from(n));
            let send = SendId(u128::from(n));
            ledger
                .append(&[LedgerEntry::Intent { send, attempt: 1, at, conversation: ConversationId(1), line: NameId(1), template: false }])
                .unwrap();
        }
        let look = |dir: &Path| {
            let mut checked = Checked::default();
            check(dir, false, &mut checked).unwrap();
            checked
        };
        assert_eq!((look(&dir).records, look(&dir).whole()), (21, true));
        let path = path_of(&dir, 1);
        let mut bytes = fs::read(&path).unwrap();
        for record in [3, 7] {
            bytes[record * RECORD + 20] ^= 4;
        }
        fs::write(&path, &bytes).unwrap();
        let found = look(&dir);
        assert_eq!(found.damages.iter().map(|d| d.place.as_str()).collect::<Vec<_>>(), ["byte 192", "byte 448"]);
        assert!(Ledger::open(&dir).is_err());

        let (aside, lost) = rescue(&dir).unwrap();
        assert_eq!((lost.damaged, aside.as_deref()), (2, Some(home.path().join("ledger.damaged-1").as_path())));
        let (mut ledger, sends) = Ledger::open(&dir).unwrap();
        assert_eq!((sends.len(), sends.get(SendId(3)), sends.get(SendId(4)).is_some()), (18, None, true));
        ledger
            .append(&[LedgerEntry::Ended { send: SendId(4), attempt: 1, at: Moment(1), end: crate::engine::record::LedgerEnd::Accepted }])
            .unwrap();
        assert!(look(&dir).whole());
        fs::remove_dir_all(&dir).unwrap();
        assert!(!look(&dir).whole());
        assert!(rescue(&dir).unwrap().0.is_none());
        assert!(look(&dir).whole());
    }
}

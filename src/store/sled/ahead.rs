//! One thread makes what another takes: reading and decoding on one processor, tables on the other.
//!
//! Not a pool: one thread, gone when everything is taken. A few batches are under way at a time, so memory does not grow with what
//! there is to read.

use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::engine::ports::Fault;
use crate::store::sled::base::{Payload, Table};

/// Batches that are made ahead of whoever takes them.
const AHEAD: usize = 8;
/// How many of what is made are in a batch.
const TOGETHER: usize = 64;

/// Hands what `make` comes to, made on a thread of its own, to `take`, in order; ends with the first fault.
///
/// # Errors
/// What is made of faults, what `take` answers, and where there is no thread; `doing` says in words what was being done.
pub(super) fn ahead<T: Send, I: Iterator<Item = Result<T, Fault>>>(
    doing: &str,
    make: impl FnOnce() -> I + Send,
    mut take: impl FnMut(T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (give, taken) = sync_channel::<Result<Vec<T>, Fault>>(AHEAD);
    let maker = move || {
        let mut items = make();
        loop {
            let some: Result<Vec<T>, Fault> = items.by_ref().take(TOGETHER).collect();
            let over = some.as_ref().map_or(true, Vec::is_empty);
            // Whoever takes them has met something that cannot be read.
            if give.send(some).is_err() || over {
                return;
            }
        }
    };
    thread::scope(move |scope| {
        let started = thread::Builder::new().name("read".to_owned()).spawn_scoped(scope, maker);
        started.map_err(|e| Fault::Unavailable(format!("{doing}: no thread for it: {e}")))?;
        // Let go of with the first fault: the maker, which may wait for room in it, ends then.
        for some in taken {
            some?.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    })
}

/// Does one thing on a thread of its own, and another here meanwhile.
///
/// # Errors
/// Where there is no thread; `doing` says in words what the first is.
pub(super) fn beside<A: Send, B>(doing: &str, aside: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> Result<(A, B), Fault> {
    thread::scope(|scope| {
        let aside = thread::Builder::new().name("read".to_owned()).spawn_scoped(scope, aside);
        let aside = aside.map_err(|e| Fault::Unavailable(format!("{doing}: no thread for it: {e}")))?;
        let here = here();
        Ok((aside.join().unwrap_or_else(|panic| resume_unwind(panic)), here))
    })
}

impl Table {
    /// Reads the values of these numbers on a thread of its own, for a caller who has as much to do with each. Ends with the first that
    /// cannot be read, or is not there.
    ///
    /// Asked for one by one, and not by an iterator: sled looks at what it may drop from memory with every 64th access to a 256th of
    /// its pages, and an iterator accesses a page once, so that all it read stays.
    ///
    /// # Errors
    /// As [`Table::get`], and what `take` answers.
    pub(super) fn read_ahead(
        &self,
        numbers: impl Iterator<Item = u64> + Send,
        mut take: impl FnMut(&[u8], &Payload) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let read = |n: u64| {
            let key = n.to_be_bytes();
            let payload = self.payload(&key)?;
            Ok((key, payload.ok_or_else(|| self.damaged(&key, "it is lost"))?))
        };
        ahead(&format!("reading store/{}", self.name()), || numbers.map(read), |(key, payload)| take(&key, &payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::base::Base;

    fn enough() -> Fault {
        Fault::Unavailable("enough".to_owned())
    }

    #[test]
    fn what_is_made_is_taken_in_order_until_the_first_fault_of_either() {
        let many = (AHEAD as u64 + 4) * TOGETHER as u64;
        let mut next = 0;
        let mut take = |n| {
            next += 1;
            (n + 1 == next).then_some(()).ok_or(enough())
        };
        ahead("counting", || (0..many).map(Ok), &mut take).unwrap();
        assert_eq!(next, many);
        assert_eq!(ahead("counting", || (0..many).map(Ok), |n| if n == 70 { Err(enough()) } else { Ok(()) }), Err(enough()));
        assert_eq!(ahead("counting", || (0..many).map(|n| if n == 70 { Err(enough()) } else { Ok(n) }), |_| Ok(())), Err(enough()));
    }

    #[test]
    fn values_are_read_ahead_in_the_order_asked_for_until_one_is_lost() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        let mut writes = base.small.writes();
        (0..100u64).for_each(|n| writes.put(&n.to_be_bytes(), &[n as u8]));
        writes.apply().unwrap();
        let mut left = (10..100u8).rev();
        let mut take = |key: &[u8], payload: &Payload| (key[7..] == **payload && left.next() == Some(key[7])).then_some(()).ok_or(enough());
        base.small.read_ahead((10..100).rev(), &mut take).unwrap();
        assert_eq!(left.next(), None);
        assert!(matches!(base.small.read_ahead(90..101, |_, _| Ok(())), Err(Fault::Corrupt(why)) if why.contains("key 0000000000000064")));
    }
}

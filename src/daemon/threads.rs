//! Threads at a start: whether the system gives as many as the daemon needs, tried before anything is begun.
//!
//! Not their use. A runtime or a store that gets only some of its threads is half made: it panics in the middle, or hangs.

use std::num::NonZero;
use std::thread::{self, JoinHandle};

use crate::daemon::Failure;

/// Threads beside those that serve requests, one a processor: the engine's, the commits', the folds', the store's own, and those
/// that wait for files and names.
const BESIDE: usize = 24;

/// Makes as many threads as the daemon needs, and lets them go.
///
/// # Errors
/// [`Failure`], to be tried again, where the system gives fewer.
pub fn enough() -> Result<(), Failure> {
    let wanted = thread::available_parallelism().map_or(1, NonZero::get) + BESIDE;
    let mut made: Vec<JoinHandle<()>> = Vec::with_capacity(wanted);
    let refused = (0..wanted).find_map(|_| match thread::Builder::new().spawn(thread::park) {
        Ok(thread) => {
            made.push(thread);
            None
        }
        Err(error) => Some(error),
    });
    let got = made.len();
    for waiting in made {
        waiting.thread().unpark();
        // Nothing in it can panic.
        let _ = waiting.join();
    }
    let limits = "raise TasksMax of the unit, or the limit of processes";
    let failure = |error| Failure::again(format!("starting: of {wanted} threads the system gives {got} ({error}); {limits}"));
    refused.map_or(Ok(()), |error| Err(failure(error)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_are_enough_where_tests_run() {
        assert_eq!(super::enough(), Ok(()));
    }
}

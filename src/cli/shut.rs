//! What the program closes about itself before it reads anything: no picture of its memory on the disk, none for other programs of
//! the same user, and no file of its own that others can read.
//!
//! Not all of it: that memory stays out of the swap, and which calls the kernel takes, is the unit's (`systemd/reengaged.service`).

use std::io::{self, Write};

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

/// From now on a fault in the program tells where it is, and of its message only what stands in the source: what is put into a
/// message may be somebody's text.
pub fn hush() {
    std::panic::set_hook(Box::new(|fault| {
        let at = fault.location().map(ToString::to_string).unwrap_or_default();
        let what = fault.payload().downcast_ref::<&'static str>().copied().unwrap_or("what it says is left out");
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!(at, "a fault in the program: {what}");
        } else {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "reengaged: a fault in the program at {at}: {what}");
        }
    }));
}

/// Closes it. Numbers, texts and keys are in memory: a crash must not write them out, and a debugger of the same user must not get in.
///
/// # Errors
/// What could not be closed, in one line; the program can go on.
pub fn close() -> Result<(), String> {
    umask(Mode::from_bits_truncate(0o077));
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Under the unit the limit is there already, and setting it is a call that the unit does not let through.
    let limit = if getrlimit(Resource::Core) == none { Ok(()) } else { setrlimit(Resource::Core, none) };
    let failed = |what: &str, error: rustix::io::Errno| format!("{what}: {error}; a crash may write what is in memory to the disk");
    dumpable.map_err(|error| failed("keeping other programs out of the memory", error))?;
    limit.map_err(|error| failed("turning core dumps off", error))
}

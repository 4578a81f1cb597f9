//! Stories on a line of Twilio. Those that all lines have in common stand in `common.rs`.

use super::common::common_stories;
use crate::emulator::Twilio;

common_stories!(Twilio::new());

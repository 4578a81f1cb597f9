//! Stories on a line of Gupshup. Those that all lines have in common stand in `common.rs`.

use super::common::common_stories;
use crate::emulator::Gupshup;

common_stories!(Gupshup::new());

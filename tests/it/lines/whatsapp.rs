//! Stories on a line of the Cloud API. Those that all lines have in common stand in `common.rs`.

use super::common::common_stories;
use crate::emulator::Meta;

common_stories!(Meta::new());

//! The fuzzer: one binary for every target, chosen by `FUZZ_TARGET`. The targets stand in `targets.rs`.
//!
//! Not a test: it looks for inputs, for as long as it is given. `FUZZ_TARGET=list` prints the targets, and `FUZZ_TARGET=inputs`
//! writes what is known to be worth beginning with below the folder `FUZZ_INPUTS`, from the fixtures of the folder `FUZZ_SHARED`.

#![no_main]

mod inputs;
mod own;
mod targets;

use std::path::PathBuf;
use std::process::exit;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

use targets::{Run, TARGETS};

static CHOSEN: OnceLock<Run> = OnceLock::new();

fuzz_target!(
    init: choose(),
    |data: &[u8]| {
        CHOSEN.get().expect("a target was chosen before the first input")(data);
    }
);

fn choose() {
    let target = std::env::var("FUZZ_TARGET").unwrap_or_default();
    match target.as_str() {
        "list" => {
            TARGETS.iter().for_each(|(name, _)| println!("{name}"));
            exit(0);
        }
        "inputs" => {
            let folder = |name| std::env::var_os(name).map(PathBuf::from).unwrap_or_else(|| panic!("{name} names a folder"));
            inputs::write(&folder("FUZZ_INPUTS"), &folder("FUZZ_SHARED"));
            exit(0);
        }
        name => match TARGETS.iter().find(|(known, _)| *known == name) {
            Some((_, run)) => CHOSEN.set(*run).expect("chosen once"),
            None => {
                eprintln!("FUZZ_TARGET={name:?}: no such target; FUZZ_TARGET=list prints them");
                exit(2);
            }
        },
    }
}

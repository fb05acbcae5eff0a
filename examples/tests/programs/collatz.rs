use std::process::Command;

use crate::program::run;

#[test]
fn it_finds_the_number() {
    let ended = run(&mut Command::new(env!("CARGO_BIN_EXE_collatz")));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    // Sequence A006877 of the OEIS.
    assert_eq!(ended.stdout, "77031 takes 350 steps to 1, the most of all numbers below 100000\n");
}

//! The counts on record: `recorded.txt`, a line each, `NAME INSTRUCTIONS`.

use crate::count::{self, Count};
use crate::work::Work;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const RECORDED: &str = include_str!("../recorded.txt");
const HEAD: &str = "\
# Instructions that an operation of mco takes, as `callgrind` counts them: a release build for x86_64 Linux.
# `cargo run --release -p mco-instructions -- record` writes this file.
";
/// An operation may take so much more than is on record.
const MARGIN: f64 = 1.05;
/// How often a run is counted that decides.
const CAREFULLY: usize = 3;

/// Fails if an operation takes too many more instructions than are on record.
pub(crate) fn check() -> Result<(), String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        println!("skipped: the counts on record are of x86_64 Linux");
        return Ok(());
    }
    let Some(counts) = count::all(1)? else { return Ok(()) };
    let compiler = compiler();
    if !RECORDED.contains(&compiler) {
        println!("the counts on record are not of this compiler: {compiler}");
    }
    let (mut too_many, mut fewer) = (Vec::new(), false);
    println!("{:14} {:>9} {:>9} {:>7}", "work", "on record", "now", "change");
    for Count { work, mut instructions } in counts {
        let recorded = recorded(work)
            .ok_or_else(|| format!("`{}` is not on record, see `record`", work.name))?;
        let share = |instructions| instructions as f64 / recorded as f64;
        if share(instructions) > MARGIN {
            instructions = instructions.min(count::one(work, CAREFULLY)?.instructions);
        }
        let change = format!("{:+.1}%", 100.0 * (share(instructions) - 1.0));
        println!(
            "{:14} {recorded:9} {instructions:9} {change:>7}  per {}",
            work.name, work.operation
        );
        if share(instructions) > MARGIN {
            too_many.push(work.name);
        }
        fewer |= share(instructions) * MARGIN < 1.0;
    }
    if fewer {
        println!("some take fewer than are on record: `record` keeps it so");
    }
    if too_many.is_empty() {
        Ok(())
    } else {
        Err(format!("over 5% more instructions than on record: {}", too_many.join(", ")))
    }
}

fn recorded(work: Work) -> Option<u64> {
    RECORDED.lines().find_map(|line| {
        let (name, instructions) = line.split_once(' ')?;
        if name == work.name { instructions.trim().parse().ok() } else { None }
    })
}

/// Puts the counts on record, and which compiler they are of.
pub(crate) fn write() -> Result<(), String> {
    let counts = count::all(CAREFULLY)?.ok_or("there is nothing to put on record")?;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recorded.txt");
    let mut text = format!("{HEAD}# {}\n", compiler());
    for Count { work, instructions } in counts {
        text += &format!("{} {instructions}\n", work.name);
    }
    print!("{text}");
    fs::write(&path, text).map_err(|fault| format!("could not write `{}`: {fault}", path.display()))
}

/// What `rustc` calls itself.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or("unknown".into(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

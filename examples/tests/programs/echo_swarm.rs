use std::process::Command;

use crate::program::{Ended, run};

const ECHO_SWARM: &str = env!("CARGO_BIN_EXE_echo_swarm");

fn swarm(arguments: &str) -> Ended {
    run(Command::new(ECHO_SWARM).args(arguments.split_whitespace()))
}

/// The number that follows `name` at the start of a line.
fn number(ended: &Ended, name: &str) -> u64 {
    let line = ended.stdout.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no `{name}` in {ended:?}"));
    line.split_whitespace().next().unwrap().replace(',', "").parse().unwrap()
}

/// Checks the exit status, and that the report is whole and its numbers add up.
fn assert_done(ended: &Ended, clients: u64, rounds: u64) {
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(number(ended, "connections"), clients);
    assert_eq!(number(ended, "messages"), clients * rounds);
    for name in ["throughput", "p50", "p90", "p99", "p99.9", "max"] {
        assert!(ended.stdout.contains(&format!("{name} ")), "no `{name}` in {ended:?}");
    }
    let rows = ended.stdout.lines().skip_while(|line| !line.starts_with("worker ")).skip(1);
    let coroutines =
        |row: &str| row.split_whitespace().nth(1)?.replace(',', "").parse::<u64>().ok();
    let coroutines: u64 = rows.map(|row| coroutines(row).unwrap()).sum();
    // One at each end, the one that accepts and the one that waits for all. That which draws the
    // progress bar may not have started yet.
    assert!([2, 3].contains(&(coroutines - 2 * clients)), "{ended:?}");
}

#[test]
fn a_small_swarm() {
    let ended = swarm("--clients 50 --rounds 40 --size 100 --workers 2");
    assert_done(&ended, 50, 40);
    assert!(!ended.stderr.contains("to go"), "the progress bar is for terminals: {ended:?}");
}

#[test]
fn any_number_of_workers() {
    for workers in [1, 2, 8] {
        let ended = swarm(&format!("--clients 200 --rounds 10 --workers {workers}"));
        assert_done(&ended, 200, 10);
        let rows = ended.stdout.lines().skip_while(|line| !line.starts_with("worker ")).skip(1);
        assert!(rows.count() >= workers, "{ended:?}");
    }
}

#[test]
fn any_size() {
    for size in [1, 16 * 1024, 1_000_000] {
        assert_done(&swarm(&format!("--clients 10 --rounds 3 --size={size}")), 10, 3);
    }
}

#[test]
fn more_clients_than_connect_at_once() {
    assert_done(&swarm("--clients 400 --rounds 1 --size 1"), 400, 1);
}

#[test]
fn help_is_printed() {
    for option in ["--help", "-h"] {
        let ended = swarm(option);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        for option in ["--clients N", "--rounds N", "--size BYTES", "--workers N", "--help"] {
            assert!(ended.stdout.contains(option), "no `{option}` in {ended:?}");
        }
    }
}

#[test]
fn bad_options_are_reported() {
    for (arguments, complaint) in [
        ("--clients 0", "`--clients 0`: at least 1"),
        ("--rounds=0", "`--rounds 0`: at least 1"),
        ("--size 0", "`--size 0`: at least 1"),
        ("--workers 0", "`--workers 0`: at least 1"),
        ("--clients many", "`--clients many`: a whole number"),
        ("--clients -5", "`--clients -5`: a whole number"),
        ("--size 1.5", "`--size 1.5`: a whole number"),
        ("--rounds 99999999999999999999", "`--rounds 99999999999999999999`: a whole number"),
        ("--workers", "`--workers` needs a number"),
        ("--turbo", "unknown option `--turbo`: valid ones are `--clients`, `--rounds`, `--size`"),
        ("100", "unknown option `100`"),
    ] {
        let ended = swarm(arguments);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
        assert!(ended.stderr.contains("usage: echo_swarm"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn more_workers_than_can_be_are_reported() {
    let ended = swarm("--workers 100000 --clients 1");
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("100000 workers"), "{ended:?}");
}

#[cfg(unix)]
mod descriptor_limit {
    use super::*;
    use crate::program::limited;

    fn limited_swarm(limits: &str, arguments: &str) -> Ended {
        run(limited(limits, ECHO_SWARM).args(arguments.split_whitespace()))
    }

    #[test]
    fn the_default_number_of_clients_adapts() {
        let ended = limited_swarm("-n 1040", "--workers 2");
        assert_done(&ended, 500, 20);
        assert!(ended.stderr.contains("1,040 descriptors allows 500 clients"), "{ended:?}");
        assert!(ended.stderr.contains("10,000 would need 20,040"), "{ended:?}");
    }

    #[test]
    fn a_number_asked_for_is_not_lowered() {
        let ended = limited_swarm("-n 1040", "--clients 501 --workers 2");
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains("1,040 descriptors allows 500 clients"), "{ended:?}");
    }

    #[test]
    fn a_limit_without_room_for_a_client() {
        let ended = limited_swarm("-n 40", "--workers 2");
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains("40 descriptors allows 0 clients"), "{ended:?}");
    }

    #[test]
    fn the_soft_limit_is_raised() {
        let ended = limited_swarm("-Sn 64", "--clients 100 --rounds 2 --workers 2");
        assert_done(&ended, 100, 2);
    }
}

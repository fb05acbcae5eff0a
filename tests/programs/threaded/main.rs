//! Programs that were written for threads, each as it is and with mco in std's place: see `build.rs`.
//!
//! Arguments: the program; `std`, or `mco` with a number of workers and `thread` or `coroutine`, in which it runs.

use std::env;

/// A program in both forms.
macro_rules! programs {
    ($($name:ident),*) => {
        $(
            mod $name {
                pub(crate) mod with_std {
                    include!(concat!(env!("OUT_DIR"), "/threaded/std/", stringify!($name), ".rs"));
                }
                pub(crate) mod with_mco {
                    include!(concat!(env!("OUT_DIR"), "/threaded/mco/", stringify!($name), ".rs"));
                }
            }
        )*

        fn program(name: &str, is_ported: bool) -> fn() -> std::io::Result<()> {
            match (name, is_ported) {
                $(
                    (stringify!($name), false) => $name::with_std::main,
                    (stringify!($name), true) => $name::with_mco::main,
                )*
                _ => panic!("there is no program `{name}`"),
            }
        }
    };
}

programs!(pipeline, server, threads);

fn main() -> std::io::Result<()> {
    let args: Vec<String> = env::args().collect();
    let args: Vec<&str> = args[1..].iter().map(String::as_str).collect();
    match args[..] {
        [name, "std"] => program(name, false)(),
        [name, "mco", workers, place] => {
            mco::config().set_workers(workers.parse().expect("a number"));
            let program = program(name, true);
            match place {
                "thread" => program(),
                "coroutine" => mco::spawn(program).join().expect("it does not panic"),
                _ => panic!("there is no place `{place}`"),
            }
        }
        _ => panic!("the arguments are the program, and with what it is to run"),
    }
}

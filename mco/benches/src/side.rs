//! A side's part in a session: it takes figures and says them, or it serves and says where.

use crate::row::{Row, Sides, Work};
use crate::runtimes::{Runtime, Setup};
use crate::system::cpu_time;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::exit;

/// Where servers listen.
pub(crate) const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Takes the figures and says them, or serves.
pub(crate) fn be_one(row: &Row, runtime: Runtime, setup: &Setup) {
    match row.work {
        Work::Alone(sides) => println!("value {}", side_of(runtime, sides)(setup)),
        Work::AloneThree(sides) => {
            println!("value {}", side_of(runtime, sides)(setup).map(|v| v.to_string()).join(" "));
        }
        Work::Served { sides, .. } => side_of(runtime, sides)(setup),
    }
    // Not by returning: sleepers that are left need not be woken.
    exit(0);
}

fn side_of<F: Copy>(runtime: Runtime, sides: Sides<F>) -> F {
    sides.iter().find(|side| side.0 == runtime).expect("this runtime has no part in this row").1
}

/// A server's part: says where it listens, and from then on how much processor time it has used, whenever asked.
pub(crate) fn announce(address: SocketAddr) {
    println!("listening {address}");
    std::thread::spawn(|| {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            println!("cpu {}", cpu_time().as_micros());
        }
        exit(0);
    });
}

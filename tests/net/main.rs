//! Sockets, and other descriptors.

mod faults;
mod io;
mod seed_echo;
mod sockets;
mod tcp;
mod udp;
mod unix;

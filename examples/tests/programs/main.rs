//! Runs the example programs as a user would, and reads what they print.

mod collatz;
mod echo;
mod echo_swarm;
mod program;

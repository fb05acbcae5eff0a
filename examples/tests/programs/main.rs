//! Runs the example programs as a user would, and reads what they print.

mod ask;
mod echo;
mod echo_swarm;
mod http_axum;
mod http_hyper;
mod postgres;
mod program;
mod tool;
mod without_tokio;

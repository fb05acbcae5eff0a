//! Runs the example programs as a user would, and reads what they print.

mod ask;
#[cfg(unix)]
mod chat;
mod collatz;
mod echo;
mod echo_swarm;
#[cfg(unix)]
mod http;
mod http_axum;
#[cfg(unix)]
mod http_hyper;
#[cfg(unix)]
mod http_tools;
#[cfg(unix)]
mod https;
#[cfg(unix)]
mod postgres;
mod program;
#[cfg(unix)]
mod proxy;
mod redis;
mod tool;
mod udp_echo;
mod web;
#[cfg(unix)]
mod websocket;
mod without_tokio;

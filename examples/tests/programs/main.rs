//! Runs the example programs as a user would, and reads what they print.

#[cfg(unix)]
mod chat;
mod echo;
mod echo_swarm;
#[cfg(unix)]
mod http;
#[cfg(unix)]
mod http_tools;
#[cfg(unix)]
mod https;
mod program;
#[cfg(unix)]
mod proxy;
mod redis;
mod udp_echo;
mod web;
#[cfg(unix)]
mod websocket;

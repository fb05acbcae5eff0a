//! Channels, and what waits for one of several.

mod channel;
mod cqueue;
mod dynamic_select;
mod go_channels;
mod go_select;
mod oneshot;
mod select;

//! Sleeps, timers, limits, and times of day.

mod calendar;
mod sleep;
mod timeout;
mod timers;

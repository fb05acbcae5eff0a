//! The text of a dump.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use super::deadlock::Deadlock;
use super::dump::Dump;
use super::model::{CoroutineInfo, Group, Section, State};
use super::names::{channel, name, what};
use crate::coroutine_id::CoroutineId;
use crate::task::Reason;

/// So many ids of a group are shown.
const IDS: usize = 8;
/// So many arms of a `select!` are shown.
const ARMS: usize = 16;
/// So many channels that coroutines of a group wait for are shown.
const CHANNELS: usize = 4;
/// So many cycles are shown, and so many links of one.
const CYCLES: usize = 16;
const LINKS: usize = 64;

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for deadlock in self.deadlocks.iter().take(CYCLES) {
            show_deadlock(f, deadlock)?;
        }
        if let more @ 1.. = self.deadlocks.len().saturating_sub(CYCLES) {
            writeln!(f, "and {} more deadlocks\n", number(more))?;
        }
        if self.runtimes.is_empty() {
            writeln!(f, "no runtime")?;
        }
        let now = Instant::now();
        for (index, section) in self.runtimes.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            show_section(f, section, now)?;
        }
        Ok(())
    }
}

fn show_deadlock(f: &mut fmt::Formatter<'_>, deadlock: &Deadlock) -> fmt::Result {
    let Deadlock { links, others } = deadlock;
    match links.as_slice() {
        [] => return Ok(()),
        [link] => writeln!(
            f,
            "deadlock: {} waits for {}, {} itself",
            link.who, link.waits, link.relation
        )?,
        [first, ..] => {
            writeln!(f, "deadlock: {} coroutines wait for each other", links.len())?;
            write!(f, "  {}", first.who)?;
            let shown = links.len().min(LINKS);
            for (index, link) in links[..shown].iter().enumerate() {
                let next = &links[(index + 1) % links.len()].who;
                if index > 0 {
                    write!(f, ",\n    which")?;
                }
                write!(f, " waits for {}, {} {next}", link.waits, link.relation)?;
            }
            if shown < links.len() {
                write!(f, ",\n    and so on, over {} more", number(links.len() - shown))?;
            }
            writeln!(f)?;
        }
    }
    if *others > 0 {
        let verb = if *others == 1 { "waits" } else { "wait" };
        writeln!(f, "  {} more {verb} for these", number(*others))?;
    }
    writeln!(f)
}

fn show_section(f: &mut fmt::Formatter<'_>, section: &Section, now: Instant) -> fmt::Result {
    let count = |state| section.coroutines.iter().filter(|info| info.state == state).count();
    let started = section.coroutines.len() - count(State::NotStarted);
    writeln!(
        f,
        "runtime `{}`, {} worker{}: {} coroutine{}: {} running, {} ready, {} blocked; {} not \
         started",
        section.name,
        section.workers,
        plural(section.workers),
        number(started),
        plural(started),
        number(count(State::Running)),
        number(count(State::Ready)),
        number(count(State::Blocked)),
        number(section.unstarted),
    )?;
    for remark in &section.remarks {
        writeln!(f, "  {remark}")?;
    }
    for group in &section.groups {
        writeln!(f)?;
        show_group(f, section, group, now)?;
    }
    Ok(())
}

fn show_group(
    f: &mut fmt::Formatter<'_>,
    section: &Section,
    group: &Group,
    now: Instant,
) -> fmt::Result {
    let members = || section.members(group);
    let first = members().next().expect("a group is not empty");
    match group.members.len() {
        1 => f.write_str(&name(first))?,
        many => {
            write!(f, "{} coroutines: ", number(many))?;
            for (index, info) in members().take(IDS).enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{}", info.id)?;
                if let Some(name) = &info.name {
                    write!(f, " `{name}`")?;
                }
            }
            if many > IDS {
                f.write_str(", ..")?;
            }
        }
    }
    match first.state {
        State::Running => f.write_str(" running")?,
        State::Ready => f.write_str(" ready to go on")?,
        State::NotStarted => f.write_str(" not started")?,
        State::Blocked => {
            let reason = first.wait_reason.unwrap_or(Reason::None);
            let verb = if group.members.len() == 1 { "waits" } else { "wait" };
            write!(f, " {verb} for {}{}", what(reason), ages(members(), now))?;
            let limits = members().filter_map(|info| info.until);
            if let Some(until) = limits.min() {
                let left = until.saturating_duration_since(now);
                f.write_str(&limit(left))?;
            }
            if let [other] = first.waits_for.as_slice()
                && members().all(|info| info.waits_for == first.waits_for)
            {
                write!(f, "; it is up to {}", name_of(section, *other))?;
            }
            if let Some(thread) = &first.held_by_thread
                && members().all(|info| info.held_by_thread == first.held_by_thread)
            {
                match thread.as_str() {
                    "" => f.write_str("; held by a thread outside")?,
                    thread => write!(f, "; held by the thread `{thread}`")?,
                }
            }
            if first.is_stuck {
                f.write_str("; stuck")?;
            }
        }
    }
    writeln!(f)?;
    if let Some(site) = first.wait_site {
        writeln!(f, "  waits at {site}")?;
    }
    for info in members().filter(|info| info.cancelled.is_some()).take(IDS) {
        let text = info.cancelled.as_deref().unwrap_or_default();
        match group.members.len() {
            1 => writeln!(f, "  {text}")?,
            _ => writeln!(f, "  {}: {text}", info.id)?,
        }
    }
    show_arms(f, section, group, now)?;
    show_channels(f, section, group)?;
    writeln!(f, "  spawned at {}", first.spawned_at)?;
    if let Some(backtrace) = &group.backtrace {
        if group.members.len() > 1 && !backtrace.lines.is_empty() {
            writeln!(f, "  backtrace of {}:", backtrace.of)?;
        }
        // Shorter, and as the compiler names them.
        let here = std::env::current_dir().ok();
        for line in &backtrace.lines {
            writeln!(f, "    {}", line.function)?;
            if let Some(file) = &line.file {
                let file =
                    here.as_ref().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
                writeln!(f, "        at {}{}", file.display(), line.place)?;
            }
        }
        if let Some(remark) = backtrace.remark {
            writeln!(f, "    ({remark})")?;
        }
    }
    Ok(())
}

/// What they wait for in a `select!`: each arm in the words for a wait of its own.
fn show_arms(
    f: &mut fmt::Formatter<'_>,
    section: &Section,
    group: &Group,
    now: Instant,
) -> fmt::Result {
    let members = || section.members(group);
    let Some(first) = members().next().filter(|first| !first.arms.is_empty()) else {
        return Ok(());
    };
    for (index, arm) in first.arms.iter().take(ARMS).enumerate() {
        f.write_str(if index == 0 { "  its arms: " } else { "; " })?;
        // Those of the others are of the same kinds.
        let others = || members().filter_map(|info| info.arms.get(index));
        let known = arm.waits_for.first().filter(|id| others().all(|o| o.waits_for == [**id]));
        let whom = known.map(|id| name_of(section, *id));
        match (arm.is_child, whom) {
            (true, Some(child)) => write!(f, "an expression, which {child} runs")?,
            (true, None) => f.write_str("an expression, which another coroutine runs")?,
            (false, Some(other)) if arm.wait_reason == Reason::Join => {
                write!(f, "the end of {other}")?;
            }
            (false, _) => f.write_str(what(arm.wait_reason))?,
        }
        if let Some(until) = others().filter_map(|arm| arm.until).min() {
            f.write_str(&limit(until.saturating_duration_since(now)))?;
        }
    }
    if let more @ 1.. = first.arms.len().saturating_sub(ARMS) {
        write!(f, "; and {} more", number(more))?;
    }
    writeln!(f)
}

/// The channels for which they wait, each once.
fn show_channels(f: &mut fmt::Formatter<'_>, section: &Section, group: &Group) -> fmt::Result {
    let name = |id| name_of(section, id);
    let mut shown = Vec::new();
    let mut more = false;
    for info in section.members(group) {
        let own = info.other_end.as_ref().map(|end| (info.wait_reason, info.object, end, None));
        let arms = info.arms.iter().zip(1..).filter_map(|(arm, number)| {
            let end = arm.other_end.as_ref()?;
            Some((Some(arm.wait_reason), arm.object, end, Some(number)))
        });
        for (reason, object, end, arm) in own.into_iter().chain(arms) {
            if shown.contains(&object) {
                continue;
            }
            if shown.len() == CHANNELS {
                more = true;
                continue;
            }
            shown.push(object);
            f.write_str("  ")?;
            if let Some(arm) = arm {
                write!(f, "arm {arm}: ")?;
            }
            writeln!(f, "{}", channel(reason.unwrap_or(Reason::None), end, name))?;
        }
    }
    if more {
        writeln!(f, "  and other channels")?;
    }
    Ok(())
}

/// A coroutine of which the id is known.
fn name_of(section: &Section, id: CoroutineId) -> String {
    let found = section.coroutines.binary_search_by_key(&id, |info| info.id);
    found.map_or_else(|_| format!("coroutine {id}"), |index| name(&section.coroutines[index]))
}

/// For how long they have been waiting: the shortest and the longest time.
fn ages<'a>(members: impl Iterator<Item = &'a CoroutineInfo>, now: Instant) -> String {
    let ages: Vec<Duration> = members
        .filter_map(|info| info.since)
        .map(|since| now.saturating_duration_since(since))
        .collect();
    let (Some(least), Some(most)) = (ages.iter().min(), ages.iter().max()) else {
        return String::new();
    };
    let (least, most) = (span(*least), span(*most));
    if least == most { format!(" for {most}") } else { format!(" for {least} to {most}") }
}

/// For how long it will go on waiting, at most.
fn limit(left: Duration) -> String {
    // What is left of less than a tick of the clock is not known.
    if left < Duration::from_millis(10) {
        ", which ends about now".to_owned()
    } else {
        format!(", for {} more at most", span(left))
    }
}

/// A time, as exactly as it is known.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis() / 10 * 10),
        1..60 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number with commas.
fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        let _ = text.write_char(digit);
    }
    text
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_times_have_units() {
        assert_eq!(number(7), "7");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(span(Duration::from_millis(128)), "120 ms");
        assert_eq!(span(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(span(Duration::from_secs(61)), "1 min 1 s");
        assert_eq!(span(Duration::from_secs(7260)), "2 h 1 min");
    }
}

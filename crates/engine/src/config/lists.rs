//! Directives with a syntax of their own: save points, output limits, addresses, percentiles, classes of events,
//! the primary.
//!
//! For each: show (CONFIG GET), set, and the lines of a configuration file. Words from outside are written
//! so that none can end its line.

use slipstream_resp::number::parse_f64;

use super::directive::{Line, Mode, Need};
use super::kind::{WRONG_NUMBER, parse_memory};
use super::text;
use super::values::{ClassLimits, Config, OutputLimit, SavePoint, Upstream};

const MAX_ADDRESSES: usize = 16;

/// `save`: pairs of seconds and changes; the empty text for none.
pub(super) mod save {
    use super::*;

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        join(config.save.iter().map(|point| format!("{} {}", point.seconds, point.changes)))
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], mode: Mode) -> Result<(), String> {
        let none = matches!(args, [b""]);
        if mode == Mode::Replace || none {
            config.save.clear();
        }
        if none {
            return Ok(());
        }
        let (pairs, rest) = args.as_chunks::<2>();
        let point = |[seconds, changes]: &[&[u8]; 2]| {
            let seconds = unsigned(seconds).filter(|seconds| *seconds >= 1)?;
            Some(SavePoint { seconds, changes: unsigned(changes)? })
        };
        let points: Option<Vec<_>> = pairs.iter().map(point).collect();
        match points {
            Some(points) if rest.is_empty() => config.save.extend(points),
            _ => return Err("Invalid save parameters".to_owned()),
        }
        Ok(())
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let need = if config.save == Config::default().save { Need::WithOthers } else { Need::Yes };
        if config.save.is_empty() {
            return vec![Line { value: b"\"\"".to_vec(), need }];
        }
        let line = |point: &SavePoint| {
            let value = format!("{} {}", point.seconds, point.changes).into_bytes();
            Line { value, need }
        };
        config.save.iter().map(line).collect()
    }
}

/// `client-output-buffer-limit`: class, hard limit, soft limit, seconds, for one or more classes.
pub(super) mod output_limits {
    use super::*;

    type Class = (&'static str, fn(&mut ClassLimits) -> &mut OutputLimit);

    /// By the names that CONFIG GET shows.
    const CLASSES: [Class; 3] = [
        ("normal", |limits| &mut limits.normal),
        ("slave", |limits| &mut limits.replica),
        ("pubsub", |limits| &mut limits.pubsub),
    ];

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        let mut limits = config.client_output_buffer_limit;
        join(CLASSES.iter().map(|(name, class)| {
            let OutputLimit { hard, soft, soft_seconds } = *class(&mut limits);
            format!("{name} {hard} {soft} {soft_seconds}")
        }))
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], _: Mode) -> Result<(), String> {
        let (groups, rest) = args.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for [name, hard, soft, seconds] in groups {
            let class = class(name).ok_or("Invalid client class specified in buffer limit configuration.")?;
            let limit = limit(hard, soft, seconds)
                .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
            *class(&mut config.client_output_buffer_limit) = limit;
        }
        Ok(())
    }

    fn class(name: &[u8]) -> Option<fn(&mut ClassLimits) -> &mut OutputLimit> {
        let name = name.to_ascii_lowercase();
        let name = if name == b"replica" { b"slave" } else { name.as_slice() };
        CLASSES.iter().find(|(own, _)| own.as_bytes() == name).map(|(_, class)| *class)
    }

    fn limit(hard: &[u8], soft: &[u8], seconds: &[u8]) -> Option<OutputLimit> {
        let memory = |arg| parse_memory(arg).and_then(|bytes| u64::try_from(bytes).ok());
        Some(OutputLimit { hard: memory(hard)?, soft: memory(soft)?, soft_seconds: unsigned(seconds)? })
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let mut limits = config.client_output_buffer_limit;
        let mut defaults = Config::default().client_output_buffer_limit;
        let line = |(name, class): &Class| {
            let limit = *class(&mut limits);
            let name = if *name == "slave" { "replica" } else { name };
            let (hard, soft) = (text::memory(limit.hard.into()), text::memory(limit.soft.into()));
            let value = format!("{name} {hard} {soft} {}", limit.soft_seconds).into_bytes();
            Line { value, need: Need::unless(limit == *class(&mut defaults)) }
        };
        CLASSES.iter().map(line).collect()
    }
}

/// `bind`: addresses; the empty text for none.
pub(super) mod bind {
    use super::*;

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        join(config.bind.iter().cloned())
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], _: Mode) -> Result<(), String> {
        if args.len() > MAX_ADDRESSES {
            return Err("Too many bind addresses specified.".to_owned());
        }
        let args = if matches!(args, [b""]) { &[] } else { args };
        let addresses: Option<Vec<_>> = args.iter().map(|arg| utf8(arg)).collect();
        let addresses = addresses.ok_or("argument must be UTF-8")?;
        if addresses.iter().any(|address| address.contains(char::is_whitespace)) {
            return Err("Failed to bind to specified addresses.".to_owned());
        }
        config.bind = addresses;
        Ok(())
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let need = Need::unless(config.bind == Config::default().bind);
        let words: Vec<_> = config.bind.iter().map(|address| text::word(address.as_bytes())).collect();
        let value = if words.is_empty() { b"\"\"".to_vec() } else { words.join(b" ".as_slice()) };
        vec![Line { value, need }]
    }
}

/// `replicaof`: host and port, or `no one`.
pub(super) mod replicaof {
    use super::*;

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        config
            .replicaof
            .as_ref()
            .map(|primary| format!("{} {}", primary.host, primary.port))
            .unwrap_or_default()
            .into()
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], _: Mode) -> Result<(), String> {
        let [host, port] = args else { return Err(WRONG_NUMBER.to_owned()) };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            config.replicaof = None;
            return Ok(());
        }
        let port = unsigned(port).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
        let host = utf8(host).ok_or("argument must be UTF-8")?;
        config.replicaof = Some(Upstream { host, port });
        Ok(())
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let line = |primary: &Upstream| {
            let port = primary.port.to_string();
            let value = [text::word(primary.host.as_bytes()), port.into_bytes()].join(b" ".as_slice());
            Line { value, need: Need::Yes }
        };
        config.replicaof.iter().map(line).collect()
    }
}

/// `latency-tracking-info-percentiles`: numbers from 0 to 100; the empty text for none.
pub(super) mod percentiles {
    use super::*;

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        join(config.latency_tracking_info_percentiles.iter().map(|percentile| {
            let digits = format!("{percentile:.6}");
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        }))
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], _: Mode) -> Result<(), String> {
        let args = if matches!(args, [b""]) { &[] } else { args };
        let mut percentiles = Vec::with_capacity(args.len());
        for arg in args {
            let percentile = parse_f64(arg).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&percentile) {
                return Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into()
                );
            }
            percentiles.push(percentile);
        }
        config.latency_tracking_info_percentiles = percentiles;
        Ok(())
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let shown = show(config);
        let need = Need::unless(shown == show(&Config::default()));
        vec![Line { value: if shown.is_empty() { b"\"\"".to_vec() } else { shown }, need }]
    }
}

/// `notify-keyspace-events`: letters of classes.
pub(super) mod events {
    use super::*;
    use crate::event::class;

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        class::show(config.notify_keyspace_events).into_bytes()
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], _: Mode) -> Result<(), String> {
        let letters = match args {
            // The empty text is no word.
            [] => &b""[..],
            [letters] => letters,
            _ => return Err(WRONG_NUMBER.to_owned()),
        };
        let classes = std::str::from_utf8(letters).ok().and_then(class::parse);
        config.notify_keyspace_events =
            classes.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let shown = show(config);
        let need = Need::unless(shown.is_empty());
        vec![Line { value: if shown.is_empty() { b"\"\"".to_vec() } else { shown }, need }]
    }
}

/// `oom-score-adj-values`: three scores.
pub(super) mod oom_scores {
    use super::*;

    pub(in crate::config) fn show(config: &Config) -> Vec<u8> {
        join(config.oom_score_adj_values.iter().map(i32::to_string))
    }

    pub(in crate::config) fn set(config: &mut Config, args: &[&[u8]], _: Mode) -> Result<(), String> {
        let args: [&[u8]; 3] = args.try_into().map_err(|_| WRONG_NUMBER)?;
        let score = |arg: &[u8]| utf8(arg)?.parse().ok().filter(|score| (-2000..=2000).contains(score));
        let scores: Vec<i32> = args.into_iter().filter_map(score).collect();
        let refused = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        config.oom_score_adj_values = scores.try_into().map_err(|_| refused)?;
        Ok(())
    }

    pub(in crate::config) fn lines(config: &Config) -> Vec<Line> {
        let is_default = config.oom_score_adj_values == Config::default().oom_score_adj_values;
        vec![Line { value: show(config), need: Need::unless(is_default) }]
    }
}

fn join(words: impl Iterator<Item = String>) -> Vec<u8> {
    words.collect::<Vec<_>>().join(" ").into_bytes()
}

/// As C reads it: leading zeros and a plus sign pass.
fn unsigned(arg: &[u8]) -> Option<u64> {
    utf8(arg)?.parse().ok()
}

fn utf8(arg: &[u8]) -> Option<String> {
    String::from_utf8(arg.to_vec()).ok()
}

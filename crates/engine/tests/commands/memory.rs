//! Memory limits: who is refused, which keys make room, and what replicas are told.

use slipstream_engine::config::{Config, EvictionPolicy};

use crate::script::Script;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

/// A node with a limit of 1000 bytes, of which none are used.
fn limited(policy: EvictionPolicy) -> Script {
    let mut config = Config::default();
    config.maxmemory = 1000;
    config.maxmemory_policy = policy;
    Script::with_config(config)
}

/// Makes data take so many bytes. What the log takes comes on top and does not count, nor does what keys left.
fn fill(script: &mut Script, bytes: usize) {
    let log = script.node.core.log.memory();
    script.set_memory(log + script.node.keyspace.vacant_bytes() + bytes);
}

/// Evicts one key: the estimate of any key is above a byte.
fn evict_one(script: &mut Script) -> String {
    fill(script, 1001);
    script.node.core.config.maxmemory_samples = 1000;
    script.ask("PING");
    fill(script, 0);
    script.propagated()
}

#[test]
fn commands_that_need_memory_are_refused_when_there_is_none() {
    let mut script = limited(EvictionPolicy::NoEviction);
    script.check_write("SET a 1", "+OK");
    fill(&mut script, 1001);
    for request in ["SET b 1", "RPUSH l a", "HSET h f v", "INCR a", "SETRANGE a 5 x", "RESTORE x 0 y"] {
        script.check_read(request, OOM);
    }
    script.check_read("GET a", "1");
    script.check_read("PING", "+PONG");
    script.check_write("DEL a", ":1");
    fill(&mut script, 1000);
    script.check_write("SET b 1", "+OK");
    assert!(script.ask("INFO errorstats").contains("errorstat_OOM:count=6"));
}

#[test]
fn a_queue_takes_no_more_commands_without_memory() {
    let mut script = limited(EvictionPolicy::NoEviction);
    script.check_read("MULTI", "+OK");
    fill(&mut script, 1001);
    script.check_read("GET a", OOM);
    script.check_read("EXEC", "-EXECABORT Transaction discarded because of previous errors.");
    script.check_read("MULTI", "+OK");
    script.check_read("SET a 1", OOM);
    script.check_read("DISCARD", "+OK");
}

#[test]
fn exec_is_refused_as_a_whole_if_a_queued_command_needs_memory() {
    let mut script = limited(EvictionPolicy::NoEviction);
    script.check_read("MULTI", "+OK");
    script.check_read("SET a 1", "+QUEUED");
    fill(&mut script, 1001);
    script.check_read(
        "EXEC",
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.",
    );
    fill(&mut script, 0);
    script.check_read("MULTI", "+OK");
    script.check_read("GET a", "+QUEUED");
    fill(&mut script, 1001);
    script.check_read("EXEC", "[$-1]");
}

#[test]
fn what_is_evicted_is_deleted_everywhere() {
    let mut script = limited(EvictionPolicy::AllKeysRandom);
    script.check_write("SET a 1", "+OK");
    assert_eq!(evict_one(&mut script), "DEL a");
    assert!(!script.has("a"));
    script.ask("CONFIG SET lazyfree-lazy-eviction yes");
    script.check_write("SET a 1", "+OK");
    assert_eq!(evict_one(&mut script), "UNLINK a");
    assert!(script.ask("INFO stats").contains("evicted_keys:2"));
}

#[test]
fn lazyfree_chooses_the_word_by_which_replicas_learn_of_a_removal() {
    let mut script = Script::new();
    for (lazy, word) in [("no", "DEL"), ("yes", "UNLINK")] {
        script.ask(&format!("CONFIG SET lazyfree-lazy-server-del {lazy} lazyfree-lazy-expire {lazy}"));
        for removal in ["SPOP s 5", "EXPIRE s -1"] {
            script.ask("SADD s a");
            script.propagated();
            script.ask(removal);
            assert_eq!(script.propagated(), format!("{word} s"), "{removal}");
        }
        script.ask("SET a 1 PX 5");
        script.propagated();
        script.advance(10);
        script.check("GET a", "$-1", &format!("{word} a"));
    }
}

#[test]
fn a_command_is_refused_once_no_key_is_left_that_may_go() {
    let mut script = limited(EvictionPolicy::VolatileLru);
    script.ask("SET a 1");
    script.ask("SET b 1 PX 100000");
    script.propagated();
    fill(&mut script, 1_000_000);
    script.check("SET c 1", OOM, "DEL b");
    script.check_read("GET a", "1");
    script.node.core.config.maxmemory_policy = EvictionPolicy::AllKeysLru;
    script.check("SET c 1", OOM, "DEL a");
}

#[test]
fn the_nearest_to_its_end_goes_first() {
    let mut script = limited(EvictionPolicy::VolatileTtl);
    script.ask("SET forever 1");
    for seconds in [40, 10, 30, 20] {
        script.ask(&format!("SET in{seconds} 1 EX {seconds}"));
    }
    script.propagated();
    for expected in ["DEL in10", "DEL in20", "DEL in30", "DEL in40", ""] {
        assert_eq!(evict_one(&mut script), expected);
    }
}

#[test]
fn the_idle_go_first() {
    let mut script = limited(EvictionPolicy::AllKeysLru);
    for key in ["a", "b", "c"] {
        script.ask(&format!("SET {key} 1"));
        script.advance(10_000);
    }
    script.ask("GET a");
    // Looking at a key's state is no use of it.
    script.ask("OBJECT IDLETIME b");
    script.ask("TTL b");
    script.propagated();
    for expected in ["DEL b", "DEL c", "DEL a"] {
        assert_eq!(evict_one(&mut script), expected);
    }
}

#[test]
fn samples_find_the_idle_statistically() {
    let mut script = limited(EvictionPolicy::AllKeysLru);
    script.node.core.log.deactivate(&mut fastrand::Rng::with_seed(1));
    for index in 0..500 {
        script.ask(&format!("SET idle{index} 1"));
    }
    script.advance(100_000);
    for index in 0..500 {
        script.ask(&format!("SET busy{index} 1"));
    }
    for _ in 0..400 {
        fill(&mut script, 1001);
        script.ask("PING");
    }
    let left = |prefix: &str| (0..500).filter(|index| script.has(&format!("{prefix}{index}"))).count();
    assert_eq!(left("busy") + left("idle"), 600);
    assert!(left("busy") > 490, "{}", left("busy"));
}

#[test]
fn what_is_used_often_stays() {
    let mut script = limited(EvictionPolicy::AllKeysLfu);
    for key in ["hot", "cold", "warm"] {
        script.ask(&format!("SET {key} 1"));
    }
    (0..300).for_each(|_| drop(script.ask("GET hot")));
    (0..30).for_each(|_| drop(script.ask("GET warm")));
    script.propagated();
    for expected in ["DEL cold", "DEL warm", "DEL hot"] {
        assert_eq!(evict_one(&mut script), expected);
    }
}

#[test]
fn all_databases_give() {
    for policy in [EvictionPolicy::AllKeysRandom, EvictionPolicy::AllKeysLru] {
        let mut script = limited(policy);
        script.ask("SET a 1");
        script.ask("SELECT 3");
        script.ask("SET b 1");
        fill(&mut script, 1_000_000);
        script.ask("PING");
        assert!(script.node.keyspace.db(0).is_empty() && script.node.keyspace.db(3).is_empty());
    }
}

#[test]
fn an_evicted_key_breaks_its_watch() {
    let mut script = limited(EvictionPolicy::AllKeysLru);
    script.ask("SET a 1");
    script.ask("WATCH a");
    script.ask("MULTI");
    script.ask("PING");
    script.propagated();
    fill(&mut script, 1001);
    assert_eq!(script.ask("EXEC"), "*-1");
}

#[test]
fn making_room_goes_on_between_commands() {
    let mut script = limited(EvictionPolicy::AllKeysLru);
    for index in 0..100 {
        script.ask(&format!("SET {index} 1"));
    }
    script.ask("CONFIG SET maxmemory-eviction-tenacity 0");
    fill(&mut script, 1_000_000);
    script.ask("PING");
    assert_eq!(script.node.keyspace.db(0).len(), 100 - 16);
    assert_eq!(script.node.time_left(), std::time::Duration::ZERO);
    script.advance(20);
    script.node.tick();
    assert_eq!(script.node.keyspace.db(0).len(), 100 - 32);
    assert!(script.ask("INFO stats").contains("current_eviction_exceeded_time:20"));
    fill(&mut script, 1000);
    script.node.tick();
    assert!(script.node.time_left() > std::time::Duration::ZERO);
    let info = script.ask("INFO stats");
    assert!(info.contains("current_eviction_exceeded_time:0"), "{info}");
    assert!(info.contains("total_eviction_exceeded_time:20"), "{info}");
}

#[test]
fn a_lower_limit_counts_at_once() {
    let mut script = Script::new();
    script.ask("SET a 1");
    fill(&mut script, 1_000_000);
    script.ask("CONFIG SET maxmemory-policy allkeys-lru maxmemory 1000");
    script.node.tick();
    assert_eq!(script.propagated(), "SET a 1; DEL a");
    script.ask("CONFIG SET maxmemory 0");
    script.check_write("SET a 1", "+OK");
}

#[test]
fn a_pause_keeps_keys() {
    let mut script = limited(EvictionPolicy::AllKeysLru);
    script.ask("SET a 1");
    script.ask("CLIENT PAUSE 1000 WRITE");
    script.propagated();
    fill(&mut script, 1001);
    script.check_read("GET a", "1");
}

#[test]
fn the_log_does_not_count() {
    let mut script = limited(EvictionPolicy::NoEviction);
    script.ask(&format!("SET a {}", "x".repeat(5000)));
    assert!(script.node.core.log.held() > 5000);
    fill(&mut script, 1000);
    assert_eq!(script.ask("SETRANGE a 0 y"), ":5000");
    fill(&mut script, 1001);
    assert_eq!(script.ask("SETRANGE a 0 y"), OOM);
}

#[test]
fn frequency_and_idleness_are_told_where_they_are_recorded() {
    let mut script = Script::new();
    script.ask("SET a 1");
    script.propagated();
    let not_lfu = script.ask("OBJECT FREQ a");
    assert!(not_lfu.starts_with("-ERR An LFU maxmemory policy is not selected"), "{not_lfu}");
    script.check_read("OBJECT IDLETIME a", ":0");
    script.ask("CONFIG SET maxmemory-policy allkeys-lfu");
    script.check_write("SET b 1", "+OK");
    script.check_read("OBJECT FREQ b", ":5");
    let not_lru = script.ask("OBJECT IDLETIME b");
    assert!(
        not_lru.starts_with("-ERR An LFU maxmemory policy is selected, idle time not tracked"),
        "{not_lru}"
    );
    script.check_read("OBJECT FREQ none", "$-1");
    (0..20).for_each(|_| drop(script.ask("GET b")));
    let counted = script.ask("OBJECT FREQ b");
    assert!(counted.as_str() > ":5" && counted.len() == 2, "{counted}");
    // A new value keeps the count of its key.
    script.check_write("SET b 2", "+OK");
    assert!(script.ask("OBJECT FREQ b") >= counted);
    script.ask("CLIENT NO-TOUCH ON");
    let before = script.ask("OBJECT FREQ b");
    (0..50).for_each(|_| drop(script.ask("GET b")));
    script.check_read("OBJECT FREQ b", &before);
}

#[test]
fn restore_takes_over_how_a_key_was_used() {
    let mut script = Script::new();
    script.ask("SET a 1");
    let payload = slipstream_rdb::dump(
        &script.node.keyspace.db(0).peek(b"a", slipstream_keyspace::UnixMillis(0)).unwrap(),
        true,
    );
    let client = script.client();
    let restore = |script: &mut Script, key: &str, option: &str, value: &str| {
        let words: [&[u8]; 6] =
            [b"RESTORE", key.as_bytes(), b"0", &payload, option.as_bytes(), value.as_bytes()];
        assert_eq!(script.ask_words(client, &words), "+OK");
    };
    restore(&mut script, "idle", "IDLETIME", "1000");
    assert_eq!(script.ask("OBJECT IDLETIME idle"), ":1000");
    restore(&mut script, "freq", "FREQ", "77");
    assert_eq!(script.ask("OBJECT IDLETIME freq"), ":0");
    script.ask("CONFIG SET maxmemory-policy volatile-lfu");
    restore(&mut script, "freq2", "FREQ", "77");
    assert_eq!(script.ask("OBJECT FREQ freq2"), ":77");
}

#[test]
fn info_memory_tells_the_limit_and_what_it_does_not_count() {
    let mut script = limited(EvictionPolicy::VolatileTtl);
    script.ask("SET a 1");
    script.propagated();
    fill(&mut script, 500);
    let log = script.node.core.log.memory();
    let info = script.ask("INFO memory");
    for field in [
        "maxmemory:1000".to_owned(),
        "maxmemory_policy:volatile-ttl".to_owned(),
        format!("mem_not_counted_for_evict:{log}"),
        format!("used_memory:{}", log + 500),
        format!("allocator_allocated:{}", log + 500),
        "active_defrag_running:0".to_owned(),
        "lazyfree_pending_objects:0".to_owned(),
        "number_of_cached_scripts:0".to_owned(),
    ] {
        assert!(info.contains(&field), "{field} in {info}");
    }
    // What this host's allocator does not tell is left out.
    assert!(!info.contains("allocator_active") && !info.contains("allocator_frag_ratio"), "{info}");
    script.check_read("MEMORY PURGE", "+OK");
    script.check_read("MEMORY MALLOC-STATS", "\"Stats not supported for the current allocator\"");
    script.check_read("CONFIG SET activedefrag no", "+OK");
    let refused = script.ask("CONFIG SET activedefrag yes");
    assert!(refused.contains("compact themselves"), "{refused}");
}

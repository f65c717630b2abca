//! A server as sentinels see it: a role, an offset, and answers to what they ask.

use slipstream_resp::{Reply, Value};

/// How a server refuses what a user may not run.
pub(super) const NOPERM: &str = "NOPERM this user has no permissions to run it";

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) port: u16,
    pub(super) is_alive: bool,
    pub(super) run_id: String,
    /// Whom it follows.
    pub(super) follows: Option<u16>,
    pub(super) offset: u64,
    pub(super) history: String,
    pub(super) history_before: String,
    pub(super) priority: u32,
    pub(super) zone: String,
    pub(super) min_replicas_to_ack: u32,
    /// Whether it waits for a replica to take its place, or guards its data from its primary; until it is told whom to
    /// follow.
    pub(super) is_empty: bool,
    /// A primary that may lack writes which its replicas have: it waits for one of them to take its place.
    pub(super) is_short: bool,
    /// For how long it still waits, in seconds.
    pub(super) wait_left: u64,
    /// Until then it loads its data, and does not know whether it lacks any.
    pub(super) loading_until: u64,
    /// Whether its writes wait, as a primary, to hear what it is.
    pub(super) is_returning: bool,
    /// Whether it serves nobody, PING included, until it is told whom to follow.
    pub(super) is_waiting: bool,
    pub(super) is_ours: bool,
    /// Commands that are refused there, and how.
    pub(super) refuses: Vec<(&'static str, &'static str)>,
    /// By what name it follows its primary.
    pub(super) calls_it: String,
    /// Its stream stands still until then, and nobody notices.
    pub(super) stands_until: u64,
    /// `sentinel-fencing`.
    pub(super) is_fencing: bool,
    /// It keeps away from its primary until then.
    pub(super) detached_until: u64,
    /// A full sync takes until then.
    pub(super) syncs_until: u64,
    /// How it refuses REPLICA DETACH.
    pub(super) detach_refusal: &'static str,
    /// Where its history begins to be its own.
    pub(super) fork: u64,
    /// Hellos that came before any lease since it was started.
    pub(super) strange_hellos: u32,
    /// How it refuses REPLICA LEASE.
    pub(super) lease_refusal: &'static str,
    /// How often it was asked for INFO.
    pub(super) questions: u32,
    /// REPLICA LEASE, as they came.
    pub(super) leases: Vec<String>,
    pub(super) uptime_from: u64,
    /// Writes wait until then.
    pub(super) paused_until: u64,
    /// Whether its stream from above flows.
    pub(super) is_linked: bool,
    /// When it did last.
    pub(super) linked_at: u64,
    /// Whether it was up since the process began.
    pub(super) was_linked: bool,
    /// Times that it was told to follow somebody, or nobody.
    pub(super) orders: Vec<String>,
    /// What EXEC will do; `None` in it if that will be refused.
    transaction: Option<Option<Vec<Vec<String>>>>,
}

impl Model {
    pub(super) fn new(port: u16, follows: Option<u16>) -> Model {
        Model {
            port,
            is_alive: true,
            run_id: format!("{port:040}"),
            follows,
            offset: 100,
            history: "h1".into(),
            history_before: "0".into(),
            priority: 100,
            zone: String::new(),
            min_replicas_to_ack: 0,
            is_empty: false,
            is_short: false,
            wait_left: 9,
            loading_until: 0,
            is_returning: false,
            is_waiting: false,
            is_ours: false,
            refuses: Vec::new(),
            calls_it: "127.0.0.1".into(),
            stands_until: 0,
            is_fencing: false,
            detached_until: 0,
            syncs_until: 0,
            detach_refusal: "",
            fork: 0,
            strange_hellos: 0,
            lease_refusal: "",
            questions: 0,
            leases: Vec::new(),
            uptime_from: 0,
            paused_until: 0,
            is_linked: true,
            linked_at: 0,
            was_linked: true,
            orders: Vec::new(),
            transaction: None,
        }
    }

    /// Answers one request; what it publishes to its subscribers comes back beside.
    pub(super) fn answer(
        &mut self,
        now: u64,
        words: &[String],
        replicas: &[Model],
        out: &mut Reply,
    ) -> Option<String> {
        let loads = now < self.loading_until && words[0] == "SLAVEOF";
        let refusal = loads.then_some("LOADING it is loading").or_else(|| self.refusal(words));
        if let Some(reason) = refusal {
            match &mut self.transaction {
                Some(_) if words[0] == "EXEC" => {
                    self.transaction = None;
                    out.error(&format!("EXECABORT Transaction discarded because of: {reason}"));
                }
                Some(queue) => {
                    *queue = None;
                    out.error(reason);
                }
                None => out.error(reason),
            }
            return None;
        }
        if words[0] == "EXEC" {
            self.execute(now, replicas, out);
            return None;
        }
        if let Some(queue) = &mut self.transaction {
            queue.iter_mut().for_each(|queue| queue.push(words.to_vec()));
            out.simple("QUEUED");
            return None;
        }
        self.run(now, words, replicas, out)
    }

    fn refusal(&self, words: &[String]) -> Option<&'static str> {
        let request = words.join(" ");
        let mut refused = self.refuses.iter();
        refused.find(|(name, _)| request.starts_with(name)).map(|(_, reason)| *reason)
    }

    pub(super) fn refuses(&self, words: &[String]) -> bool {
        self.refusal(words).is_some()
    }

    fn execute(&mut self, now: u64, replicas: &[Model], out: &mut Reply) {
        match self.transaction.take() {
            None => out.error("ERR EXEC without MULTI"),
            Some(None) => out.error("EXECABORT Transaction discarded because of previous errors."),
            Some(Some(queue)) => {
                out.array(queue.len());
                for words in queue {
                    self.run(now, &words, replicas, out);
                }
            }
        }
    }

    fn run(&mut self, now: u64, words: &[String], replicas: &[Model], out: &mut Reply) -> Option<String> {
        match words[0].as_str() {
            "PING" if self.is_waiting => out.error("NOREPLICAS it waits for one to take its place"),
            "PING" if now < self.loading_until => out.error("LOADING it is loading"),
            "PING" if self.is_short => out.error("NODATA it waits for one to take its place"),
            "PING" => out.simple("PONG"),
            "INFO" => {
                self.questions += 1;
                out.bulk(self.info(now, replicas).as_bytes());
            }
            "ROLE" => self.role(replicas, out),
            "REPLICA" if words[1] == "DETACH" && self.follows.is_none() => {
                out.error("ERR this node follows no primary");
            }
            "REPLICA" if words[1] == "DETACH" && !self.detach_refusal.is_empty() => {
                out.error(self.detach_refusal);
            }
            "REPLICA" if words[1] == "DETACH" => {
                self.detached_until = now + words[2].parse::<u64>().unwrap();
                self.is_linked &= self.detached_until <= now;
                out.ok();
            }
            "REPLICA" => {
                self.leases.push(words.join(" "));
                if !self.lease_refusal.is_empty() {
                    out.error(self.lease_refusal);
                    return None;
                }
                out.integer(7 + i64::try_from(self.leases.len()).unwrap());
            }
            "MULTI" => {
                self.transaction = Some(Some(Vec::new()));
                out.ok();
            }
            "SLAVEOF" => {
                self.follow(&words[1], &words[2], replicas);
                out.ok();
            }
            "CLIENT" if words[1] == "PAUSE" => {
                self.paused_until = now + words[2].parse::<u64>().unwrap();
                out.ok();
            }
            "CLIENT" if words[1] == "UNPAUSE" => {
                self.paused_until = 0;
                out.ok();
            }
            "PUBLISH" => {
                self.strange_hellos += u32::from(self.leases.is_empty());
                out.integer(1);
                return Some(words[2].clone());
            }
            _ => out.ok(),
        }
        None
    }

    pub(super) fn follow(&mut self, host: &str, port: &str, others: &[Model]) {
        self.orders.push(format!("{host} {port}"));
        (self.is_waiting, self.is_empty, self.is_short) = (false, false, false);
        self.detached_until = 0;
        if host == "NO" {
            if self.follows.take().is_some() {
                self.history_before = std::mem::replace(&mut self.history, format!("h{}", self.port));
                self.fork = self.offset + 1;
            }
            return;
        }
        let port = port.parse().unwrap();
        self.follows = Some(port);
        host.clone_into(&mut self.calls_it);
        if let Some(primary) = others.iter().find(|other| other.port == port) {
            self.history.clone_from(&primary.history);
        }
    }

    fn role(&self, replicas: &[Model], out: &mut Reply) {
        if let Some(port) = self.follows {
            out.array(5);
            out.bulk(b"slave");
            out.bulk(self.calls_it.as_bytes());
            out.integer(port.into());
            out.bulk(if self.is_linked { b"connected" } else { b"connect" });
            out.integer(self.offset.cast_signed());
            return;
        }
        out.array(3);
        out.bulk(b"master");
        out.integer(self.offset.cast_signed());
        let mine: Vec<&Model> = self.served(replicas);
        out.array(mine.len());
        for replica in mine {
            out.array(3);
            out.bulk(b"127.0.0.1");
            out.bulk(replica.port.to_string().as_bytes());
            out.bulk(replica.offset.to_string().as_bytes());
        }
    }

    fn served<'a>(&self, others: &'a [Model]) -> Vec<&'a Model> {
        others
            .iter()
            .filter(|other| other.is_alive && other.follows == Some(self.port) && other.is_linked)
            .collect()
    }

    fn info(&self, now: u64, others: &[Model]) -> String {
        let mut text =
            format!("run_id:{}\r\nuptime_in_seconds:{}\r\n", self.run_id, (now - self.uptime_from) / 1000);
        match self.follows {
            None => {
                text += "role:master\r\n";
                for (index, replica) in self.served(others).iter().enumerate() {
                    text += &format!("slave{index}:ip=127.0.0.1,port={},state=online\r\n", replica.port);
                }
            }
            Some(port) => {
                let status = if self.is_linked { "up" } else { "down" };
                if !self.is_linked {
                    let seconds = now.saturating_sub(self.linked_at) / 1000;
                    text += &format!("master_link_down_since_seconds:{seconds}\r\n");
                }
                if self.is_ours {
                    text += &format!("master_link_was_up:{}\r\n", u8::from(self.was_linked));
                }
                text += &format!(
                    "role:slave\r\nmaster_host:{}\r\nmaster_port:{port}\r\nmaster_link_status:{status}\r\nslave_repl_offset:{}\r\nslave_priority:{}\r\n",
                    self.calls_it, self.offset, self.priority
                );
            }
        }
        text += &format!(
            "master_repl_offset:{}\r\nmaster_replid:{}\r\nmaster_replid2:{}\r\nsecond_repl_offset:{}\r\nreplica_zone:{}\r\n",
            self.offset, self.history, self.history_before, self.fork, self.zone
        );
        if self.min_replicas_to_ack > 0 {
            text += &format!("min_replicas_to_ack:{}\r\n", self.min_replicas_to_ack);
        }
        if self.is_ours {
            text += "slipstream_version:0.1.0\r\n";
            text += &format!("sentinel_fencing:{}\r\n", u8::from(self.is_fencing));
            let is_fenced = self.is_fencing && self.is_returning && self.follows.is_none();
            text += &format!("sentinel_fenced:{}\r\n", u8::from(is_fenced));
        }
        if self.is_empty {
            text += match self.follows {
                Some(_) => "sync_blocked_reason:the primary came back empty\r\n",
                None => "empty_start_wait_seconds_left:9\r\n",
            };
        }
        if self.is_returning && self.follows.is_none() && !self.is_fencing {
            text += "paused_reason:primary_return\r\n";
        }
        if now < self.loading_until {
            text += "loading:1\r\n";
        } else if self.is_short {
            text += &format!("short_start_wait_seconds_left:{}\r\n", self.wait_left);
        }
        text
    }
}

/// The words of a request.
pub(super) fn words(request: &Value) -> Vec<String> {
    match request {
        Value::Array(parts) => parts.iter().map(Value::text).collect(),
        other => panic!("no request: {other:?}"),
    }
}

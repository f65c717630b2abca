//! A primary of ours that starts without the data that its replicas have: it waits for one of them.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::panicking;

use crate::client::Client;
use crate::content::Content;
use crate::copies::{assert_same, wait_until_linked};
use crate::dataset;
use crate::peer::Kind::{self, Ours, Redis7, Valkey9};
use crate::peer::all_found;
use crate::ports::Port;
use crate::server::{Server, new_folder};
use crate::wait::{wait_for, wait_until};

/// A primary of ours with data, its replica, and what both have.
struct Pair {
    primary: Server,
    replica: Server,
    content: Content,
}

impl Pair {
    #[track_caller]
    fn start(replica: Kind, wait: u32) -> Pair {
        let primary = Server::start(Ours, &[&format!("--primary-empty-start-wait {wait}")]);
        dataset::fill(&mut primary.client());
        let replica = Server::start(replica, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
        wait_until_linked(&replica);
        assert_same(&primary, &replica);
        let content = Content::read(&mut replica.client());
        Pair { primary, replica, content }
    }

    /// The primary ends without a word and comes back with nothing but its state file.
    #[track_caller]
    fn lose_the_data(&mut self) {
        let file = self.primary.folder.join("dump.rdb.state");
        let line = format!(" {} 127.0.0.1\n", self.replica.port);
        wait_until("the replica is written down", || {
            fs::read_to_string(&file).is_ok_and(|text| text.contains(&line) && !text.contains("keys 0\n"))
        });
        self.primary.kill();
        self.primary.restart();
    }
}

/// The error that a command is refused with.
#[track_caller]
fn refusal(client: &mut Client, line: &str) -> String {
    let error = client.try_call::<()>(line).expect_err("the primary waits");
    format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
}

#[test]
fn a_replica_of_ours_takes_the_place_of_an_empty_primary() {
    check(Ours);
}

#[test]
fn a_replica_of_redis_takes_the_place_of_an_empty_primary() {
    check(Redis7);
}

#[test]
fn a_replica_of_valkey_takes_the_place_of_an_empty_primary() {
    check(Valkey9);
}

#[track_caller]
fn check(kind: Kind) {
    if !all_found(&[kind]) {
        return;
    }
    let mut pair = Pair::start(kind, 600);
    pair.lose_the_data();
    let mut client = pair.primary.client();
    let refused = refusal(&mut client, "DBSIZE");
    assert!(refused.contains("without the data that its replicas have"), "{refused}");
    let refused = refusal(&mut client, "PING");
    assert!(refused.starts_with("NODATA "), "{refused}");
    assert!(client.info("replication", "empty_start_wait_seconds_left").is_some());
    let mut replica = pair.replica.client();
    let attempts = pair.primary.log();
    assert!(attempts.contains("waits for one of its replicas"), "{attempts}");
    pair.content.assert_equal(&Content::read(&mut replica));

    replica.call::<()>("REPLICAOF NO ONE");
    client.call::<()>(&format!("REPLICAOF 127.0.0.1 {}", pair.replica.port));
    wait_until_linked(&pair.primary);
    assert_same(&pair.replica, &pair.primary);
    pair.content.assert_equal(&Content::read(&mut client));
}

#[test]
fn an_empty_primary_for_which_nobody_comes_serves_at_last() {
    let mut pair = Pair::start(Ours, 1);
    pair.lose_the_data();
    let mut client = pair.primary.client();
    wait_until("its time is over", || client.try_call::<()>("SET after restart").is_ok());
    let mut replica = pair.replica.client();
    wait_for("the replica refuses", || replica.info("replication", "sync_blocked_reason"));
    pair.content.assert_equal(&Content::read(&mut replica));
}

#[test]
fn who_was_shut_down_with_its_data_saved_waits_for_nobody() {
    let mut pair = Pair::start(Ours, 600);
    pair.primary.client().try_call::<()>("SHUTDOWN SAVE").unwrap_or_default();
    pair.primary.wait_for_end();
    pair.primary.restart();
    assert_same(&pair.primary, &pair.replica);
}

#[test]
fn a_state_file_that_tells_nothing_is_warned_of_and_passed_over() {
    let mut pair = Pair::start(Ours, 600);
    pair.lose_the_data();
    let file = pair.primary.folder.join("dump.rdb.state");
    let whole = fs::read(&file).expect("it is there");
    let half = whole[..whole.len() / 2].to_vec();
    for content in [half, b"REDIS0010".to_vec(), Vec::new(), vec![0; 2 << 20]] {
        pair.primary.kill();
        fs::write(&file, &content).expect("the folder is ours");
        pair.primary.restart();
        let log = pair.primary.log();
        assert!(log.contains("The state file dump.rdb.state tells nothing: "), "{log}");
        assert_eq!(pair.primary.client().call::<String>("PING"), "PONG");
    }
}

#[test]
fn a_folder_that_cannot_be_written_costs_one_line() {
    let primary = Server::start(Ours, &[]);
    dataset::fill(&mut primary.client());
    // A folder in the place of the file: nothing can be renamed to it.
    fs::create_dir(primary.folder.join("dump.rdb.state")).expect("the folder is ours");
    let replica = Server::start(Ours, &[&format!("--replicaof 127.0.0.1 {}", primary.port)]);
    wait_until_linked(&replica);
    wait_until("it is said", || primary.log().contains("The state file cannot be written: "));
    assert_same(&primary, &replica);
}

/// A sentinel that watches one primary, `group`, alone.
struct Sentinel {
    port: Port,
    folder: PathBuf,
    child: Child,
}

impl Sentinel {
    #[track_caller]
    fn start(primary: u16) -> Sentinel {
        let (folder, port) = (new_folder(Redis7), Port::reserve());
        let file = folder.join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {}\ndir {}\nsentinel monitor group 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds group 2000\nsentinel failover-timeout group 20000\n",
            port.number,
            folder.display()
        );
        fs::write(&file, text).expect("the folder is ours");
        let mut command = Redis7.start_command();
        let log = fs::File::create(folder.join("log")).expect("the folder is ours");
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(log);
        let child = command.spawn().expect("the binary was found");
        let sentinel = Sentinel { port, folder, child };
        wait_until("the sentinel answers", || Client::try_connect(sentinel.port.number).is_ok());
        sentinel
    }

    fn client(&self) -> Client {
        Client::connect(self.port.number)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // An error means that it ended by itself, which is as good.
        self.child.kill().unwrap_or_default();
        self.child.wait().expect("the process is our child");
        if panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            crate::report(&format!("the sentinel:\n{log}"));
        }
        fs::remove_dir_all(&self.folder).expect("nobody else uses the folder");
    }
}

#[test]
fn a_sentinel_fails_over_from_a_primary_that_restarted_empty() {
    if !all_found(&[Redis7]) {
        return;
    }
    // A sentinel of Redis promotes only whom it can subscribe to.
    let mut pair = Pair::start(Redis7, 600);
    let sentinel = Sentinel::start(pair.primary.port);
    let mut watch = sentinel.client();
    wait_until("the sentinel knows the replica", || {
        watch.info("sentinel", "master0").is_some_and(|line| line.contains("slaves=1"))
    });
    pair.lose_the_data();
    // A sentinel closes the connections of whom it gives another role.
    wait_until("the replica is promoted", || {
        pair.replica.client().info("replication", "role").as_deref() == Some("master")
    });
    let promoted = format!("address=127.0.0.1:{}", pair.replica.port);
    wait_until("the sentinel says so", || {
        watch.info("sentinel", "master0").is_some_and(|line| line.contains(&promoted))
    });
    wait_until("the empty primary is told whom to follow", || {
        pair.primary.client().info("replication", "master_link_status").as_deref() == Some("up")
    });
    pair.content.assert_equal(&Content::read(&mut pair.primary.client()));
}

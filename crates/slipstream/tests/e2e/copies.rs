//! Attaching replicas, and the question that every test of replication ends with: do they all hold the same?

use crate::client::Client;
use crate::content::Content;
use crate::server::Server;
use crate::wait::wait_until;

/// What is due within this time counts as living shortly; the tests' other expiries are hours away.
const SHORT_MS: i64 = 60_000;
const DATABASES_WITH_SHORT_LIVES: [u32; 3] = [0, 1, 2];

/// Makes `replica` follow whoever listens on `port`.
#[track_caller]
pub(crate) fn follow(replica: &Server, port: u16) {
    replica.client().call::<()>(&format!("REPLICAOF 127.0.0.1 {port}"));
}

#[track_caller]
pub(crate) fn wait_until_linked(replica: &Server) {
    let mut client = replica.client();
    wait_until("the link is up", || is_linked(&mut client));
}

fn is_linked(replica: &mut Client) -> bool {
    replica.info("replication", "master_link_status").as_deref() == Some("up")
}

/// Waits until the replica has all that the primary wrote, and compares what they hold. Nobody else may write.
#[track_caller]
pub(crate) fn assert_same(primary: &Server, replica: &Server) {
    let (mut source, mut copy) = (primary.client(), replica.client());
    wait_until("what lives shortly is gone", || !has_short_lives(&mut source));
    wait_until("the replica has it all", || {
        let offset = source.info_number("replication", "master_repl_offset");
        is_linked(&mut copy) && copy.info_number("replication", "master_repl_offset") == offset
    });
    let (expected, found) = (Content::read(&mut source), Content::read(&mut copy));
    assert!(expected.len() > 0, "an empty server shows nothing");
    expected.assert_equal(&found);
    if primary.kind == replica.kind {
        // Implementations print scores in different ways, and so differ in the digests of sorted sets.
        assert_eq!(source.call::<String>("DEBUG DIGEST"), copy.call::<String>("DEBUG DIGEST"));
    }
}

fn has_short_lives(client: &mut Client) -> bool {
    let mut found = false;
    for database in DATABASES_WITH_SHORT_LIVES {
        client.call::<()>(&format!("SELECT {database}"));
        let keys: Vec<Vec<u8>> = client.call("KEYS *");
        let left: Vec<i64> = client.pipeline(keys.iter().map(|key| {
            let mut left = redis::cmd("PTTL");
            left.arg(key);
            left
        }));
        found |= left.into_iter().any(|left| left != -1 && left < SHORT_MS);
    }
    client.call::<()>("SELECT 0");
    found
}

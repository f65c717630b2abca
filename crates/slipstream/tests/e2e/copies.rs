//! Attaching replicas, and the question that every test of replication ends with: do they all hold the same?

use crate::client::Client;
use crate::content::Content;
use crate::dataset;
use crate::peer::{Kind, all_found};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::traffic::Traffic;
use crate::wait::wait_until;

/// A replica is attached while clients write; then the link is cut, and continues. Gives back the primary,
/// unless one of the programs is not here.
#[track_caller]
pub(crate) fn check_attach_and_cut(primary: Kind, replica: Kind, arguments: &[&str]) -> Option<Server> {
    if !all_found(&[primary, replica]) {
        return None;
    }
    let primary = Server::start(primary, arguments);
    dataset::fill(&mut primary.client());
    let traffic = Traffic::start(&primary);
    let proxy = Proxy::start(primary.port);
    let replica = Server::start(replica, arguments);

    follow(&replica, proxy.port);
    traffic.let_some_pass();
    wait_until_linked(&replica);

    proxy.cut();
    traffic.let_some_pass();
    proxy.restore();
    traffic.let_some_pass();
    traffic.stop();

    assert_same(&primary, &replica);
    let mut client = primary.client();
    assert_eq!(client.info_number("stats", "sync_full"), 1);
    // The connection that was cut may be found closed later than the next one is served.
    wait_until("one link is left", || client.info_number("replication", "connected_slaves") == 1);
    drop(client);
    Some(primary)
}

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

/// Waits until the primary knows as well that so many replicas have their data. A replica whose link is up has yet to
/// say so.
#[track_caller]
pub(crate) fn wait_until_online(primary: &Server, replicas: usize) {
    let mut client = primary.client();
    wait_until("the replicas are online", || {
        let mut line = |index| client.info("replication", &format!("slave{index}")).unwrap_or_default();
        (0..replicas).all(|index| line(index).contains("state=online"))
    });
}

fn is_linked(replica: &mut Client) -> bool {
    replica.info("replication", "master_link_status").as_deref() == Some("up")
}

/// Waits until the replica has all that the primary wrote, and compares what they hold. Nobody else may write.
#[track_caller]
pub(crate) fn assert_same(primary: &Server, replica: &Server) {
    let (mut source, mut copy) = (primary.client(), replica.client());
    let expected = Content::read(&mut source);
    assert!(expected.len() > 0, "an empty server shows nothing");
    wait_until("the replica has it all", || {
        let offset = source.info_number("replication", "master_repl_offset");
        is_linked(&mut copy) && copy.info_number("replication", "master_repl_offset") == offset
    });
    expected.assert_equal(&Content::read(&mut copy));
    if primary.kind == replica.kind {
        // Implementations print scores in different ways, and so differ in the digests of sorted sets. A key that
        // is due and not yet deleted shows in a digest, and in nothing else.
        wait_until("the digests are equal", || {
            source.call::<String>("DEBUG DIGEST") == copy.call::<String>("DEBUG DIGEST")
        });
    }
}

/// As [`assert_same`], of servers that hold strings only, whose digests are equal across implementations.
#[track_caller]
pub(crate) fn assert_same_strings(primary: &Server, replica: &Server) {
    let (mut source, mut copy) = (primary.client(), replica.client());
    wait_until("the replica has it all", || {
        let offset = source.info_number("replication", "master_repl_offset");
        is_linked(&mut copy) && copy.info_number("replication", "master_repl_offset") == offset
    });
    let digests = [&mut source, &mut copy].map(|client| client.call::<String>("DEBUG DIGEST"));
    assert_eq!(digests[0], digests[1], "the copies differ");
}

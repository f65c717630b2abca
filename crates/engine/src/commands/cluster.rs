//! CLUSTER and ASKING: the answers of a server without a cluster.
//!
//! Clients ask CLUSTER INFO, SLOTS or SHARDS to find out whether there is one, and go on without it when they
//! are told that cluster support is disabled. All rows are here, so that COMMAND knows them and a wrong number of
//! arguments is told first, as in Redis; none of them does anything.

use crate::call::Call;
use crate::command::{Command, Group, flag};
use crate::errors::CommandError;

const STALE: u32 = flag::STALE;
const ADMIN: u32 = flag::ADMIN | flag::STALE;
const CHANGE: u32 = ADMIN | flag::NO_ASYNC_LOADING;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("asking", 1, disabled).flags(flag::FAST).categories(&["connection"]).doc(
        Group::Cluster,
        "3.0.0",
        "Says that the client follows a redirection while a slot moves.",
        "O(1)",
    ),
    Command::container("cluster", -2, SUBCOMMANDS).doc(
        Group::Cluster,
        "3.0.0",
        "The cluster, which is disabled here.",
        "Depends on the subcommand",
    ),
];

const SUBCOMMANDS: &[Command] = &[
    Command::new("cluster|addslots", -3, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Takes slots for this node.", "O(N), N being the number of slots")
        .syntax("slot:integer..."),
    Command::new("cluster|addslotsrange", -4, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "7.0.0", "Takes ranges of slots for this node.", "O(N), N being the number of slots in the ranges")
        .syntax("range:(start-slot:integer end-slot:integer)..."),
    Command::new("cluster|bumpepoch", 2, disabled)
        .flags(CHANGE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "3.0.0", "Raises the configuration's epoch.", "O(1)"),
    Command::new("cluster|count-failure-reports", 3, disabled)
        .flags(ADMIN)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "3.0.0", "Counts who says that a node fails.", "O(N), N being the number of reports")
        .syntax("node-id"),
    Command::new("cluster|countkeysinslot", 3, disabled)
        .flags(STALE)
        .doc(Group::Cluster, "3.0.0", "Counts the keys in a slot.", "O(1)")
        .syntax("slot:integer"),
    Command::new("cluster|delslots", -3, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Gives slots of this node up.", "O(N), N being the number of slots")
        .syntax("slot:integer..."),
    Command::new("cluster|delslotsrange", -4, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "7.0.0", "Gives ranges of slots of this node up.", "O(N), N being the number of slots in the ranges")
        .syntax("range:(start-slot:integer end-slot:integer)..."),
    Command::new("cluster|failover", -2, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Has a replica take its primary's place.", "O(1)")
        .syntax("options:[FORCE|TAKEOVER]"),
    Command::new("cluster|flushslots", 2, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Gives all slots of this node up.", "O(1)"),
    Command::new("cluster|forget", 3, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Removes a node from the table of nodes.", "O(1)")
        .syntax("node-id"),
    Command::new("cluster|getkeysinslot", 4, disabled)
        .flags(STALE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "3.0.0", "Lists keys of a slot.", "O(N), N being the number of keys asked for")
        .syntax("slot:integer count:integer"),
    Command::new("cluster|help", 2, disabled)
        .flags(flag::LOADING | flag::STALE)
        .doc(Group::Cluster, "5.0.0", "Lists the subcommands.", "O(1)"),
    Command::new("cluster|info", 2, disabled)
        .flags(STALE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "3.0.0", "Tells the state of the cluster as this node sees it.", "O(1)"),
    Command::new("cluster|keyslot", 3, disabled)
        .flags(STALE)
        .doc(Group::Cluster, "3.0.0", "Tells a key's slot.", "O(N), N being the length of the key")
        .syntax("key:string"),
    Command::new("cluster|links", 2, disabled)
        .flags(STALE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "7.0.0", "Lists the connections to and from other nodes.", "O(N), N being the number of nodes"),
    Command::new("cluster|meet", -4, disabled)
        .flags(CHANGE)
        .history(&[("4.0.0", "The port of the bus.")])
        .doc(Group::Cluster, "3.0.0", "Has this node meet another.", "O(1)")
        .syntax("ip port:integer [cluster-bus-port:integer]!4.0.0"),
    Command::new("cluster|myid", 2, disabled)
        .flags(STALE)
        .doc(Group::Cluster, "3.0.0", "Tells this node's id.", "O(1)"),
    Command::new("cluster|myshardid", 2, disabled)
        .flags(STALE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "7.2.0", "Tells the id of this node's shard.", "O(1)"),
    Command::new("cluster|nodes", 2, disabled)
        .flags(STALE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "3.0.0", "Tells the configuration of all nodes.", "O(N), N being the number of nodes"),
    Command::new("cluster|replicas", 3, disabled)
        .flags(ADMIN)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "5.0.0", "Lists a primary's replicas.", "O(N), N being the number of replicas")
        .syntax("node-id"),
    Command::new("cluster|replicate", 3, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Makes this node the replica of another.", "O(1)")
        .syntax("node-id"),
    Command::new("cluster|reset", -2, disabled)
        .flags(ADMIN | flag::NOSCRIPT)
        .doc(Group::Cluster, "3.0.0", "Has this node forget the cluster.", "O(N), N being the number of nodes")
        .syntax("reset-type:[HARD|SOFT]"),
    Command::new("cluster|saveconfig", 2, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Writes the cluster's configuration to disk.", "O(1)"),
    Command::new("cluster|set-config-epoch", 3, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Sets a new node's epoch.", "O(1)")
        .syntax("config-epoch:integer"),
    Command::new("cluster|setslot", -4, disabled)
        .flags(CHANGE)
        .doc(Group::Cluster, "3.0.0", "Binds a slot to a node.", "O(1)")
        .syntax("slot:integer subcommand:((IMPORTING importing/node-id) | (MIGRATING migrating/node-id) | (NODE node/node-id) | STABLE)"),
    Command::new("cluster|shards", 2, disabled)
        .flags(flag::LOADING | flag::STALE)
        .tips(&["nondeterministic_output"])
        .doc(Group::Cluster, "7.0.0", "Tells which slots each shard has.", "O(N), N being the number of nodes"),
    Command::new("cluster|slaves", 3, disabled)
        .flags(ADMIN)
        .tips(&["nondeterministic_output"])
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .doc(Group::Cluster, "3.0.0", "Lists a primary's replicas.", "O(N), N being the number of replicas")
        .syntax("node-id"),
    Command::new("cluster|slots", 2, disabled)
        .flags(flag::LOADING | flag::STALE)
        .tips(&["nondeterministic_output"])
        .history(&[("4.0.0", "Ids of nodes."), ("7.0.0", "Facts about the network.")])
        .deprecated("7.0.0", "`CLUSTER SHARDS`")
        .doc(Group::Cluster, "3.0.0", "Tells which nodes have each slot.", "O(N), N being the number of nodes"),
];

fn disabled(_: &mut Call<'_>) -> Result<(), CommandError> {
    Err(CommandError::NO_CLUSTER)
}

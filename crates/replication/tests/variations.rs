//! The fuzz target's body over known conversations and all their small variations: each byte replaced, each cut.
//!
//! What a fuzzer finds is added to the known ones.

mod bodies;

const GREETED: &str = "+PONG\r\n+OK\r\n+OK\r\n+OK\r\n";
/// The history of whoever resumes.
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// Bytes that mean something somewhere, and some that mean nothing anywhere.
const REPLACEMENTS: &[u8] = b"+-$:EF 09a\r\n\0\xff";

fn conversations() -> Vec<String> {
    vec![
        format!("{GREETED}+CONTINUE\r\n*1\r\n$4\r\nping\r\n"),
        format!("{GREETED}+CONTINUE {ID}\r\n*1\r\n$4\r\nping\r\n"),
        format!("{GREETED}+FULLRESYNC {ID} 100\r\n\n\n$8\r\nsnapshot*1\r\n$4\r\nping\r\n"),
        format!("{GREETED}+FULLRESYNC {ID} 100\r\n$EOF:{ID}\r\nsnapshot{ID}"),
        format!("{GREETED}-ERR unknown command\r\n\n$8\r\nsnapshot*1\r\n$4\r\nping\r\n"),
        format!("{GREETED}+DUALCHANNELSYNC\r\n+O\nK\n\r\r\n\n"),
        format!("{GREETED}+RDBCHANNELSYNC 7\r\n+O*K1\r\r\n\n"),
        format!("{GREETED}-NOMASTERLINK Can't SYNC\r\n"),
        format!("{GREETED}+FULLRESYNC {ID} 100\r\n-ERR no\r\n"),
        needs_values(),
        "-NOAUTH Authentication required.\r\n+OK\r\n-ERR x\r\n".to_owned(),
    ]
}

/// A node that is not where its primary's history forks is given the values of its keys.
fn needs_values() -> String {
    let fork = format!("master_replid:{ID}\r\nmaster_replid2:{A}\r\nsecond_repl_offset:51\r\n");
    let info = format!("role:master\r\nmaster_replid:{ID}\r\nmaster_repl_offset:60\r\n");
    let (queued, length) = ("+QUEUED\r\n".repeat(4), info.len());
    let first = format!("+OK\r\n{queued}*4\r\n${length}\r\n{info}\r\n+OK\r\n$4\r\ndump\r\n:-1\r\n");
    let second =
        format!("+OK\r\n{queued}+QUEUED\r\n+QUEUED\r\n*6\r\n${length}\r\n{info}\r\n+OK\r\n$-1\r\n:-2\r\n");
    let rest = "$4\r\ndump\r\n:99\r\n";
    let end = format!("+CONTINUE {ID}\r\n*1\r\n$4\r\nping\r\n");
    format!("{GREETED}${}\r\n{fork}\r\n{first}{second}{rest}{end}", fork.len())
}

#[test]
fn a_link_stays_whole_whatever_a_primary_sends() {
    for conversation in conversations() {
        for (step, resumes) in [(1, 0), (7, 1), (255, 0), (255, 1), (255, 3)] {
            let input = [&[step, resumes], conversation.as_bytes()].concat();
            for at in 2..input.len() {
                bodies::link_input(&input[..at]);
                for &byte in REPLACEMENTS {
                    let mut varied = input.clone();
                    varied[at] = byte;
                    bodies::link_input(&varied);
                }
            }
        }
    }
}

//! The fuzz targets' bodies over known inputs and all their small variations: each byte replaced, each cut.
//!
//! What a fuzzer finds is added to the known ones.

mod bodies;

const REQUESTS: &[&[u8]] = &[
    b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n",
    b"*0\r\n*-1\r\n\r\n*1\r\n$0\r\n\r\n",
    b"GET \"a \\x41\\n\" 'b\\''\r\nPING\n",
    b"*1025\r\n$1\r\na\r\n",
    b"*1\r\n$1048577\r\n",
    b"*99999999999999999999\r\n",
    b"SET \"unclosed\r\n",
];

const REPLIES: &[&[u8]] = &[
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":-42\r\n",
    b"$5\r\nhello\r\n",
    b"$-1\r\n",
    b"*3\r\n:1\r\n$1\r\na\r\n*-1\r\n",
    b"%1\r\n+key\r\n,1.5\r\n",
    b"~2\r\n#t\r\n_\r\n",
    b">2\r\n+push\r\n(12345678901234567890\r\n",
    b"=7\r\ntxt:abc\r\n",
    b",nan\r\n",
];

/// Bytes that mean something somewhere, and some that mean nothing anywhere.
const REPLACEMENTS: &[u8] = b"*$+-:,#_%~>=(\r\n\"'\\ 0159x\0\xff";

fn vary(known: &[&[u8]], body: fn(&[u8])) {
    for input in known {
        body(input);
        for at in 0..input.len() {
            body(&input[..at]);
            for &byte in REPLACEMENTS {
                let mut varied = input.to_vec();
                varied[at] = byte;
                body(&varied);
            }
        }
    }
}

#[test]
fn requests_mean_the_same_however_they_arrive() {
    for step in 1..=9 {
        for request in REQUESTS {
            let input = [&[step], *request].concat();
            vary(&[&input], bodies::resp_request);
        }
    }
}

#[test]
fn a_reply_that_is_cut_short_is_incomplete() {
    vary(REPLIES, bodies::resp_value);
}

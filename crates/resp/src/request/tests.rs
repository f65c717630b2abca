//! Requests whole, in pieces, inline and broken.

use super::*;

fn words(decoder: &RequestDecoder, buffer: &[u8]) -> Vec<String> {
    decoder.args(buffer).iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

fn check(input: &[u8], expected: Result<&[&str], ProtocolError>) {
    // Whatever the pieces, the outcome is the same.
    for step in [1, 2, 3, 7, input.len()] {
        let mut decoder = RequestDecoder::default();
        let mut end = 0;
        let outcome = loop {
            end = (end + step).min(input.len());
            match decoder.decode(&input[..end], &Limits::default()) {
                Ok(Progress::Incomplete) if end == input.len() => panic!("incomplete: {input:?}"),
                Ok(Progress::Incomplete) => {}
                Ok(Progress::Complete { .. }) => break Ok(words(&decoder, &input[..end])),
                Err(error) => break Err(error),
            }
        };
        let expected = expected.clone().map(|words| words.iter().map(ToString::to_string).collect());
        assert_eq!(outcome, expected, "{:?} in steps of {step}", String::from_utf8_lossy(input));
    }
}

#[test]
fn whole_requests_are_decoded_in_any_pieces() {
    check(b"*1\r\n$4\r\nPING\r\n", Ok(&["PING"]));
    check(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", Ok(&["GET", ""]));
    check(b"*0\r\n", Ok(&[]));
    check(b"*-1\r\n", Ok(&[]));
    check(b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n", Ok(&["ECHO", "\r\n"]));
}

#[test]
fn numbers_of_any_length_are_read() {
    for length in [0, 1, 9, 10, 11, 99, 100, 1234] {
        let word = "x".repeat(length);
        check(format!("*1\r\n${length}\r\n{word}\r\n").as_bytes(), Ok(&[&word]));
        let words = vec!["a"; length];
        check(format!("*{length}\r\n{}", "$1\r\na\r\n".repeat(length)).as_bytes(), Ok(&words));
    }
}

#[test]
fn inline_requests_are_split_as_a_shell_would() {
    check(b"\r\n", Ok(&[]));
    check(b"PING\r\n", Ok(&["PING"]));
    check(b"  SET  a\tb \n", Ok(&["SET", "a", "b"]));
    check(b"SET k \"a b\\x41\\n\"\r\n", Ok(&["SET", "k", "a bA\n"]));
    check(b"SET k 'a \\' b'\r\n", Ok(&["SET", "k", "a ' b"]));
    check(b"SET k \"\"\r\n", Ok(&["SET", "k", ""]));
    check(b"SET k \"open\r\n", Err(ProtocolError::UnbalancedQuotes));
    check(b"SET k \"a\"b\r\n", Err(ProtocolError::UnbalancedQuotes));
}

#[test]
fn violations_are_named() {
    check(b"*x\r\n", Err(ProtocolError::InvalidCount));
    check(b"*2147483648\r\n", Err(ProtocolError::InvalidCount));
    check(b"*1\r\n:1\r\n", Err(ProtocolError::ExpectedDollar(b':')));
    check(b"*1\r\n$-1\r\n", Err(ProtocolError::InvalidLength));
    check(b"*1\r\n$999999999999\r\n", Err(ProtocolError::InvalidLength));
    check(b"*1\r\n$abc\r\n", Err(ProtocolError::InvalidLength));
    check(b"*1\r\n$\r\n", Err(ProtocolError::InvalidLength));
    check(b"*1\r\n$1x\r\n", Err(ProtocolError::InvalidLength));
    check(b"*1\r\n$01\r\na\r\n", Err(ProtocolError::InvalidLength));
    check(b"*00\r\n", Err(ProtocolError::InvalidCount));
}

#[test]
fn a_line_without_end_is_cut_off() {
    let mut decoder = RequestDecoder::default();
    let long = vec![b'a'; MAX_INLINE + 1];
    assert_eq!(decoder.decode(&long, &Limits::default()), Err(ProtocolError::TooBigInline));
    let mut count = vec![b'1'; MAX_HEADER + 3];
    count[0] = b'*';
    let mut decoder = RequestDecoder::default();
    assert_eq!(decoder.decode(&count, &Limits::default()), Err(ProtocolError::TooBigCountString));
}

#[test]
fn before_login_limits_are_tighter() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let check = |input: &[u8]| RequestDecoder::default().decode(input, &limits);
    assert_eq!(check(b"*11\r\n"), Err(ProtocolError::UnauthenticatedCount));
    assert_eq!(check(b"*1\r\n$16385\r\n"), Err(ProtocolError::UnauthenticatedLength));
    assert_eq!(check(b"*10\r\n$16384\r\n"), Ok(Progress::Incomplete));
}

#[test]
fn pipelined_requests_follow_each_other() {
    let mut buffer: &[u8] = b"*1\r\n$1\r\na\r\nb c\r\n*1\r\n$1\r\nd\r\n*1\r\n$1";
    let mut decoder = RequestDecoder::default();
    let mut seen = Vec::new();
    while let Ok(Progress::Complete { consumed }) = decoder.decode(buffer, &Limits::default()) {
        seen.push(words(&decoder, buffer));
        buffer = &buffer[consumed..];
    }
    assert_eq!(seen, [vec!["a"], vec!["b", "c"], vec!["d"]]);
    assert_eq!(buffer, b"*1\r\n$1");
}

#[test]
fn an_encoded_request_decodes_to_its_arguments() {
    let mut out = Vec::new();
    encode_request(&mut out, [b"SET".as_slice(), b"", b"\r\n"].into_iter());
    check(&out, Ok(&["SET", "", "\r\n"]));
}

#[test]
fn a_request_is_handed_on_as_it_came_where_that_is_its_only_encoding() {
    let encoded = |input: &[u8]| {
        let mut decoder = RequestDecoder::default();
        let whole = decoder.decode(input, &Limits::default());
        assert!(matches!(whole, Ok(Progress::Complete { .. })), "{:?}", String::from_utf8_lossy(input));
        decoder.args(input).encoded().map(<[u8]>::to_vec)
    };
    let usual = b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n";
    assert_eq!(encoded(&[usual, &b"*1\r\n"[..]].concat()).as_deref(), Some(&usual[..]));
    let others: [&[u8]; 6] = [
        b"GET k\r\n",
        b"*1\r\n$4\r\nPINGxx",
        b"*1\rx$4\r\nPING\r\n",
        b"*1\r\n$4\rxPING\r\n",
        b"*0\r\n",
        b"*1\r\n$0\r\n\n\n",
    ];
    for other in others {
        assert_eq!(encoded(other), None, "{:?}", String::from_utf8_lossy(other));
    }
    let owned = OwnedRequest::from_parts(&["GET", "k"]);
    assert_eq!(owned.args().encoded(), None, "it has no encoding of its own");
}

#[test]
fn what_is_handed_on_is_what_the_encoder_writes() {
    let usual = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n";
    let mut whole = 0;
    for place in 0..usual.len() {
        for byte in 0..=255 {
            let mut bytes = usual.to_vec();
            bytes[place] = byte;
            let mut decoder = RequestDecoder::default();
            let Ok(Progress::Complete { .. }) = decoder.decode(&bytes, &Limits::default()) else { continue };
            let args = decoder.args(&bytes);
            let mut again = Vec::new();
            encode_request(&mut again, args.iter());
            assert!(args.encoded().is_none_or(|encoded| encoded == again), "{byte} at {place}");
            whole += 1;
        }
    }
    assert!(whole > 14 * 256, "any byte will do in a value and where Redis does not look: {whole}");
}

#[test]
fn the_room_of_a_long_request_goes_with_it() {
    let mut decoder = RequestDecoder::default();
    let long: Vec<u8> = [b"*100000\r\n".to_vec(), b"$1\r\nx\r\n".repeat(100_000)].concat();
    assert_eq!(decoder.decode(&long, &Limits::default()), Ok(Progress::Complete { consumed: long.len() }));
    assert_eq!(decoder.args(&long).len(), 100_000);
    assert_eq!(decoder.decode(b"", &Limits::default()), Ok(Progress::Incomplete));
    assert!(decoder.spans.capacity() <= SPANS_KEPT, "{}", decoder.spans.capacity());
}

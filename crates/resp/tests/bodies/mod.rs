//! What the fuzz targets do with one input; shared with the test that runs them over variations of known ones.
//!
//! However bytes arrive, they mean the same.

use slipstream_resp::{Limits, Progress, ProtocolError, RequestDecoder, decode_value};

type Requests = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Requests, arriving at once and in pieces: the same requests, and the same violation behind them.
pub(crate) fn resp_request(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else { return };
    let whole = decode_in_steps(bytes, bytes.len());
    let pieces = decode_in_steps(bytes, usize::from(step).max(1));
    assert_eq!(whole, pieces, "in pieces of {step}");
}

fn decode_in_steps(bytes: &[u8], step: usize) -> Requests {
    let limits = Limits { max_bulk: 1 << 20, max_args: 1 << 10, authenticated: true };
    let (mut decoder, mut requests) = (RequestDecoder::default(), Vec::new());
    let (mut start, mut end) = (0, 0);
    loop {
        match decoder.decode(&bytes[start..end], &limits) {
            Ok(Progress::Complete { consumed }) => {
                assert!(consumed <= end - start, "nothing is consumed that has not come");
                let arguments = decoder.args(&bytes[start..end]);
                requests.push(arguments.iter().map(<[u8]>::to_vec).collect());
                start += consumed;
            }
            Ok(Progress::Incomplete) if end == bytes.len() => return (requests, None),
            Ok(Progress::Incomplete) => end = (end + step).min(bytes.len()),
            Err(violation) => return (requests, Some(violation)),
        }
    }
}

/// A reply: cut short anywhere it is incomplete, never broken and never another one.
pub(crate) fn resp_value(input: &[u8]) {
    let Ok(Some((value, length))) = decode_value(input) else { return };
    assert!(length <= input.len());
    for cut in 0..length {
        assert_eq!(decode_value(&input[..cut]), Ok(None), "cut at {cut}");
    }
    // As text, since a reply may hold a NaN, which is not equal to itself.
    let again = decode_value(&input[..length]);
    assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, ()>(Some((value, length)))));
}

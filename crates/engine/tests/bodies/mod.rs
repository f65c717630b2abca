//! Bodies of the fuzz targets of this crate, which run as tests too.

use slipstream_engine::state::NodeState;
use slipstream_rdb::crc64;

/// A state file that is taken is written and taken again. What comes in has no sum: hardly any would be right.
pub(crate) fn state_file(input: &[u8]) {
    NodeState::parse(input).ok();
    let mut file = input.to_vec();
    if !file.ends_with(b"\n") {
        file.push(b'\n');
    }
    file.extend_from_slice(format!("sum {:016x}\n", crc64(&file)).as_bytes());
    let Ok(state) = NodeState::parse(&file) else { return };
    let written = NodeState::parse(&state.encode()).expect("it was written here");
    // Names with control characters are written without them.
    if std::str::from_utf8(input).is_ok_and(|text| !text.contains(|c: char| c != '\n' && c.is_control())) {
        assert_eq!(written, state);
    }
    assert_eq!(NodeState::parse(&written.encode()), Ok(written));
}

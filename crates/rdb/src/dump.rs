//! The payloads of DUMP and RESTORE, one value as in a snapshot, and of FUNCTION DUMP and RESTORE, with a footer.
//!
//! ```text
//! type u8 | value            | version u16 | checksum u64 of all before it        little-endian
//! ( 245 | code of a library )...
//! ```

use slipstream_keyspace::{Encoding, Value};

use crate::bytes::crc64;
use crate::error::{FunctionsError, ReadError, Reason, RestoreError};
use crate::format::{Layout, Target, Version, record};
use crate::input::{Result, Source};
use crate::output::Sink;
use crate::value;

const CHECKSUM: usize = 8;
const VERSION: usize = 2;

/// The value as a payload that Redis 7.0 and all after it read; with field deadlines, Redis 7.4 and after.
pub fn dump(value: &Value<'_>, compress: bool) -> Vec<u8> {
    let target = match value::missing_feature(value, Target::Redis10) {
        None => Target::Redis10,
        Some(_) => Target::Redis12,
    };
    let mut payload = Vec::new();
    let mut sink = Sink::new(&mut payload, compress, true);
    let written = value::write(&mut sink, None, value, target)
        .and_then(|()| sink.bytes(&target.footer().to_le_bytes()))
        .and_then(|()| sink.finish());
    written.expect("writing to memory does not fail");
    payload
}

/// The value of a payload that DUMP made here, in Redis or in Valkey.
pub fn restore(payload: &[u8], encoding: &Encoding) -> std::result::Result<Value<'static>, RestoreError> {
    let (body, version) = body(payload).ok_or(RestoreError::Footer)?;
    restore_body(body, version, encoding).map_err(RestoreError::Value)
}

/// What a good footer covers.
fn body(payload: &[u8]) -> Option<(&[u8], Version)> {
    let (covered, stored) = payload.split_last_chunk::<CHECKSUM>()?;
    let (body, version) = covered.split_last_chunk::<VERSION>()?;
    let version = Version::from_footer(u16::from_le_bytes(*version))?;
    (crc64::update(0, covered) == u64::from_le_bytes(*stored)).then_some((body, version))
}

/// Function libraries, each as its source code, as a payload that Redis 7.0 and all after it read.
pub fn dump_functions<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut sink = Sink::new(&mut payload, false, true);
    for code in codes {
        let written = sink.byte(record::FUNCTION).and_then(|()| sink.string(code));
        written.expect("writing to memory does not fail");
    }
    let footer = sink.bytes(&Target::Redis10.footer().to_le_bytes()).and_then(|()| sink.finish());
    footer.expect("writing to memory does not fail");
    payload
}

/// The source code of the libraries in a payload of FUNCTION DUMP.
pub fn restore_functions(payload: &[u8]) -> std::result::Result<Vec<Vec<u8>>, FunctionsError> {
    let (body, _) = body(payload).ok_or(FunctionsError::Footer)?;
    let length = u64::try_from(body.len()).expect("usize fits in u64");
    let mut source =
        Source::with_buffer(body, body.len(), length.saturating_mul(crate::bytes::lzf::EXPANSION));
    let mut codes = Vec::new();
    while source.offset() < length {
        match source.byte().map_err(FunctionsError::Library)? {
            record::FUNCTION => codes.push(source.owned_string().map_err(FunctionsError::Library)?),
            record::FUNCTION_BEFORE_RELEASE => return Err(FunctionsError::BeforeRelease),
            _ => return Err(FunctionsError::NoFunction),
        }
    }
    Ok(codes)
}

fn restore_body(body: &[u8], version: Version, encoding: &Encoding) -> Result<Value<'static>> {
    let limit =
        u64::try_from(body.len()).expect("usize fits in u64").saturating_mul(crate::bytes::lzf::EXPANSION);
    let mut source = Source::with_buffer(body, body.len(), limit);
    let kind = source.byte()?;
    let layout = Layout::of(kind, version).map_err(|reason| ReadError { offset: 0, key: None, reason })?;
    let value = value::read(&mut source, layout, encoding)?;
    if source.offset() != u64::try_from(body.len()).expect("usize fits in u64") {
        return Err(source.corrupt("bytes after the value"));
    }
    value.ok_or_else(|| source.error(Reason::Corrupt("a collection without elements")))
}

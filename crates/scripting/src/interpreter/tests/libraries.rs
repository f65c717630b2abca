//! The libraries `bit`, `struct`, `cmsgpack` and `cjson`: replies that redis-server 7.0 gave to the same scripts.

use super::*;

/// Scripts and their replies, line breaks as `|`.
type Table = [(&'static str, &'static [u8])];

#[track_caller]
fn check_bytes(table: &Table) {
    for (code, expected) in table {
        let mut stage = Stage::new();
        let reply = stage.eval_bytes(code);
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!(shown(&reply), shown(expected), "{code}");
    }
}

#[test]
fn bit_works_on_32_bits() {
    check_bytes(BITS);
}

#[test]
fn struct_packs_and_unpacks() {
    check_bytes(STRUCTS);
}

#[test]
fn cmsgpack_packs_and_unpacks() {
    check_bytes(MESSAGE_PACK);
}

#[test]
fn cjson_writes_json() {
    check_bytes(WRITTEN_JSON);
}

#[test]
fn cjson_reads_json() {
    check_bytes(READ_JSON);
}

#[test]
fn cjson_has_settings() {
    check_bytes(SETTINGS);
}

/// From a seed, so that what fails once fails always.
#[test]
fn no_bytes_break_a_decoder() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut stage = Stage::new();
    let json = b"[]{},:\"\\u0dD8tfn truefalsenull-+.eE0123456789xX\0\xff";
    let packed = b"\x90\x91\x80\x81\xc0\xc1\xc2\xca\xcb\xcc\xcd\xcf\xd0\xd3\xd9\xda\xdb\xdc\xdd\xde\xdf\xa1\xe0\x01\0\xff";
    let format = b"<>!bBhHlLTiIcsxfd 0123456789z";
    let code = |function: &str| format!("return {{pcall({function}, ARGV[1], ARGV[2], tonumber(ARGV[3]))}}");
    let programs = [
        (code("function(text) return cjson.decode(text) end"), &json[..]),
        (code("function(text) return cmsgpack.unpack(text) end"), &packed[..]),
        (code("struct.unpack"), &format[..]),
        (code("struct.size"), &format[..]),
        (code("struct.pack"), &format[..]),
    ]
    .map(|(code, alphabet)| (stage.interpreter.compile(code.as_bytes()).unwrap(), alphabet));
    for _ in 0..4_000 {
        for (program, alphabet) in &programs {
            let text: Vec<u8> =
                (0..random.usize(..24)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let data: Vec<u8> = (0..random.usize(..16)).map(|_| random.u8(..)).collect();
            let reply = stage.reply(program, &[&text, &data, random.i32(-3..40).to_string().as_bytes()]);
            assert!(reply.starts_with(b"*"), "{}: {}", text.escape_ascii(), reply.escape_ascii());
        }
    }
}

const BITS: &Table = &[
    (
        "return {bit.tobit(0xffffffff), bit.tobit(0xffffffff+1), bit.tobit(2^40+1234), bit.tobit(1.5), bit.tobit(2.5), bit.tobit('7')}",
        b"*6|:-1|:0|:1234|:2|:2|:7|",
    ),
    (
        "return {bit.bnot(0), bit.band(0xff, 0x0f, 3), bit.bor(1,2,4), bit.bxor(0xff, 0x0f)}",
        b"*4|:-1|:3|:7|:240|",
    ),
    (
        "return {bit.lshift(1,4), bit.lshift(1,36), bit.rshift(-1,28), bit.arshift(-256,4), bit.rol(0x12345678,12), bit.ror(0x12345678,12), bit.bswap(0x12345678)}",
        b"*7|:16|:16|:15|:-16|:1164411171|:1736516421|:2018915346|",
    ),
    (
        "return {bit.tohex(1), bit.tohex(-1), bit.tohex(0xffffffff,4), bit.tohex(0x87654321,-4), bit.tohex(5,0)}",
        b"*5|$8|00000001|$8|ffffffff|$4|ffff|$4|4321|$0||",
    ),
];

const STRUCTS: &Table = &[
        (
            "return struct.pack('>IhBlTsc3f', 1, -2, 255, -4, 5, 'six', 'sev', 1.5)",
            b"$34|\x00\x00\x00\x01\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xfc\x00\x00\x00\x00\x00\x00\x00\x05six\x00sev?\xc0\x00\x00|",
        ),
        (
            "return struct.pack('<i3I2', -1, 65535)",
            b"$5|\xff\xff\xff\xff\xff|",
        ),
        (
            "return struct.pack('!4bi!bd', 1, 2, 3, 4)",
            b"$24|\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10@|",
        ),
        (
            "return struct.pack('>i16', -5)",
            b"$16|\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xfb|",
        ),
        (
            "return {struct.unpack('>IhB', struct.pack('>IhB', 1, -2, 255))}",
            b"*4|:1|:-2|:255|:8|",
        ),
        (
            "return {struct.unpack('<i16', struct.pack('<i16', -5))}",
            b"*2|:-5|:17|",
        ),
        (
            r#"return {struct.unpack('bc0s', '\3abcdef\0x')}"#,
            b"*3|$3|abc|$3|def|:9|",
        ),
        (
            "return {struct.unpack('<f', struct.pack('<f', 0.5)), struct.unpack('>d', struct.pack('>d', -3))}",
            b"*3|:0|:-3|:9|",
        ),
        (
            "return {struct.size('!ibd'), struct.size('>ihB'), struct.size('c5x'), struct.size('i3 I')}",
            b"*4|:16|:7|:6|:7|",
        ),
        (
            "return struct.pack('i33', 1)",
            b"-ERR user_script:1: integral size 33 is larger than limit of 32 script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.pack('i99999999999', 1)",
            b"-ERR user_script:1: integral size overflow script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.pack('!3i', 1)",
            b"-ERR user_script:1: alignment 3 is not a power of 2 script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.pack('c5', 'abc')",
            b"-ERR user_script:1: bad argument #3 to 'pack' (string too short) script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.unpack('s', 'abc')",
            b"-ERR user_script:1: unfinished string in data script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.unpack('c0', 'abc')",
            b"-ERR user_script:1: format 'c0' needs a previous size script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.unpack('i', 'abcd', 0)",
            b"-ERR user_script:1: bad argument #3 to 'unpack' (offset must be 1 or greater) script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.unpack('i', 'abcd', 3)",
            b"-ERR user_script:1: bad argument #2 to 'unpack' (data string too short) script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.unpack('i', 'abcd', -3)",
            b"-ERR user_script:1: bad argument #2 to 'unpack' (data string too short) script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.size('s')",
            b"-ERR user_script:1: bad argument #1 to 'size' (option 's' has no fixed size) script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.size('c0')",
            b"-ERR user_script:1: bad argument #1 to 'size' (option 'c0' has no fixed size) script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.size('$')",
            b"-ERR user_script:1: bad argument #1 to 'size' (invalid format option '$') script: SHA, on @user_script:1.|",
        ),
        (
            "return struct.size('z')",
            b":0|",
        ),
        (
            "return struct.pack('z', 1)",
            b"-ERR user_script:1: bad argument #1 to 'pack' (invalid format option 'z') script: SHA, on @user_script:1.|",
        ),
];

const MESSAGE_PACK: &Table = &[
        (
            "return cmsgpack.pack(1,-1,127,128,255,256,65535,65536,4294967295,4294967296,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649)",
            b"$62|\x01\xff\x7f\xcc\x80\xcc\xff\xcd\x01\x00\xcd\xff\xff\xce\x00\x01\x00\x00\xce\xff\xff\xff\xff\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xe0\xd0\xdf\xd0\x80\xd1\xff\x7f\xd1\x80\x00\xd2\xff\xff\x7f\xff\xd2\x80\x00\x00\x00\xd3\xff\xff\xff\xff\x7f\xff\xff\xff|",
        ),
        (
            "return cmsgpack.pack(1.5, 0.1, 1e300, true, false, nil, 'abc', ('x'):rep(32), ('y'):rep(256))",
            b"$323|\xca?\xc0\x00\x00\xcb?\xb9\x99\x99\x99\x99\x99\x9a\xcb~7\xe4<\x88\x00u\x9c\xc3\xc2\xc0\xa3abc\xd9 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xda\x01\x00yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy|",
        ),
        (
            "return cmsgpack.pack({}, {1,2,3}, {a=1}, {1,nil,3}, {[1.5]=1})",
            b"$21|\x90\x93\x01\x02\x03\x81\xa1a\x01\x82\x01\x01\x03\x03\x81\xca?\xc0\x00\x00\x01|",
        ),
        (
            "return cmsgpack.pack({{{{{{{{{{{{{{{{{{1}}}}}}}}}}}}}}}}}})",
            b"$17|\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0|",
        ),
        (
            "return {cmsgpack.unpack(cmsgpack.pack(1,-5,'x',{1,2},true,1.5,-70000))}",
            b"*7|:1|:-5|$1|x|*2|:1|:2|:1|:1|:-70000|",
        ),
        (
            "return {cmsgpack.unpack_one(cmsgpack.pack(1,2,3))}",
            b"*2|:1|:1|",
        ),
        (
            "return {cmsgpack.unpack_one(cmsgpack.pack(1,2,3), 2)}",
            b"*2|:-1|:3|",
        ),
        (
            "return {cmsgpack.unpack_one(cmsgpack.pack(1,2,3), 3)}",
            b"*1|:-1|",
        ),
        (
            "return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3), 2)}",
            b"*3|:2|:1|:2|",
        ),
        (
            "return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3), 2, 1)}",
            b"*3|:-1|:2|:3|",
        ),
        (
            "return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3), 0, 0)}",
            b"*3|:1|:2|:3|",
        ),
        (
            r#"return cmsgpack.unpack('\193')"#,
            b"-ERR user_script:1: Bad data format in input. script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cmsgpack.unpack('\217')"#,
            b"-ERR user_script:1: Missing bytes in input. script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cmsgpack.unpack('\221\255\255\255\255')"#,
            b"-ERR user_script:1: Missing bytes in input. script: SHA, on @user_script:1.|",
        ),
        (
            "return cmsgpack.unpack_one('abc', 5)",
            b"-ERR user_script:1: Start offset 5 greater than input length 3. script: SHA, on @user_script:1.|",
        ),
        (
            "return cmsgpack.unpack_one('abc', -1)",
            b"-ERR user_script:1: Invalid request to unpack with offset of -1 and limit of 3. script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cmsgpack.unpack('\129\192\1')"#,
            b"-ERR table index is nil script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cmsgpack.unpack('\207\255\255\255\255\255\255\255\255') == -1 and 1 or 0"#,
            b":1|",
        ),
];

const WRITTEN_JSON: &Table = &[
        (
            "return cjson.encode({1,2,3,{a='x'}})",
            b"$17|[1,2,3,{\"a\":\"x\"}]|",
        ),
        (
            "return cjson.encode({})",
            b"$2|{}|",
        ),
        (
            "return cjson.encode({1,nil,3})",
            b"$10|[1,null,3]|",
        ),
        (
            "return cjson.encode({[1]=1,[2]=2,[5]=5})",
            b"$17|[1,2,null,null,5]|",
        ),
        (
            "return cjson.encode({[20]=1})",
            b"-ERR user_script:1: Cannot serialise table: excessively sparse array script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode({[1.5]=1})",
            b"$9|{\"1.5\":1}|",
        ),
        (
            "return cjson.encode({[true]=1})",
            b"-ERR user_script:1: Cannot serialise boolean: table key must be a number or string script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.encode('a"b\\c/d\n\t\r\b\f\1\127é')"#,
            b"$36|\"a\\\"b\\\\c\\/d\\n\\t\\r\\b\\f\\u0001\\u007f\xc3\xa9\"|",
        ),
        (
            "return cjson.encode({1.5, 1e20, 0.1, 100, -0.5, 1/3, 1e15, 123456789012345})",
            b"$67|[1.5,1e+20,0.1,100,-0.5,0.33333333333333,1e+15,1.2345678901234e+14]|",
        ),
        (
            "return cjson.encode(0/0)",
            b"-ERR user_script:1: Cannot serialise number: must not be NaN or Inf script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode(1/0)",
            b"-ERR user_script:1: Cannot serialise number: must not be NaN or Inf script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode(cjson.null)",
            b"$4|null|",
        ),
        (
            "return cjson.encode(nil)",
            b"$4|null|",
        ),
        (
            "return cjson.encode()",
            b"-ERR user_script:1: bad argument #1 to 'encode' (expected 1 argument) script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode(1, 2)",
            b"-ERR user_script:1: bad argument #1 to 'encode' (expected 1 argument) script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode(true)",
            b"$4|true|",
        ),
        (
            "local t={} t[1]=t return cjson.encode(t)",
            b"-ERR user_script:1: Cannot serialise, excessive nesting (1001) script: SHA, on @user_script:1.|",
        ),
];

const READ_JSON: &Table = &[
        (
            r#"return cjson.decode('{"a":[1,2.5,true,null,"x\\u00e9\\ud83d\\ude00\\n"]}').a"#,
            b"*5|:1|:2|:1|$-1|$8|x\xc3\xa9\xf0\x9f\x98\x80||",
        ),
        (
            "return cjson.decode('[]')",
            b"*0|",
        ),
        (
            "return cjson.decode('5')",
            b":5|",
        ),
        (
            "return cjson.decode('0x10')",
            b":16|",
        ),
        (
            r#"return cjson.decode('"a')"#,
            b"-ERR user_script:1: Expected value but found unexpected end of string at character 3 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('"\\x"')"#,
            b"-ERR user_script:1: Expected value but found invalid escape code at character 2 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('"\\u12"')"#,
            b"-ERR user_script:1: Expected value but found invalid unicode escape code at character 2 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('"\\ud83d"')"#,
            b"-ERR user_script:1: Expected value but found invalid unicode escape code at character 2 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('{"a" 1}')"#,
            b"-ERR user_script:1: Expected colon but found T_NUMBER at character 6 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('{"a":1')"#,
            b"-ERR user_script:1: Expected comma or object end but found T_END at character 7 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('{1:1}')",
            b"-ERR user_script:1: Expected object key string but found T_NUMBER at character 2 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('[1 2]')",
            b"-ERR user_script:1: Expected comma or array end but found T_NUMBER at character 4 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('[1,]')",
            b"-ERR user_script:1: Expected value but found T_ARR_END at character 4 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('{"a":1,}')"#,
            b"-ERR user_script:1: Expected object key string but found T_OBJ_END at character 8 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('nul')",
            b"-ERR user_script:1: Expected value but found invalid token at character 1 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('nan') ~= 0 and 1",
            b":1|",
        ),
        (
            "return cjson.decode('-')",
            b"-ERR user_script:1: Expected value but found invalid number at character 1 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('1 2')",
            b"-ERR user_script:1: Expected the end but found T_NUMBER at character 3 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('')",
            b"-ERR user_script:1: Expected value but found T_END at character 1 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode()",
            b"-ERR user_script:1: bad argument #1 to 'decode' (expected 1 argument) script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('a\0b')"#,
            b"-ERR user_script:1: JSON parser does not support UTF-16 or UTF-32 script: SHA, on @user_script:1.|",
        ),
        (
            r#"return cjson.decode('[1]\0junk')"#,
            b"*1|:1|",
        ),
        (
            "return cjson.decode({})",
            b"-ERR user_script:1: bad argument #1 to 'decode' (string expected, got table) script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode(('['):rep(1001)..(']'):rep(1001))",
            b"-ERR user_script:1: Found too many nested data structures (1001) at character 1001 script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.decode('null') == cjson.null and 1",
            b":1|",
        ),
];

const SETTINGS: &Table = &[
        (
            "return {cjson.encode_max_depth(), cjson.decode_max_depth(), cjson.encode_number_precision(), cjson.encode_keep_buffer(), cjson.encode_invalid_numbers(), cjson.decode_invalid_numbers()}",
            b"*6|:1000|:1000|:14|:1|$-1|:1|",
        ),
        (
            "return {cjson.encode_sparse_array()}",
            b"*3|$-1|:2|:10|",
        ),
        (
            "return cjson.encode_max_depth(0)",
            b"-ERR user_script:1: bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647) script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode_max_depth('x')",
            b"-ERR user_script:1: bad argument #1 to 'encode_max_depth' (number expected, got string) script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode_max_depth(1,2)",
            b"-ERR user_script:1: bad argument #2 to 'encode_max_depth' (found too many arguments) script: SHA, on @user_script:1.|",
        ),
        (
            "return cjson.encode_invalid_numbers('bad')",
            b"-ERR user_script:1: bad argument #1 to 'encode_invalid_numbers' (invalid option 'bad') script: SHA, on @user_script:1.|",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({0/0})",
            b"$6|[null]|",
        ),
        (
            "local c = cjson.new() c.encode_invalid_numbers(true) return c.encode({1/0, -1/0, 0/0})",
            b"$14|[inf,-inf,nan]|",
        ),
        (
            "local c = cjson.new() c.encode_sparse_array(true) return c.encode({[20]=1})",
            b"$8|{\"20\":1}|",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) return c.decode('0x10')",
            b"-ERR user_script:1: Expected value but found invalid number at character 1 script: SHA, on @user_script:1.|",
        ),
        (
            "local c = cjson.new() c.decode_invalid_numbers(false) return c.decode('01')",
            b"-ERR user_script:1: Expected value but found invalid number at character 1 script: SHA, on @user_script:1.|",
        ),
        (
            "local c = cjson.new() c.encode_number_precision(3) return c.encode(1.23456)",
            b"$4|1.23|",
        ),
];

//! The first line of a script or a library: `#!lua flags=no-writes` and `#!lua name=mylib`.
//!
//! A script needs none, and runs by older rules without it. Texts of refusals are Redis', without the code.

use slipstream_resp::split_line;

/// What a script or function declares about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// `no-writes`: it writes nothing.
    pub const NO_WRITES: Flags = Flags(1);
    /// `allow-oom`: it may run when memory is short.
    pub const ALLOW_OOM: Flags = Flags(2);
    /// `allow-stale`: it may run on a replica that has lost its primary.
    pub const ALLOW_STALE: Flags = Flags(4);
    /// `no-cluster`: it does not run on a node of a cluster.
    pub const NO_CLUSTER: Flags = Flags(8);
    /// `allow-cross-slot-keys`: its keys may be of several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: Flags = Flags(16);

    const NAMES: [(&'static str, Flags); 5] = [
        ("no-writes", Flags::NO_WRITES),
        ("allow-oom", Flags::ALLOW_OOM),
        ("allow-stale", Flags::ALLOW_STALE),
        ("no-cluster", Flags::NO_CLUSTER),
        ("allow-cross-slot-keys", Flags::ALLOW_CROSS_SLOT_KEYS),
    ];

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names, in Redis' order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flags::NAMES.into_iter().filter(move |(_, flag)| self.contains(*flag)).map(|(name, _)| name)
    }

    /// The flag of this name, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Flags> {
        let found = Flags::NAMES.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(_, flag)| flag)
    }

    pub(crate) fn insert(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// A script, its first line taken off.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptHeader<'a> {
    /// The flags of its shebang; `None` if it has none and runs by the rules of before Redis 7.
    pub flags: Option<Flags>,
    /// What is to be compiled. Lines keep their numbers.
    pub code: &'a [u8],
}

/// Takes a script's shebang off.
///
/// # Errors
/// The text of the refusal.
pub fn script_header(body: &[u8]) -> Result<ScriptHeader<'_>, String> {
    if !body.starts_with(b"#!") {
        return Ok(ScriptHeader { flags: None, code: body });
    }
    let (line, code) = split(body).ok_or("Invalid script shebang")?;
    let words = words(line).ok_or("Invalid engine in script shebang")?;
    let (engine, options) = words.split_first().ok_or("Invalid engine in script shebang")?;
    if engine != b"#!lua" {
        return Err(format!("Unexpected engine in script shebang: {}", shown(engine)));
    }
    let mut flags = Flags::default();
    for option in options {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(format!("Unknown lua shebang option: {}", shown(option)));
        };
        for name in names.split(|&byte| byte == b',').filter(|_| !names.is_empty()) {
            let known = Flags::named(name).filter(|_| !name.iter().any(u8::is_ascii_uppercase));
            let flag = known.ok_or_else(|| format!("Unexpected flag in script shebang: {}", shown(name)))?;
            flags.insert(flag);
        }
    }
    Ok(ScriptHeader { flags: Some(flags), code })
}

/// A library, its first line taken off.
#[derive(Debug, PartialEq, Eq)]
pub struct LibraryHeader<'a> {
    /// Its name.
    pub name: String,
    /// What is to be compiled. Lines keep their numbers.
    pub code: &'a [u8],
}

/// Takes a library's shebang off.
///
/// # Errors
/// The text of the refusal.
pub fn library_header(code: &[u8]) -> Result<LibraryHeader<'_>, String> {
    if !code.starts_with(b"#!") {
        return Err("Missing library metadata".to_owned());
    }
    let (line, code) = split(code).ok_or("Invalid library metadata")?;
    let words = words(line).ok_or("Invalid library metadata")?;
    let (engine, options) = words.split_first().ok_or("Invalid library metadata")?;
    let mut name = None;
    for option in options {
        let value = match option.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => value,
            _ => return Err(format!("Invalid metadata value given: {}", shown(option))),
        };
        if name.replace(value).is_some() {
            return Err("Invalid metadata value, name argument was given multiple times".to_owned());
        }
    }
    let name = name.ok_or("Library name was not given")?;
    let name = checked_name(name).ok_or(NAMES)?;
    let engine = engine.strip_prefix(b"#!").unwrap_or(engine);
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(format!("Engine '{}' not found", shown(engine)));
    }
    Ok(LibraryHeader { name, code })
}

/// What names of libraries and functions may be.
pub(crate) const NAMES: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// A name that is allowed.
pub(crate) fn checked_name(name: &[u8]) -> Option<String> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let good = !name.is_empty() && name.iter().all(allowed);
    good.then(|| shown(name))
}

/// The first line, and what follows from its line break on.
fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = body.iter().position(|&byte| byte == b'\n')?;
    Some(body.split_at(end))
}

fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    split_line(line).filter(|words| !words.is_empty())
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_script(body: &str, expected: Result<(Option<&[&str]>, &str), &str>) {
        let found = script_header(body.as_bytes());
        let found = found.map(|header| {
            let names = header.flags.map(|flags| flags.names().collect::<Vec<_>>());
            (names, String::from_utf8_lossy(header.code).into_owned())
        });
        let expected = expected.map(|(names, code)| (names.map(<[&str]>::to_vec), code.to_owned()));
        assert_eq!(found, expected.map_err(ToOwned::to_owned), "{body}");
    }

    #[test]
    fn a_scripts_shebang_names_its_flags() {
        check_script("return 1", Ok((None, "return 1")));
        check_script("#!lua\nreturn 1", Ok((Some(&[]), "\nreturn 1")));
        check_script("#!lua flags=\nx", Ok((Some(&[]), "\nx")));
        check_script("#!lua flags=allow-oom,no-writes\nx", Ok((Some(&["no-writes", "allow-oom"]), "\nx")));
        check_script("#!lua", Err("Invalid script shebang"));
        check_script("#!luax\n", Err("Unexpected engine in script shebang: #!luax"));
        check_script("#!lua name=x\n", Err("Unknown lua shebang option: name=x"));
        check_script("#!lua flags=bad\n", Err("Unexpected flag in script shebang: bad"));
        check_script("#!lua flags=NO-WRITES\n", Err("Unexpected flag in script shebang: NO-WRITES"));
        check_script("#!lua \"x\n", Err("Invalid engine in script shebang"));
    }

    fn check_library(code: &str, expected: Result<(&str, &str), &str>) {
        let found = library_header(code.as_bytes())
            .map(|header| (header.name, String::from_utf8_lossy(header.code).into_owned()));
        let expected =
            expected.map(|(name, code)| (name.to_owned(), code.to_owned())).map_err(ToOwned::to_owned);
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn a_librarys_shebang_names_it() {
        check_library("#!lua name=foo\nx", Ok(("foo", "\nx")));
        check_library("#!LUA NAME=\"foo\"\nx", Ok(("foo", "\nx")));
        check_library("x", Err("Missing library metadata"));
        check_library("#!lua name=foo", Err("Invalid library metadata"));
        check_library("#!lua\n", Err("Library name was not given"));
        check_library(
            "#!lua name=a name=b\n",
            Err("Invalid metadata value, name argument was given multiple times"),
        );
        check_library("#!lua name=a b=c\n", Err("Invalid metadata value given: b=c"));
        check_library("#!js name=a\n", Err("Engine 'js' not found"));
        check_library("#!lua name=a-b\n", Err(NAMES));
        check_library("#!lua name=\n", Err(NAMES));
    }
}

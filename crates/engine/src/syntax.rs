//! The arguments of a command in a short notation, read into the tree that COMMAND DOCS prints.
//!
//! ```text
//! key [EX seconds:integer | PERSIST] data:(score:double member)... LEFT|RIGHT
//!
//! NX  km:pure-token a word without small letters stands for itself, one with them by this type
//! member n:integer  others name an argument; its type follows (string if not), `key` is a key
//! d:key@2           a key or pattern of another key spec than the next in order
//! […] (…)           optional; grouped
//! … | …             one of them, between brackets; `A|B` without spaces: one of two words
//! {…}               grouped, with a first word that is part of it and no token of the whole
//! x... [T x]...     repeatable; with its token where one stands before the whole
//! label:[…]         names what stands in the brackets
//! (…)!6.2.0 …^2.8   the version that brought it; since which it is discouraged
//! name/shown        shown to people by another name
//! ```
//! A token before one thing within brackets is that thing's token, before
//! several the token of their block.

use std::fmt;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A double.
    Double,
    /// The name of a key.
    Key,
    /// A pattern for names.
    Pattern,
    /// Seconds or milliseconds since 1970.
    UnixTime,
    /// A fixed word.
    Token,
    /// One of its children.
    OneOf,
    /// All of its children.
    Block,
}

impl Kind {
    const NAMES: [(&'static str, Kind); 9] = [
        ("string", Kind::String),
        ("integer", Kind::Integer),
        ("double", Kind::Double),
        ("key", Kind::Key),
        ("pattern", Kind::Pattern),
        ("unix-time", Kind::UnixTime),
        ("pure-token", Kind::Token),
        ("oneof", Kind::OneOf),
        ("block", Kind::Block),
    ];

    /// Its name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        found.map(|(name, _)| *name).expect("every kind has a name")
    }
}

/// One argument, or a group of arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The fixed word before it, or that it consists of.
    pub token: Option<String>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may come several times.
    pub multiple: bool,
    /// Whether its token comes along each time.
    pub multiple_token: bool,
    /// The version that brought it, where the command is older.
    pub since: Option<String>,
    /// The version since which it is discouraged.
    pub deprecated_since: Option<String>,
    /// What people are shown instead of its name.
    pub shown: Option<String>,
    /// Which key spec of its command it belongs to.
    pub key_spec: Option<usize>,
    /// The members of a group.
    pub children: Vec<Argument>,
}

/// The notation is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenNotation {
    /// Where, in bytes.
    pub at: usize,
    /// Why.
    pub reason: &'static str,
}

impl fmt::Display for BrokenNotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for BrokenNotation {}

/// Reads the notation of a command.
pub fn parse(notation: &str) -> Result<Vec<Argument>, BrokenNotation> {
    let mut parser = Parser { text: notation, at: 0, keys: 0 };
    let arguments = parser.sequence()?;
    match parser.rest().is_empty() {
        true => Ok(arguments),
        false => Err(parser.broken("a stray bracket or bar")),
    }
}

/// The arguments as people write them: without types and labels, `x...` as `x [x ...]`.
pub fn usage(arguments: &[Argument]) -> String {
    arguments.iter().map(Argument::usage).collect::<Vec<_>>().join(" ")
}

impl Argument {
    /// Its name, as people are shown it.
    pub fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.name)
    }

    fn usage(&self) -> String {
        let (separator, is_choice) = match self.kind {
            Kind::OneOf => (" | ", true),
            _ => (" ", false),
        };
        let inner: Vec<String> = self.children.iter().map(Argument::usage).collect();
        let mut text = match self.kind {
            Kind::Token => String::new(),
            Kind::OneOf | Kind::Block => inner.join(separator),
            _ => self.shown().to_owned(),
        };
        if is_choice && (!self.optional || self.token.is_some()) {
            text = format!("<{text}>");
        }
        if self.multiple && !self.multiple_token {
            text = format!("{text} [{text} ...]");
        }
        if let Some(token) = &self.token {
            let gap = if text.is_empty() { "" } else { " " };
            text = format!("{token}{gap}{text}");
        }
        if self.multiple_token {
            text = format!("{text} [{text} ...]");
        }
        if self.optional { format!("[{text}]") } else { text }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Keys seen so far: the next one belongs to the next key spec.
    keys: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn broken(&self, reason: &'static str) -> BrokenNotation {
        BrokenNotation { at: self.at, reason }
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        self.at += if found { expected.len() } else { 0 };
        found
    }

    /// Items up to a closing bracket, a bar or the end.
    fn sequence(&mut self) -> Result<Vec<Argument>, BrokenNotation> {
        let mut items = Vec::new();
        loop {
            self.skip_spaces();
            if matches!(self.rest().bytes().next(), None | Some(b']' | b')' | b'}' | b'|')) {
                return Ok(items);
            }
            items.push(self.item()?);
        }
    }

    fn item(&mut self) -> Result<Argument, BrokenNotation> {
        let mut argument = self.alternatives_of_words()?;
        if self.take("...") {
            argument.multiple_token = argument.token.is_some() && argument.kind != Kind::Token;
            argument.multiple = true;
        }
        argument.since = self.version("!").or(argument.since);
        argument.deprecated_since = self.version("^").or(argument.deprecated_since);
        Ok(argument)
    }

    /// The version behind this mark, if it comes next.
    fn version(&mut self, mark: &str) -> Option<String> {
        if !self.take(mark) {
            return None;
        }
        let length = self.rest().find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest().len());
        let version = self.rest()[..length].to_owned();
        self.at += length;
        Some(version)
    }

    /// A word or group, or `A|B` without spaces.
    fn alternatives_of_words(&mut self) -> Result<Argument, BrokenNotation> {
        let first = self.word_or_group()?;
        let mut words = vec![first];
        while self.rest().starts_with('|') {
            self.at += 1;
            if self.rest().starts_with(' ') || self.rest().is_empty() {
                return Err(self.broken("a space behind a bar but none before it"));
            }
            words.push(self.word_or_group()?);
        }
        if words.len() == 1 {
            return Ok(words.remove(0));
        }
        if words.iter().any(|word| (word.kind == Kind::Token) != (words[0].kind == Kind::Token)) {
            return Err(self.broken("a bar between a token and a name needs spaces"));
        }
        Ok(group(Kind::OneOf, words))
    }

    fn word_or_group(&mut self) -> Result<Argument, BrokenNotation> {
        let length = self.rest().find([' ', '[', ']', '(', ')', '{', '}', '|']).unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_string();
        let word = word.strip_suffix("...").unwrap_or(&word);
        if word.is_empty() || word.ends_with(':') {
            self.at += word.len();
            let mut argument = self.brackets()?;
            if let Some(label) = word.strip_suffix(':') {
                argument.name = label.into();
            }
            return Ok(argument);
        }
        let argument = self.named(word)?;
        self.at += word.len();
        Ok(argument)
    }

    fn brackets(&mut self) -> Result<Argument, BrokenNotation> {
        if self.take("{") {
            let items = self.sequence()?;
            return if self.take("}") {
                Ok(group(Kind::Block, items))
            } else {
                Err(self.broken("a brace does not close"))
            };
        }
        let (optional, closing) = match self.rest().as_bytes().first() {
            Some(b'[') => (true, "]"),
            Some(b'(') => (false, ")"),
            _ => return Err(self.broken("a word or an opening bracket belongs here")),
        };
        self.at += 1;
        let mut choices = Vec::new();
        loop {
            let items = self.sequence()?;
            choices.push(self.fold(items)?);
            if !self.take("|") {
                break;
            }
        }
        if !self.take(closing) {
            return Err(self.broken("a bracket does not close"));
        }
        let mut argument = if choices.len() == 1 { choices.remove(0) } else { group(Kind::OneOf, choices) };
        argument.optional |= optional;
        Ok(argument)
    }

    /// Makes one argument of all that stands between brackets.
    fn fold(&self, mut items: Vec<Argument>) -> Result<Argument, BrokenNotation> {
        match items.len() {
            0 => return Err(self.broken("nothing stands between the brackets")),
            1 => return Ok(items.remove(0)),
            _ => {}
        }
        let leads = items[0].kind == Kind::Token && !items[0].optional;
        if !leads || items.iter().all(|item| item.kind == Kind::Token) {
            return Ok(group(Kind::Block, items));
        }
        let token = items.remove(0);
        let alone = items.len() == 1 && items[0].token.is_none() && !items[0].optional;
        let mut argument = if alone { items.remove(0) } else { group(Kind::Block, items) };
        if matches!(argument.kind, Kind::OneOf | Kind::Block) {
            argument.name = token.name;
        }
        argument.token = token.token;
        Ok(argument)
    }

    fn named(&mut self, word: &str) -> Result<Argument, BrokenNotation> {
        if !word.contains(|c: char| c.is_ascii_lowercase()) {
            let mut argument = leaf(word.to_ascii_lowercase(), Kind::Token);
            argument.token = Some(word.into());
            return Ok(argument);
        }
        let (word, spec) = match word.split_once('@') {
            Some((word, spec)) => (word, Some(spec.parse().map_err(|_| self.broken("no number behind @"))?)),
            None => (word, None),
        };
        let (name, kind) = match word.rsplit_once(':') {
            Some((name, kind)) => (name, kind),
            None => (word, if word == "key" { "key" } else { "string" }),
        };
        let known = Kind::NAMES[..7].iter().find(|(known, _)| *known == kind);
        let kind = known.map(|(_, kind)| *kind).ok_or_else(|| self.broken("no such type"))?;
        let (name, shown) = match name.split_once('/') {
            Some((name, shown)) => (name, Some(shown)),
            None => (name, None),
        };
        let mut argument = leaf(name.into(), kind);
        argument.shown = shown.map(str::to_owned);
        argument.token = (kind == Kind::Token).then(|| name.into());
        argument.key_spec = spec;
        if kind == Kind::Key && spec.is_none() {
            argument.key_spec = Some(self.keys);
            self.keys += 1;
        }
        Ok(argument)
    }
}

fn leaf(name: String, kind: Kind) -> Argument {
    Argument {
        name,
        kind,
        token: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        since: None,
        deprecated_since: None,
        shown: None,
        key_spec: None,
        children: Vec::new(),
    }
}

/// A group is called by its members unless a label says otherwise.
fn group(kind: Kind, children: Vec<Argument>) -> Argument {
    let names: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
    let mut argument = leaf(names.join("-"), kind);
    argument.children = children;
    argument
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{CommandTable, Mode};

    /// `name:type`, its token before it in quotes, flags behind it, children in braces.
    fn show(argument: &Argument) -> String {
        let mut text = argument.token.as_ref().map_or(String::new(), |token| format!("'{token}' "));
        text += &format!("{}:{}", argument.name, argument.kind.name());
        if let Some(spec) = argument.key_spec {
            text += &format!("@{spec}");
        }
        if let Some(shown) = &argument.shown {
            text += &format!("/{shown}");
        }
        if !argument.children.is_empty() {
            text += &format!("{{{}}}", show_all(&argument.children));
        }
        for (set, mark) in
            [(argument.optional, "?"), (argument.multiple, "*"), (argument.multiple_token, "t")]
        {
            text += if set { mark } else { "" };
        }
        for (version, mark) in [(&argument.since, "!"), (&argument.deprecated_since, "^")] {
            text += &version.as_ref().map_or(String::new(), |version| format!("{mark}{version}"));
        }
        text
    }

    fn show_all(arguments: &[Argument]) -> String {
        arguments.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    fn check(notation: &str, expected: &str) {
        assert_eq!(show_all(&parse(notation).unwrap()), expected, "{notation}");
    }

    #[test]
    fn words_are_arguments_or_tokens() {
        check("", "");
        check("key n:integer member...", "key:key@0 n:integer member:string*");
        check("source:key destination:key", "source:key@0 destination:key@1");
        check("key [BY by:pattern@1] [STORE d:key@2]", "key:key@0 'BY' by:pattern@1? 'STORE' d:key@2?");
        check("[WITHSCORES]", "'WITHSCORES' withscores:pure-token?");
        check("km:pure-token", "'km' km:pure-token");
    }

    #[test]
    fn a_token_belongs_to_what_follows_it_within_brackets() {
        check("[COUNT n:integer]", "'COUNT' n:integer?");
        check("[LIMIT offset count]", "'LIMIT' limit:block{offset:string count:string}?");
        check("[WEIGHTS w...]", "'WEIGHTS' w:string?*");
        check("[GET p:pattern]...", "'GET' p:pattern?*t");
        check(
            "[AGGREGATE (SUM | MIN)]",
            "'AGGREGATE' aggregate:oneof{'SUM' sum:pure-token 'MIN' min:pure-token}?",
        );
        check(
            "[AGGREGATE SUM|MIN]",
            "'AGGREGATE' aggregate:oneof{'SUM' sum:pure-token 'MIN' min:pure-token}?",
        );
        check("(NO ONE)", "no-one:block{'NO' no:pure-token 'ONE' one:pure-token}");
    }

    #[test]
    fn braces_keep_their_first_word() {
        check("[{FULL [n]}]", "full-n:block{'FULL' full:pure-token n:string?}?");
        check("b:{x}", "b:block{x:string}");
    }

    #[test]
    fn versions_and_other_names_stand_behind() {
        check("[A n:integer]!6.2.0 (b)^2.8.12", "'A' n:integer?!6.2.0 b:string^2.8.12");
        check("[x...]!3.0", "x:string?*!3.0");
        check("a/ip:port:string by/p:pattern@1", "a:string/ip:port by:pattern@1/p");
        check("ID:string", "ID:string");
        check_usage("[BY by/pattern:pattern@1] (a/ip:port:string)!3", "[BY pattern] ip:port");
    }

    #[test]
    fn a_label_names_a_group() {
        check("data:(score:double member)...", "data:block{score:double member:string}*");
        check("when:[NX | XX]", "when:oneof{'NX' nx:pure-token 'XX' xx:pure-token}?");
        check("change:[CH]", "'CH' change:pure-token?");
        check("[EX s:integer | PERSIST]", "s-persist:oneof{'EX' s:integer 'PERSIST' persist:pure-token}?");
        check(
            "key LEFT|RIGHT",
            "key:key@0 left-right:oneof{'LEFT' left:pure-token 'RIGHT' right:pure-token}",
        );
    }

    fn check_usage(notation: &str, expected: &str) {
        assert_eq!(usage(&parse(notation).unwrap()), expected, "{notation}");
    }

    #[test]
    fn usage_shows_what_a_user_types() {
        check_usage("key n:integer member...", "key n member [member ...]");
        check_usage("when:[NX | XX] data:(s m)...", "[NX | XX] s m [s m ...]");
        check_usage("key LEFT|RIGHT [COUNT n:integer]", "key <LEFT | RIGHT> [COUNT n]");
        check_usage("[AGGREGATE (SUM | MIN)] [WEIGHTS w...]", "[AGGREGATE <SUM | MIN>] [WEIGHTS w [w ...]]");
        check_usage("[GET p:pattern]...", "[GET p [GET p ...]]");
    }

    #[test]
    fn a_broken_notation_is_refused() {
        for notation in ["[a", "a]", "[]", "a:nosuch", "x |", "EX s|PX", "(a", "a:key@x", "| b", "{a"] {
            assert!(parse(notation).is_err(), "{notation}");
        }
    }

    #[test]
    fn every_row_of_the_table_can_be_read() {
        let tables = [Mode::Server, Mode::Sentinel].map(|mode| CommandTable::new(mode, &[]).unwrap());
        for entry in tables.iter().flat_map(CommandTable::entries) {
            let command = entry.command;
            if let Err(error) = parse(command.syntax) {
                panic!("{}: {} ({error})", command.full_name, command.syntax);
            }
        }
    }

    fn spec_indexes(arguments: &[Argument], found: &mut Vec<usize>) {
        for argument in arguments {
            found.extend(argument.key_spec);
            spec_indexes(&argument.children, found);
        }
    }

    #[test]
    fn key_arguments_point_to_key_specs_of_their_command() {
        let table = CommandTable::new(Mode::Server, &[]).unwrap();
        for entry in table.entries() {
            let mut indexes = Vec::new();
            spec_indexes(&parse(entry.command.syntax).unwrap(), &mut indexes);
            let specs = entry.command.keys.len();
            assert!(indexes.iter().all(|index| *index < specs), "{}", entry.command.full_name);
        }
    }
}

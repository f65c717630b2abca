//! The command line of redis-server, parsed into what to load.
//!
//! `[config-file] [--directive value …] [-]`: options become configuration lines behind the file's and
//! standard input's, so that one parser checks them all and later ones win. Nothing is read here.

use slipstream_resp::split_line;

use super::load::append;
use super::text;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// To serve.
    Serve(Sources),
    /// To say the version.
    Version,
    /// To say how to use it.
    Help,
    /// For something that is not served: why.
    Refused(&'static str),
}

/// Where the configuration comes from, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Path of the configuration file.
    pub file: Option<Vec<u8>>,
    /// Whether to read standard input.
    pub stdin: bool,
    /// The options, as configuration lines.
    pub options: Vec<u8>,
    /// Whether it is a sentinel that is to run.
    pub is_sentinel: bool,
}

impl Sources {
    /// The configuration as one text, given what the file and standard input hold. As in Redis, an empty line
    /// stands before the options, so that errors name the same line.
    pub fn text(&self, file: &[u8], stdin: &[u8]) -> Vec<u8> {
        let mut text = file.to_vec();
        append(&mut text, stdin);
        text.push(b'\n');
        text.extend(&self.options);
        text
    }
}

/// What `--help` says.
pub const USAGE: &str = "\
Usage: slipstream server [config-file] [--directive value ...] [-]
       slipstream server -               read the configuration from standard input
       slipstream server -v | --version
       slipstream server -h | --help

Every directive of the configuration file is an option as well; what comes later
wins: the file, then standard input, then the options.

Examples:
       slipstream server
       slipstream server /etc/slipstream.conf
       slipstream server --port 7777 --replicaof 127.0.0.1 6379
       slipstream server /etc/slipstream.conf --loglevel verbose
       echo 'port 7777' | slipstream server -
";

/// Parses the arguments behind the program's name.
pub fn parse(arguments: &[Vec<u8>]) -> CommandLine {
    let is_sentinel = arguments.iter().any(|argument| argument == b"--sentinel");
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return CommandLine::Version,
        Some(b"-h" | b"--help") => return CommandLine::Help,
        Some(b"--test-memory") => {
            return CommandLine::Refused(
                "There is no memory test here; memtester or memtest86+ test it better.",
            );
        }
        Some(b"--check-system") => return CommandLine::Refused("There is no check of the system here."),
        Some(_) | None => {}
    }
    let (file, options) = match arguments {
        [file, options @ ..] if !file.starts_with(b"-") => (Some(file.clone()), options),
        options => (None, options),
    };
    let mut line = OptionLines::default();
    let mut stdin = false;
    for (index, argument) in options.iter().enumerate() {
        let is_first = file.is_none() && index == 0;
        let next = options.get(index + 1);
        if argument == b"-" && (is_first || next.is_none()) {
            stdin = true;
        } else {
            line.add(argument, next);
        }
    }
    CommandLine::Serve(Sources { file, stdin, options: line.text, is_sentinel })
}

#[derive(Default)]
struct OptionLines {
    text: Vec<u8>,
    /// A name stands alone so far: whatever comes next is its value, also `--x`.
    is_value_due: bool,
}

impl OptionLines {
    fn add(&mut self, argument: &[u8], next: Option<&Vec<u8>>) {
        match argument.strip_prefix(b"--") {
            Some(name) if !self.is_value_due => self.name(name, next),
            _ => {
                self.text.extend(text::quoted(argument));
                self.text.push(b' ');
                self.is_value_due = false;
            }
        }
    }

    /// A name, perhaps with its value in the same argument.
    fn name(&mut self, name: &[u8], next: Option<&Vec<u8>>) {
        if !self.text.is_empty() {
            self.text.push(b'\n');
        }
        self.text.extend(name);
        self.text.push(b' ');
        self.is_value_due = split_line(name).is_some_and(|words| words.len() <= 1);
        let ends_here = next.is_none_or(|next| next.starts_with(b"--"));
        // A script that builds a list of save points may come out with none.
        if self.is_value_due && ends_here && name.trim_ascii().eq_ignore_ascii_case(b"save") {
            self.text.extend(b"\"\"");
            self.is_value_due = false;
        }
        // Without a value it only says which kind of server is to run.
        if ends_here && name.eq_ignore_ascii_case(b"sentinel") {
            self.is_value_due = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], file: Option<&str>, stdin: bool, options: &str) {
        let (file, options) = (file.map(Into::into), options.into());
        check_sources(arguments, Sources { file, stdin, options, is_sentinel: false });
    }

    fn check_sources(arguments: &[&str], expected: Sources) {
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        assert_eq!(parse(&arguments), CommandLine::Serve(expected));
    }

    fn check_kind(arguments: &[&str], expected: fn(&CommandLine) -> bool) {
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        assert!(expected(&parse(&arguments)), "{arguments:?}");
    }

    #[test]
    fn the_first_argument_may_be_a_file() {
        check(&[], None, false, "");
        check(&["a.conf"], Some("a.conf"), false, "");
        check(&["a.conf", "--port", "1"], Some("a.conf"), false, "port \"1\" ");
        check(&["--port", "1", "a.conf"], None, false, "port \"1\" \"a.conf\" ");
    }

    #[test]
    fn a_dash_at_either_end_is_standard_input() {
        check(&["-"], None, true, "");
        check(&["-", "--port", "1"], None, true, "port \"1\" ");
        check(&["a.conf", "--port", "1", "-"], Some("a.conf"), true, "port \"1\" ");
        check(&["--logfile", "-", "--port", "1"], None, false, "logfile \"-\" \nport \"1\" ");
        check(&["a.conf", "-", "--port", "1"], Some("a.conf"), false, "\"-\" \nport \"1\" ");
    }

    #[test]
    fn a_name_takes_every_value_up_to_the_next_name() {
        check(
            &["--replicaof", "::1", "2", "--port", "1"],
            None,
            false,
            "replicaof \"::1\" \"2\" \nport \"1\" ",
        );
        check(&["--save", "3600 1"], None, false, "save \"3600 1\" ");
        check(&["--requirepass", "a\"b"], None, false, "requirepass \"a\\\"b\" ");
    }

    #[test]
    fn a_value_may_begin_with_dashes() {
        check(&["--requirepass", "--x", "--port", "1"], None, false, "requirepass \"--x\" \nport \"1\" ");
        check(&["--port", "--bind", "a"], None, false, "port \"--bind\" \"a\" ");
    }

    #[test]
    fn name_and_value_may_be_one_argument() {
        check(&["--port 1", "--bind a b"], None, false, "port 1 \nbind a b ");
        check(&["--port ", "1"], None, false, "port  \"1\" ");
    }

    #[test]
    fn an_empty_save_is_no_save_points() {
        check(&["--save", ""], None, false, "save \"\" ");
        check(&["--save"], None, false, "save \"\"");
        check(&["--save", "--port", "1"], None, false, "save \"\"\nport \"1\" ");
        check(&["--save", "", "--port", "1"], None, false, "save \"\" \nport \"1\" ");
    }

    #[test]
    fn questions_and_foreign_modes_are_not_served() {
        for help in ["-h", "--help"] {
            check_kind(&[help, "--port"], |line| *line == CommandLine::Help);
        }
        for version in ["-v", "--version"] {
            check_kind(&[version], |line| *line == CommandLine::Version);
        }
        for refused in ["--test-memory", "--check-system"] {
            check_kind(&[refused], |line| matches!(line, CommandLine::Refused(_)));
        }
    }

    #[test]
    fn a_flag_anywhere_asks_for_a_sentinel() {
        let asked = |file: Option<&str>, options: &str| Sources {
            file: file.map(Into::into),
            options: options.into(),
            is_sentinel: true,
            stdin: false,
        };
        check_sources(&["--sentinel"], asked(None, "sentinel "));
        check_sources(&["a.conf", "--sentinel"], asked(Some("a.conf"), "sentinel "));
        check_sources(
            &["a.conf", "--sentinel", "--port", "1"],
            asked(Some("a.conf"), "sentinel \nport \"1\" "),
        );
        // What stands behind it is its value, as behind any other name.
        check_sources(&["--sentinel", "a.conf"], asked(None, "sentinel \"a.conf\" "));
        check_sources(
            &["a.conf", "--sentinel", "--sentinel", "monitor", "m", "--sentinel", "myid", "x"],
            asked(Some("a.conf"), "sentinel \nsentinel \"monitor\" \"m\" \nsentinel \"myid\" \"x\" "),
        );
    }

    #[test]
    fn words_of_a_sentinel_alone_do_not_ask_for_one() {
        check(&["a.conf", "--sentinel myid x"], Some("a.conf"), false, "sentinel myid x ");
        check(&["a.conf", "--SENTINEL", "myid"], Some("a.conf"), false, "SENTINEL \"myid\" ");
    }
}

//! The process title: `proc-title-template` with what its variables stand for.
//!
//! A variable is a name in braces; two opening braces are one that is shown. As in Redis, spaces at both ends go.

use super::values::Config;

/// What the configuration does not know of the process.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The command that started it.
    pub program: &'a str,
    /// Its configuration file, if it has one.
    pub config_file: Option<&'a str>,
}

/// The title that the configuration asks for.
pub fn title(config: &Config, facts: Facts<'_>) -> String {
    let title = expand(&config.proc_title_template, |name| value(name, config, facts));
    title.expect("no other template passes for a value")
}

/// Whether all variables are known, and something is left to be shown where they are empty.
pub(super) fn is_good(template: &str) -> bool {
    let facts = Facts { program: "", config_file: None };
    let config = Config::default();
    expand(template, |name| value(name, &config, facts)).is_some_and(|title| !title.is_empty())
}

fn expand(template: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mut title, mut rest) = (String::new(), template);
    while let Some((text, variable)) = rest.split_once('{') {
        title.push_str(text);
        if let Some(behind) = variable.strip_prefix('{') {
            title.push('{');
            rest = behind;
            continue;
        }
        let (name, behind) = variable.split_once('}')?;
        title.push_str(&value(name)?);
        rest = behind;
    }
    title.push_str(rest);
    Some(title.trim_matches(' ').to_owned())
}

fn value(name: &str, config: &Config, facts: Facts<'_>) -> Option<String> {
    let socket = config.unixsocket.as_deref().unwrap_or_default();
    Some(match name {
        "title" => facts.program.to_owned(),
        "listen-addr" if config.port == 0 => format!("unixsocket:{socket}"),
        "listen-addr" => format!("{}:{}", config.bind.first().map_or("*", String::as_str), config.port),
        "server-mode" if config.sentinel.is_some() => "[sentinel]".to_owned(),
        // There are no cluster's nodes.
        "server-mode" => String::new(),
        "port" => config.port.to_string(),
        "tls-port" => "0".to_owned(),
        "unixsocket" => socket.to_owned(),
        "config-file" => facts.config_file.unwrap_or("-").to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_braces_shown_if_there_are_two() {
        let facts = Facts { program: "redis-server", config_file: Some("/etc/redis.conf") };
        let check = |template: &str, expected: Option<&str>| {
            let config = Config { proc_title_template: template.to_owned(), ..Config::default() };
            assert_eq!(is_good(template), expected.is_some(), "{template}");
            if let Some(expected) = expected {
                assert_eq!(title(&config, facts), expected, "{template}");
            }
        };
        check("{title} {listen-addr} {server-mode}", Some("redis-server *:6379"));
        check("  a {port} {tls-port}{unixsocket}|{config-file} ", Some("a 6379 0|/etc/redis.conf"));
        check("x {{title} {{{port}}}", Some("x {title} {6379}}"));
        check("{unknown}", None);
        check("x {title", None);
        check("x {", None);
        check("  ", None);
        check("", None);
        let config = Config { port: 0, unixsocket: Some("/run/s".to_owned()), ..Config::default() };
        assert_eq!(title(&config, Facts { config_file: None, ..facts }), "redis-server unixsocket:/run/s");
    }
}

//! Where in a script something happened.
//!
//! Errors begin with the position of the code that called the function which failed, and end with the position
//! at which the script failed. Frames of the sandbox itself are never named.

use mlua::Lua;

/// The name of the sandbox's chunk, as positions and errors show it.
pub(crate) const PRELUDE: &str = "[prelude]";

/// A place in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The chunk's name: `@user_script`.
    pub(crate) source: String,
    /// The name as messages show it: `user_script`.
    pub(crate) shown: String,
    pub(crate) line: usize,
}

enum Frame {
    Script(Position),
    Prelude,
    /// C, or a frame that a tail call took the place of.
    Other,
}

impl Position {
    /// The last line of a script's code.
    pub(crate) fn last_line(code: &[u8]) -> Position {
        let breaks = code.trim_ascii_end().iter().filter(|&&byte| byte == b'\n').count();
        Position { source: "@user_script".to_owned(), shown: "user_script".to_owned(), line: breaks + 1 }
    }

    /// How a message that belongs there begins.
    pub(crate) fn prefix(&self) -> String {
        format!("{}:{}: ", self.shown, self.line)
    }
}

/// The caller of the callback that runs, if that is a script.
pub(crate) fn of_caller(lua: &Lua) -> Option<Position> {
    let mut frames = (1..).map_while(|level| frame(lua, level));
    match frames.find(|frame| !matches!(frame, Frame::Prelude))? {
        Frame::Script(position) => Some(position),
        _ => None,
    }
}

/// The innermost place in a script, whoever was called from there.
pub(crate) fn of_script(lua: &Lua) -> Option<Position> {
    (1..).map_while(|level| frame(lua, level)).find_map(|frame| match frame {
        Frame::Script(position) => Some(position),
        _ => None,
    })
}

fn frame(lua: &Lua, level: usize) -> Option<Frame> {
    lua.inspect_stack(level, |debug| {
        let source = debug.source();
        let (Some(name), Some(shown)) = (source.source, source.short_src) else { return Frame::Other };
        match debug.current_line() {
            _ if shown == PRELUDE => Frame::Prelude,
            Some(line) if source.what != "C" => {
                Frame::Script(Position { source: name.into_owned(), shown: shown.into_owned(), line })
            }
            _ => Frame::Other,
        }
    })
}

//! Checks of texts, with Redis' words for what is wrong.
//!
//! Owns only what can be known without the world: a file that does not exist is the shell's to find out.

use crate::config::title;

/// Every text.
pub(super) fn any(_: &str) -> Result<(), &'static str> {
    Ok(())
}

pub(super) fn dump_file(name: &str) -> Result<(), &'static str> {
    require(is_base_name(name), "dbfilename can't be a path, just a filename")
}

pub(super) fn append_file(name: &str) -> Result<(), &'static str> {
    require(!name.is_empty(), "appendfilename can't be empty")?;
    require(is_base_name(name), "appendfilename can't be a path, just a filename")
}

pub(super) fn append_directory(name: &str) -> Result<(), &'static str> {
    require(!name.is_empty(), "appenddirname can't be empty")?;
    require(is_base_name(name), "appenddirname can't be a path, just a dirname")
}

pub(super) fn title_template(template: &str) -> Result<(), &'static str> {
    require(title::is_good(template), "template format is invalid or contains unknown variables")
}

pub(super) fn zone(name: &str) -> Result<(), &'static str> {
    require(!name.contains(char::is_control), "argument must not have control characters")
}

fn is_base_name(name: &str) -> bool {
    !name.contains(['/', '\\'])
}

fn require(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

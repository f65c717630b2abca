//! Whether keys exist, of what type, and their deletion: DEL, UNLINK, EXISTS, TOUCH, TYPE.
//!
//! A value that takes long to free is handed out to be dropped elsewhere, by DEL as by UNLINK: nothing
//! that a client could see tells the two apart.

use crate::call::Call;
use crate::errors::CommandError;
use crate::event;

pub(super) fn del(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut removed = 0;
    for key in call.args.iter().skip(1) {
        if call.db.remove(key) {
            call.changed(key, event::DEL);
            removed += 1;
        }
    }
    call.reply.count(removed);
    Ok(())
}

pub(super) fn exists(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut present = 0;
    for key in call.args.iter().skip(1) {
        let found = call.db.occupied(key).is_some();
        call.count_lookup(key, found);
        present += usize::from(found);
    }
    call.reply.count(present);
    Ok(())
}

pub(super) fn touch(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut touched = 0;
    for key in call.args.iter().skip(1) {
        let found = call.db.get(key).is_some();
        call.count_lookup(key, found);
        touched += usize::from(found);
    }
    call.reply.count(touched);
    Ok(())
}

pub(super) fn type_of(call: &mut Call<'_>) -> Result<(), CommandError> {
    let args = call.args;
    let name = call.db.occupied(&args[1]).map(|key| key.value().type_name());
    call.count_lookup(&args[1], name.is_some());
    call.reply.simple(name.unwrap_or("none"));
    Ok(())
}

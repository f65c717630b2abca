//! Every developer habit as one command.

fn main() {}

//! What subcommands answer, word by word.

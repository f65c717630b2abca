//! The arguments of a command in a short notation.

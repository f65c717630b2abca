//! The shell: event loop, sockets, disk, signals, logging.

//! The one log: offsets, histories, blocks, readers, retention.

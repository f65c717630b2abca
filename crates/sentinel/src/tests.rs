//! Stories of groups on virtual time: several sentinels, servers that are simple models, and a network between them.

mod aliases;
mod chaos;
mod hostile;
mod model;
mod planned;
mod refusing;
mod returning;
mod unplanned;
mod world;

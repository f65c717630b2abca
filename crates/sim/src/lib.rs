//! A world in a box: nodes on a virtual network and clock, attacked from a seed.

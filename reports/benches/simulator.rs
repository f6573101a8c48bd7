//! How fast the simulator is.
fn main() {}

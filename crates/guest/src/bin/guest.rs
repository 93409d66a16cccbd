//! The program inside every sandbox.

fn main() {}

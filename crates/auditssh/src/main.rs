//! auditssh
fn main() {}

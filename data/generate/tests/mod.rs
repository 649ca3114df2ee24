//! Apart from the modules that they test: benches include some of those, and are no place for tests.

mod purchases;
mod random;

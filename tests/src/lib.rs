//! The harness: the real `postern` binary, in an environment of its own.

mod postern;

pub use postern::{Output, Postern, skip_without};

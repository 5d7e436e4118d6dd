//! CA and command line.

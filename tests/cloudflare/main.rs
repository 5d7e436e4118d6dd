//! `postern cloudflare …` against the emulated Access, as an operator runs it.

mod apply;
mod following;
mod looking;
mod revoking;
mod support;

//! Plans carried out against the emulated Access: what is ours is brought to what the file says,
//! what is not ours stays as it is, and whatever fails, the next run finishes.

mod faults;
mod fleet;
mod ownership;
mod places;
mod support;
mod taking_away;

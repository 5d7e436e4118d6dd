//! What an account may hold, as documented: defaults of
//! <https://developers.cloudflare.com/cloudflare-one/account-limits/>.

/// Rules in one rule group.
pub const RULES_PER_GROUP: usize = 1000;
/// Rules in the policies of one application.
pub const RULES_PER_APPLICATION: usize = 1000;
/// Domains of one application.
pub const DOMAINS_PER_APPLICATION: usize = 5;
/// Rule groups in an account.
pub const GROUPS: usize = 300;
/// Uploaded CAs in an account.
pub const AUTHORITIES: usize = 50;

/// Revoked names that stand in a policy itself; more of them go into groups.
pub(crate) const INLINE_NAMES: usize = 100;

//! The rows of the table: what each measures and what was promised of it.

use clap::ValueEnum;

use crate::client::{Group, Http};
use crate::goals::{Against, Bar, Goal};
use crate::load::{Client, Size, Work};

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowId {
    FullFirst,
    FullSeen,
    #[value(name = "revoked-100k")]
    Revoked100k,
    #[value(name = "revoked-1m")]
    Revoked1m,
    Hybrid,
    Resumed,
    #[value(name = "h1-1k")]
    H1Small,
    #[value(name = "h1-64k")]
    H1Large,
    #[value(name = "h2-1k")]
    H2Small,
    Memory,
    Start,
}

/// How a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// All servers do the same work; a CRL of 1,000.
    Servers(Work),
    /// Ours alone, with so many revoked and with none.
    Revoked(u64),
    /// Ours alone, with the hybrid group and with X25519.
    Hybrid,
    /// Memory of an idle connection.
    Memory,
    /// How much longer a start takes with so many revoked.
    Start(u64),
}

impl RowId {
    /// All, in the order of the table.
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// In the user's words.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::FullFirst => "full handshake + 1 request, CRL of 1,000, first-seen certificate",
            Self::FullSeen => "the same, certificate seen before",
            Self::Revoked100k => "the first row with 100,000 revoked, against none",
            Self::Revoked1m => "the first row with 1,000,000 revoked, against none",
            Self::Hybrid => "the first row with X25519MLKEM768, against X25519",
            Self::Resumed => "resumed handshake + 1 request",
            Self::H1Small => "keep-alive HTTP/1.1, 1 KB",
            Self::H1Large => "keep-alive HTTP/1.1, 64 KB",
            Self::H2Small => "keep-alive HTTP/2, 1 KB",
            Self::Memory => "memory per idle mTLS connection",
            Self::Start => "start with 100,000 revoked, against none",
        }
    }

    /// What its figures count.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::FullFirst
            | Self::FullSeen
            | Self::Revoked100k
            | Self::Revoked1m
            | Self::Hybrid
            | Self::Resumed
            | Self::H1Small
            | Self::H1Large
            | Self::H2Small => "per CPU second",
            Self::Memory => "KiB",
            Self::Start => "ms more",
        }
    }

    /// How it is measured.
    pub(crate) fn method(self) -> Method {
        let handshake = |client| {
            let group = Group::X25519;
            Method::Servers(Work::Handshake { client, group })
        };
        let request = |http, size| Method::Servers(Work::Request { http, size });
        match self {
            Self::FullFirst => handshake(Client::FirstSeen),
            Self::FullSeen => handshake(Client::SeenBefore),
            Self::Revoked100k => Method::Revoked(100_000),
            Self::Revoked1m => Method::Revoked(1_000_000),
            Self::Hybrid => Method::Hybrid,
            Self::Resumed => handshake(Client::Resuming),
            Self::H1Small => request(Http::One, Size::OneKilobyte),
            Self::H1Large => request(Http::One, Size::SixtyFourKilobytes),
            Self::H2Small => request(Http::Two, Size::OneKilobyte),
            Self::Memory => Method::Memory,
            Self::Start => Method::Start(100_000),
        }
    }

    /// What was promised.
    pub(crate) fn goal(self) -> Goal {
        match self {
            Self::FullFirst => FULL_FIRST,
            Self::FullSeen => FULL_SEEN,
            Self::Revoked100k | Self::Revoked1m => REVOKED,
            Self::Hybrid => HYBRID,
            Self::Resumed => RESUMED,
            Self::H1Small => H1_SMALL,
            Self::H1Large => H1_LARGE,
            Self::H2Small => H2_SMALL,
            Self::Memory => MEMORY,
            Self::Start => START,
        }
    }
}

const FULL_FIRST: Goal = Goal {
    must: &[
        Bar::AtLeast(4.0, Against::Nginx),
        Bar::AtLeast(3.5, Against::Haproxy),
        Bar::AtLeast(0.5, Against::Limit),
    ],
    aim: &[
        Bar::AtLeast(5.0, Against::Nginx),
        Bar::AtLeast(0.65, Against::Limit),
    ],
};
const FULL_SEEN: Goal = Goal {
    must: &[
        Bar::AtLeast(5.5, Against::Nginx),
        Bar::AtLeast(0.7, Against::Limit),
    ],
    aim: &[
        Bar::AtLeast(7.0, Against::Nginx),
        Bar::AtLeast(0.9, Against::Limit),
    ],
};
const REVOKED: Goal = Goal {
    must: &[Bar::AtLeast(0.95, Against::Ourselves)],
    aim: &[Bar::AtLeast(0.98, Against::Ourselves)],
};
const HYBRID: Goal = Goal {
    must: &[Bar::AtLeast(0.90, Against::Ourselves)],
    aim: &[Bar::AtLeast(0.95, Against::Ourselves)],
};
const RESUMED: Goal = Goal {
    must: &[Bar::AtLeast(3.3, Against::Nginx)],
    aim: &[Bar::AtLeast(4.5, Against::Nginx)],
};
const H1_SMALL: Goal = Goal {
    must: &[Bar::AtLeast(1.0, Against::BetterPeer)],
    aim: &[Bar::AtLeast(1.4, Against::BetterPeer)],
};
const H1_LARGE: Goal = Goal {
    must: &[Bar::AtLeast(1.3, Against::BetterPeer)],
    aim: &[Bar::AtLeast(1.6, Against::BetterPeer)],
};
const H2_SMALL: Goal = Goal {
    must: &[
        Bar::AtLeast(0.6, Against::Haproxy),
        Bar::AtLeast(1.0, Against::Nginx),
    ],
    aim: &[Bar::AtLeast(1.0, Against::Haproxy)],
};
const MEMORY: Goal = Goal {
    must: &[Bar::AtMost(24.0)],
    aim: &[Bar::AtMost(10.0)],
};
const START: Goal = Goal {
    must: &[Bar::AtMost(100.0)],
    aim: &[Bar::AtMost(30.0)],
};

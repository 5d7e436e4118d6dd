//! Operations by several clients at once, each one after the other.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::client::{ClientError, Connection, Group, Http, Requester, Tickets, visit};
use crate::error::BenchError;
use crate::site::Site;
use crate::upstream::{LARGE, SMALL};

/// What one operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Connect, handshake, one request, close.
    Handshake { client: Client, group: Group },
    /// One request on a connection that stays.
    Request { http: Http, size: Size },
}

/// Whom the server sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Never twice the same certificate.
    FirstSeen,
    /// The same few certificates, each seen before.
    SeenBefore,
    /// The same few, which present the ticket they got last.
    Resuming,
}

/// How long the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    OneKilobyte,
    SixtyFourKilobytes,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) operations: u32,
    pub(crate) resumed: u32,
}

/// A load that is ready: certificates made, connections open, every client warm.
pub(crate) enum Load {
    /// How each client connects, time after time.
    Handshakes(Vec<Lane>),
    Requests {
        connections: Vec<Connection>,
        requesters: Vec<Requester>,
        each: u32,
        size: Size,
    },
}

type Lane = Vec<Arc<ClientConfig>>;

impl Load {
    /// Makes ready about so many operations, and lets each client do one that does not count.
    pub(crate) async fn prepare(
        work: Work,
        operations: u32,
        address: SocketAddr,
        site: &Site,
    ) -> Result<Self, BenchError> {
        let each = operations / CLIENTS;
        let clients = usize::try_from(CLIENTS).expect("16 is a usize");
        match work {
            Work::Handshake { client, group } => {
                let lanes = (0..CLIENTS).map(|name| lane(client, group, name, each + 1, site));
                let mut lanes: Vec<Lane> = lanes.collect::<Result<_, _>>()?;
                let warm = lanes.iter_mut().map(|lane| lane.split_off(lane.len() - 1));
                handshakes(warm.collect(), address).await?;
                Ok(Self::Handshakes(lanes))
            }
            Work::Request { http, size } => {
                let connections = connect(http, address, site).await?;
                let lanes = connections.iter().map(Connection::requester).cycle();
                let requesters: Vec<_> = lanes.take(clients).collect();
                requests(requesters.clone(), 1, size).await?;
                Ok(Self::Requests {
                    connections,
                    requesters,
                    each,
                    size,
                })
            }
        }
    }

    /// Does it.
    pub(crate) async fn run(self, address: SocketAddr) -> Result<Tally, BenchError> {
        match self {
            Self::Handshakes(lanes) => handshakes(lanes, address).await,
            Self::Requests {
                connections,
                requesters,
                each,
                size,
            } => {
                let tally = requests(requesters, each, size).await?;
                drop(connections);
                Ok(tally)
            }
        }
    }
}

/// One client's connections. A client that is new each time has as many certificates.
fn lane(
    client: Client,
    group: Group,
    name: u32,
    connections: u32,
    site: &Site,
) -> Result<Lane, BenchError> {
    let config = |tickets| {
        let identity = site
            .clients
            .client(&format!("device-{name}.factory.corp"))?;
        site.tls.config(Some(&identity), Http::One, group, tickets)
    };
    let again = |config: Arc<ClientConfig>| (0..connections).map(|_| Arc::clone(&config)).collect();
    match client {
        Client::FirstSeen => (0..connections).map(|_| config(Tickets::Ignored)).collect(),
        Client::SeenBefore => config(Tickets::Ignored).map(again),
        Client::Resuming => config(Tickets::Used).map(again),
    }
}

async fn connect(
    http: Http,
    address: SocketAddr,
    site: &Site,
) -> Result<Vec<Connection>, BenchError> {
    let connections = match http {
        Http::One => CLIENTS,
        Http::Two => H2_CONNECTIONS,
    };
    let good = Some(&site.people.good);
    let config = site
        .tls
        .config(good, http, Group::X25519, Tickets::Ignored)?;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address, Arc::clone(&config)).await?);
    }
    Ok(open)
}

async fn handshakes(lanes: Vec<Lane>, address: SocketAddr) -> Result<Tally, BenchError> {
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn(async move {
            let mut tally = Tally::default();
            for config in lane {
                let (answer, is_resumed) = visit(address, config, Size::OneKilobyte.path()).await?;
                Size::OneKilobyte.check(answer.len())?;
                tally.operations += 1;
                tally.resumed += u32::from(is_resumed);
            }
            Ok::<_, ClientError>(tally)
        });
    }
    sum(tasks).await
}

async fn requests(lanes: Vec<Requester>, each: u32, size: Size) -> Result<Tally, BenchError> {
    let mut tasks = JoinSet::new();
    for mut requester in lanes {
        tasks.spawn(async move {
            for _ in 0..each {
                size.check(requester.get(size.path()).await?.len())?;
            }
            Ok::<_, ClientError>(Tally {
                operations: each,
                resumed: 0,
            })
        });
    }
    sum(tasks).await
}

/// The first failure of any client is the failure of all.
async fn sum(mut tasks: JoinSet<Result<Tally, ClientError>>) -> Result<Tally, BenchError> {
    let mut all = Tally::default();
    while let Some(ended) = tasks.join_next().await {
        let one = ended??;
        all.operations += one.operations;
        all.resumed += one.resumed;
    }
    Ok(all)
}

impl Size {
    fn path(self) -> &'static str {
        match self {
            Self::OneKilobyte => SMALL,
            Self::SixtyFourKilobytes => LARGE,
        }
    }

    fn check(self, found: usize) -> Result<(), ClientError> {
        let expected = match self {
            Self::OneKilobyte => 1024,
            Self::SixtyFourKilobytes => 64 * 1024,
        };
        if found == expected {
            Ok(())
        } else {
            Err(ClientError::Length { found, expected })
        }
    }
}

/// At the same time.
const CLIENTS: u32 = 16;
/// With HTTP/2 the clients share so many connections: four streams on each.
const H2_CONNECTIONS: u32 = 4;

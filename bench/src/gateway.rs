//! `postern-bench gateway`: what it costs to serve clients, beside nginx and HAProxy.

use std::path::Path;

use crate::client::Group;
use crate::compare::{Contender, Effort, compare};
use crate::error::BenchError;
use crate::idle;
use crate::load::{Client, Work};
use crate::proof::prove;
use crate::report::{Figures, Report, Row};
use crate::rows::{Method, RowId};
use crate::site::Site;
use crate::start;
use crate::targets::{Kind, Target};

/// What is there to be measured.
struct Field {
    site: Site,
    kinds: Vec<Kind>,
    effort: Effort,
    /// All kinds, with a CRL of 1,000.
    servers: Vec<Target>,
}

/// Measures the rows.
pub(crate) async fn run(
    postern: &Path,
    rows: &[RowId],
    effort: Effort,
) -> Result<Report, BenchError> {
    let site = Site::new(postern)?;
    let (mut kinds, mut versions, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for kind in [Kind::Postern, Kind::Nginx, Kind::Haproxy] {
        match kind.version(&site) {
            Some(version) => {
                versions.push(version);
                kinds.push(kind);
            }
            None => skipped.push(format!("{kind} is not installed")),
        }
    }
    let thousand = site.write_crl("thousand.crl", 999)?;
    let mut servers = Vec::new();
    for &kind in &kinds {
        servers.push(proven(kind, &site, &thousand).await?);
    }
    let field = Field {
        site,
        kinds,
        effort,
        servers,
    };
    let mut measured = Vec::new();
    for &id in rows {
        let row = field.row(id).await;
        measured.push(row.map_err(|source| BenchError::Measuring {
            what: id.what().to_owned(),
            source: Box::new(source),
        })?);
    }
    Ok(Report {
        schema: "postern.bench-gateway/1",
        rounds: effort.rounds,
        versions,
        skipped,
        rows: measured,
    })
}

/// A server that keeps the policy; another one is not worth a measurement.
async fn proven(kind: Kind, site: &Site, crl: &Path) -> Result<Target, BenchError> {
    let target = Target::start(kind, site, crl).await?;
    prove(&target, site).await?;
    Ok(target)
}

impl Field {
    async fn row(&self, id: RowId) -> Result<Row, BenchError> {
        match id.method() {
            Method::Servers(work) => self.servers(id, work).await,
            Method::Revoked(strangers) => self.revoked(id, strangers).await,
            Method::Hybrid => self.hybrid(id).await,
            Method::Memory => {
                let figures = idle::memory(&self.site, &self.kinds, self.effort).await?;
                let note = format!("{} open, one request on each", self.effort.idle_connections);
                Ok(Row::new(id, figures, vec![note]))
            }
            Method::Start(strangers) => {
                let figures = start::added(&self.site, &self.kinds, strangers, self.effort).await?;
                Ok(Row::new(id, figures, Vec::new()))
            }
        }
    }

    async fn servers(&self, id: RowId, work: Work) -> Result<Row, BenchError> {
        let contenders = self.servers.iter().map(|target| Contender { target, work });
        let contenders: Vec<_> = contenders.collect();
        let (outcomes, limit) = compare(&contenders, self.effort, &self.site).await?;
        let kinds = self.servers.iter().map(|target| target.kind);
        let rates = outcomes.iter().map(|outcome| outcome.rate);
        let rates: Vec<_> = kinds.zip(rates).collect();
        let figures = Figures {
            limit: matches!(work, Work::Handshake { .. }).then_some(limit),
            ..Figures::by_kind(&rates)?
        };
        let resumed = self.servers.iter().zip(&outcomes).map(|(target, outcome)| {
            format!("{} {:.0} % resumed", target.kind, outcome.resumed * 100.0)
        });
        let notes = match work {
            Work::Handshake {
                client: Client::Resuming,
                ..
            } => resumed.collect(),
            Work::Handshake {
                client: Client::SeenBefore,
                ..
            } => vec!["every certificate was presented before".to_owned()],
            Work::Handshake {
                client: Client::FirstSeen,
                ..
            }
            | Work::Request { .. } => Vec::new(),
        };
        Ok(Row::new(id, figures, notes))
    }

    async fn revoked(&self, id: RowId, strangers: u64) -> Result<Row, BenchError> {
        let none = self.site.write_crl("none.crl", 0)?;
        let many = self.site.write_crl("many.crl", strangers)?;
        let none = proven(Kind::Postern, &self.site, &none).await?;
        let many = proven(Kind::Postern, &self.site, &many).await?;
        self.against_ourselves(id, (&many, FIRST_SEEN), (&none, FIRST_SEEN))
            .await
    }

    async fn hybrid(&self, id: RowId) -> Result<Row, BenchError> {
        let hybrid = Work::Handshake {
            client: Client::FirstSeen,
            group: Group::X25519MlKem768,
        };
        let ours = self
            .servers
            .iter()
            .find(|target| target.kind == Kind::Postern)
            .ok_or(BenchError::Machine("postern binary"))?;
        self.against_ourselves(id, (ours, hybrid), (ours, FIRST_SEEN))
            .await
    }

    async fn against_ourselves(
        &self,
        id: RowId,
        (with, with_work): (&Target, Work),
        (without, without_work): (&Target, Work),
    ) -> Result<Row, BenchError> {
        let contenders = [
            Contender {
                target: with,
                work: with_work,
            },
            Contender {
                target: without,
                work: without_work,
            },
        ];
        // A few percent are at stake, and the system counts CPU time in hundredths of a second.
        let effort = Effort {
            handshakes: self.effort.handshakes * 2,
            ..self.effort
        };
        let (outcomes, _limit) = compare(&contenders, effort, &self.site).await?;
        let rates: Vec<_> = outcomes.iter().map(|outcome| outcome.rate).collect();
        let [with, without] = rates[..] else {
            return Err(BenchError::Machine("two rates of two contenders"));
        };
        let figures = Figures {
            ourselves: Some(without),
            ..Figures::of(with)
        };
        Ok(Row::new(id, figures, Vec::new()))
    }
}

const FIRST_SEEN: Work = Work::Handshake {
    client: Client::FirstSeen,
    group: Group::X25519,
};

//! One mTLS front door: who gets in is decided per request, and a revoked client is out at once.
//!
//! [`Settings::load`] checks a configuration, [`Gateway::bind`] and [`Gateway::run`] serve it,
//! [`check()`] tells what it would do without serving. Inside, a request follows one line:
//! accept, handshake (chain, profile, validity, revocation), `Peer`, `Caller`, then per request the function
//! at the end of this file, and exactly one event on every exit.

mod activity;
mod arrival;
mod body;
mod caller;
mod check;
mod cloudflare;
mod config;
mod connection;
mod drive;
mod event;
mod examine;
mod follow;
mod forwarded_for;
mod gateway;
mod handshake;
mod headers;
mod identity;
mod keeper;
mod listener;
mod metrics;
mod monitor;
mod moved;
mod networks;
mod path_cache;
mod peer;
mod places;
mod plain_listener;
mod proxy_protocol;
mod registry;
mod respond;
mod resumption;
mod service_token;
mod settings;
mod signals;
mod state;
mod state_folder;
mod target;
mod throttle;
mod tls;
mod tunnel;
mod upstream;
mod verifier;
mod websocket;

use std::sync::Arc;

use http::header::USER_AGENT;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use postern_policy::{Application, Permit, Verdict};
use rustls_pki_types::UnixTime;

pub use crate::check::{
    ApplicationSummary, AssertionsSummary, CheckError, CheckReport, CloudflareSummary,
    SourceSummary, check,
};
pub use crate::config::{
    AssertionsConfig, BehindCloudflareConfig, GatewayConfig, IdentityConfig, LimitsConfig,
    OriginPullConfig, PeerConfig, SourceConfig, WhenStaleConfig,
};
pub use crate::event::{EventTarget, OpenEventsError};
pub use crate::examine::{TokenStanding, examine, token_standing};
pub use crate::gateway::{Gateway, GatewayHandle, Loader, RunError, StartError};
pub use crate::keeper::LoadError;
pub use crate::settings::{ListenAddress, Settings};
pub use crate::signals::{InstallSignalsError, handle_signals};
pub use crate::state_folder::{
    ReloadOutcome, ReloadRequestError, StateFolderError, last_reload, request_reload, running_pid,
};

use crate::body::{AnswerBody, Source};
use crate::caller::{Caller, Evidence, Proof};
use crate::cloudflare::CloudflareRefusal;
use crate::event::{Record, RecordKind, RequestId};
use crate::headers::{Assertions, X_REQUEST_ID};
use crate::identity::UpstreamIdentity;
use crate::peer::{Connection, Peer};
use crate::registry::{Cut, Registered, Subject};
use crate::respond::Refusal;
use crate::state::{Snapshot, State};
use crate::target::Target;
use crate::tunnel::Tunnel;
use crate::upstream::Forwarded;
use crate::websocket::Handshake;

/// Answers one request and writes its one event, whatever happens.
pub(crate) async fn answer(
    state: &State,
    connection: &Connection,
    cut: &Arc<Cut>,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let request_id = RequestId::random();
    let is_head = request.method() == Method::HEAD;
    let in_flight = connection.begin(cut);
    let Ok(room) = state.log.room().await else {
        let response = own(&Refusal::EventLogStalled, request_id, is_head);
        return response.map(|source| AnswerBody::new(source, None, in_flight, None));
    };
    let record_cut = Some(Arc::clone(cut));
    let kind = RecordKind::Request;
    let mut record = Record::open(room, kind, request_id, connection.address, record_cut);
    let admitted = admit_and_forward(state, connection, cut, request, request_id, &mut record);
    let (response, ends, registered) = match admitted.await {
        Ok((Forwarded::Answer(response), registered)) => {
            (response.map(Source::Upstream), None, registered)
        }
        Ok((Forwarded::Switched(response, ends), registered)) => {
            let response = response.map(|()| Source::Own(Full::default()));
            (response, Some(ends), registered)
        }
        Err(refusal) => {
            refusal.note(&mut record);
            (own(&refusal, request_id, is_head), None, None)
        }
    };
    record.answered(response.status());
    let response = named(response, request_id);
    let Some(ends) = ends else {
        return response.map(|source| AnswerBody::new(source, Some(record), in_flight, registered));
    };
    // The WebSocket begins where this answer ends, and the record is about both.
    connection.tunnel.put(Tunnel {
        ends,
        cut: Arc::clone(cut),
        record,
        in_flight: connection.begin(cut),
        registered,
    });
    response.map(|source| AnswerBody::new(source, None, in_flight, None))
}

/// Whoever made the answer, it says which event is about it.
fn named<T>(mut response: Response<T>, request_id: RequestId) -> Response<T> {
    let id = http::HeaderValue::from_str(&request_id.to_string());
    let id = id.expect("hex digits are a header value");
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// hyper never takes a body that HEAD does not send: the record would wait for it.
fn own(refusal: &Refusal, request_id: RequestId, is_head: bool) -> Response<Source> {
    let response = refusal.response(request_id);
    response.map(|body| Source::Own(if is_head { Full::default() } else { body }))
}

/// The request path, top to bottom. What is decided here holds for this request only.
async fn admit_and_forward(
    state: &State,
    connection: &Connection,
    cut: &Arc<Cut>,
    request: Request<Incoming>,
    request_id: RequestId,
    record: &mut Record,
) -> Result<(Forwarded, Option<Registered>), Refusal> {
    let snapshot = state.snapshot();
    let now = UnixTime::now();
    let (mut parts, body) = request.into_parts();
    note_client(record, connection, &parts);
    let proxies = &snapshot.settings.forwarded_for;
    let address = forwarded_for::client_address(&parts.headers, connection.address, proxies)?;
    record.client_address(address);

    let target = Target::of(&parts)?;
    record.host(target.host.as_str());
    headers::check_framing(&parts.headers)?;
    let handshake = Handshake::of(&parts)?;
    in_scope(&target, connection, &snapshot)?;
    let application = snapshot
        .settings
        .applications
        .route(&target.host, parts.uri.path())?;
    record.application(application.name().as_str());

    let evidence = Evidence {
        headers: &parts.headers,
        address,
        now,
    };
    let caller = identify(state, connection, &snapshot, application, &evidence, record).await?;
    let registered = match &snapshot.settings.behind_cloudflare {
        Some(_) => register(state, &snapshot, &caller, cut, now)?,
        None => None,
    };
    let permit = authorize(application, &caller)?;
    record.permitted(&permit);
    let assertion = snapshot.assertion(application, &caller, permit.method(), now);

    if let Some(single) = application.token_header() {
        service_token::withhold(&mut parts.headers, single);
    }
    let permitted = permit.cover(Request::from_parts(parts, body));
    let assertions = Assertions {
        request_id,
        identity: UpstreamIdentity {
            forms: application.identity().forms(),
            path: caller.path().map(|path| &**path),
            assertion: assertion.as_deref(),
            now,
        },
        address: caller.address,
        authority: &target.authority,
    };
    let upstream = snapshot.upstreams.of(application);
    let forwarded = upstream
        .forward(permitted, handshake.as_ref(), &assertions)
        .await?;
    Ok((forwarded, registered))
}

/// Who the request is from: Cloudflare vouches for its clients, any other client for itself.
async fn identify(
    state: &State,
    connection: &Connection,
    snapshot: &Snapshot,
    application: &Application,
    evidence: &Evidence<'_>,
    record: &mut Record,
) -> Result<Caller, Refusal> {
    let gate = snapshot.gate.load_full();
    match &snapshot.settings.behind_cloudflare {
        Some(front) => {
            let Evidence { headers, now, .. } = *evidence;
            let caller = front.identify(application, headers, &gate, now, record);
            Ok(caller.await?)
        }
        None => {
            let throttle = &state.throttle;
            Caller::of(connection, application, &gate, throttle, evidence, record)
        }
    }
}

/// The handshake asked for certificates as the SNI's host wants it; another host may want more.
/// Behind Cloudflare it asked for what tells Cloudflare, whatever the host.
fn in_scope(target: &Target, connection: &Connection, snapshot: &Snapshot) -> Result<(), Refusal> {
    let settings = &snapshot.settings;
    let Some(scope) = settings.applications.client_auth(&target.host) else {
        return Err(Refusal::Route(postern_policy::RouteError::UnknownHost));
    };
    let covers = match (&connection.peer, &settings.behind_cloudflare) {
        (Peer::Cloudflare(checked), Some(front)) => *checked == front.peer,
        (Peer::Certificate(_) | Peer::Anonymous, None) => connection.scope == scope,
        // The configuration changed from one to the other: the client is to connect again.
        (Peer::Cloudflare(_), None) | (Peer::Certificate(_) | Peer::Anonymous, Some(_)) => false,
    };
    if covers {
        Ok(())
    } else {
        Err(Refusal::Misdirected)
    }
}

/// Registered first, looked up again afterwards: see `registry`. The connection is Cloudflare's,
/// so a revocation must find the request.
fn register(
    state: &State,
    snapshot: &Snapshot,
    caller: &Caller,
    cut: &Arc<Cut>,
    now: UnixTime,
) -> Result<Option<Registered>, Refusal> {
    let Some(subject) = caller.subject() else {
        return Ok(None);
    };
    let registered = state.registry.register(subject.clone(), cut);
    match &subject {
        Subject::Path(path) => state.recheck(path, snapshot, now)?,
        Subject::Name(name) => state
            .snapshot()
            .gate
            .load()
            .check_name(name, now)
            .map_err(CloudflareRefusal::from)?,
    }
    Ok(Some(registered))
}

fn authorize(application: &Application, caller: &Caller) -> Result<Permit, Refusal> {
    let credentials = caller.credentials();
    let verdict = match &caller.proof {
        Proof::Person => application.decide_person(&credentials),
        Proof::Certificate(_) | Proof::Name(_) | Proof::Nothing => application.decide(&credentials),
    };
    match verdict {
        Verdict::Permit(permit) => Ok(permit),
        Verdict::Denial(denial) if caller.proved_nothing() => Err(Refusal::Unauthenticated(denial)),
        Verdict::Denial(denial) => Err(Refusal::Denied(denial)),
    }
}

fn note_client(record: &mut Record, connection: &Connection, parts: &http::request::Parts) {
    match &connection.peer {
        Peer::Certificate(path) => record.certificate(path.identity()),
        Peer::Cloudflare(_) => record.via_cloudflare(),
        Peer::Anonymous => {}
    }
    if let Some(agent) = parts.headers.get(USER_AGENT) {
        record.user_agent(agent.as_bytes());
    }
}

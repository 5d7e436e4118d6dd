//! One mTLS front door: who gets in is decided per request, and a revoked client is out at once.
//!
//! [`Settings::load`] checks a configuration, [`Gateway::bind`] and [`Gateway::run`] serve it,
//! [`check()`] tells what it would do without serving. Inside, a request follows one line:
//! accept, handshake (chain, profile, validity, revocation), `Peer`, then per request the function
//! at the end of this file, and exactly one event on every exit.

mod activity;
mod body;
mod check;
mod config;
mod connection;
mod event;
mod examine;
mod follow;
mod forward;
mod gateway;
mod handshake;
mod headers;
mod keeper;
mod peer;
mod registry;
mod respond;
mod service_token;
mod settings;
mod signals;
mod state;
mod state_folder;
mod target;
mod tls;
mod verifier;

use http::header::USER_AGENT;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use postern_policy::{Application, Credentials, Permit, Verdict};
use rustls_pki_types::UnixTime;

pub use crate::check::{ApplicationSummary, CheckError, CheckReport, SourceSummary, check};
pub use crate::config::{GatewayConfig, LimitsConfig, WhenStaleConfig};
pub use crate::event::{EventTarget, OpenEventsError};
pub use crate::examine::{TokenStanding, examine, token_standing};
pub use crate::gateway::{Gateway, GatewayHandle, Loader, RunError, StartError};
pub use crate::keeper::LoadError;
pub use crate::settings::Settings;
pub use crate::signals::{InstallSignalsError, handle_signals};
pub use crate::state_folder::{
    ReloadOutcome, ReloadRequestError, StateFolderError, last_reload, request_reload, running_pid,
};

use crate::body::{AnswerBody, Source};
use crate::event::{Record, RecordKind, RequestId};
use crate::headers::{Assertions, X_REQUEST_ID};
use crate::peer::Connection;
use crate::respond::Refusal;
use crate::state::{Snapshot, State};
use crate::target::Target;
use crate::verifier::Gate;

/// Answers one request and writes its one event, whatever happens.
pub(crate) async fn answer(
    state: &State,
    connection: &Connection,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let request_id = RequestId::random();
    let is_head = request.method() == Method::HEAD;
    let in_flight = connection.activity.begin();
    let Ok(room) = state.log.room().await else {
        let response = own(&Refusal::EventLogStalled, request_id, is_head);
        return response.map(|source| AnswerBody::new(source, None, in_flight));
    };
    let cut = Some(std::sync::Arc::clone(&connection.cut));
    let kind = RecordKind::Request;
    let mut record = Record::open(room, kind, request_id, connection.address, cut);
    let response =
        match admit_and_forward(state, connection, request, request_id, &mut record).await {
            Ok(mut response) => {
                let id = http::HeaderValue::from_str(&request_id.to_string());
                response
                    .headers_mut()
                    .insert(X_REQUEST_ID, id.expect("hex digits are a header value"));
                response.map(Source::Upstream)
            }
            Err(refusal) => {
                refusal.note(&mut record);
                own(&refusal, request_id, is_head)
            }
        };
    record.answered(response.status());
    response.map(|source| AnswerBody::new(source, Some(record), in_flight))
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
    request: Request<Incoming>,
    request_id: RequestId,
    record: &mut Record,
) -> Result<Response<Incoming>, Refusal> {
    let snapshot = state.snapshot();
    let gate = snapshot.gate.load_full();
    let now = UnixTime::now();
    let (parts, body) = request.into_parts();
    note_client(record, connection, &parts);

    let target = Target::of(&parts)?;
    record.host(target.host.as_str());
    headers::check_framing(&parts.headers)?;
    in_scope(&target, connection, &snapshot)?;
    let application = snapshot
        .settings
        .applications
        .route(&target.host, parts.uri.path())?;
    record.application(application.name().as_str());

    if let Some(path) = connection.peer.path() {
        gate.recheck(path, now)?;
    }
    let permit = authorize(application, connection, &gate, &parts.headers, now, record)?;
    record.permitted(&permit);

    let permitted = permit.cover(Request::from_parts(parts, body));
    let assertions = Assertions {
        request_id,
        certificate: connection.peer.path().map(|path| path.leaf()),
        address: connection.address,
        authority: &target.authority,
    };
    let upstream = application.upstream();
    Ok(snapshot
        .upstreams
        .forward(permitted, upstream, &assertions)
        .await?)
}

/// The handshake asked for certificates as the SNI's host wants it; another host may want more.
fn in_scope(target: &Target, connection: &Connection, snapshot: &Snapshot) -> Result<(), Refusal> {
    match snapshot.settings.applications.client_auth(&target.host) {
        None => Err(Refusal::Route(postern_policy::RouteError::UnknownHost)),
        Some(scope) if scope != connection.scope => Err(Refusal::Misdirected),
        Some(_) => Ok(()),
    }
}

/// Credentials are collected, then rules look at them.
fn authorize(
    application: &Application,
    connection: &Connection,
    gate: &Gate,
    headers: &http::HeaderMap,
    now: UnixTime,
    record: &mut Record,
) -> Result<Permit, Refusal> {
    let token = if application.names_a_token() {
        service_token::authenticate(headers, &gate.view().tokens, now)?
    } else {
        None
    };
    if let Some(token) = &token {
        record.token(&token.client_id, &token.secret);
    }
    let credentials = Credentials {
        certificate: connection.peer.identity(),
        token: token.map(|token| &token.entry.name),
        address: connection.address,
    };
    match application.decide(&credentials) {
        Verdict::Permit(permit) => Ok(permit),
        Verdict::Denial(denial)
            if credentials.certificate.is_none() && credentials.token.is_none() =>
        {
            Err(Refusal::Unauthenticated(denial))
        }
        Verdict::Denial(denial) => Err(Refusal::Denied(denial)),
    }
}

fn note_client(record: &mut Record, connection: &Connection, parts: &http::request::Parts) {
    if let Some(identity) = connection.peer.identity() {
        record.certificate(identity);
    }
    if let Some(agent) = parts.headers.get(USER_AGENT) {
        record.user_agent(agent.as_bytes());
    }
}

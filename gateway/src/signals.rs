//! SIGHUP reloads, SIGTERM and SIGINT drain.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::gateway::GatewayHandle;

/// Why signals cannot be handled.
#[derive(Debug, thiserror::Error)]
#[error("cannot handle signals: {0}")]
pub struct InstallSignalsError(#[from] io::Error);

/// Handles SIGHUP from now on; the returned future is ready at SIGTERM or SIGINT: what
/// [`Gateway::run`](crate::Gateway::run) takes as `shutdown`.
///
/// # Errors
///
/// When the system refuses the handlers, or outside a tokio runtime with I/O.
pub fn handle_signals(
    handle: GatewayHandle,
) -> Result<impl Future<Output = ()> + Send, InstallSignalsError> {
    let hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let reloading = tokio::spawn(reload_on(hangup, handle));
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        reloading.abort();
    })
}

async fn reload_on(mut hangup: Signal, handle: GatewayHandle) {
    while hangup.recv().await.is_some() {
        // The outcome is in the events and in the state folder.
        if handle.reload().await.is_none() {
            return;
        }
    }
}

//! The public-key work that no server can avoid in a full handshake on this chain.

use std::time::Duration;

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use rustix::time::{ClockId, clock_gettime};

use crate::error::BenchError;
use crate::processes::pin_to;
use crate::targets::SERVER_CPU;

/// Handshakes per CPU second if there were nothing but one signature, three verifications (leaf,
/// intermediate, CertificateVerify) and X25519; on the servers' CPU, by the thread's own clock.
pub(crate) fn handshakes_per_cpu_second() -> Result<f64, BenchError> {
    let timing = std::thread::spawn(|| {
        pin_to(SERVER_CPU)?;
        time_work().map_err(|Unspecified| BenchError::Machine("time of the public-key work"))
    });
    let per_handshake = timing
        .join()
        .map_err(|_| BenchError::Machine("time of the public-key work"))??;
    Ok(1.0 / per_handshake.as_secs_f64())
}

fn time_work() -> Result<Duration, Unspecified> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let public = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key());
    let peer = EphemeralPrivateKey::generate(&X25519, &random)?.compute_public_key()?;
    let certificate = [7; SIGNED_OCTETS];
    let signed = key.sign(&random, &certificate)?;
    let handshake = || {
        let own = EphemeralPrivateKey::generate(&X25519, &random)?;
        own.compute_public_key()?;
        let peer = UnparsedPublicKey::new(&X25519, peer.as_ref());
        agreement::agree_ephemeral(own, peer, Unspecified, |_secret| Ok(()))?;
        key.sign(&random, &certificate)?;
        (0..VERIFICATIONS).try_for_each(|_| public.verify(&certificate, signed.as_ref()))
    };
    (0..WARM_UP).try_for_each(|_| handshake())?;
    let before = thread_time();
    (0..HANDSHAKES).try_for_each(|_| handshake())?;
    Ok((thread_time() - before) / HANDSHAKES)
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a CPU clock does not run backwards")
}

/// About what the signed part of a certificate has.
const SIGNED_OCTETS: usize = 400;
const VERIFICATIONS: u32 = 3;
const WARM_UP: u32 = 50;
const HANDSHAKES: u32 = 1_000;

//! The certificate authority of this install: sandboxes trust it, so that the
//! gate can stand in for the hosts that grants name.
//!
//! One key signs, one other is that of every leaf and is never written down.
//! Certificates are valid for a fixed long time: a sandbox's clock may be
//! anywhere, and what would be gained by short ones (a leaf's key that leaks)
//! cannot be had outside this process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use secrecy::SecretBox;

/// Hosts whose leaves are kept. Making one costs less than a millisecond, so
/// when there are more all of them go.
const KEPT: usize = 512;

/// What went wrong with an authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The bytes are not those of an authority.
    #[error("not an authority's bytes")]
    Bytes,
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate could not be used.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
}

/// A host and the protocol spoken in its name.
type Part = (String, Vec<u8>);

/// The authority: its key and its certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    leaf_key: KeyPair,
    provider: Arc<CryptoProvider>,
    kept: Mutex<HashMap<Part, Arc<ServerConfig>>>,
}

impl Authority {
    /// A new authority with a random key (ECDSA P-256).
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn fresh() -> Result<Authority, AuthorityError> {
        let key = KeyPair::generate()?;
        let certificate = params().self_signed(&key)?;
        Authority::new(key, certificate.der().clone(), certificate.pem())
    }

    /// What [`Authority::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Bytes`] when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Authority, AuthorityError> {
        let (length, rest) = bytes.split_first_chunk().ok_or(AuthorityError::Bytes)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (key, certificate) = rest.split_at_checked(length).ok_or(AuthorityError::Bytes)?;
        let key = KeyPair::try_from(key).map_err(|_| AuthorityError::Bytes)?;
        let certificate = CertificateDer::from(certificate.to_vec());
        let pem = pem(&certificate);
        Authority::new(key, certificate, pem)
    }

    /// Key and certificate, to be kept sealed.
    pub fn to_bytes(&self) -> SecretBox<Vec<u8>> {
        let key = self.issuer.key().serialized_der();
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
        SecretBox::new(Box::new([&length, key, &self.certificate].concat()))
    }

    /// The certificate that sandboxes are to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    fn new(
        key: KeyPair,
        certificate: CertificateDer<'static>,
        pem: String,
    ) -> Result<Authority, AuthorityError> {
        Ok(Authority {
            issuer: Issuer::new(params(), key),
            certificate,
            pem,
            leaf_key: KeyPair::generate()?,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            kept: Mutex::default(),
        })
    }

    /// How to stand in for `host`, speaking `protocol` (ALPN; empty: none).
    pub(crate) fn stand_in(
        &self,
        host: &str,
        protocol: &[u8],
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let name = (host.to_owned(), protocol.to_vec());
        // Nothing panics while it holds the lock, so what is inside is sound.
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = lock().get(&name) {
            return Ok(Arc::clone(kept));
        }
        let made = Arc::new(self.config(host, protocol)?);
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(name, Arc::clone(&made));
        Ok(made)
    }

    fn config(&self, host: &str, protocol: &[u8]) -> Result<ServerConfig, AuthorityError> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // A common name has at most 64 characters; clients read the other one.
        let common: String = host.chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params);
        let leaf = params.signed_by(&self.leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        let certified = CertifiedKey::from_der(chain, key, &self.provider)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        if !protocol.is_empty() {
            config.alpn_protocols = vec![protocol.to_vec()];
        }
        // Connections are few and short; nothing of them is kept for resuming.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// The authority's certificate but for its key: the same every time, so that
/// key and certificate found again go together.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "OpenComputer gate");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "OpenComputer (this install)");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params);
    params
}

fn valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", certificate.to_vec()))
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authority").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn an_authority_found_again_signs_for_the_same_certificate() {
        let made = Authority::fresh().unwrap();
        let found = Authority::from_bytes(made.to_bytes().expose_secret()).unwrap();
        assert_eq!(made.certificate, found.certificate);
        let parsed = pem::parse(found.certificate_pem()).unwrap();
        assert_eq!(parsed.contents(), &*made.certificate);
        found.stand_in("api.example.com", b"h2").unwrap();
    }

    #[test]
    fn other_bytes_are_no_authority() {
        for bytes in [&b""[..], b"\0\0", b"\0\0\0\x09short", b"\0\0\0\x01xrest"] {
            let error = Authority::from_bytes(bytes).unwrap_err();
            assert!(matches!(error, AuthorityError::Bytes), "{error}");
        }
    }

    #[test]
    fn a_leaf_is_made_once_and_only_so_many_are_kept() {
        let authority = Authority::fresh().unwrap();
        let first = authority.stand_in("a.example", b"").unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &authority.stand_in("a.example", b"").unwrap()
        ));
        for number in 0..KEPT {
            authority
                .stand_in(&format!("{number}.example"), b"")
                .unwrap();
        }
        assert!(authority.kept.lock().unwrap().len() <= KEPT);
        assert!(!Arc::ptr_eq(
            &first,
            &authority.stand_in("a.example", b"").unwrap()
        ));
    }

    #[test]
    fn nothing_of_the_key_is_printed() {
        let authority = Authority::fresh().unwrap();
        assert_eq!(format!("{authority:?}"), "Authority { .. }");
    }
}

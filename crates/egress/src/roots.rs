//! Whom the gate trusts: the authorities that may vouch for a server it hands
//! a secret to.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Trusted authorities.
#[derive(Debug, Clone)]
pub struct Roots(pub(crate) Arc<RootCertStore>);

/// A text that is no list of certificates in PEM.
#[derive(Debug, thiserror::Error)]
#[error("not a certificate in PEM: {0}")]
pub struct NoCertificate(String);

impl Roots {
    /// The authorities the host's system trusts. What cannot be read there is
    /// left out; with none left no server verifies.
    pub fn system() -> Roots {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Roots(Arc::new(store))
    }

    /// Nobody.
    pub fn none() -> Roots {
        Roots(Arc::new(RootCertStore::empty()))
    }

    /// These and the certificates of `pem`.
    ///
    /// # Errors
    ///
    /// [`NoCertificate`] when something in there is not a certificate.
    pub fn and(self, pem: &str) -> Result<Roots, NoCertificate> {
        let mut store = RootCertStore::clone(&self.0);
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            certificate
                .map_err(|error| error.to_string())
                .and_then(|one| store.add(one).map_err(|error| error.to_string()))
                .map_err(NoCertificate)?;
        }
        Ok(Roots(Arc::new(store)))
    }

    /// TLS towards servers that these vouch for, for a client of `HTTP/1.1`.
    ///
    /// # Errors
    ///
    /// If there are no protocols to speak, which is a defect.
    pub fn client(&self) -> Result<rustls::ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

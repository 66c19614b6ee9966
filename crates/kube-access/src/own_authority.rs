//! [`OwnAuthority`]: an API server whose certificate is that of its own authority, as small installers make it.
//!
//! A certificate that is itself among the trusted ones needs no other that vouches for it: so Go's `x509` judges, and with it kubectl.
//! webpki refuses each authority that stands where a server's certificate belongs.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// Judges as webpki does, and trusts besides that a trusted certificate may be a server's own.
#[derive(Debug)]
pub(crate) struct OwnAuthority {
    chains: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl OwnAuthority {
    /// A judge by these certificates, in DER. One that cannot be read is refused.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub(crate) fn new(trusted: &[Vec<u8>]) -> Result<Self, VerifierBuilderError> {
        let trusted: Vec<CertificateDer<'static>> =
            trusted.iter().cloned().map(CertificateDer::from).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chains = WebPkiServerVerifier::builder(Arc::new(roots)).build()?;
        Ok(Self { chains, trusted })
    }
}

/// Whether a certificate was refused for nothing but that it is an authority's. Its dates were judged before that.
pub(crate) fn is_authority(error: &rustls::OtherError) -> bool {
    let error = error.0.downcast_ref::<webpki::Error>();
    matches!(error, Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for OwnAuthority {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self
            .chains
            .verify_server_cert(server, between, name, ocsp_response, now);
        match judged {
            Err(Error::InvalidCertificate(CertificateError::Other(why)))
                if is_authority(&why) && self.trusted.iter().any(|one| one == server) =>
            {
                verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate for a name, and who made it when that is not itself.
    fn certificate(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn authority(params: &mut CertificateParams) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }

    /// The verdict over a server's certificate with these trusted ones, at a server that is called `k.example.com`.
    fn judged(server: &[u8], trusted: &[Vec<u8>]) -> Result<(), Error> {
        let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = CertificateDer::from(server);
        let name = ServerName::try_from("k.example.com").unwrap();
        let judge = OwnAuthority::new(trusted).unwrap();
        judge
            .verify_server_cert(&server, &[], &name, &[], UnixTime::now())
            .map(|_| ())
    }

    #[test]
    fn a_trusted_certificate_vouches_for_itself() {
        let own = certificate("k.example.com", authority);
        let other = certificate("k.example.com", authority);
        assert_eq!(judged(&own, &[other.clone(), own.clone()]), Ok(()));
        let error = judged(&own, &[other]).unwrap_err();
        let Error::InvalidCertificate(CertificateError::Other(why)) = error else {
            panic!("{error:?}");
        };
        assert!(is_authority(&why));
    }

    #[test]
    fn neither_for_another_name_nor_for_ever() {
        let elsewhere = certificate("elsewhere.example.com", authority);
        let error = judged(&elsewhere, std::slice::from_ref(&elsewhere)).unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. }
                )
            ),
            "{error:?}"
        );
        let old = certificate("k.example.com", |params| {
            authority(params);
            params.not_after = date_time_ymd(2020, 1, 1);
        });
        let error = judged(&old, std::slice::from_ref(&old)).unwrap_err();
        assert!(
            matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                )
            ),
            "{error:?}"
        );
    }

    #[test]
    fn a_servers_certificate_is_judged_by_who_made_it() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        authority(&mut params);
        let root = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        let params = CertificateParams::new(["k.example.com".to_owned()]).unwrap();
        let server = params.signed_by(&KeyPair::generate().unwrap(), &issuer);
        assert_eq!(judged(server.unwrap().der(), &[root]), Ok(()));
    }
}

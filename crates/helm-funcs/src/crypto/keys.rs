//! Private keys: made, read from PEM, written as sprig writes them.

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use dsa::Generate;
use gotmpl::Error;
use rand_core::{TryCryptoRng, TryRng};

use super::{der, pem};
use crate::args::fail;
use crate::sources::RandomSource;

/// SHA-256 with RSA, as an algorithm identifier.
const SHA256_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
const SHA256_ECDSA: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const SHA384_ECDSA: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";
const SHA512_ECDSA: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04";
const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";

/// The curves of elliptic keys, with the signature that goes with each.
const CURVES: [(&EcdsaSigningAlgorithm, &[u8]); 3] = [
    (&signature::ECDSA_P256_SHA256_ASN1_SIGNING, SHA256_ECDSA),
    (&signature::ECDSA_P384_SHA384_ASN1_SIGNING, SHA384_ECDSA),
    (&signature::ECDSA_P521_SHA512_ASN1_SIGNING, SHA512_ECDSA),
];

/// A private key of a kind that sprig knows.
pub(super) enum PrivateKey {
    Rsa(RsaKeyPair),
    /// With the identifier of the signature algorithm.
    Elliptic(EcdsaKeyPair, &'static [u8]),
    Ed25519(Ed25519KeyPair),
    /// Only kept: nothing can be signed with it. The DER.
    Dsa(Vec<u8>),
}

fn failed(_: Unspecified) -> Error {
    Error::call("the key cannot be encoded")
}

impl PrivateKey {
    /// An RSA key of 2048 bits, as certificates get them.
    pub(super) fn for_certificate() -> Result<Self, Error> {
        rsa(KeySize::Rsa2048).map_err(|e| Error::call(format!("error generating rsa key: {e}")))
    }

    /// The key in a PEM block; the refusals are worded as sprig's.
    pub(super) fn from_pem(text: &str) -> Result<Self, Error> {
        let Some(block) = pem::first(text) else {
            return fail("no PEM data in input");
        };
        if block.label == "PRIVATE KEY" {
            return pkcs8(&block.data)
                .map_err(|e| Error::call(format!("decoding PEM as PKCS#8: {e}")));
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            let label = block.label;
            return fail(format!("no private key data in PEM block of type {label}"));
        };
        match kind {
            "RSA" => RsaKeyPair::from_der(&block.data)
                .map(Self::Rsa)
                .map_err(|_| parsing("RSA", &block.data)),
            "EC" => elliptic(&block.data).ok_or_else(|| parsing("EC", &block.data)),
            "DSA" => match der::elements(&block.data) {
                Some(numbers) if numbers.len() >= 6 => Ok(Self::Dsa(block.data)),
                _ => Err(parsing("DSA", &block.data)),
            },
            _ => fail(format!("invalid private key type {}", block.label)),
        }
    }

    /// The key in PEM, in the form that Go has for its kind.
    pub(super) fn to_pem(&self) -> Result<String, Error> {
        let (label, bytes) = match self {
            Self::Rsa(pair) => {
                let wrapped: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                // PKCS #8 is the version, the algorithm and the key.
                let elements = der::elements(wrapped.as_ref()).unwrap_or_default();
                let key = elements.get(2).map(|(_, key)| key.to_vec());
                ("RSA PRIVATE KEY", key.unwrap_or_default())
            }
            Self::Elliptic(pair, _) => {
                let key: EcPrivateKeyRfc5915Der<'_> =
                    pair.private_key().as_der().map_err(failed)?;
                ("EC PRIVATE KEY", key.as_ref().to_vec())
            }
            Self::Ed25519(pair) => {
                let key = pair.to_pkcs8v1().map_err(failed)?;
                ("PRIVATE KEY", key.as_ref().to_vec())
            }
            Self::Dsa(bytes) => ("DSA PRIVATE KEY", bytes.clone()),
        };
        Ok(pem::text(label, bytes))
    }

    /// The public key as a `SubjectPublicKeyInfo`; `None` for a kind that no certificate has.
    pub(super) fn public_key(&self) -> Result<Option<Vec<u8>>, Error> {
        let info: PublicKeyX509Der<'_> = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Elliptic(pair, _) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Dsa(_) => return Ok(None),
        }
        .map_err(failed)?;
        Ok(Some(info.as_ref().to_vec()))
    }

    /// The identifier of the algorithm that it signs with; `None` if it cannot.
    pub(super) fn signature_algorithm(&self) -> Option<&'static [u8]> {
        match self {
            Self::Rsa(_) => Some(SHA256_RSA),
            Self::Elliptic(_, identifier) => Some(identifier),
            Self::Ed25519(_) => Some(ED25519),
            Self::Dsa(_) => None,
        }
    }

    /// Signs a message with that algorithm.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_: Unspecified| Error::call("the key cannot sign");
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding = &signature::RSA_PKCS1_SHA256;
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Self::Elliptic(pair, _) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Dsa(_) => Err(failed(Unspecified)),
        }
    }
}

/// sprig's `genPrivateKey`: what is wrong is the text, too.
pub(super) fn generate(kind: &str, random: &RandomSource) -> String {
    let made = match kind {
        "" | "rsa" => rsa(KeySize::Rsa4096),
        "dsa" => dsa(random),
        "ecdsa" => {
            let (curve, identifier) = CURVES[0];
            EcdsaKeyPair::generate(curve)
                .map(|pair| PrivateKey::Elliptic(pair, identifier))
                .map_err(|e| Error::call(e.to_string()))
        }
        "ed25519" => Ed25519KeyPair::generate()
            .map(PrivateKey::Ed25519)
            .map_err(|e| Error::call(e.to_string())),
        _ => return format!("Unknown type {kind}"),
    };
    made.and_then(|key| key.to_pem())
        .unwrap_or_else(|e| format!("failed to generate private key: {e}"))
}

fn rsa(size: KeySize) -> Result<PrivateKey, Error> {
    RsaKeyPair::generate(size)
        .map(PrivateKey::Rsa)
        .map_err(|e| Error::call(e.to_string()))
}

/// A DSA key of 2048 and 256 bits, in the form that OpenSSL has for it.
fn dsa(random: &RandomSource) -> Result<PrivateKey, Error> {
    let key = dsa::SigningKey::try_generate_from_rng(&mut Random(random)).map_err(|e| e.0)?;
    let public = key.verifying_key();
    let parts = public.components();
    let numbers = [
        Box::from([0]),
        parts.p().to_be_bytes(),
        parts.q().to_be_bytes(),
        parts.g().to_be_bytes(),
        public.y().to_be_bytes(),
        key.x().to_be_bytes(),
    ];
    let numbers = numbers.map(|number| der::integer(&number));
    Ok(PrivateKey::Dsa(der::element(
        der::SEQUENCE,
        &numbers.concat(),
    )))
}

/// A source of randomness for the `dsa` crate.
struct Random<'a>(&'a RandomSource);

/// Why there is no randomness.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct NoRandom(Error);

impl TryRng for Random<'_> {
    type Error = NoRandom;

    fn try_next_u32(&mut self) -> Result<u32, NoRandom> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandom> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), NoRandom> {
        (self.0)(bytes).map_err(NoRandom)
    }
}

impl TryCryptoRng for Random<'_> {}

fn elliptic(der: &[u8]) -> Option<PrivateKey> {
    CURVES.iter().find_map(|(curve, identifier)| {
        let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
        Some(PrivateKey::Elliptic(pair, identifier))
    })
}

fn pkcs8(der: &[u8]) -> Result<PrivateKey, Error> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
        return Ok(PrivateKey::Rsa(pair));
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Ok(PrivateKey::Ed25519(pair));
    }
    let curve = CURVES.iter().find_map(|(curve, identifier)| {
        let pair = EcdsaKeyPair::from_pkcs8(curve, der).ok()?;
        Some(PrivateKey::Elliptic(pair, identifier))
    });
    curve.ok_or_else(|| {
        // The words of Go's crypto/x509, where the block holds another form than its label says.
        Error::call(if RsaKeyPair::from_der(der).is_ok() {
            other_form("PKCS1")
        } else if elliptic(der).is_some() {
            other_form("EC")
        } else {
            malformed(der)
        })
    })
}

fn other_form(found: &str) -> String {
    format!(
        "x509: failed to parse private key (use Parse{found}PrivateKey instead for this key format)"
    )
}

/// sprig's refusal of a key that is no key of its kind.
fn parsing(kind: &str, der: &[u8]) -> Error {
    let why = match kind {
        "RSA" if elliptic(der).is_some() => other_form("EC"),
        "EC" if RsaKeyPair::from_der(der).is_ok() => other_form("PKCS1"),
        "RSA" | "EC" if pkcs8(der).is_ok() => other_form("PKCS8"),
        _ => malformed(der),
    };
    Error::call(format!("parsing {kind} private key from PEM: {why}"))
}

/// What Go's asn1 package says of bytes that are no such structure.
fn malformed(der: &[u8]) -> String {
    match der.first() {
        None => "asn1: syntax error: sequence truncated".to_owned(),
        Some(&der::SEQUENCE) if der::elements(der).is_none() => {
            "asn1: syntax error: data truncated".to_owned()
        }
        Some(_) => "asn1: structure error: tags don't match".to_owned(),
    }
}

//! Certificates as sprig makes them with Go's crypto/x509: the same fields in the same order.

use std::any::Any;
use std::fmt::Display;
use std::net::IpAddr;
use std::rc::Rc;

use gotmpl::{Error, Field, Func, Object, Shape, Type, Value};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use x509_cert::Certificate as Parsed;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use super::keys::PrivateKey;
use super::{der, pem};
use crate::args::{Args, Registry, Returned, fail};
use crate::encoding::base64_bytes;
use crate::sources::Sources;

const STR: Type = Type::Str;
const LIST: Type = Type::LIST;
const INT: Type = Type::INT;

/// Object identifiers, as content of their elements.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTHENTICATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Key usages with the number of unused bits before them: signing and key encipherment; a
/// certificate authority also signs certificates.
const USAGE: &[u8] = &[5, 0b1010_0000];
const AUTHORITY_USAGE: &[u8] = &[2, 0b1010_0100];

/// How many bytes of its hash name a public key.
const KEY_ID_LEN: usize = 20;
const SERIAL_LEN: usize = 16;

pub(super) fn register(r: &mut Registry, sources: &Sources) {
    r.add("buildCustomCert", &[STR, STR], certificate_type(), build);
    let world = Rc::new(sources.clone());
    let authority = move |a: Args<'_>, key| {
        let request = Request::new(a, 0, None, 1)?;
        made(
            request.authority().issue(&world, &key, &Issuer::Itself),
            &key,
        )
    };
    pair(r, "genCA", &[STR, INT], authority);
    let world = Rc::new(sources.clone());
    let alone = move |a: Args<'_>, key| {
        let request = Request::new(a, 0, Some(1), 3)?;
        made(request.issue(&world, &key, &Issuer::Itself), &key)
    };
    pair(r, "genSelfSignedCert", &[STR, LIST, LIST, INT], alone);
    let world = Rc::new(sources.clone());
    let signed = move |a: Args<'_>, key| {
        let issuer = issuer(a.any(4))?;
        let request = Request::new(a, 0, Some(1), 3)?;
        made(request.issue(&world, &key, &issuer), &key)
    };
    let params = [STR, LIST, LIST, INT, certificate_type()];
    pair(r, "genSignedCert", &params, signed);
}

/// Registers a function that makes a key, and its namesake that is given one.
fn pair(
    r: &mut Registry,
    name: &str,
    params: &[Type],
    body: impl Fn(Args<'_>, PrivateKey) -> Returned + Clone + 'static,
) {
    let make = body.clone();
    r.add(name, params, certificate_type(), move |a| {
        make(a, PrivateKey::for_certificate()?)
    });
    let given = params.len();
    let params = [params, &[STR]].concat();
    r.add(
        &format!("{name}WithKey"),
        &params,
        certificate_type(),
        move |a| {
            let key = PrivateKey::from_pem(&a.text(given))
                .map_err(|e| Error::call(format!("parsing private key: {e}")))?;
            body(a, key)
        },
    );
}

fn certificate_type() -> Type {
    Type::Named("sprig.certificate".to_owned())
}

/// A certificate with its key, both in PEM.
struct Certificate {
    cert: String,
    key: String,
}

impl Certificate {
    fn value(cert: String, key: String) -> Value {
        Value::Object(Rc::new(Self { cert, key }))
    }
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn shape(&self) -> Shape {
        let field = |name, text: &str| Field {
            name,
            of: STR,
            value: Value::from(text),
        };
        Shape::Struct(vec![field("Cert", &self.cert), field("Key", &self.key)])
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Func> {
        None
    }

    fn display(&self) -> Option<String> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The certificate with its key, as a value.
fn made(issued: Result<Vec<u8>, Error>, key: &PrivateKey) -> Returned {
    let der = issued.map_err(|e| Error::call(format!("error creating certificate: {e}")))?;
    let key = key.to_pem()?;
    Ok(Certificate::value(pem::text("CERTIFICATE", der), key))
}

fn build(a: Args<'_>) -> Returned {
    let decoded = |i: usize, what: &str| {
        base64_bytes(a.bytes(i)).map_err(|_| Error::call(format!("unable to decode base64 {what}")))
    };
    let (cert, key) = (decoded(0, "certificate")?, decoded(1, "private key")?);
    let [cert, key] = [cert, key].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let Some(block) = pem::first(&cert) else {
        return fail("unable to decode certificate");
    };
    parsed(&block.data, "decodedCert")?;
    PrivateKey::from_pem(&key)
        .map_err(|e| Error::call(format!("error parsing private key: {e}")))?;
    Ok(Certificate::value(cert, key))
}

fn parsed(data: &[u8], what: &str) -> Result<Parsed, Error> {
    Parsed::from_der(data).map_err(|_| {
        let why = "x509: malformed certificate";
        Error::call(format!("error parsing certificate: {what}.Bytes: {why}"))
    })
}

/// Who signs a certificate.
enum Issuer {
    Itself,
    Authority {
        /// The subject in DER.
        name: Vec<u8>,
        key_id: Vec<u8>,
        /// The public key as a `SubjectPublicKeyInfo`.
        public_key: Vec<u8>,
        key: PrivateKey,
    },
}

/// The authority that a value of `genCA` or `buildCustomCert` is.
fn issuer(value: &Value) -> Result<Issuer, Error> {
    let Value::Object(object) = value else {
        return fail("unable to decode certificate");
    };
    let Some(authority) = object.as_any().downcast_ref::<Certificate>() else {
        return fail("unable to decode certificate");
    };
    let Some(block) = pem::first(&authority.cert) else {
        return fail("unable to decode certificate");
    };
    let cert = parsed(&block.data, "decodedSignerCert")?;
    let key = PrivateKey::from_pem(&authority.key)
        .map_err(|e| Error::call(format!("error parsing private key: {e}")))?;
    let tbs = cert.tbs_certificate();
    let encoded = |der: Result<Vec<u8>, x509_cert::der::Error>| {
        der.map_err(|e| Error::call(format!("error creating certificate: {e}")))
    };
    let key_id = tbs.get_extension::<SubjectKeyIdentifier>();
    let key_id = key_id
        .ok()
        .flatten()
        .map(|(_, id)| id.0.as_bytes().to_vec());
    Ok(Issuer::Authority {
        name: encoded(tbs.subject().to_der())?,
        key_id: key_id.unwrap_or_default(),
        public_key: encoded(tbs.subject_public_key_info().to_der())?,
        key,
    })
}

/// What a certificate shall say.
struct Request {
    common_name: Vec<u8>,
    addresses: Vec<IpAddr>,
    names: Vec<Vec<u8>>,
    days: i64,
    is_authority: bool,
}

impl Request {
    /// From the arguments: the name, the lists of addresses and names if there are any, the days.
    fn new(a: Args<'_>, name: usize, lists: Option<usize>, days: usize) -> Result<Self, Error> {
        let items = |i: usize| match a.any(i) {
            Value::List(list) => list.to_vec(),
            _ => Vec::new(),
        };
        let shown = |value: &Value| {
            gotmpl::fmt::sprint(std::slice::from_ref(value))
                .map(|text| String::from_utf8_lossy(&text).into_owned())
        };
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for item in lists.map(items).unwrap_or_default() {
            let Value::Str(text) = &item else {
                let shown = shown(&item)?;
                return fail(format!("error parsing ip: {shown} is not a string"));
            };
            match text.text().parse() {
                Ok(address) => addresses.push(address),
                Err(_) => return fail(format!("error parsing ip: {text}")),
            }
        }
        for item in lists.map(|i| items(i + 1)).unwrap_or_default() {
            let Value::Str(text) = &item else {
                let shown = shown(&item)?;
                return fail(format!(
                    "error processing alternate dns name: {shown} is not a string"
                ));
            };
            names.push(text.to_vec());
        }
        Ok(Self {
            common_name: a.bytes(name).to_vec(),
            addresses,
            names,
            days: a.int(days),
            is_authority: false,
        })
    }

    fn authority(mut self) -> Self {
        self.is_authority = true;
        self
    }

    /// The signed certificate in DER.
    fn issue(&self, world: &Sources, key: &PrivateKey, by: &Issuer) -> Result<Vec<u8>, Error> {
        let signer = match by {
            Issuer::Itself => key,
            Issuer::Authority { key, .. } => key,
        };
        let Some(algorithm) = signer.signature_algorithm() else {
            return fail("x509: certificate private key does not implement crypto.Signer");
        };
        let Some(public_key) = key.public_key()? else {
            return fail("x509: unsupported public key type: *dsa.PublicKey");
        };
        let subject = self.subject()?;
        let (issuer, authority_key_id) = match by {
            Issuer::Itself => (&subject, &[][..]),
            Issuer::Authority { name, key_id, .. } if *name != subject => (name, &key_id[..]),
            Issuer::Authority { name, .. } => (name, &[][..]),
        };
        if let Issuer::Authority {
            public_key, key, ..
        } = by
            && key.public_key()?.as_ref() != Some(public_key)
        {
            return fail("x509: provided PrivateKey doesn't match parent's PublicKey");
        }
        let mut serial = [0; SERIAL_LEN];
        (world.random)(&mut serial)?;
        let tbs = der::sequence(&[
            // Version 3.
            &[0xa0, 3, der::INTEGER, 1, 2],
            &der::integer(&serial),
            algorithm,
            issuer,
            &self.validity((world.now)()),
            &subject,
            &public_key,
            &self.extensions(&subject, &public_key, authority_key_id)?,
        ]);
        let signature = der::bit_string(&signer.sign(&tbs)?);
        Ok(der::sequence(&[&tbs, algorithm, &signature]))
    }

    /// The name with the common name alone; without one it is empty.
    fn subject(&self) -> Result<Vec<u8>, Error> {
        if self.common_name.is_empty() {
            return Ok(der::sequence(&[]));
        }
        let printable = |b: &u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(b);
        let tag = if self.common_name.iter().all(printable) {
            der::PRINTABLE_STRING
        } else if std::str::from_utf8(&self.common_name).is_ok() {
            der::UTF8_STRING
        } else {
            return fail("asn1: string not valid UTF-8");
        };
        let attribute = der::sequence(&[
            &der::element(der::OBJECT_ID, COMMON_NAME),
            &der::element(tag, &self.common_name),
        ]);
        Ok(der::sequence(&[&der::element(der::SET, &attribute)]))
    }

    fn validity(&self, from: Timestamp) -> Vec<u8> {
        const DAY: i64 = 24 * 3600 * 1_000_000_000;
        // Go's durations wrap around.
        let length = SignedDuration::from_nanos(self.days.wrapping_mul(DAY));
        let until = from.checked_add(length).unwrap_or(from);
        der::sequence(&[&time(from), &time(until)])
    }

    /// All extensions, in Go's order.
    fn extensions(
        &self,
        subject: &[u8],
        public_key: &[u8],
        authority_key_id: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let usage = if self.is_authority {
            AUTHORITY_USAGE
        } else {
            USAGE
        };
        let purposes = [SERVER_AUTHENTICATION, CLIENT_AUTHENTICATION]
            .map(|purpose| der::element(der::OBJECT_ID, purpose));
        let constraints = if self.is_authority {
            der::element(der::BOOLEAN, &[0xff])
        } else {
            Vec::new()
        };
        let mut all = vec![
            extension(KEY_USAGE, true, &der::element(der::BIT_STRING, usage)),
            extension(
                EXTENDED_KEY_USAGE,
                false,
                &der::sequence(&[&purposes.concat()]),
            ),
            extension(BASIC_CONSTRAINTS, true, &der::sequence(&[&constraints])),
        ];
        if self.is_authority {
            let id = der::element(der::OCTET_STRING, &key_id(public_key));
            all.push(extension(SUBJECT_KEY_ID, false, &id));
        }
        if !authority_key_id.is_empty() {
            let id = der::sequence(&[&der::element(0x80, authority_key_id)]);
            all.push(extension(AUTHORITY_KEY_ID, false, &id));
        }
        let names = self.alternative_names()?;
        if !names.is_empty() {
            let is_critical = *subject == der::sequence(&[]);
            let names = der::sequence(&[&names]);
            all.push(extension(ALTERNATIVE_NAMES, is_critical, &names));
        }
        Ok(der::element(0xa3, &der::sequence(&[&all.concat()])))
    }

    fn alternative_names(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for name in &self.names {
            if !name.is_ascii() {
                let shown = gotmpl::fmt::quote(name);
                return fail(format!("x509: {shown} cannot be encoded as an IA5String"));
            }
            out.extend(der::element(0x82, name));
        }
        for address in &self.addresses {
            out.extend(match address.to_canonical() {
                IpAddr::V4(address) => der::element(0x87, &address.octets()),
                IpAddr::V6(address) => der::element(0x87, &address.octets()),
            });
        }
        Ok(out)
    }
}

fn extension(id: &[u8], is_critical: bool, content: &[u8]) -> Vec<u8> {
    let id = der::element(der::OBJECT_ID, id);
    let critical = if is_critical {
        der::element(der::BOOLEAN, &[0xff])
    } else {
        Vec::new()
    };
    let content = der::element(der::OCTET_STRING, content);
    der::sequence(&[&id, &critical, &content])
}

/// The name of a public key: the beginning of its hash (RFC 7093, method 1).
fn key_id(public_key: &[u8]) -> Vec<u8> {
    let parts = der::elements(public_key).unwrap_or_default();
    // The bit string begins with the number of its unused bits.
    let key = parts.get(1).and_then(|(_, bits)| bits.get(1..));
    Sha256::digest(key.unwrap_or_default())[..KEY_ID_LEN].to_vec()
}

/// Two digits of the year where they are enough.
fn time(at: Timestamp) -> Vec<u8> {
    let civil = at.to_zoned(jiff::tz::TimeZone::UTC);
    let text = |format: &str| -> Vec<u8> {
        let shown: &dyn Display = &civil.strftime(format);
        shown.to_string().into_bytes()
    };
    if (1950..2050).contains(&civil.year()) {
        der::element(der::UTC_TIME, &text("%y%m%d%H%M%SZ"))
    } else {
        der::element(der::GENERALIZED_TIME, &text("%Y%m%d%H%M%SZ"))
    }
}

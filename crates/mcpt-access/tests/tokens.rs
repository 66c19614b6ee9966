//! Tokens: which are believed, and of those that are not, why. They are signed here by hand, not by what reads them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::OnceLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcpt_access::{InvalidKeySet, KeySet, Token, TokenFault, Verified, VerifiedTokens};
use proptest::prelude::*;
use serde_json::{Value, json};

const ISSUER: &str = "https://login.example.com";
const NOW: u64 = 1_800_000_000;

/// Keys of an issuer: `rsa`, `ec` and `ed` by their ids.
struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

fn issuer() -> &'static Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(Issuer::new)
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn modulus(&self) -> Vec<u8> {
        // RSAPublicKey of RFC 8017 in DER: after nine bytes of lengths and a zero, 2048 bits.
        self.rsa.public_key().as_ref()[9..265].to_vec()
    }

    fn keys(&self) -> Vec<Value> {
        let point = self.ec.public_key().as_ref();
        vec![
            json!({"kid": "rsa", "use": "sig", "kty": "RSA", "n": text(self.modulus()), "e": "AQAB"}),
            json!({"kid": "ec", "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])}),
            json!({"kid": "ed", "alg": "EdDSA", "kty": "OKP", "crv": "Ed25519", "x": text(self.ed.public_key())}),
        ]
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let bytes = message.as_bytes();
        let random = SystemRandom::new();
        let mut signed = vec![0; self.rsa.public_modulus_len()];
        let signature = match header["alg"].as_str().unwrap() {
            "RS256" => {
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signed)
                    .unwrap();
                signed
            }
            "PS256" => {
                self.rsa
                    .sign(&RSA_PSS_SHA256, &random, bytes, &mut signed)
                    .unwrap();
                signed
            }
            "ES256" => self.ec.sign(&random, bytes).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(bytes).as_ref().to_vec(),
            // With what everybody knows as a secret.
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.modulus());
                hmac::sign(&key, bytes).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", text(signature))
    }
}

fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "u-1", "aud": "https://mcp.example.com", "exp": NOW + 300,
        "scope": "tools:read tools:call", "groups": ["dev", 7, "ops"]})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn judged(token: &str, keys: &KeySet) -> Result<Verified, TokenFault> {
    Token::read(token.as_bytes())?.verify(keys, "groups", NOW)
}

#[test]
fn tokens_that_are_signed_with_a_key_of_the_issuer_are_believed() {
    let keys = key_set(&issuer().keys());
    for (alg, kid) in [
        ("RS256", Some("rsa")),
        ("PS256", Some("rsa")),
        ("ES256", Some("ec")),
        ("EdDSA", Some("ed")),
        ("RS256", None),
        ("ES256", None),
    ] {
        let header = json!({"alg": alg, "kid": kid, "typ": "at+jwt"});
        let token = issuer().sign(&header, &claims());
        assert_eq!(Token::read(token.as_bytes()).unwrap().issuer(), ISSUER);
        let verified = judged(&token, &keys).unwrap();
        let principal = verified.principal();
        assert_eq!(principal.name(), "u-1");
        assert_eq!(principal.issuer(), Some(ISSUER));
        assert!(principal.groups().iter().eq(["dev", "ops"]));
        assert!(principal.scopes().iter().eq(["tools:call", "tools:read"]));
        assert_eq!(verified.is_for(["x", "https://mcp.example.com"]), Ok(()));
        assert_eq!(verified.is_for(["x"]), Err(TokenFault::Audience));
    }
    let several = with("aud", json!(["a", "b"]));
    let token = issuer().sign(&json!({"alg": "EdDSA", "kid": "ed"}), &several);
    assert_eq!(judged(&token, &keys).unwrap().is_for(["b"]), Ok(()));
    let nobody = issuer().sign(&json!({"alg": "EdDSA", "kid": "ed"}), &without("aud"));
    let nobody = judged(&nobody, &keys).unwrap();
    assert_eq!(nobody.is_for([""]), Err(TokenFault::Audience));
}

#[test]
fn tokens_that_lie_are_not() {
    use TokenFault::{Algorithm, Expired, Malformed, NotYet, Signature, Subject, UnknownKey};
    let (own, foreign) = (issuer(), Issuer::new());
    let keys = key_set(&own.keys());
    let header = |alg, kid| json!({"alg": alg, "kid": kid});
    let es = header("ES256", "ec");
    for (token, fault) in [
        (foreign.sign(&es, &claims()), Signature),
        (
            foreign.sign(&json!({"alg": "ES256"}), &claims()),
            UnknownKey,
        ),
        (own.sign(&header("ES256", "other"), &claims()), UnknownKey),
        // A key is used with its own algorithms alone.
        (own.sign(&header("ES256", "rsa"), &claims()), UnknownKey),
        (own.sign(&header("RS256", "ec"), &claims()), UnknownKey),
        (own.sign(&header("none", "rsa"), &claims()), Algorithm),
        (own.sign(&header("None", "rsa"), &claims()), Algorithm),
        (own.sign(&header("HS256", "rsa"), &claims()), Algorithm),
        (own.sign(&es, &with("exp", json!(NOW - 30))), Expired),
        (own.sign(&es, &without("exp")), Expired),
        (own.sign(&es, &with("nbf", json!(NOW + 31))), NotYet),
        (own.sign(&es, &without("sub")), Subject),
        (own.sign(&es, &with("sub", json!(""))), Subject),
        (own.sign(&es, &without("iss")), Malformed),
        (own.sign(&es, &with("exp", json!("never"))), Malformed),
        (
            own.sign(
                &json!({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false}),
                &claims(),
            ),
            Malformed,
        ),
    ] {
        assert_eq!(judged(&token, &keys).unwrap_err(), fault, "{token}");
    }
    // Clocks may be a little apart.
    for claims in [with("exp", json!(NOW - 29)), with("nbf", json!(NOW + 30))] {
        assert!(judged(&own.sign(&es, &claims), &keys).is_ok(), "{claims}");
    }
    let good = own.sign(&es, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let forged = text(with("sub", json!("admin")).to_string());
    for (token, fault) in [
        (format!("{}.{forged}.{}", parts[0], parts[2]), Signature),
        (format!("{}.{}.", parts[0], parts[1]), Signature),
        (format!("{}.{}", parts[0], parts[1]), Malformed),
        (format!("{good}.x"), Malformed),
        (format!("{good}.x.y"), Malformed),
        (format!("x{good}"), Malformed),
        ("..".to_owned(), Malformed),
        (String::new(), Malformed),
    ] {
        assert_eq!(judged(&token, &keys).unwrap_err(), fault, "{token}");
    }
}

#[test]
fn of_a_key_set_public_keys_for_signatures_count() {
    let mut keys = issuer().keys();
    let secret = json!({"kid": "rsa", "kty": "oct", "k": text("everybody knows this secret"), "alg": "HS256"});
    keys.insert(0, secret.clone());
    keys.push(json!({"kid": "x", "kty": "new"}));
    keys.push(json!("no key"));
    let token = issuer().sign(&json!({"alg": "RS256", "kid": "rsa"}), &claims());
    assert!(judged(&token, &key_set(&keys)).is_ok());
    let mut others = issuer().keys();
    others[0]["use"] = json!("enc");
    others[1]["alg"] = json!("ES384");
    for (alg, kid) in [("RS256", "rsa"), ("ES256", "ec")] {
        let token = issuer().sign(&json!({"alg": alg, "kid": kid}), &claims());
        let fault = judged(&token, &key_set(&others)).unwrap_err();
        assert_eq!(fault, TokenFault::UnknownKey);
    }
    let parsed = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err();
    let only_secret = json!({"keys": [secret]}).to_string();
    assert!(matches!(parsed(&only_secret), InvalidKeySet::Empty));
    assert!(matches!(parsed("{}"), InvalidKeySet::Form(_)));
    let many = json!({"keys": vec![0; 65]}).to_string();
    assert!(matches!(parsed(&many), InvalidKeySet::TooMany));
}

#[test]
fn verified_tokens_are_bounded() {
    let token = issuer().sign(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
    let verified = judged(&token, &key_set(&issuer().keys())).unwrap();
    let mut known = VerifiedTokens::default();
    for number in 0_u32..40_000 {
        known.note(&number.to_be_bytes(), verified.clone());
        // One that is used is not forgotten.
        assert!(known.find(&0_u32.to_be_bytes()).is_some());
        assert!(known.len() <= 16 * 1024);
    }
    assert!(known.find(&1_u32.to_be_bytes()).is_none());
    known.clear();
    assert!(known.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Token::read(&bytes).is_err());
    }

    #[test]
    fn a_token_that_was_changed_is_not_believed(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let token = issuer().sign(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
        let mut changed = token.clone().into_bytes();
        changed[at.index(token.len())] = byte;
        let keys = key_set(&issuer().keys());
        let read = Token::read(&changed).and_then(|token| token.verify(&keys, "groups", NOW));
        prop_assert!(read.is_err() || changed == token.as_bytes());
    }
}

//! The Secret that holds one revision.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::chart::as_go_writes;
use crate::{Error, Release, Status};

/// The type of the Secret.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";

/// The most that the values of a Secret's data may hold together, in bytes, before the API's own base64.
pub const MAX_SECRET_BYTES: usize = 1024 * 1024;

/// A record unpacks to no more than this, in bytes.
const MAX_RECORD_BYTES: u64 = 256 * 1024 * 1024;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];
const SYSTEM_LABELS: [&str; 6] = [
    "name",
    "owner",
    "status",
    "version",
    "createdAt",
    "modifiedAt",
];

/// The name of the Secret that holds a revision of a release.
pub fn secret_name(release: &str, revision: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// What the Secret of a revision holds. The record is no part of its `Debug` form.
#[derive(Clone, PartialEq, Eq)]
pub struct ReleaseSecret {
    /// `sh.helm.release.v1.NAME.vREVISION`
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// The labels by which Helm finds it.
    pub labels: BTreeMap<String, String>,
    /// The value of the key `release` in `data`, before the API's own base64: a record, packed, in base64.
    pub release: String,
}

impl fmt::Debug for ReleaseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseSecret")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl ReleaseSecret {
    /// The Secret for a revision that is stored for the first time, at a time in seconds since 1970.
    ///
    /// # Errors
    /// When the record is too large, or a custom label has a name that Helm uses.
    pub fn create(
        release: &Release,
        custom_labels: &BTreeMap<String, String>,
        now: i64,
    ) -> Result<Self, Error> {
        Self::encode(release, custom_labels, "createdAt", now)
    }

    /// The Secret for a revision that is stored again, for example with another status.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn update(
        release: &Release,
        custom_labels: &BTreeMap<String, String>,
        now: i64,
    ) -> Result<Self, Error> {
        Self::encode(release, custom_labels, "modifiedAt", now)
    }

    fn encode(
        release: &Release,
        custom_labels: &BTreeMap<String, String>,
        stamp: &str,
        now: i64,
    ) -> Result<Self, Error> {
        let reserved = custom_labels
            .keys()
            .find(|key| SYSTEM_LABELS.contains(&key.as_str()));
        if let Some(reserved) = reserved {
            return Err(Error::ReservedLabel(reserved.clone()));
        }
        let record = encode_record(release)?;
        if record.len() > MAX_SECRET_BYTES {
            return Err(Error::TooLarge {
                name: release.name.clone(),
                bytes: record.len(),
                limit: MAX_SECRET_BYTES,
            });
        }
        let mut labels = custom_labels.clone();
        let own = [
            ("name", release.name.clone()),
            ("owner", "helm".to_owned()),
            ("status", release.info.status.to_string()),
            ("version", release.version.to_string()),
            (stamp, now.to_string()),
        ];
        labels.extend(own.map(|(key, value)| (key.to_owned(), value)));
        Ok(Self {
            name: secret_name(&release.name, release.version),
            namespace: release.namespace.clone(),
            labels,
            release: record,
        })
    }

    /// The Secret as the API takes it.
    pub fn to_object(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": self.labels},
            "type": SECRET_TYPE,
            "data": {"release": STANDARD.encode(&self.release)},
        })
    }

    /// Reads a Secret as the API gives it.
    ///
    /// # Errors
    /// When it is no Secret of a release.
    pub fn from_object(secret: &Value) -> Result<Self, Error> {
        let name = secret["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let lacks = |missing: &'static str| Error::NotARelease {
            name: name.clone(),
            missing,
        };
        if secret["type"] != SECRET_TYPE {
            return Err(lacks("its type is another one"));
        }
        let data = secret["data"]["release"]
            .as_str()
            .ok_or_else(|| lacks("no key \"release\" in its data"))?;
        let release = STANDARD.decode(data).map_err(Error::Base64)?;
        let release = String::from_utf8(release).map_err(|_| lacks("its data is no text"))?;
        let labels = secret["metadata"]["labels"].as_object();
        let labels = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        Ok(Self {
            namespace: secret["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            labels: labels.collect(),
            release,
            name,
        })
    }

    /// The record in it.
    ///
    /// # Errors
    /// When there is none.
    pub fn decode(&self) -> Result<Release, Error> {
        decode_record(&self.release)
    }

    /// The revision, from the labels: known without unpacking the record.
    pub fn revision(&self) -> Option<u32> {
        self.labels.get("version")?.parse().ok()
    }

    /// The status, from the labels.
    pub fn status(&self) -> Status {
        let label = self
            .labels
            .get("status")
            .map(String::as_str)
            .unwrap_or_default();
        serde_json::from_value(Value::from(label)).unwrap_or_default()
    }

    /// The labels that are not Helm's own.
    pub fn custom_labels(&self) -> BTreeMap<String, String> {
        let custom = |key: &str| !SYSTEM_LABELS.contains(&key);
        self.labels
            .iter()
            .filter(|(key, _)| custom(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

fn encode_record(release: &Release) -> Result<String, Error> {
    let release = Release {
        config: as_go_writes(&release.config),
        ..release.clone()
    };
    let record = serde_json::to_vec(&release).map_err(Error::Json)?;
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&record).map_err(Error::Gzip)?;
    Ok(STANDARD.encode(packer.finish().map_err(Error::Gzip)?))
}

fn decode_record(text: &str) -> Result<Release, Error> {
    let packed = STANDARD.decode(text).map_err(Error::Base64)?;
    // Very old releases are not packed.
    let record = if packed.starts_with(GZIP_MAGIC) {
        let mut record = Vec::new();
        let unpacked = GzDecoder::new(packed.as_slice())
            .take(MAX_RECORD_BYTES)
            .read_to_end(&mut record);
        unpacked.map_err(Error::Gzip)?;
        record
    } else {
        packed
    };
    serde_json::from_slice(&record).map_err(Error::Json)
}

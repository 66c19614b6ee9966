//! The chart of a release as its record holds it.

use base64::engine::general_purpose::STANDARD;
use helm_chart::{Chart, File, Lock, Metadata};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::record::null_as_default;

/// Go's zero time, which Helm writes where it knows none.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// A chart without its subcharts: Helm stores no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChartRecord {
    /// `Chart.yaml`.
    pub metadata: Metadata,
    /// `Chart.lock`.
    pub lock: Option<Lock>,
    /// The files below `templates/`.
    #[serde(deserialize_with = "null_as_default")]
    pub templates: Vec<ChartFile>,
    /// The chart's own values.
    #[serde(deserialize_with = "null_as_default")]
    pub values: Map<String, Value>,
    /// `values.schema.json`.
    #[serde(with = "optional_base64")]
    pub schema: Option<Vec<u8>>,
    /// When the schema was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schemamodtime: Option<String>,
    /// The chart's other files.
    #[serde(deserialize_with = "null_as_default")]
    pub files: Vec<ChartFile>,
    /// What other versions of Helm write.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A file of a chart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChartFile {
    /// The path below the chart's folder.
    pub name: String,
    /// The content.
    #[serde(with = "base64_bytes")]
    pub data: Vec<u8>,
    /// What other versions of Helm write, such as the time of change.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for ChartRecord {
    fn default() -> Self {
        Self {
            metadata: Metadata::default(),
            lock: None,
            templates: Vec::new(),
            values: Map::new(),
            schema: None,
            schemamodtime: Some(NO_TIME.to_owned()),
            files: Vec::new(),
            other: Map::new(),
        }
    }
}

impl From<&Chart> for ChartRecord {
    fn from(chart: &Chart) -> Self {
        let files = |files: &[File]| {
            files
                .iter()
                .map(|file| ChartFile {
                    name: file.name.clone(),
                    data: file.data.clone(),
                    other: Map::new(),
                })
                .collect()
        };
        Self {
            metadata: chart.metadata.clone(),
            lock: chart.lock.clone(),
            templates: files(&chart.templates),
            values: as_go_writes(&chart.values),
            schema: chart.schema.clone(),
            files: files(&chart.files),
            ..Self::default()
        }
    }
}

impl ChartRecord {
    /// The chart again, as Helm reads it from a record: without subcharts, its numbers all floating point.
    pub fn to_chart(&self) -> Chart {
        let files = |files: &[ChartFile]| {
            files
                .iter()
                .map(|file| File {
                    name: file.name.clone(),
                    data: file.data.clone(),
                })
                .collect()
        };
        Chart {
            metadata: self.metadata.clone(),
            lock: self.lock.clone(),
            templates: files(&self.templates),
            values: as_helm_reads(&self.values),
            schema: self.schema.clone(),
            files: files(&self.files),
            ..Chart::default()
        }
    }
}

/// Values of a record as Helm reads them to render with them: every number is floating point.
pub fn as_helm_reads(values: &Map<String, Value>) -> Map<String, Value> {
    values
        .iter()
        .map(|(key, value)| (key.clone(), value_as_helm_reads(value)))
        .collect()
}

fn value_as_helm_reads(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        Value::Array(items) => items.iter().map(value_as_helm_reads).collect(),
        Value::Object(map) => Value::Object(as_helm_reads(map)),
        other => other.clone(),
    }
}

/// Values with whole floating point numbers as integers: Go's JSON makes no difference between them.
pub(crate) fn as_go_writes(values: &Map<String, Value>) -> Map<String, Value> {
    values
        .iter()
        .map(|(key, value)| (key.clone(), value_as_go_writes(value)))
        .collect()
}

fn value_as_go_writes(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            // Within these bounds every whole number is an i64, and its text that of Go.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9.2e18 => {
                (float as i64).into()
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(value_as_go_writes).collect(),
        Value::Object(map) => Value::Object(as_go_writes(map)),
        other => other.clone(),
    }
}

mod base64_bytes {
    use base64::Engine as _;

    use super::{Deserialize, Deserializer, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

mod optional_base64 {
    use base64::Engine as _;

    use super::{Deserialize, Deserializer, STANDARD, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde wants")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes
            .as_ref()
            .map(|bytes| STANDARD.encode(bytes))
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| STANDARD.decode(text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

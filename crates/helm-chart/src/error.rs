//! What can be wrong with a chart or its values, in Helm's words.

/// A chart that cannot be loaded or values that do not fit it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the chart is not what it should be.
    #[error("cannot load {file}: {source}")]
    File {
        /// The file's path in the chart.
        file: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// YAML that cannot be read.
    #[error(transparent)]
    Yaml(#[from] goyaml::Error),
    /// One of several documents of a values file.
    #[error("cannot unmarshal yaml document: {0}")]
    Document(#[source] goyaml::Error),
    /// A field of `Chart.yaml` has the wrong type.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    )]
    FieldType {
        /// The JSON kind found.
        found: &'static str,
        /// The field, such as `Metadata.name`.
        field: String,
        /// The Go type that Helm's struct has there.
        wanted: &'static str,
    },
    /// A file is a list or a scalar where Helm expects fields.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type v2.{wanted}"
    )]
    ValueType {
        /// The JSON kind found.
        found: &'static str,
        /// The Go type that Helm reads it into.
        wanted: &'static str,
    },
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    /// The chart has a format that is not supported: another `apiVersion` than `v1` or `v2`.
    #[error("invalid chart apiVersion")]
    ApiVersion(String),
    /// `Chart.yaml` breaks a rule.
    #[error("validation: {0}")]
    Validation(String),
    /// A chart below `charts/` cannot be loaded.
    #[error("error unpacking subchart {name} in {parent}: {source}")]
    Subchart {
        /// Its name, or the name of its archive.
        name: String,
        /// The chart it belongs to.
        parent: String,
        /// What is wrong.
        source: Box<Error>,
    },
    /// A file or an archive is broken or not allowed.
    #[error("{0}")]
    Content(String),
    /// A file or folder cannot be read, or is none that belongs to the chart.
    #[error(transparent)]
    Unread(#[from] confined::Error),
    /// A `.helmignore` rule is not a rule.
    #[error("{0}")]
    Ignore(String),
    /// The values give something else than a map where a subchart's values belong.
    #[error("type mismatch on {name}: {found}")]
    SubchartValues {
        /// The subchart.
        name: String,
        /// What was found, as Go prints it here.
        found: String,
    },
    /// A `--set` expression cannot be read.
    #[error("{0}")]
    Set(String),
    /// A version or a version constraint cannot be read.
    #[error("{0}")]
    Version(String),
    /// Values that break a schema.
    #[error(
        "values don't meet the specifications of the schema(s) in the following chart(s):\n{0}"
    )]
    Schema(#[from] SchemaError),
}

/// All that breaks the schemas of a chart and its subcharts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SchemaError {
    /// The text as Helm prints it: per chart its name and a line per problem.
    pub text: String,
    /// The same problems one by one.
    pub problems: Vec<SchemaProblem>,
}

/// One value that breaks a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaProblem {
    /// The chart whose schema it is.
    pub chart: String,
    /// Where in that chart's values, as a JSON pointer.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

//! Helm charts: load, metadata, values, --set grammar, schema.

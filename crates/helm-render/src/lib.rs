//! Chart and values to manifests, hooks and notes, as helm template does.

//! YAML as Helm reads and prints it: go-yaml v2 resolution and emitter, JSON round trip.

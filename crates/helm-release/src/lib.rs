//! Helm release records, history, hook and kind order.

//! The protocol versions that the client offers.

/// Newest version with sessions.
pub(crate) const LEGACY: &str = "2025-11-25";
/// Newest version, without sessions.
pub(crate) const MODERN: &str = "2026-07-28";

/// Whether a version belongs to the stateless era. Versions are dates, which order as text.
pub(crate) fn is_modern(version: &str) -> bool {
    version >= MODERN
}

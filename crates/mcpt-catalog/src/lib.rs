//! Server templates: find, check, and compile with settings to a Plan.

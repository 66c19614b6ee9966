//! [`AuditOptions`]: where a gateway records who called what.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use mcpt_core::{Failure, FailureKind};
use mcpt_gateway::AuditLog;

/// Options of the record.
#[derive(Debug, Args)]
#[command(next_help_heading = "Audit")]
pub(super) struct AuditOptions {
    /// Record who called which tool of which server, and what came of it, as lines of JSON in this file; - is standard output.
    /// A file that is moved away is made anew
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Record the arguments of tools too, without what looks like a secret
    #[arg(long, requires = "audit")]
    audit_arguments: bool,
    /// Refuse requests (503) for as long as they cannot be recorded. Without it lines that a slow disk does not take are lost, and
    /// counted
    #[arg(long, requires = "audit")]
    audit_required: bool,
}

impl AuditOptions {
    /// The record, if there is to be one.
    pub(super) fn log(&self) -> Result<Option<AuditLog>, Failure> {
        let Some(file) = &self.audit else {
            return Ok(None);
        };
        let options = mcpt_gateway::AuditOptions {
            arguments: self.audit_arguments,
            required: self.audit_required,
        };
        let log = if file == Path::new("-") {
            AuditLog::to(io::stdout(), options)
        } else {
            AuditLog::file(file, options)
        };
        log.map(Some).map_err(|error| {
            let what = format!("cannot write the audit log {}", file.display());
            Failure::new(FailureKind::Usage, what).caused_by(&error)
        })
    }
}

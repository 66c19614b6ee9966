//! What every part of mcpt shares: ids, the [`Plan`], the [`Backend`] trait, [`Failure`]s and redaction.
//!
//! A template plus settings compiles to one typed [`Plan`]; a [`Backend`] only executes plans. This crate does no
//! I/O and knows neither Kubernetes nor MCP messages, so that each backend and the command line can depend on it alone.

mod argument;
mod backend;
pub mod before_server;
mod capabilities;
mod command_line;
mod command_option;
mod comparison;
mod exec;
mod failure;
mod ids;
mod image;
mod last_words;
pub mod marks;
pub mod near;
mod package;
mod plan;
mod platform;
mod progress;
mod recorded;
mod remote;
mod secret;
mod server;
mod value;

pub use self::{
    argument::{ARGUMENT_VARIABLE, Arg, ArgPart, NotSet, filled, reference},
    backend::{
        Backend, ChangeOptions, Connection, DeleteOptions, Deleted, DeployOptions, Deployed,
        DryRun, EventStream, GcOptions, LogLine, LogOptions, LogStream, Logs, START_TIMEOUT, Scale,
        Tunnel,
    },
    capabilities::{BackendName, Capabilities, Capability},
    command_line::{command_line, shell_word},
    command_option::CommandOption,
    comparison::{Comparison, Difference},
    exec::{Exec, ExecEvent, ExecStream, TerminalSize},
    failure::{Failure, FailureKind, chain},
    ids::{InvalidId, Namespace, Revision, ServerName, TemplateId},
    image::{Image, InvalidImage},
    package::{Ecosystem, EntryPoint, Package},
    plan::{Mount, Plan, Resources, Sessions, Transport},
    platform::PlatformOptions,
    progress::{Progress, ProgressEvent, Silent},
    recorded::{Recalled, RecordedPlan},
    remote::RemoteVariable,
    secret::{REDACTED, Secret, redact, sounds_secret},
    server::{
        Autoscaling, Garbage, InstanceUsage, Replica, RevisionEntry, Server, ServerEvent,
        ServerState, Usage,
    },
    value::{ServerValue, leaves},
};

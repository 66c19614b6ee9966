//! [`Error`]: why a release could not be worked on.

use std::{fmt, sync::Arc, time::Duration};

use kube_access::ErrorKind;

use crate::records::Record;

/// The result of work on a release.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a release could not be worked on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The cluster cannot be asked, or refuses.
    Access(kube_access::Error),
    /// An object was refused.
    Refused {
        /// The object: `deployment "demo"`.
        object: String,
        /// Its name.
        name: String,
        /// Managers that own fields which were to be changed, when that is why.
        owners: Option<Vec<String>>,
        /// What the API server said.
        source: Box<kube_access::Error>,
    },
    /// The cluster does not serve the kind of an object.
    UnknownKind {
        /// The object.
        object: String,
        /// Its `apiVersion` and kind.
        kind: String,
    },
    /// An object exists already and is not of the release.
    NotOfRelease {
        /// The object.
        object: String,
        /// Whose it is.
        why: String,
    },
    /// All that was refused.
    Several(Vec<Error>),
    /// A release record cannot be read or written.
    Record(String),
    /// Another command works on the release.
    Busy(Box<Record>),
    /// The work was ended from outside.
    Interrupted {
        /// The record of the work.
        record: Box<Record>,
        /// How.
        cause: Interruption,
    },
    /// Objects were not gone in time.
    NotGone {
        /// How long it was waited.
        waited: Duration,
        /// What is still there, and what holds it.
        left: Vec<String>,
    },
    /// The namespace is being deleted.
    NamespaceEnding(String),
    /// The namespace refuses the user, or is not there; which of the two is not known, since the user may neither read nor make
    /// namespaces.
    NamespaceUnknown {
        /// Its name.
        namespace: String,
        /// Why it is not known.
        denied: Denied,
        /// What was refused in it.
        source: Box<Error>,
    },
    /// The namespace was not gone in time.
    NamespaceNotGone {
        /// Its name.
        namespace: String,
        /// How long it was waited.
        waited: Duration,
        /// What holds it.
        held: Vec<String>,
    },
    /// The cluster's version is none.
    Version(helm_chart::Error),
    /// What a chart looks for in the cluster is not known.
    LookedUp {
        /// What it does: `looks for Secret "x"`; and what is wrong with that when there is no source.
        what: String,
        /// Why the API server did not tell.
        source: Option<kube_access::Error>,
    },
    /// A chart looks for something new each time it is rendered.
    AsksForEver {
        /// How often it was rendered.
        rounds: usize,
        /// What it looks for now.
        next: Option<String>,
    },
    /// What is in the namespace is not known.
    Unlisted {
        /// Kind whose objects cannot be listed.
        kind: String,
        /// Why.
        source: kube_access::Error,
    },
}

/// How work on a release was ended from outside.
#[derive(Debug)]
pub enum Interruption {
    /// Its heartbeat stopped.
    Stopped,
    /// Another command took the release over.
    TakenOver,
    /// The API server could not be reached for too long.
    Unreachable(kube_access::Error),
}

/// The rights on namespaces that the user lacks.
#[derive(Debug, Clone)]
pub struct Denied {
    /// Why it could not be looked up.
    pub read: Arc<kube_access::Error>,
    /// Why it could not be made, if that was tried.
    pub make: Option<Arc<kube_access::Error>>,
}

impl Error {
    /// The same error, with what is not known of the namespace, if it can be the reason.
    #[must_use]
    pub fn in_unknown(self, namespace: &str, denied: &Denied) -> Self {
        if !self.of_namespace() {
            return self;
        }
        Self::NamespaceUnknown {
            namespace: namespace.to_owned(),
            denied: denied.clone(),
            source: Box::new(self),
        }
    }

    /// Whether this is how the API server refuses what goes into a namespace that is not there, to whoever may not know that.
    fn of_namespace(&self) -> bool {
        match self {
            Self::Access(error) => error.lacks_right() || error.missing_namespace().is_some(),
            Self::Refused { source, .. } => {
                source.lacks_right() || source.missing_namespace().is_some()
            }
            Self::Several(all) => all.iter().any(Self::of_namespace),
            _ => false,
        }
    }

    /// What sort of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { source: error, .. } => error.explain().kind,
            Self::Access(error)
            | Self::Unlisted { source: error, .. }
            | Self::LookedUp {
                source: Some(error),
                ..
            }
            | Self::Interrupted {
                cause: Interruption::Unreachable(error),
                ..
            } => error.explain().kind,
            Self::Several(all) => all.first().map_or(ErrorKind::Failed, Self::kind),
            Self::NamespaceUnknown { source, .. } => source.kind(),
            Self::NotGone { .. } | Self::NamespaceNotGone { .. } => ErrorKind::TimedOut,
            _ => ErrorKind::Failed,
        }
    }

    /// The causes, the most telling first.
    pub fn causes(&self) -> Vec<String> {
        match self {
            Self::Access(error) => error.explain().causes,
            Self::Refused {
                object,
                name,
                source,
                ..
            } => {
                let explained = source.explain();
                let mut causes = explained.causes;
                // Refusals that name the object themselves need no prefix.
                for cause in &mut causes {
                    if !cause.contains(&format!("{name:?}")) && explained.kind == ErrorKind::Failed
                    {
                        *cause = format!("{object}: {cause}");
                    }
                }
                causes
            }
            Self::UnknownKind { object, kind } => {
                vec![format!("{object}: the cluster does not serve {kind}")]
            }
            Self::NotOfRelease { object, why } => vec![format!("{object} exists already: {why}")],
            Self::Several(all) => {
                let mut causes = Vec::new();
                for cause in all.iter().flat_map(Self::causes) {
                    if !causes.contains(&cause) {
                        causes.push(cause);
                    }
                }
                causes
            }
            Self::Record(why) => vec![why.clone()],
            Self::Busy(record) => vec![format!(
                "another operation is in progress ({} since {})",
                record.release.info.status,
                record.updated()
            )],
            Self::Interrupted { cause, .. } => match cause {
                Interruption::Stopped => vec!["the heartbeat stopped".to_owned()],
                Interruption::TakenOver => {
                    vec!["another command took the release over".to_owned()]
                }
                Interruption::Unreachable(error) => error.explain().causes,
            },
            Self::NotGone { left, .. } => left.clone(),
            Self::NamespaceEnding(name) => vec![format!("namespace {name:?} is being deleted")],
            Self::NamespaceUnknown {
                namespace,
                denied,
                source,
            } => {
                let mut causes = source.causes();
                let read = denied.read.causes();
                causes.push(format!("namespace {namespace:?} may not exist: {read}"));
                if let Some(make) = &denied.make {
                    causes.push(format!("it was not made: {}", make.causes()));
                }
                causes
            }
            Self::NamespaceNotGone {
                namespace,
                waited,
                held,
            } => {
                let late = format!(
                    "namespace {namespace:?} still terminates after {} s",
                    waited.as_secs()
                );
                [vec![late], held.clone()].concat()
            }
            Self::Version(error) => vec![kube_access::chain(error)],
            Self::LookedUp { what, source } => {
                let mut causes = source.as_ref().map_or(Vec::new(), |s| s.explain().causes);
                causes.push(format!("the chart {what}"));
                causes
            }
            Self::AsksForEver { rounds, next } => {
                let again = format!(
                    "the chart asks the cluster for something new each time it is rendered, {rounds} times so far"
                );
                let now = next.iter().map(|next| format!("it now looks for {next}"));
                [again].into_iter().chain(now).collect()
            }
            Self::Unlisted { kind, source } => {
                let mut causes = source.explain().causes;
                causes.push(format!("whether it has any {kind} is not known"));
                causes
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.causes().join("; "))
    }
}

// The words have the causes already, and a program that wants more finds the sources in the variants.
impl std::error::Error for Error {}

impl From<kube_access::Error> for Error {
    fn from(error: kube_access::Error) -> Self {
        Self::Access(error)
    }
}

//! What becomes of a workload on Kubernetes, for whoever waits for it or is asked about it: how far a rollout is, why it does not
//! go on, the logs of all of its pods as one stream, the events that are about it, and what its pods use.
//!
//! Judgements are pure functions over [`Observed`]; only the streams at the edge speak to the cluster. It knows nothing of who
//! made the workload.

mod diagnosis;
mod events;
mod logs;
mod rollout;
mod subjects;
mod tail;
mod usage;
mod wait;
mod watch;

pub use self::{
    diagnosis::{
        Advice, Diagnosis, Gravity, Lacking, LogSource, ProbeReader, ProbeVerdict, diagnose,
    },
    events::{EventStream, Reread, follow, seen, sort, warnings},
    logs::{LogError, LogLine, LogOptions, Logs, container, logs},
    rollout::{Observed, Rollout, last_seen, rollout},
    subjects::{Subject, Subjects},
    tail::tail,
    usage::{PodUsage, usage},
    wait::{NotReady, WaitError, WaitFor, until_rolled_out},
};

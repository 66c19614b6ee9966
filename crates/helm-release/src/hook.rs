//! Hooks: objects that run at a point of a release's life.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::null_as_default;

/// A hook and what became of it. Its object may hold secrets, so it is no part of its `Debug` form.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The object's kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The template that it comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// When it runs.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub events: Vec<HookEvent>,
    /// Its last run.
    pub last_run: HookExecution,
    /// Lower ones run first.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// When its object is deleted: `before-hook-creation` (also when there is none), `hook-succeeded`, `hook-failed`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub delete_policies: Vec<String>,
    /// When its logs are shown: `hook-succeeded`, `hook-failed`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub output_log_policies: Vec<String>,
    /// What other versions of Helm write.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("events", &self.events)
            .field("weight", &self.weight)
            .field("last_run", &self.last_run)
            .finish_non_exhaustive()
    }
}

/// A point of a release's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Before the first revision's objects.
    PreInstall,
    /// After them.
    PostInstall,
    /// Before the release's objects are deleted.
    PreDelete,
    /// After that.
    PostDelete,
    /// Before a later revision's objects.
    PreUpgrade,
    /// After them.
    PostUpgrade,
    /// Before the objects of an earlier revision.
    PreRollback,
    /// After them.
    PostRollback,
    /// When somebody asks for a test.
    #[serde(alias = "test-success")]
    Test,
}

/// A run of a hook. Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookExecution {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// How it ended.
    pub phase: HookPhase,
}

/// How far a hook came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookPhase {
    /// It never ran.
    #[default]
    #[serde(rename = "")]
    None,
    /// Nobody knows.
    Unknown,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It did not.
    Failed,
}

/// The hooks of an event, in the order in which they run: by weight, then by name.
pub fn hooks_for(hooks: &[Hook], event: HookEvent) -> Vec<&Hook> {
    let mut hooks: Vec<&Hook> = hooks
        .iter()
        .filter(|hook| hook.events.contains(&event))
        .collect();
    hooks.sort_by(|a, b| (a.weight, &a.name).cmp(&(b.weight, &b.name)));
    hooks
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde wants"
)]
fn is_zero(weight: &i64) -> bool {
    *weight == 0
}

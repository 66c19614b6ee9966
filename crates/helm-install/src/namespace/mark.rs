//! The mark on a namespace that deployments made: the commands that count on it and have not come to their end. The last of them
//! to fail removes it. One that succeeds takes the mark off: the namespace is there to stay. Pure.

use jiff::{SignedDuration, Timestamp};
use kube::core::ObjectMeta;

use crate::{holder, tool::Tool};

/// How long a command counts as living of which cannot be seen from here whether it does. A deploy takes a fraction of it to record
/// its release, and from then on the namespace is in use.
const ABANDONED: SignedDuration = SignedDuration::from_mins(10);

/// The commands, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(Vec<Member>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    holder: String,
    since: Timestamp,
}

impl Mark {
    /// Of a command that comes first.
    pub(super) fn new(holder: &str, now: Timestamp) -> Self {
        Self(Vec::new()).with(holder, now)
    }

    /// The mark that a namespace bears, if it bears one.
    pub(super) fn of(namespace: &ObjectMeta, tool: Tool) -> Option<Self> {
        let text = namespace.annotations.as_ref()?.get(tool.holder)?;
        let made = namespace.creation_timestamp.as_ref().map(|time| time.0);
        let members = text.split(',').map(|member| {
            let parts = member
                .rsplit_once('@')
                .and_then(|(holder, since)| Some((holder, since.parse().ok()?)));
            // Without a time it is the one that made the namespace.
            let (holder, since) = parts.unwrap_or((member, made.unwrap_or(Timestamp::UNIX_EPOCH)));
            Member {
                holder: holder.to_owned(),
                since,
            }
        });
        Some(Self(members.collect()))
    }

    /// As a namespace bears it: `HOLDER@TIME,…`.
    pub(super) fn text(&self) -> String {
        let members = self.0.iter();
        let members = members.map(|member| format!("{}@{:.0}", member.holder, member.since));
        members.collect::<Vec<_>>().join(",")
    }

    /// Whether a command is among them.
    pub(super) fn has(&self, holder: &str) -> bool {
        self.0.iter().any(|member| member.holder == holder)
    }

    /// With a command more.
    pub(super) fn with(mut self, holder: &str, now: Timestamp) -> Self {
        self.0.push(Member {
            holder: holder.to_owned(),
            since: now,
        });
        self
    }

    /// Those that live or may live, `but` one; `None` when there are none.
    pub(super) fn living(mut self, but: &str, now: Timestamp) -> Option<Self> {
        self.0.retain(|member| {
            let lives = holder::alive(&member.holder);
            member.holder != but
                && lives.unwrap_or_else(|| now.duration_since(member.since) <= ABANDONED)
        });
        (!self.0.is_empty()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tool::TESTED;

    fn namespace(mark: Option<&str>) -> ObjectMeta {
        let mut metadata = json!({"creationTimestamp": "2026-01-01T00:00:00Z"});
        if let Some(mark) = mark {
            metadata["annotations"] = json!({TESTED.holder: mark});
        }
        serde_json::from_value(metadata).unwrap()
    }

    #[test]
    fn a_command_counts_as_long_as_it_may_live() {
        let now: Timestamp = "2026-01-01T00:11:00Z".parse().unwrap();
        let me = holder::this().unwrap();
        let dead = format!("{}/0", me.rsplit_once('/').unwrap().0);
        let elsewhere = "boot/pid:[1]/7/9";
        let young = format!("{elsewhere}@2026-01-01T00:02:00Z");
        for (mark, but, left) in [
            (me.clone(), "", Some(me.clone())),
            (me.clone(), me.as_str(), None),
            (dead.clone(), "", None),
            // It made the namespace, eleven minutes ago.
            (elsewhere.to_owned(), "", None),
            (young.clone(), "", Some(elsewhere.to_owned())),
            (format!("{me},{young}"), &me, Some(elsewhere.to_owned())),
            (format!("{dead},{me},{young}"), elsewhere, Some(me.clone())),
        ] {
            let read = Mark::of(&namespace(Some(&mark)), TESTED).unwrap();
            let living = read.living(but, now);
            let names = living.map(|mark| {
                let members: Vec<_> = mark.0.into_iter().map(|member| member.holder).collect();
                members.join(",")
            });
            assert_eq!(names, left, "{mark} but {but}");
        }
        assert_eq!(Mark::of(&namespace(None), TESTED), None);
    }

    #[test]
    fn marks_are_read_as_they_are_written() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let mark = Mark::new("a/pid:[1]/7/9", time("2026-01-01T00:00:00Z"));
        let mark = mark.with("b/pid:[1]/7/9", time("2026-01-01T00:01:00Z"));
        let text = mark.text();
        assert_eq!(
            text,
            "a/pid:[1]/7/9@2026-01-01T00:00:00Z,b/pid:[1]/7/9@2026-01-01T00:01:00Z"
        );
        let read = Mark::of(&namespace(Some(&text)), TESTED).unwrap();
        assert_eq!(read, mark);
        assert!(read.has("b/pid:[1]/7/9") && !read.has("c"));
    }
}

//! What a watched folder tells: everything that happens there but our own looks.

use std::path::Path;

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode},
};

/// Whether an event calls for a look. A look opens files and lists folders, which must not lead to the next look. What cannot
/// be told calls for one as well.
pub(crate) fn calls_for_a_look(event: &notify::Result<Event>) -> bool {
    event.as_ref().map_or(true, |event| match event.kind {
        // A supervisor that was killed: the file that it held open for writing is closed.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    })
}

/// Whether an event is about what is only read by people, logs and the events of servers, and nothing else.
pub(crate) fn is_about_logs(event: &notify::Result<Event>) -> bool {
    let is_log = |path: &Path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.contains(".log") || name == "events" || name == "events.1"
        })
    };
    event
        .as_ref()
        .is_ok_and(|event| !event.paths.is_empty() && event.paths.iter().all(|path| is_log(path)))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind, RemoveKind};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn own_looks_call_for_none() {
        for (kind, expected) in [
            (AccessKind::Open(AccessMode::Any), false),
            (AccessKind::Open(AccessMode::Read), false),
            (AccessKind::Read, false),
            (AccessKind::Close(AccessMode::Read), false),
            (AccessKind::Close(AccessMode::Write), true),
        ] {
            let event = Ok(event(EventKind::Access(kind), "/a"));
            assert_eq!(calls_for_a_look(&event), expected, "{kind:?}");
        }
        for kind in [
            EventKind::Any,
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Remove(RemoveKind::Folder),
        ] {
            assert!(calls_for_a_look(&Ok(event(kind, "/a"))), "{kind:?}");
        }
        assert!(calls_for_a_look(&Err(notify::Error::generic("overflow"))));
    }

    #[test]
    fn logs_are_known_by_their_names() {
        for (path, expected) in [
            ("/s/demo/run-1/server.log", true),
            ("/s/demo/run-1/server.log.1", true),
            ("/s/demo/run-1/previous.log", true),
            ("/s/demo/events", true),
            ("/s/demo/events.1", true),
            ("/s/demo/run-1/state.json", false),
            ("/s/a.log/run-1", false),
        ] {
            assert_eq!(
                is_about_logs(&Ok(event(EventKind::Any, path))),
                expected,
                "{path}"
            );
        }
        assert!(!is_about_logs(&Err(notify::Error::generic("overflow"))));
        assert!(!is_about_logs(&Ok(Event::new(EventKind::Any))));
    }
}

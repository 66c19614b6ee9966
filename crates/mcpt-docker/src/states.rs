//! States of containers that only Podman has: its API speaks of them in places where Docker's, and so the library, know no such
//! word. One container in such a state would make whole lists unreadable.

use bollard::errors::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer of the engine, read once more by Docker's words if it was unreadable.
///
/// # Errors
/// The library's, when it is unreadable for another reason.
pub(crate) fn read<T: DeserializeOwned>(answer: Result<T, Error>) -> Result<T, Error> {
    match answer {
        Err(Error::JsonDataError {
            message,
            contents,
            column,
        }) => in_words_of_docker(&contents).ok_or(Error::JsonDataError {
            message,
            contents: String::new(),
            column,
        }),
        answer => answer,
    }
}

fn in_words_of_docker<T: DeserializeOwned>(contents: &str) -> Option<T> {
    let mut answer: Value = serde_json::from_str(contents).ok()?;
    match &mut answer {
        // A list has the word itself, ...
        Value::Array(containers) => {
            for container in containers {
                container.get_mut("State").map(translate);
            }
        }
        // ... and what is told of one container has it in an object.
        container => {
            container.pointer_mut("/State/Status").map(translate);
        }
    }
    serde_json::from_value(answer).ok()
}

fn translate(state: &mut Value) {
    if let Value::String(word) = state {
        let docker = match word.as_str() {
            "configured" | "initialized" => "created",
            // Its process has ended, and what is left of it is being put away.
            "stopped" => "exited",
            "unknown" => "dead",
            _ => return,
        };
        docker.clone_into(word);
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{
        ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
        ContainerSummaryStateEnum,
    };

    use super::*;

    fn unreadable(contents: &str) -> Error {
        Error::JsonDataError {
            message: "unknown variant".to_owned(),
            contents: contents.to_owned(),
            column: 1,
        }
    }

    #[test]
    fn words_of_podman_are_read() {
        let list = r#"[{"Id":"a","State":"stopped"},{"Id":"b","State":"running"},{"Id":"c","State":"initialized"}]"#;
        let list: Vec<ContainerSummary> = read(Err(unreadable(list))).unwrap();
        let states: Vec<_> = list.into_iter().map(|one| one.state.unwrap()).collect();
        let wanted = [
            ContainerSummaryStateEnum::EXITED,
            ContainerSummaryStateEnum::RUNNING,
            ContainerSummaryStateEnum::CREATED,
        ];
        assert_eq!(states, wanted);
        let one = r#"{"Id":"a","State":{"Status":"stopped","Running":false}}"#;
        let one: ContainerInspectResponse = read(Err(unreadable(one))).unwrap();
        let state = one.state.unwrap().status;
        assert_eq!(state, Some(ContainerStateStatusEnum::EXITED));
    }

    #[test]
    fn what_is_unreadable_otherwise_stays_so_and_shows_nothing() {
        for contents in ["", "[{", r#"[{"State":"secret-word"}]"#, r#"{"State":7}"#] {
            let answer = read::<Vec<ContainerSummary>>(Err(unreadable(contents)));
            let error = format!("{:?}", answer.unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

//! What was deployed: a label of the replicas says it, and their environment has the secrets.

use mcpt_core::{Failure, FailureKind, Recalled, RecordedPlan};

use crate::{body::Template, engine::Engine, marks, unit::Group};

/// The server of these containers as it was deployed.
///
/// # Errors
/// [`FailureKind::NotFound`] when it is gone by now, or no replica of it is there; when it was not written down.
pub(crate) async fn recall(
    engine: &Engine,
    group: &Group,
    what: &str,
) -> Result<Recalled, Failure> {
    let failed = |why: &str| Failure::new(FailureKind::Failed, what).because(why);
    // Of a first deployment that failed, or whose command died, what was tried is all there is.
    let units = group
        .current()
        .map_or(group.trial.as_slice(), |(_, units)| units);
    if units.is_empty() {
        return Err(engine.not_found(&group.name).await);
    }
    let first = units.first();
    let unrecorded = || {
        failed("the version of mcpt that deployed it did not write that down")
            .hint("deploy it again as before")
    };
    let unit = first.ok_or_else(unrecorded)?;
    let text = unit.label(marks::PLAN).ok_or_else(unrecorded)?;
    let recorded: RecordedPlan = serde_json::from_str(text)
        .map_err(|error| failed("what is written down of it cannot be read").caused_by(&error))?;
    let Some(container) = engine.inspect(&unit.id, what).await? else {
        return Err(engine.not_found(&group.name).await);
    };
    let template = Template::of_container(&group.name, &container).ok_or_else(unrecorded)?;
    let mut secrets = template.secret_variables();
    secrets.retain(|name, _| recorded.secrets().contains(name));
    if secrets.len() != recorded.secrets().len() {
        return Err(failed("its containers lack some of its secrets"));
    }
    Ok(Recalled {
        recorded,
        secrets,
        replicas: units.len() as u32,
    })
}

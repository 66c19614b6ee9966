//! What differs between two revisions of a server, or between the one that runs and what a deploy would make.

use mcpt_core::{Backend as _, DeployOptions};
use mcpt_core::{Comparison, Difference, Failure, FailureKind, Plan, Revision, ServerName};
use serde_json::{Value, json};

use crate::{body::Template, deploy, engine::Engine, image, marks, unit::Unit};

/// What a deploy of the plan would change. Nothing is, and no image is pulled.
///
/// # Errors
/// What is wrong with the plan and its options, and when the engine cannot be asked.
pub(crate) async fn with_plan(
    engine: &Engine,
    plan: &Plan,
    options: &DeployOptions,
) -> Result<Comparison, Failure> {
    let what = deploy::cannot(engine, plan);
    let template = deploy::check(engine, plan, options)?;
    let reference = template.label(marks::SOURCE).unwrap_or_default().to_owned();
    let facts = image::look(engine, &reference, &what).await?;
    let template = Template::of_plan(plan, &facts.clone().unwrap_or_default(), &what)?;
    let group = engine.group(&plan.name, &what).await?;
    let there = group.current().map_or(0, |(_, units)| units.len());
    let replicas = plan.replicas.map_or(there.max(1), |number| number as usize);
    let mut new = template.as_value(facts.as_ref());
    new["replicas"] = json!(replicas);
    let (before, mut old) = match group.current() {
        Some((revision, units)) => {
            // As a deploy tells that it has nothing to do: engines may tell what is equal in other words.
            let digest = units.first().and_then(|unit| unit.label(marks::DIGEST));
            let old = if digest.is_some_and(|digest| template.has_digest(digest)) {
                Some(new.clone())
            } else {
                kept(engine, &plan.name, units, &what).await?
            };
            (format!("revision {revision}"), old)
        }
        None => ("nothing".to_owned(), None),
    };
    if let Some(old) = &mut old {
        old["replicas"] = json!(there);
        if facts.is_none() {
            // What an image that is not here says of its program is not known.
            for field in ["entrypoint", "command", "user"] {
                new[field].clone_from(&old[field]);
            }
        }
    }
    let difference = Difference::of("server".to_owned(), old, Some(new), &template.secrets());
    Ok(Comparison {
        before,
        after: "what would be deployed".to_owned(),
        differences: difference.into_iter().collect(),
    })
}

/// What differs between two revisions: `from`, else the one before `to`; `to`, else the current one.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such server or revision.
pub(crate) async fn revisions(
    engine: &Engine,
    name: &ServerName,
    from: Option<Revision>,
    to: Option<Revision>,
) -> Result<Comparison, Failure> {
    let what = format!("cannot compare revisions of {name}");
    let group = engine.group(name, &what).await?;
    let Some((current, _)) = group.current() else {
        return Err(engine.not_found(name).await);
    };
    let missing = |why: String| {
        Failure::new(FailureKind::NotFound, &what)
            .because(why)
            .hint(format!(
                "{} shows the revisions that are kept",
                engine.command(&format!("history {name}"))
            ))
    };
    let to = to.map_or(current, |revision| revision.0);
    let earlier = group.revisions.range(..to).next_back();
    let from = from.map(|revision| revision.0);
    let from = from
        .or(earlier.map(|(revision, _)| *revision))
        .ok_or_else(|| missing(format!("there is no revision before {to}")))?;
    let mut both = Vec::new();
    for revision in [from, to] {
        let units = group.revisions.get(&revision);
        let units = units.ok_or_else(|| missing(format!("there is no revision {revision}")))?;
        let found = kept(engine, name, units, &what).await?;
        both.push(
            found.ok_or_else(|| missing(format!("revision {revision} is not kept any more")))?,
        );
    }
    let after = both.pop();
    let difference = Difference::of("server".to_owned(), both.pop(), after, &[]);
    Ok(Comparison {
        before: format!("revision {from}"),
        after: format!("revision {to}"),
        differences: difference.into_iter().collect(),
    })
}

/// What a kept replica of these was made of.
async fn kept(
    engine: &Engine,
    name: &ServerName,
    units: &[Unit],
    what: &str,
) -> Result<Option<Value>, Failure> {
    let container = match units.first() {
        Some(unit) => engine.inspect(&unit.id, what).await?,
        None => None,
    };
    let template = container.and_then(|container| Template::of_container(name, &container));
    Ok(template.map(|template| template.as_value(None)))
}

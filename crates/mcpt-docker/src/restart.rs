//! Starting the replicas of a server anew, as they are configured: new ones of the same revision beside the old ones, which end
//! when the new ones have answered. Which start a replica is of, a label says: so a later command knows what one that was killed
//! in between has left.

use mcpt_core::{ChangeOptions, Failure, Progress, ProgressEvent, Server, ServerName};

use crate::{
    body::Template,
    change::{self, Change},
    engine::Engine,
    front,
    lock::{Intent, Lock},
    marks::{Role, Stage},
    own_image, server,
    unit::{Group, Unit},
};

/// Starts all replicas anew.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is no such server, otherwise as a deploy; those that ran go on then.
pub(crate) async fn restart(
    engine: &Engine,
    name: &ServerName,
    options: &ChangeOptions,
    progress: &dyn Progress,
) -> Result<Server, Failure> {
    let what = format!("cannot restart {name}");
    if engine.group(name, &what).await?.current().is_none() {
        return Err(engine.not_found(name).await);
    }
    own_image::ensure(engine, &what, progress).await?;
    let image = own_image::reference();
    let lock = Lock::take(engine, name, Intent::Change, &image, &what, progress).await?;
    let restarted = async {
        Box::pin(change(engine, name, &lock, options, &what, progress)).await?;
        // As long as nobody else may change it.
        server::now(engine, name, &what).await
    };
    let restarted = restarted.await;
    let released = lock.release(&what).await;
    let server = restarted?;
    released.map(|()| server)
}

async fn change(
    engine: &Engine,
    name: &ServerName,
    lock: &Lock,
    options: &ChangeOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let group = change::settle(engine, name, lock, what, progress).await?;
    let Some((revision, units)) = group.current() else {
        return Err(lock.explain(engine.not_found(name).await));
    };
    let kept = match units.first() {
        Some(unit) => engine.inspect(&unit.id, what).await?,
        None => None,
    };
    let template = kept.and_then(|container| Template::of_container(name, &container));
    let Some(template) = template else {
        return Err(lock.explain(engine.not_found(name).await));
    };
    let start = units.iter().map(Unit::start).max().unwrap_or_default() + 1;
    let there: Vec<u32> = units.iter().map(Unit::number).collect();
    let numbers: Vec<u32> = (1..)
        .filter(|number| !there.contains(number))
        .take(units.len())
        .collect();
    let change = Change {
        engine,
        secrets: template.secrets(),
        template: template.of_start(start),
        replicas: numbers.len() as u32,
        wait: options.wait,
        timeout: options.timeout,
        atomic: false,
        what,
    };
    change.add(&group, revision, &numbers, progress).await?;
    let group = engine.group(name, what).await?;
    finish(engine, &group, what, progress).await
}

/// What of the current revision is of its last start, and what of those before it.
fn starts(group: &Group) -> (Vec<Unit>, Vec<Unit>) {
    let units = group.current().map_or(&[][..], |(_, units)| units);
    let last = units.iter().map(Unit::start).max();
    let of_last = |unit: &Unit| Some(unit.start()) == last;
    units.iter().cloned().partition(of_last)
}

/// Whether a restart has begun and not been brought to its end.
pub(crate) fn is_unfinished(group: &Group) -> bool {
    !starts(group).1.is_empty()
}

/// Brings one to its end that was begun: the older replicas end, or, if not all of the new ones had passed, the new ones.
///
/// # Errors
/// When the engine cannot be asked or refuses.
pub(crate) async fn finish(
    engine: &Engine,
    group: &Group,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let (new, old) = starts(group);
    if old.is_empty() {
        return Ok(());
    }
    let (stay, surplus) = if new.len() < old.len() {
        (old, new)
    } else {
        (new, old)
    };
    progress.event(ProgressEvent::Step("ending the old one".to_owned()));
    end(engine, group, &stay, &surplus, what).await
}

/// Ends replicas of the current revision, and removes them; those that stay have their new sessions from the beginning on.
///
/// # Errors
/// When the engine cannot be asked or refuses.
pub(crate) async fn end(
    engine: &Engine,
    group: &Group,
    stay: &[Unit],
    surplus: &[Unit],
    what: &str,
) -> Result<(), Failure> {
    let front = front::ensure(engine, group, what).await?;
    // First of all: engines go on with an end that a killed command has asked for, and nobody may count them then.
    for unit in surplus {
        rename(engine, unit, Stage::Ending, what).await?;
    }
    if let Some(told) = front::told(stay, surplus) {
        front::tell(engine, &front, &told, what).await?;
    }
    let ids: Vec<_> = surplus.iter().map(|unit| unit.id.as_str()).collect();
    engine.stop(&ids, None, what).await?;
    engine.remove(&ids, what).await?;
    if let Some(told) = front::told(stay, &[]) {
        front::tell(engine, &front, &told, what).await?;
    }
    Ok(())
}

/// Says that a replica counts, or that it does so no more, by its name. One that is gone needs none.
///
/// # Errors
/// When the engine refuses.
pub(crate) async fn rename(
    engine: &Engine,
    unit: &Unit,
    stage: Stage,
    what: &str,
) -> Result<(), Failure> {
    let Role::Replica {
        revision, number, ..
    } = unit.role
    else {
        return Ok(());
    };
    let role = Role::Replica {
        revision,
        number,
        stage,
    };
    engine
        .rename(&unit.id, &role.name(&unit.server), what)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        marks,
        unit::{groups, tests::container},
    };

    #[test]
    fn starts_are_told_by_their_labels() {
        let replica = |number: u32, start: Option<u32>| {
            let mut replica = container("a", &format!("mcpt-a.r2.{number}"), "replica");
            let labels = replica.labels.get_or_insert_default();
            labels.extend(start.map(|start| (marks::START.to_owned(), start.to_string())));
            Unit::read(&replica).unwrap()
        };
        let earlier = Unit::read(&container("a", "mcpt-a.r1.1", "replica")).unwrap();
        for (units, new, old) in [
            (vec![replica(1, None), replica(2, None)], 2, 0),
            (vec![replica(1, None), replica(2, Some(1))], 1, 1),
            (
                vec![
                    replica(3, Some(2)),
                    replica(2, Some(1)),
                    replica(4, Some(2)),
                ],
                2,
                1,
            ),
        ] {
            let units = [units, vec![earlier.clone()]].concat();
            let group = &groups(units)[0];
            let (of_last, before) = starts(group);
            assert_eq!((of_last.len(), before.len()), (new, old));
            assert_eq!(is_unfinished(group), old > 0);
        }
    }
}

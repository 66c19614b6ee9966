//! What the replicas of servers use, as the engine measures it: over the second before its answer.

use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptions};
use futures_util::{StreamExt as _, future::try_join_all};
use mcpt_core::{Failure, InstanceUsage, ServerName, Usage};

use crate::{
    engine::Engine,
    failure::{failure, is_missing},
    unit::{Group, Unit},
};

/// What the replicas of one server, or of all, use.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none of that name.
pub(crate) async fn of(
    engine: &Engine,
    name: Option<&ServerName>,
) -> Result<Vec<InstanceUsage>, Failure> {
    let what = "cannot tell what servers use";
    let groups = match name {
        Some(name) => {
            let group = engine.group(name, what).await?;
            if !group.is_there() {
                return Err(engine.not_found(name).await);
            }
            vec![group]
        }
        None => engine.groups(what).await?,
    };
    let current = |group: &Group| {
        group
            .current()
            .map_or(Vec::new(), |(_, units)| units.to_vec())
    };
    let units: Vec<Unit> = groups.iter().flat_map(current).collect();
    let measured = units.iter().map(|unit| measure(engine, unit, what));
    try_join_all(measured).await
}

async fn measure(engine: &Engine, unit: &Unit, what: &str) -> Result<InstanceUsage, Failure> {
    let options = StatsOptions {
        stream: false,
        one_shot: false,
    };
    let told = if unit.runs() {
        Box::pin(engine.api.stats(&unit.id, Some(options)))
            .next()
            .await
    } else {
        None
    };
    let usage = match told {
        Some(Ok(told)) => read(&told),
        None => None,
        Some(Err(error)) if is_missing(&error) => None,
        Some(Err(error)) => return Err(failure(what, &error)),
    };
    Ok(InstanceUsage {
        server: unit.server.clone(),
        instance: unit.name.clone(),
        usage,
    })
}

/// What an engine's figures say: the share of all processors that was the container's, and its memory without what the system only
/// keeps of files for it, as `docker stats` shows it. `None` for one that has just begun.
fn read(told: &ContainerStatsResponse) -> Option<Usage> {
    let (now, before) = (told.cpu_stats.as_ref()?, told.precpu_stats.as_ref()?);
    let total = |of: &bollard::models::ContainerCpuStats| of.cpu_usage.as_ref()?.total_usage;
    let own = total(now)?.checked_sub(total(before).unwrap_or_default())?;
    let all = now
        .system_cpu_usage?
        .checked_sub(before.system_cpu_usage.unwrap_or_default())?;
    let processors = u128::from(now.online_cpus.filter(|number| *number > 0).unwrap_or(1));
    let millis = (u128::from(own) * 1000 * processors).checked_div(u128::from(all))?;
    let memory = told.memory_stats.as_ref()?;
    let of_files = memory.stats.as_ref().and_then(|stats| {
        let known = stats
            .get("inactive_file")
            .or(stats.get("total_inactive_file"));
        known.copied()
    });
    Some(Usage {
        cpu_millis: u64::try_from(millis).unwrap_or(u64::MAX),
        memory_bytes: memory.usage?.saturating_sub(of_files.unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_read_as_docker_stats_reads_them() {
        let told = |system: u64| -> ContainerStatsResponse {
            let cpu = |own: u64, system: u64| json!({"cpu_usage": {"total_usage": own}, "system_cpu_usage": system, "online_cpus": 4});
            serde_json::from_value(json!({
                "precpu_stats": cpu(1_000_000, 10_000_000), "cpu_stats": cpu(3_000_000, system),
                "memory_stats": {"usage": 5000, "stats": {"inactive_file": 1000}},
            }))
            .unwrap()
        };
        let usage = Usage {
            cpu_millis: 200,
            memory_bytes: 4000,
        };
        assert_eq!(read(&told(50_000_000)), Some(usage));
        assert_eq!(read(&told(10_000_000)), None, "no time has passed");
        assert_eq!(read(&ContainerStatsResponse::default()), None);
    }
}

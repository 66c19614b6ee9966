//! What the processes of a server use: those that bear the mark of its run, as the system shows them (Linux).

use std::{fs, path::Path, time::Duration};

use mcpt_core::Usage;
use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::time::{Instant, sleep};

use crate::marked;

/// Over how long the use of processors is measured.
const WHILE: Duration = Duration::from_millis(500);

/// What the processes of each of these runs use; `None` for one of which none runs, or where the system does not show it.
pub(crate) async fn of(runs: &[&Path]) -> Vec<Option<Usage>> {
    let look = || runs.iter().map(|run| look(run)).collect::<Vec<_>>();
    let (before, began) = (look(), Instant::now());
    sleep(WHILE).await;
    let (after, passed) = (look(), began.elapsed());
    before
        .into_iter()
        .zip(after)
        .map(|(before, after)| between(before?, after?, passed))
        .collect()
}

/// What processes have used until a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Used {
    /// Time of processors, in ticks.
    ticks: u64,
    /// Bytes of memory.
    memory: u64,
}

fn look(run: &Path) -> Option<Used> {
    let each = marked::processes_of(run).into_iter().filter_map(of_process);
    each.reduce(|all, one| Used {
        ticks: all.ticks + one.ticks,
        memory: all.memory + one.memory,
    })
}

/// One that has ended since it was listed has used nothing.
fn of_process(process: Pid) -> Option<Used> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    read(&stat, &status)
}

/// Reads the two files. The name of a process, in parentheses, may have blanks and parentheses.
fn read(stat: &str, status: &str) -> Option<Used> {
    let (_, fields) = stat.rsplit_once(')')?;
    // From the third field of all on: those of user and of system are the 14th and the 15th.
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    Some(Used {
        ticks: user + system,
        memory: kibibytes.unwrap_or_default() << 10,
    })
}

/// What was used between two looks. Of processes that ended in between the time is not known.
fn between(before: Used, after: Used, passed: Duration) -> Option<Usage> {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten()?;
    let per_second = u128::try_from(per_second).ok()?;
    let ticks = u128::from(after.ticks.saturating_sub(before.ticks));
    let millis = (ticks * 1_000_000).checked_div(per_second * passed.as_millis())?;
    Some(Usage {
        cpu_millis: u64::try_from(millis).unwrap_or(u64::MAX),
        memory_bytes: after.memory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1 0 5 1000 200";
        let used = Used {
            ticks: 42,
            memory: 2048,
        };
        assert_eq!(read(stat, "Name:\tx\nVmRSS:\t       2 kB\n"), Some(used));
        // A process of the system has no memory of its own.
        assert_eq!(read(stat, "").map(|used| used.memory), Some(0));
        assert_eq!(read("7 (a) S 1", ""), None);
        let later = Used { ticks: 92, ..used };
        let usage = between(used, later, Duration::from_millis(500)).unwrap();
        let per_second = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap();
        assert_eq!(usage.cpu_millis, 100_000 / per_second.cast_unsigned());
    }
}

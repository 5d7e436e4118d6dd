//! What a server costs: CPU time and memory of a process and everything below it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::{BenchError, Doing as _};

/// A process and its descendants. CPU time includes descendants that ended and were waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessTree {
    root: u32,
}

/// One line of `/proc/PID/stat`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// utime, stime, cutime and cstime together.
    ticks: u64,
}

impl ProcessTree {
    pub(crate) fn of(root: u32) -> Self {
        Self { root }
    }

    /// User and system time, own and of reaped children.
    pub(crate) fn cpu_time(self) -> Result<Duration, BenchError> {
        let all = all_processes().doing("list the processes")?;
        let ticks: u64 = self.members(&all).map(|(_, stat)| stat.ticks).sum();
        let micros = ticks * 1_000_000 / clock_ticks_per_second();
        Ok(Duration::from_micros(micros))
    }

    /// Proportional set size in KiB: pages that several processes share count once.
    pub(crate) fn pss_kib(self) -> Result<u64, BenchError> {
        let all = all_processes().doing("list the processes")?;
        self.members(&all).map(|(pid, _)| pss_kib(pid)).sum()
    }

    fn members(self, all: &HashMap<u32, Stat>) -> impl Iterator<Item = (u32, Stat)> {
        let belongs = move |pid: u32| {
            let parent = |pid: &u32| all.get(pid).map(|stat| stat.parent);
            std::iter::successors(Some(pid), parent).any(|above| above == self.root)
        };
        all.iter()
            .filter(move |(pid, _)| belongs(**pid))
            .map(|(pid, stat)| (*pid, *stat))
    }
}

/// Moves the calling thread, and all that it will start, to one CPU.
pub(crate) fn pin_to(cpu: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
        .map_err(io::Error::from)
        .doing("move to one CPU")
}

fn all_processes() -> io::Result<HashMap<u32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between being listed and being read.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(stat) = Stat::parse(&stat) {
            all.insert(pid, stat);
        }
    }
    Ok(all)
}

impl Stat {
    /// The second field is the program's name and may hold anything, `)` included.
    fn parse(line: &str) -> Option<Self> {
        let (_, after_name) = line.rsplit_once(')')?;
        let fields: Vec<_> = after_name.split_whitespace().collect();
        let times = fields.get(11..15)?;
        let ticks = times.iter().map(|time| time.parse::<u64>().ok());
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: ticks.sum::<Option<u64>>()?,
        })
    }
}

fn pss_kib(pid: u32) -> Result<u64, BenchError> {
    let rollup =
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).doing("read a process's memory")?;
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .ok_or(BenchError::Machine("proportional set size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b (c)) S 3 7 7 0 -1 0 1 2 3 4 10 20 30 40 20 0 1 0 5";
        assert_eq!(
            Stat::parse(line),
            Some(Stat {
                parent: 3,
                ticks: 100
            })
        );
    }

    #[test]
    fn a_grandchild_belongs_to_the_tree_and_a_stranger_does_not() {
        let child = |parent| Stat { parent, ticks: 1 };
        let all = HashMap::from([
            (10, child(1)),
            (11, child(10)),
            (12, child(11)),
            (13, child(1)),
        ]);
        let mut members: Vec<_> = ProcessTree::of(10)
            .members(&all)
            .map(|(pid, _)| pid)
            .collect();
        members.sort_unstable();
        assert_eq!(members, [10, 11, 12]);
    }
}

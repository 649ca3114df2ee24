//! How much memory this process may have: the least of the machine's memory, the container's limit and `ulimit -v`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{in_use, resident};

/// Bytes of the program's code, the stacks of its threads and the tables of its libraries, at least.
pub const PROGRAM: u64 = 40 << 20;

/// Bytes that this process may have: the least of the machine's memory, the container's limit and `ulimit -v`. `None` if none
/// of them can be read.
pub fn available() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let container = container_files(&groups).into_iter().filter_map(number);
    total.into_iter().chain(container).chain(own_address_space()).min()
}

/// The limit of the process' address space in bytes (`ulimit -v`); `None` if there is none.
pub fn own_address_space() -> Option<u64> {
    address_space(&fs::read_to_string("/proc/self/limits").unwrap_or_default())
}

/// The files that may contain a container's memory limit, from the text of `/proc/self/cgroup`: those of the process' own
/// group and of every group above it, in both versions of the interface.
fn container_files(groups: &str) -> Vec<PathBuf> {
    let mut files = vec![];
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|c| c == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|above| Path::new(root).join(above).join(name)));
    }
    files
}

/// The limit of the process' address space, from the text of `/proc/self/limits`.
fn address_space(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max address space"))?.split_whitespace().next()?.parse().ok()
}

/// Bytes that are resident but not allocated: the program itself. At least [`PROGRAM`].
pub fn program() -> u64 {
    let known = resident().map_or(PROGRAM, |bytes| bytes.saturating_sub(in_use()));
    // The program's code becomes resident only as it is executed.
    known.max(PROGRAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_says_how_much_there_is() {
        assert!(!cfg!(target_os = "linux") || available().is_some_and(|bytes| bytes > 64 << 20));
    }

    #[test]
    fn limits_stand_where_the_system_says() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax address space         1048576000  unlimited  bytes\n";
        assert_eq!(address_space(limits), Some(1_048_576_000));
        assert_eq!(address_space("Max address space         unlimited            unlimited            bytes\n"), None);
        let files = container_files("12:cpu,memory:/a\n5:cpu:/b\n0::/x/y\n");
        let files: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
        let expected = [
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/x/y/memory.max",
            "/sys/fs/cgroup/x/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files, expected);
    }
}

//! How much memory joining may take.

use std::fs;
use std::path::{Path, PathBuf};

/// Says how many bytes may be taken, whatever is free.
const LIMIT_VARIABLE: &str = "UNDERSPAN_MEMORY";

/// Memory that could be given away, in bytes: what `UNDERSPAN_MEMORY` says, or what the system and
/// every control group around this process have left; everything when none says.
pub(super) fn available_bytes() -> u64 {
    if let Some(stated) = std::env::var(LIMIT_VARIABLE).ok().and_then(|text| text.parse().ok()) {
        return stated;
    }
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_system(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = of_groups(Path::new("/sys/fs/cgroup"), &groups);
    [system, group].into_iter().flatten().min().unwrap_or(u64::MAX)
}

fn of_system(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// The least that a control group with memory has left, by `/proc/self/cgroup` of either version.
fn of_groups(root: &Path, groups: &str) -> Option<u64> {
    let group = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let own = match controllers {
            "" => root.to_owned(),
            _ if controllers.split(',').any(|name| name == "memory") => root.join("memory"),
            _ => return None,
        };
        // In a container the path may be that of the host, of which only the root is to be seen.
        let inner = own.join(path.trim_start_matches('/'));
        let above = inner.ancestors().take_while(|folder| folder.starts_with(&own));
        above.map(Path::to_owned).filter_map(left_in).min()
    };
    groups.lines().filter_map(group).min()
}

/// What a group's limit leaves, not counting what the kernel keeps of files and can let go.
fn left_in(folder: PathBuf) -> Option<u64> {
    let number =
        |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok());
    Some(limit.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_how_much_it_could_give() {
        let text = "MemTotal:       8000 kB\nMemAvailable:       4000 kB\n";
        assert_eq!(of_system(text), Some(4_096_000));
        assert_eq!(of_system("MemTotal: 8000 kB\n"), None);
        assert!(available_bytes() > 0);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::TempDir::new().expect("a folder");
        let group = |path: &str, files: &[(&str, &str)]| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).expect("a folder");
            files
                .iter()
                .for_each(|(name, text)| fs::write(folder.join(name), text).expect("write"));
        };
        assert_eq!(of_groups(root.path(), "0::/a/b\n"), None, "no group says anything");
        group("a/b", &[("memory.max", "max\n"), ("memory.current", "300\n")]);
        assert_eq!(of_groups(root.path(), "0::/a/b\n"), None, "no limit");
        let stat = "anon 100\ninactive_file 150\n";
        group("a", &[("memory.max", "1000"), ("memory.current", "400"), ("memory.stat", stat)]);
        assert_eq!(of_groups(root.path(), "0::/a/b\n"), Some(750));
        // The first version, beside controllers without memory.
        let used = ("memory.usage_in_bytes", "60");
        group("memory/pod", &[("memory.limit_in_bytes", "100"), used]);
        assert_eq!(of_groups(root.path(), "5:cpu:/x\n4:memory:/pod\n0::/a/b\n"), Some(40));
    }
}

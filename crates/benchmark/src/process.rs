//! What a process has used, from `/proc`.

use anyhow::{Context, Result};

/// Clock ticks of `/proc/<pid>/stat` per second, on every Linux that etcd runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds (user and system) that a process has used.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let behind_name = stat.rsplit_once(')').context("no process name in stat")?.1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    let user = ticks(11).context("no user time in stat")?;
    let system = ticks(12).context("no system time in stat")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<u64>().context("read VmRSS")? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).expect("memory") > 0);
        assert!(cpu_seconds(pid).expect("time") >= 0.0);
    }
}

//! Huge pages of the system, which `disable-thp` turns off for this process.
//!
//! They come in pieces of 2 MiB: half of one more is resident than is in use, a process without data takes 6 MiB
//! more, and what is freed inside of one goes back late. Lookups in big data gain a few percent by them.

#![expect(unsafe_code, reason = "a system call that no safe library offers")]

use std::io;

/// Asks the system not to back memory that is first used from now on with huge pages. Only Linux has them.
pub fn disable() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: the call takes numbers only, and touches no memory of the process.
        let status = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_system_says_that_they_are_off() {
        super::disable().expect("the kernel knows the call");
        let status = std::fs::read_to_string("/proc/self/status").expect("readable");
        let enabled = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
        assert_eq!(enabled.map(str::trim), Some("0"));
    }
}

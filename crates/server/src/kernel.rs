//! What the process asks of the system that no safe library offers: by calls that it makes itself.
//!
//! Only Linux has these; elsewhere they do nothing and succeed. Whoever calls decides what a refusal means.

#![expect(unsafe_code, reason = "system calls that no safe library offers")]

use std::io;

/// Asks the system not to back memory that is first used from now on with huge pages, as `disable-thp` wants it.
///
/// They come in pieces of 2 MiB: half of one more is resident than is in use, a process without data takes 6 MiB
/// more, and what is freed inside of one goes back late. Lookups in big data gain a few percent by them.
pub(crate) fn disable_huge_pages() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: the call takes numbers only, and touches no memory of the process.
        accepted(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) })?;
    }
    Ok(())
}

/// Puts the calling thread below all others: it runs only where nobody else wants the processor.
///
/// Niceness divides time among threads, but a thread that has begun a slice of it may finish that: a client would
/// wait for some milliseconds. The idle policy gives way at once.
pub(crate) fn give_way_at_once() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let priority = libc::sched_param { sched_priority: 0 };
        // SAFETY: 0 is the calling thread, and `priority` outlives the call.
        accepted(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) })?;
    }
    Ok(())
}

/// What the status of a call means.
#[cfg(target_os = "linux")]
fn accepted(status: libc::c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_system_says_that_huge_pages_are_off() {
        super::disable_huge_pages().expect("the kernel knows the call");
        let status = std::fs::read_to_string("/proc/self/status").expect("readable");
        let enabled = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
        assert_eq!(enabled.map(str::trim), Some("0"));
    }

    #[test]
    fn the_system_says_that_the_thread_is_idle() {
        super::give_way_at_once().expect("any thread may lower itself");
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("readable");
        let behind_the_name = stat.rsplit(')').next().expect("a stat has a name");
        // The policy is field 41; the name is field 2.
        assert_eq!(behind_the_name.split_ascii_whitespace().nth(38), Some("5"));
    }
}

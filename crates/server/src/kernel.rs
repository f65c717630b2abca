//! A thread that runs only where nobody else wants the processor.
//!
//! Niceness divides time among threads, but a thread that has begun a slice of it may finish that: a client would
//! wait for some milliseconds. The idle policy gives way at once.

#![expect(unsafe_code, reason = "a system call that no safe library offers")]

use std::io;

/// Puts the calling thread below all others. Only Linux knows the policy; elsewhere nothing changes.
pub fn give_way_at_once() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let priority = libc::sched_param { sched_priority: 0 };
        // SAFETY: 0 is the calling thread, and `priority` outlives the call.
        let status = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_system_says_that_the_thread_is_idle() {
        super::give_way_at_once().expect("any thread may lower itself");
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("readable");
        let behind_the_name = stat.rsplit(')').next().expect("a stat has a name");
        // The policy is field 41; the name is field 2.
        assert_eq!(behind_the_name.split_ascii_whitespace().nth(38), Some("5"));
    }
}

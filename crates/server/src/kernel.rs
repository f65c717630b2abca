//! What the process asks of the system that no safe library offers: by calls that it makes itself.
//!
//! Only Linux has these; elsewhere they do nothing and succeed. Whoever calls decides what a refusal means.

#![expect(unsafe_code, reason = "system calls that no safe library offers")]

use std::io;
use std::sync::atomic::AtomicU8;

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

/// Has every descriptor but the first three close where another program takes over a process that this one starts, also
/// those that this one inherited.
///
/// Kernels before 5.11 cannot do this.
pub(crate) fn keep_descriptors() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let (first, last): (libc::c_uint, libc::c_uint) = (3, libc::c_uint::MAX);
        // SAFETY: the call takes numbers only, and closes nothing now.
        let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has the calling thread run soon after it wakes: it asks for shorter slices of the processor than the usual 3 ms,
/// so it need not wait until others have used up theirs. It gets no more time by that.
///
/// A burst of requests should fit into one slice: whoever has used his up when the clock ticks makes room for the
/// others until the next tick, and that is up to 4 ms. With slices of 0.1 ms every other burst beside a snapshot was
/// cut like that on one core.
///
/// A policy that somebody chose for the process is left alone. Kernels before 6.12 know of no slices of a thread's
/// own.
pub(crate) fn run_promptly() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        const SLICE_NANOS: u64 = 2_000_000;
        // SAFETY: the call takes a number and returns one; 0 is the calling thread.
        if unsafe { libc::sched_getscheduler(0) } == libc::SCHED_OTHER {
            schedule(libc::SCHED_OTHER, rustix::process::getpriority_process(None)?, SLICE_NANOS)?;
        }
    }
    Ok(())
}

/// How strongly a thread beside the executor claims the processor where there is not enough of it for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// As much as any process: clients, or the data's safety, wait for it.
    Full,
    /// A tenth of what the executor gets: somebody waits for it, but not those who are served meanwhile.
    Background,
    /// What is left, or a thirtieth: nobody waits.
    Leisure,
}

/// Has the calling thread claim so much of the processor.
///
/// With less than a full claim its slices are long, since a waking thread takes the processor at once only from one
/// with a longer slice than its own; so one of the executor's need not wait. The idle policy would starve it where all
/// processors are taken, by whomever, and without privileges no thread ever leaves that.
pub(crate) fn claim(claim: Claim) -> io::Result<()> {
    const NICEST: i32 = 19;
    #[cfg(target_os = "linux")]
    const SLICE_NANOS: u64 = 20_000_000;
    let nicer = match claim {
        Claim::Full => return Ok(()),
        Claim::Background => 10,
        Claim::Leisure => 15,
    };
    let niceness = (rustix::process::getpriority_process(None)? + nicer).min(NICEST);
    #[cfg(target_os = "linux")]
    schedule(libc::SCHED_BATCH, niceness, SLICE_NANOS)?;
    #[cfg(not(target_os = "linux"))]
    rustix::process::setpriority_process(None, niceness)?;
    Ok(())
}

/// Sets how the calling thread is scheduled; 0 stands for the slice that the system chooses.
#[cfg(target_os = "linux")]
fn schedule(policy: libc::c_int, niceness: i32, slice_nanos: u64) -> io::Result<()> {
    /// The kernel's `sched_attr` in its first version, of 48 bytes.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        niceness: i32,
        priority: u32,
        /// Called `sched_runtime`: for threads without deadlines it is the slice.
        slice_nanos: u64,
        deadline_nanos: u64,
        period_nanos: u64,
    }
    let attributes = Attributes {
        size: u32::try_from(size_of::<Attributes>()).expect("48 bytes"),
        policy: u32::try_from(policy).expect("policies are counted from 0"),
        flags: 0,
        niceness,
        priority: 0,
        slice_nanos,
        deadline_nanos: 0,
        period_nanos: 0,
    };
    let (this_thread, flags): (libc::c_long, libc::c_long) = (0, 0);
    // SAFETY: the kernel reads `size` bytes of `attributes`, which outlives the call.
    let status = unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, flags) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the system show `memory` as the command line of the process, for as long as it runs. To be called while there
/// is one thread: the other bounds of the process's memory, which have to be said again, must not move meanwhile.
///
/// Kernels that are built without checkpoints cannot do this.
pub(crate) fn show_as_command_line(memory: &'static [AtomicU8]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        /// The kernel's `prctl_mm_map`.
        #[repr(C)]
        struct Bounds {
            code: [u64; 2],
            data: [u64; 2],
            heap: [u64; 2],
            stack: u64,
            arguments: [u64; 2],
            environment: [u64; 2],
            auxiliary: u64,
            auxiliary_size: u32,
            executable: i32,
        }
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        // By their numbers in proc(5); the name, behind which they are counted, is field 2.
        let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
        let known = |number| field(number).ok_or(io::ErrorKind::InvalidData);
        let unchanged: libc::c_long = 0;
        // SAFETY: the call takes a number, and changes nothing for one that is no address.
        let heap_end = unsafe { libc::syscall(libc::SYS_brk, unchanged) };
        let address = memory.as_ptr().addr() as u64;
        let bounds = Bounds {
            code: [known(26)?, known(27)?],
            data: [known(45)?, known(46)?],
            heap: [known(47)?, u64::try_from(heap_end).map_err(|_| io::ErrorKind::InvalidData)?],
            stack: known(28)?,
            arguments: [address, address + memory.len() as u64],
            environment: [known(50)?, known(51)?],
            auxiliary: 0,
            auxiliary_size: 0,
            executable: -1,
        };
        let unused: libc::c_ulong = 0;
        // SAFETY: the kernel reads `bounds`, which outlives the call. It finds arguments in `memory`, which is never
        // freed and may be changed at any time, and everything else where it was.
        accepted(unsafe {
            libc::prctl(
                libc::PR_SET_MM,
                libc::PR_SET_MM_MAP as libc::c_ulong,
                &raw const bounds,
                size_of::<Bounds>() as libc::c_ulong,
                unused,
            )
        })
    }
    #[cfg(not(target_os = "linux"))]
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("nobody reads {} bytes", memory.len())))
}

/// What the status of a call means.
#[cfg(target_os = "linux")]
fn accepted(status: libc::c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Claim;

    #[test]
    fn the_system_says_that_huge_pages_are_off() {
        super::disable_huge_pages().expect("the kernel knows the call");
        let status = std::fs::read_to_string("/proc/self/status").expect("readable");
        let enabled = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
        assert_eq!(enabled.map(str::trim), Some("0"));
    }

    #[test]
    fn the_system_says_that_the_thread_is_nice() {
        let niceness = |field: String| field.parse::<i32>().expect("a number");
        let before = niceness(field_of_this_thread(19));
        super::run_promptly().expect("any thread may choose its slice");
        assert_eq!(niceness(field_of_this_thread(19)), before);
        for (claim, nicer) in [(Claim::Full, 0), (Claim::Background, 10), (Claim::Leisure, 15)] {
            let lowered = std::thread::spawn(move || {
                super::claim(claim).expect("any thread may lower itself");
                (niceness(field_of_this_thread(19)), field_of_this_thread(41))
            });
            let policy = if claim == Claim::Full { "0" } else { "3" };
            let expected = ((before + nicer).min(19), policy.to_owned());
            assert_eq!(lowered.join().expect("it does not panic"), expected, "{claim:?}");
        }
    }

    /// A field of the thread's stat, by its number in proc(5).
    fn field_of_this_thread(number: usize) -> String {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("readable");
        let behind_the_name = stat.rsplit(')').next().expect("a stat has a name");
        // The name is field 2.
        behind_the_name.split_ascii_whitespace().nth(number - 3).expect("there are over 50").to_owned()
    }
}

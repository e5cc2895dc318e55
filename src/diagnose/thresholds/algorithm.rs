//! Numbers that are part of how the diagnosis decides, and not limits of a measured number. A configuration file cannot
//! change them. All are house values: they were chosen on recorded faults.

/// A finding that is less sure than this cannot be the verdict.
pub const CONFIDENCE_MIN: f64 = 0.4;

/// How sure a healthy verdict is when all stall times are known.
pub const HEALTHY_CONFIDENCE: f64 = 0.9;

/// What is left of that without PSI.
pub const HEALTHY_WITHOUT_PSI: f64 = 0.75;

/// How sure a verdict is that cannot tell.
pub const UNKNOWN_CONFIDENCE: f64 = 0.2;

/// How sure a finding is unless its rule says otherwise.
pub const CONFIDENCE_OF_A_HIT: f64 = 0.9;

/// How a finding that costs no measured time is placed among those that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The summary of the verdict says it already.
    Nothing,
    /// Explains a number that looks bad.
    Trivia,
    /// Worth a line where nothing else is.
    Note,
    /// It happened before the window.
    Event,
    /// It may matter later.
    Minor,
    /// It matters where nothing else does.
    Low,
    /// One program is slower.
    Moderate,
    /// One service is slower.
    Considerable,
    /// A service loses requests.
    Serious,
    /// A service is about to fail.
    Severe,
    /// Something fails now.
    Blocking,
}

impl Rank {
    /// The share of time that a finding of this rank counts as.
    pub fn ratio(self) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Trivia => 0.01,
            Self::Note => 0.02,
            Self::Event => 0.04,
            Self::Minor => 0.05,
            Self::Low => 0.2,
            Self::Moderate => 0.3,
            Self::Considerable => 0.4,
            Self::Serious => 0.5,
            Self::Severe => 0.7,
            Self::Blocking => 1.0,
        }
    }
}

/// Memory that must be available before memory is not short.
pub const MEMORY_PLENTY: f64 = 0.2;

/// Share of the disk traffic from which swapping makes it.
pub const SWAP_MAKES_IO: f64 = 0.3;

/// Share of the stall time for I/O from which it is stall time for memory.
pub const MEMORY_OF_IO: f64 = 0.5;

/// Stall time for memory that makes kernel time.
pub const MEMORY_MAKES_SYSTEM: f64 = 0.1;

/// Share of the kernel time from which the threads that free memory make it.
pub const FREEING_OF_SYSTEM: f64 = 0.3;

/// Share of the kernel time from which kernel threads make it.
pub const KTHREADS_OF_SYSTEM: f64 = 0.5;

/// Share of the kernel time of kernel threads from which it is worth a word.
pub const KTHREADS_NAMED: f64 = 0.3;

/// Share of the busy CPU time from which short-lived processes explain busy CPUs.
pub const STORM_EXPLAINS: f64 = 0.5;

/// Time with requests below which a disk has little to do.
pub const DISK_QUIET: f64 = 0.6;

/// Time with requests from which a disk is in use.
pub const DISK_IN_USE: f64 = 0.3;

/// Share of a disk's requests below which a kind of them decides nothing, unless threads wait for it.
pub const KIND_DECIDES: f64 = 0.05;

/// Requests of one kind on their way from which few of them are enough for a mean.
pub const IN_FLIGHT_MEANS: f64 = 0.5;

/// A request that takes up to this many times the device's own mean since boot takes as long as ever.
pub const LIKE_NORMAL: f64 = 1.5;

/// One that takes this many times that mean is slow, whatever the class of device.
pub const TIMES_NORMAL: f64 = 5.0;

/// And takes at least this long, so that a fast device's cache does not make its normal look like a fault.
pub const TIMES_NORMAL_MIN_SECONDS: f64 = 0.002;

/// Time of a request from which a deep queue is one that hurts: a device that answers faster keeps up.
pub const DEEP_QUEUE_AWAIT_SECONDS: f64 = 0.001;

/// A process that moves this many times what a disk moved uses another one.
pub const MOVES_MORE: f64 = 1.2;

/// Share of a program's waiting from which nearly all of it is at lowered priority.
pub const AT_LOWERED_PRIORITY: f64 = 0.9;

/// Stall time of all threads for I/O from which a saturated disk is critical.
pub const SATURATED_FULL: f64 = 0.1;

/// Stall time of all threads for I/O from which a slow disk is critical.
pub const LATENCY_FULL: f64 = 0.2;

/// Mean number of threads waiting for a disk that makes it critical.
pub const DISK_WAITERS_CRITICAL: f64 = 1.0;

/// Requests in the queue of a disk with moving heads that are many.
pub const SPINNING_QUEUE: f64 = 2.0;

/// A request that takes this many times the device's mean since boot is slow.
pub const SLOWER_THAN_USUAL: f64 = 3.0;

/// What is left of the confidence where the owner of the I/O is not seen.
pub const OWNER_UNSEEN: f64 = 0.8;

/// Mean number of a group's threads in D from which its I/O limit is critical, and from which it is worth a warning.
pub const IO_LIMIT_WAITERS: (f64, f64) = (0.5, 0.2);

/// Stall time for I/O from which an I/O limit is critical.
pub const IO_LIMIT_STALL: f64 = 0.2;

/// A swap device in compressed memory may have this many times the traffic.
pub const ZRAM_TRAFFIC: f64 = 10.0;

/// A file system with this many times the critical room is not reported.
pub const ROOM_ENOUGH: f64 = 10.0;

/// Share of its threads' waiting that a quota costs at least, of its throttled periods.
pub const THROTTLED_COST: f64 = 0.3;

/// Share of the CPU time that a group wanted and its quota did not give, from which it is critical.
pub const THROTTLED_LOST: f64 = 0.25;

/// CPUs' worth of waiting for a quota from which it may be critical.
pub const THROTTLED_CPUS_CRITICAL: f64 = 0.25;

/// Share of the waiting of bound threads that is lost.
pub const PINNED_COST: f64 = 0.8;

/// Share of the waiting threads in D that is lost to a slow disk.
pub const DISK_WAITERS_COST: f64 = 0.8;

/// Share of the kernel time that a slow clock or compaction may cost.
pub const OF_SYSTEM_COST: f64 = 0.5;

/// Kernel time from which a slow clock may be what is paid for.
pub const CLOCK_SYSTEM: f64 = 0.1;

/// Time that threads wait for a CPU above which one thread is not the limit.
pub const SINGLE_THREAD_WAIT: f64 = 0.3;

/// Time that threads wait for a CPU from which a storm of processes matters, and its share of all CPUs that does.
pub const STORM_MATTERS: (f64, f64) = (0.1, 0.2);

/// CPU time of a life up to which it was nothing but starting and ending; and the share of kernel time from which a
/// longer one mostly was.
pub const STORM_OF_STARTS: (f64, f64) = (0.010, 0.25);

/// Busy CPU time below which a box is calm.
pub const CALM_BUSY: f64 = 0.5;

/// Context switches per second that agree with a fight for a lock.
pub const SWITCHES_OF_A_FIGHT: f64 = 2000.0;

/// Segments sent again per window, below which a share of them means nothing.
pub const RETRANSMITS_MIN: f64 = 10.0;

/// How sure a frequency is that was looked at once.
pub const FREQUENCY_CONFIDENCE: f64 = 0.8;

/// Share of the packets of a link from which the loss of them slows connections.
pub const LOST_SHARE: f64 = 0.01;

/// What is left of the weight of lost packets whose place is not known.
pub const UNLOCATED: f64 = 0.5;

/// A table or pool that refuses counts as this many times the limit for dropped packets.
pub const REFUSED_WEIGHT: f64 = 20.0;

/// TCP timers that run out per second from which lost packets make connections stand still.
pub const TIMEOUTS_CRITICAL: f64 = 1.0;

/// How sure it is that a slow clock is what the kernel time goes to.
pub const CLOCK_CONFIDENCE: f64 = 0.6;

/// The limit for interrupts on one CPU is this many times the one for all.
pub const WORST_CPU_INTERRUPTS: f64 = 5.0;

/// Kernel time, in CPUs, from which a process may be the one that searches for a free port.
pub const SEARCH_CPUS: f64 = 0.02;

/// CPU time, in CPUs, from which a process may be who sends the packets.
pub const SENDER_CPUS: f64 = 0.1;

/// Mean number of CPUs with a waiting thread from which a real-time thread keeps others waiting.
pub const REALTIME_VICTIMS: f64 = 0.3;

/// Share of the busy CPU time from which real-time threads explain that the CPUs are busy.
pub const REALTIME_OF_BUSY: f64 = 0.3;

/// Mean number of a container's own threads that wait, from which it is held up by what its node is short of.
pub const OWN_WAITERS: f64 = 0.1;

/// How sure a stall is whose cause is not seen.
pub const UNEXPLAINED_CONFIDENCE: f64 = 0.5;

/// Busy CPU time below which threads that wait for a CPU are held back.
pub const HELD_BACK_BUSY: f64 = 0.7;

/// Error of a share of CPU time that is counted in ticks.
pub const ERROR_OF_CPU_TIME: f64 = 0.01;

/// Error of a share that is made of two counters.
pub const ERROR_OF_A_SHARE: f64 = 0.02;

/// Error of the CPU time of processes that nothing was seen of.
pub const ERROR_OF_VANISHED: f64 = 0.05;

/// Error of a mean number of threads or requests that is sampled.
pub const ERROR_OF_A_MEAN: f64 = 0.5;

/// Error of a mean time or a rare event, as a share of its limit.
pub const ERROR_OF_A_LIMIT: f64 = 0.25;

/// Share of the window that a thread must have been followed for.
pub const FOLLOWED: f64 = 0.6;

/// Less is enough for a thread that never sleeps.
pub const FOLLOWED_HALF: f64 = 0.5;

/// CPU time from which a thread takes part in the turns of its process.
pub const TURN_TAKER_CPU: f64 = 0.05;

/// Waiting for a CPU, in threads, above which a process is held back and does not take turns.
pub const HELD_BACK_DELAY: f64 = 0.5;

/// Mean number of runnable threads above which it is, where the waiting is not counted.
pub const HELD_BACK_RUNNABLE: f64 = 1.5;

/// Busy CPU time from which stolen time is missed.
pub const STEAL_WANTED_BUSY: f64 = 0.5;

/// Waiting costs at most this many times the stolen time.
pub const STEAL_COST_MAX: f64 = 2.0;

/// What is left of the cost of steal where the box would be slow without it.
pub const STEAL_COST_BESIDE: f64 = 0.5;

/// How sure it is that a wait for a peer is more than what is normal.
pub const PEER_CONFIDENCE: f64 = 0.5;

/// What is left of the confidence where blocked threads do get on.
pub const GETS_ON: f64 = 0.85;

/// CPU time below which a thread has not run.
pub const NOT_RUN_CPU: f64 = 0.001;

/// Share of the looks at a thread in D from which it is often blocked; and of these, the share that has a harmless reason.
pub const BLOCKED_HALF: f64 = 0.5;

/// Share of its time from which a process mostly does one thing.
pub const DOES_MOSTLY: f64 = 0.5;

/// CPUs that must be idle before a lock is what threads wait for.
pub const SPARE_CPUS: f64 = 0.3;

/// Share of its time from which a thread queues for a lock.
pub const QUEUED_THREAD: f64 = 0.3;

/// The same for the only thread of a process.
pub const QUEUED_PROCESS: f64 = 0.2;

/// Variance of the number of awake threads, by its mean, up to which they take turns and are not awake by chance.
pub const TURNS_STEADY: f64 = 0.5;

/// The same where they use about one CPU together, which speaks for a lock as well.
pub const TURNS_STEADY_SERIAL: f64 = 0.6;

/// Samples from which their spread is known well.
pub const TURNS_SAMPLES: usize = 20;

/// Share of the samples in which none of them is awake, up to which a lock keeps one so: a look at many threads, one after
/// the other, may miss the one.
pub const TURNS_NONE: f64 = 0.25;

/// A group full of page cache needs this many times the stall time to be short of memory.
pub const CACHE_ONLY_PRESSURE: f64 = 2.0;

/// Times per second that a group hits its memory limit from which it does so all the time.
pub const CGROUP_THRASH_HITS: f64 = 100.0;

/// Share of the limit for stall time that is enough beside refaults.
pub const REFAULT_PRESSURE: f64 = 0.2;

/// Mean number of threads in D from which threads wait for I/O.
pub const SOME_WAITERS: f64 = 0.3;

/// Stall time that is enough where threads free memory themselves.
pub const DIRECT_RECLAIM_PRESSURE: f64 = 0.01;

/// Share of the memory from which one group leaves too little to the page cache.
pub const MEMORY_HOGGED: f64 = 0.5;

/// Share of the memory from which a program that does not grow is why it is full.
pub const HOLDER_SHARE: f64 = 0.25;

/// What a program needs, by all that huge pages leave, from which it is too large for the machine as it is set up.
pub const OVERSIZED: f64 = 1.05;

/// Swap space, as a share of the memory, with which there is none left.
pub const SWAP_LEFT: f64 = 0.01;

/// Share of the memory below which little is left, whether it falls or not.
pub const VERY_LOW: f64 = 0.01;

/// Memory that is not low whatever its share, unless it falls.
pub const ROOM_BYTES: f64 = (4_u64 << 30) as f64;

/// Time until the memory is full below which it cannot wait until morning.
pub const FULL_SOON_SECONDS: f64 = 600.0;

/// Share of the limit for stall time that is enough beside swap traffic.
pub const SWAP_PRESSURE: f64 = 0.5;

/// Stall time for memory that agrees with compaction.
pub const COMPACTION_PRESSURE: f64 = 0.02;

/// Share of the new pages that come from another node than that of the CPU, from which a program is bound to one.
pub const NUMA_BOUND: f64 = 0.5;

//! What seeds have shown, in numbers: that what is checked has happened at all.
//!
//! A number that stays at zero over many seeds says that a check has no subject.

use super::World;

/// What a seed has shown, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Full syncs.
    pub full_syncs: u64,
    /// Reconnects that needed none.
    pub continuations: u64,
    /// Those of them that needed what lies on disk.
    pub from_disk: u64,
    /// How often the data of two nodes at equal positions was compared.
    pub compared: u64,
    /// Replicas that a verification found equal.
    pub verified: u64,
    /// Differences that were planted, and found.
    pub planted: u64,
    /// Answers that promised that replicas have a write.
    pub promises: u64,
    /// Primaries that died, and whose successors had what was answered.
    pub survived: u64,
    /// Targets of planned failovers that took over with everything.
    pub handed_over: u64,
    /// Connections that outlived a change of the history.
    pub outlived: u64,
    /// Crashed nodes that had what was said to be on disk.
    pub recovered: u64,
    /// Those of them that had what a client was answered under `appendfsync always`.
    pub answers_kept: u64,
    /// Elements of a list that were taken, each once.
    pub taken: u64,
    /// Elections that sentinels won.
    pub won: u64,
    /// Promotions by sentinels.
    pub promoted: u64,
    /// Answers to clients that asked sentinels.
    pub answered: u64,
    /// Those that had to outlive a failover.
    pub kept: u64,
    /// Those that had to outlive a switchover.
    pub moved: u64,
    /// Those that nothing promised to keep, and which were lost.
    pub lost: u64,
    /// Primaries that were lost in the end.
    pub failovers: u64,
    /// How long nobody was in their place, all together, in microseconds.
    pub failover_micros: u64,
    /// How often an operator had to say who is the primary.
    pub helped: u64,
    /// Virtual time in microseconds.
    pub micros: u64,
}

impl Outcome {
    /// Adds what another seed has shown.
    pub fn add(&mut self, other: Outcome) {
        self.full_syncs += other.full_syncs;
        self.continuations += other.continuations;
        self.from_disk += other.from_disk;
        self.compared += other.compared;
        self.verified += other.verified;
        self.planted += other.planted;
        self.promises += other.promises;
        self.survived += other.survived;
        self.handed_over += other.handed_over;
        self.outlived += other.outlived;
        self.recovered += other.recovered;
        self.answers_kept += other.answers_kept;
        self.taken += other.taken;
        self.won += other.won;
        self.promoted += other.promoted;
        self.answered += other.answered;
        self.kept += other.kept;
        self.moved += other.moved;
        self.lost += other.lost;
        self.failovers += other.failovers;
        self.failover_micros += other.failover_micros;
        self.helped += other.helped;
        self.micros += other.micros;
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome { full_syncs, continuations, from_disk, compared, verified, planted, .. } = self;
        let hours = self.micros / 3_600_000_000;
        write!(
            f,
            "{hours} hours of virtual time, {full_syncs} full syncs, {continuations} partial ones ({from_disk} of \
             them from disk), {compared} times two nodes compared, {verified} verifications found no difference and \
             {planted} planted ones were found, {} promises, {} primaries replaced and {} failovers without a loss, {} \
              connections outlived their history, {} nodes had after a crash what was said to be on disk, and {} what a \
             client was answered, {} elements were taken by one client each",
            self.promises,
            self.survived,
            self.handed_over,
            self.outlived,
            self.recovered,
            self.answers_kept,
            self.taken
        )?;
        self.tell_of_sentinels(f)
    }
}

impl Outcome {
    fn tell_of_sentinels(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.failovers == 0 {
            return Ok(());
        }
        let Outcome { won, promoted, answered, kept, moved, lost, failovers, helped, .. } = self;
        let mean = self.failover_micros / self.failovers / 1000;
        write!(
            f,
            "; {won} elections and {promoted} promotions, {answered} answers, {kept} of which outlived a failover and \
             {moved} a switchover, {lost} were lost as nothing promised otherwise; in the end {failovers} primaries \
             were lost, and replaced after {mean} ms; an operator had to help {helped} times"
        )
    }
}

impl World {
    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            full_syncs: self.full_syncs,
            continuations: self.continuations,
            from_disk: self.continuations_from_disk,
            compared: self.checker.compared,
            verified: self.verdicts.equal.get(),
            planted: self.planted,
            promises: self.checker.promises,
            survived: self.witness.survived,
            handed_over: self.checker.handovers.complete,
            outlived: self.checker.outlived,
            recovered: self.checker.durability.kept,
            answers_kept: self.checker.durability.answers,
            taken: self.takings.count,
            won: self.elections.won,
            promoted: self.elections.promotions,
            answered: self.acknowledged.answers,
            kept: self.acknowledged.kept,
            moved: self.acknowledged.moved,
            lost: self.acknowledged.lost,
            failovers: self.failovers,
            failover_micros: self.failover_micros,
            helped: self.helped,
            micros: self.env.now(),
        }
    }
}

//! How many must answer before somebody is chosen: so many that what was acknowledged is among what they have.
//! Who counts among all, and who has answered, is not decided here.

/// How many of `replicas` must answer so that one of them has every write that `copies` of them have; 0 if there are none.
pub(super) fn answers_needed(copies: u32, replicas: usize) -> usize {
    let copies = usize::try_from(copies).unwrap_or(usize::MAX).max(1);
    (replicas + 1).saturating_sub(copies).max(1).min(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_answer_that_one_has_every_acknowledged_write() {
        for (copies, replicas, expected) in
            [(0, 3, 3), (1, 2, 2), (2, 2, 1), (2, 5, 4), (9, 2, 1), (1, 1, 1), (1, 0, 0)]
        {
            assert_eq!(answers_needed(copies, replicas), expected, "{copies} {replicas}");
        }
    }
}

//! Samples and what is said of them.

use super::Outcome;

/// The value that a share of the sample lies below.
pub(crate) fn percentile(sample: &[f64], share: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1).expect("a sample is not empty");
    sorted[(share * last as f64).round() as usize]
}

pub(crate) fn median(sample: &[f64]) -> f64 {
    percentile(sample, 0.5)
}

/// One figure of both sides, measured one right after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
}

/// Lets both sides take turns, and who begins takes turns as well: what else the machine does hits both alike.
pub(crate) fn take_turns<T>(
    rounds: usize,
    mut ours: impl FnMut() -> Outcome<T>,
    mut bare: impl FnMut() -> Outcome<T>,
) -> Outcome<Vec<(T, T)>> {
    let mut pairs = Vec::new();
    for round in 0..rounds {
        pairs.push(if round % 2 == 0 {
            let ours = ours()?;
            (ours, bare()?)
        } else {
            let bare = bare()?;
            (ours()?, bare)
        });
    }
    Ok(pairs)
}

/// The pairs of one figure of what both sides measured.
pub(crate) fn pairs<T>(turns: &[(T, T)], figure: impl Fn(&T) -> f64) -> Vec<Pair> {
    turns.iter().map(|(ours, bare)| Pair { ours: figure(ours), bare: figure(bare) }).collect()
}

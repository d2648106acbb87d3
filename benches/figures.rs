//! Statistics of samples.

use super::Outcome;

/// Returns the value below which this share of the sample lies.
pub(crate) fn percentile(sample: &[f64], share: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1).expect("a sample is not empty");
    sorted[(share * last as f64).round() as usize]
}

pub(crate) fn median(sample: &[f64]) -> f64 {
    percentile(sample, 0.5)
}

/// One figure of both sides, measured in direct succession.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
}

/// Runs both sides in alternating order, so that other load on the machine affects them equally.
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

/// Extracts one figure from the measurements of both sides.
pub(crate) fn pairs<T>(turns: &[(T, T)], figure: impl Fn(&T) -> f64) -> Vec<Pair> {
    turns.iter().map(|(ours, bare)| Pair { ours: figure(ours), bare: figure(bare) }).collect()
}

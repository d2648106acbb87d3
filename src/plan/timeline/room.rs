//! Room for texts in one row: whoever comes first has the place, so no text is ever printed over another.

/// How far two texts of a row are apart.
pub(super) const GAP: f64 = 5.0;

/// One row, from `left` to `right`.
pub(super) struct Row {
    left: f64,
    right: f64,
    taken: Vec<(f64, f64)>,
}

impl Row {
    pub(super) fn new(left: f64, right: f64) -> Self {
        Self { left, right, taken: Vec::new() }
    }

    /// Takes the place, if it is free. So that a text has it, or something that a text would hide.
    pub(super) fn claim(&mut self, left: f64, right: f64) -> bool {
        let is_free = self.left <= left
            && right <= self.right
            && self.taken.iter().all(|&(from, to)| right + GAP <= from || to + GAP <= left);
        if is_free {
            self.taken.push((left, right));
        }
        is_free
    }

    /// Takes the place, free or not.
    pub(super) fn block(&mut self, left: f64, right: f64) {
        self.taken.push((left, right));
    }

    /// How much is free to the left of `x`.
    pub(super) fn room_left_of(&self, x: f64) -> f64 {
        let last = self.taken.iter().filter(|&&(from, _)| from - GAP < x).map(|&(_, to)| to + GAP);
        x - last.fold(self.left, f64::max)
    }

    /// How much is free to the right of `x`.
    pub(super) fn room_right_of(&self, x: f64) -> f64 {
        let next = self.taken.iter().filter(|&&(_, to)| to + GAP > x).map(|&(from, _)| from - GAP);
        next.fold(self.right, f64::min) - x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_once_and_never_outside_of_the_row() {
        let mut row = Row::new(0.0, 100.0);
        assert!(row.claim(10.0, 30.0));
        assert!(
            !row.claim(29.0, 40.0) && !row.claim(0.0, 6.0) && !row.claim(12.0, 13.0),
            "taken, or too near"
        );
        assert!(!row.claim(-1.0, 2.0) && !row.claim(90.0, 101.0), "outside");
        assert_eq!((row.room_right_of(40.0), row.room_right_of(0.0)), (60.0, 5.0));
        assert_eq!((row.room_left_of(5.0), row.room_left_of(40.0)), (5.0, 5.0));
        assert!(row.claim(35.0, 100.0));
        assert!(row.room_right_of(40.0) <= 0.0);
    }
}

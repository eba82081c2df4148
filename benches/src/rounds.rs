//! Rounds that alternate, so that what changes on the machine meanwhile meets both sides.

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// How many rounds count: at least one.
    pub count: usize,
    /// By how much to divide the work of a round: 1 to measure, more to see that it runs at all.
    pub shrink: usize,
}

/// What the rounds made of two sides.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The median of ours.
    pub ours: f64,
    /// The median of theirs.
    pub theirs: f64,
    /// The median of the rounds' ratios, ours over theirs.
    pub ratio: f64,
    /// The median of the rounds' differences, ours less theirs.
    pub difference: f64,
}

impl Rounds {
    /// Seven rounds of full work.
    pub const FULL: Self = Self { count: 7, shrink: 1 };
    /// One short round: it says whether a benchmark works, and nothing of how fast.
    pub const SMOKE: Self = Self { count: 1, shrink: 100 };

    /// `full` times, or fewer in a short round.
    pub fn times(self, full: usize) -> usize {
        (full / self.shrink).max(1)
    }

    /// Measures both sides once a round, each the first in every other round, after a round that does not count.
    pub fn compare(
        self,
        mut ours: impl FnMut() -> f64,
        mut theirs: impl FnMut() -> f64,
    ) -> Compared {
        ours();
        theirs();
        let pairs: Vec<(f64, f64)> = (0..self.count.max(1))
            .map(|round| {
                if round % 2 == 0 {
                    let first = ours();
                    (first, theirs())
                } else {
                    let first = theirs();
                    (ours(), first)
                }
            })
            .collect();
        let of = |it: fn(&(f64, f64)) -> f64| median(pairs.iter().map(it));
        Compared {
            ours: of(|it| it.0),
            theirs: of(|it| it.1),
            ratio: of(|it| it.0 / it.1),
            difference: of(|it| it.0 - it.1),
        }
    }

    /// Measures all of `sides` once a round, in an order that turns by one each round, after a round that does not count.
    ///
    /// Returns for each side what its rounds gave: the same place in two sides is the same round.
    pub fn each<T>(self, sides: &mut [&mut dyn FnMut() -> T]) -> Vec<Vec<T>> {
        for side in &mut *sides {
            side();
        }
        let mut all: Vec<Vec<T>> = sides.iter().map(|_| Vec::new()).collect();
        for round in 0..self.count.max(1) {
            for place in 0..sides.len() {
                let at = (round + place) % sides.len();
                all[at].push(sides[at]());
            }
        }
        all
    }
}

/// The value in the middle; of none, none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { values[middle - 1].midpoint(values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]).to_bits(), 3.0_f64.to_bits());
    }

    #[test]
    fn each_side_goes_first_in_every_other_round() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name| {
            order.borrow_mut().push(name);
            1.0
        };
        let _ = Rounds { count: 3, shrink: 1 }.compare(|| side('o'), || side('t'));
        assert_eq!(*order.borrow(), "ot ot to ot".replace(' ', ""));
    }

    #[test]
    fn many_sides_take_turns_in_going_first() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name| {
            let order = &order;
            move || order.borrow_mut().push(name)
        };
        let (mut a, mut b, mut c) = (side('a'), side('b'), side('c'));
        let all = Rounds { count: 3, shrink: 1 }.each(&mut [&mut a, &mut b, &mut c]);
        assert_eq!(*order.borrow(), "abc abc bca cab".replace(' ', ""));
        assert!(all.iter().all(|rounds| rounds.len() == 3));
    }
}

//! How long answers took: so many times that they cannot all be kept.

/// Counts by length, each within 1/32 of what it was; the longest one exactly. It takes 15 KiB
/// however many there are.
pub struct Times {
    counts: Vec<u64>,
    all: u64,
    /// Microseconds.
    longest: u64,
}

/// One for each length below this many microseconds, then so many to each doubling, halved.
const EXACT: u64 = 64;
const STEPS: u64 = EXACT / 2;

impl Times {
    pub fn new() -> Self {
        Self { counts: vec![0; place(u64::MAX) + 1], all: 0, longest: 0 }
    }

    /// Takes in one more, in microseconds.
    pub fn add(&mut self, time: u64) {
        self.counts[place(time)] += 1;
        self.all += 1;
        self.longest = self.longest.max(time);
    }

    /// These and those.
    pub fn and(&self, others: &Self) -> Self {
        let counts = self.counts.iter().zip(&others.counts).map(|(one, other)| one + other);
        Self {
            counts: counts.collect(),
            all: self.all + others.all,
            longest: self.longest.max(others.longest),
        }
    }

    pub fn count(&self) -> u64 {
        self.all
    }

    /// Microseconds within which so many of a thousand were over, rounded up; 0 without any.
    pub fn within(&self, of_a_thousand: u64) -> u64 {
        let wanted = (self.all * of_a_thousand).div_ceil(1000);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return most(place).min(self.longest);
            }
        }
        self.longest
    }

    /// Microseconds.
    pub fn longest(&self) -> u64 {
        self.longest
    }
}

fn place(time: u64) -> usize {
    if time < EXACT {
        return time as usize;
    }
    let shift = u64::from(time.ilog2() - STEPS.ilog2());
    (EXACT + (shift - 1) * STEPS + ((time >> shift) - STEPS)) as usize
}

/// The longest time that has this place.
fn most(place: usize) -> u64 {
    let place = place as u64;
    if place < EXACT {
        return place;
    }
    let (shift, step) = ((place - EXACT) / STEPS + 1, (place - EXACT) % STEPS);
    // The last step ends where the numbers do.
    ((u128::from(STEPS + step + 1) << shift) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_place_that_is_at_most_a_thirty_second_longer() {
        for time in (0..10_000).chain([1 << 20, (1 << 20) - 1, 123_456_789, u64::MAX]) {
            let most = most(place(time));
            assert!(most >= time && most - time <= time / 32, "{time} {most}");
            assert!(place(time) == 0 || super::most(place(time) - 1) < time, "{time}");
        }
    }

    #[test]
    fn a_hundredth_of_slow_ones_is_seen_at_the_ninety_ninth() {
        let mut times = Times::new();
        (0..989).for_each(|_| times.add(100));
        (0..11).for_each(|_| times.add(50_000));
        assert!(times.within(500) < 104 && times.within(990) == 50_000, "{}", times.within(990));
        assert_eq!((times.count(), times.longest()), (1000, 50_000));
        assert_eq!(Times::new().within(990), 0);
        let mut slow = Times::new();
        slow.add(70_000);
        let both = times.and(&slow);
        assert_eq!((both.count(), both.longest(), both.within(1000)), (1001, 70_000, 70_000));
    }
}

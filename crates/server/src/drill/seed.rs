//! Where everything random of a drill comes from: SplitMix64, small enough to
//! be the same for ever, so that a seed means the same drill on every machine.

/// A stream of numbers that follows from its seed alone.
#[derive(Debug, Clone)]
pub(super) struct Seed(u64);

impl Seed {
    /// The stream of that number.
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }

    /// A stream of its own for part `number` of what this seed decides: adding
    /// a draw in one part changes no other.
    pub(super) fn part(&self, number: u64) -> Self {
        let mut mixed = Self(self.0 ^ number.wrapping_mul(0xA076_1D64_78BD_642F));
        Self(mixed.next())
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both possible.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.next() % span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix() {
        let mut seed = Seed::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| seed.next()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn parts_are_streams_of_their_own() {
        let seed = Seed::new(7);
        let draws = |mut seed: Seed| (0..4).map(|_| seed.next()).collect::<Vec<_>>();
        assert_eq!(draws(seed.part(1)), draws(seed.part(1)));
        assert_ne!(draws(seed.part(1)), draws(seed.part(2)));
    }

    #[test]
    fn a_draw_stays_in_its_bounds() {
        let mut seed = Seed::new(3);
        let drawn: Vec<u64> = (0..200).map(|_| seed.between(2, 4)).collect();
        for n in [2, 3, 4] {
            assert!(drawn.contains(&n));
        }
        assert!(drawn.iter().all(|n| (2..=4).contains(n)));
        assert_eq!(Seed::new(1).between(5, 5), 5);
    }
}

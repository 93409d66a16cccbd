//! Random histories: a driver that does what the duty says, a model and hands
//! that answer anything, and a world that sends, cancels and archives at every
//! point, and by plan every odd order of these (`orders`). What must hold in each is in `always`; which transitions were ever
//! taken is counted in `transitions`.

mod always;
mod driver;
mod orders;
mod plan;
mod transitions;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_must_hold_holds_in_every_history(plan in plan::plans()) {
        always::check(&driver::play(&plan));
    }
}

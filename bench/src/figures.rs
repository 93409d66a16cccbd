//! Printing: a title, then a row a figure, its floor, their ratio and the aim.

use std::time::Duration;

/// The value below which `percent` of the samples lie.
pub fn percentile(samples: &mut [Duration], percent: usize) -> Duration {
    samples.sort_unstable();
    let at = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
    samples.get(at).copied().unwrap_or_default()
}

/// Milliseconds with three digits.
pub fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

/// A title over rows.
pub fn title(text: &str) {
    println!("\n## {text}");
}

/// A figure beside its floor.
pub fn row(what: &str, figure: &str, floor: &str, ratio: f64, aim: &str) {
    println!("{what:<44} {figure:>16}   floor {floor:>14}   ratio {ratio:>7.2}   aim {aim}");
}

/// A figure that stands alone.
pub fn plain(what: &str, figure: &str, aim: &str) {
    println!("{what:<44} {figure:>16}   aim {aim}");
}

//! What we know about models by their names. An unknown name gets values that
//! are too small rather than too large: a call then costs less than it could,
//! but does not fail.

use session::{ModelRef, Provider};

/// What a model takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Context window in tokens.
    pub window: u64,
    /// Most output tokens of one answer.
    pub max_output: u32,
    /// Whether it decides by itself how much to think, if allowed to.
    pub adaptive: bool,
}

const fn traits(window: u64, max_output: u32, adaptive: bool) -> Traits {
    Traits {
        window,
        max_output,
        adaptive,
    }
}

/// OpenAI names by prefix; the first that fits counts.
/// From gpt-5 on the input may have 272,000 tokens, or costs more beyond them.
const OPENAI: [(&str, Traits); 8] = [
    ("gpt-4.1", traits(1_047_576, 32_768, false)),
    ("gpt-4o", traits(128_000, 16_384, false)),
    ("gpt-4", traits(128_000, 4_096, false)),
    ("gpt-3", traits(16_385, 4_096, false)),
    ("gpt-", traits(272_000, 128_000, true)),
    ("o", traits(200_000, 100_000, true)),
    ("codex-", traits(200_000, 100_000, true)),
    ("", traits(128_000, 16_384, false)),
];

/// What is known about that model.
pub(crate) fn look_up(model: &ModelRef) -> Traits {
    match model.provider {
        Provider::Anthropic => anthropic(&model.name),
        Provider::OpenAi => openai(&model.name),
        Provider::Test => traits(200_000, 64_000, false),
    }
}

fn openai(name: &str) -> Traits {
    let row = OPENAI.iter().find(|(prefix, _)| name.starts_with(prefix));
    row.map_or(traits(128_000, 16_384, false), |(_, traits)| *traits)
}

fn anthropic(name: &str) -> Traits {
    match version(name) {
        // Beyond this its tokens cost five times as much.
        Some((5, 5)) if name.starts_with("claude-haiku-") => traits(100_000, 128_000, true),
        Some((5.., _)) => traits(1_000_000, 128_000, true),
        Some((4, 6..)) => traits(200_000, 64_000, true),
        Some((4, 2..)) => traits(200_000, 64_000, false),
        Some((4, _)) => traits(200_000, 32_000, false),
        _ => traits(200_000, 8_192, false),
    }
}

/// The version in a name such as `claude-opus-4-8`: family first, then one or
/// two small numbers. Names of older shape have no version here.
fn version(name: &str) -> Option<(u32, u32)> {
    let mut words = name.strip_prefix("claude-")?.split('-');
    let family = words.next()?;
    if family.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let small = |word: Option<&str>| word?.parse().ok().filter(|n| *n < 1000);
    let major = small(words.next())?;
    Some((major, small(words.next()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_window_output_and_thinking() {
        for (name, want) in [
            ("anthropic/claude-opus-5-5", (1_000_000, 128_000, true)),
            ("anthropic/claude-sonnet-5", (1_000_000, 128_000, true)),
            ("anthropic/claude-fable-5-1", (1_000_000, 128_000, true)),
            ("anthropic/claude-opus-4-8", (200_000, 64_000, true)),
            (
                "anthropic/claude-haiku-4-5-20251001",
                (200_000, 64_000, false),
            ),
            (
                "anthropic/claude-sonnet-4-20250514",
                (200_000, 32_000, false),
            ),
            (
                "anthropic/claude-3-5-sonnet-latest",
                (200_000, 8_192, false),
            ),
            ("anthropic/someone-elses", (200_000, 8_192, false)),
            ("anthropic/claude-haiku-5-5", (100_000, 128_000, true)),
            ("openai/gpt-5.5", (272_000, 128_000, true)),
            ("openai/gpt-4.1-mini", (1_047_576, 32_768, false)),
            ("openai/o4-mini", (200_000, 100_000, true)),
            ("openai/llama-4", (128_000, 16_384, false)),
            ("test/script", (200_000, 64_000, false)),
        ] {
            let model = ModelRef::parse(name, "native").unwrap();
            let (window, output, adaptive) = want;
            assert_eq!(look_up(&model), traits(window, output, adaptive), "{name}");
        }
    }
}

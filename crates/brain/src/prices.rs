//! What models cost: the providers' list prices of one day, and the operator's
//! own over them. A model that is not in either has no price.
//!
//! List prices of 2026-11-21, in USD per million tokens, from the providers'
//! pages (platform.claude.com/docs/en/about-claude/pricing,
//! developers.openai.com/api/docs/pricing) and public tables that copy them.
//! Where these differ, the higher one stands here. A cache is written for five
//! minutes. Where a long prompt makes a call dearer, [`crate::table`] keeps prompts
//! short by naming a smaller window; a call that is long all the same costs what
//! it costs.

use std::collections::BTreeMap;

use session::{LongPrices, ModelRef, Prices, Provider};

/// Thousandths of a dollar per million tokens, which are nano-dollars per
/// token: input, output, written to a cache, read from a cache.
type Row = (&'static str, [u64; 4]);

const ANTHROPIC: [Row; 24] = [
    ("claude-fable-5-1", [10_000, 50_000, 12_500, 1_000]),
    ("claude-fable-5", [10_000, 50_000, 12_500, 1_000]),
    ("claude-mythos-5", [10_000, 50_000, 12_500, 1_000]),
    ("claude-opus-5-5", [4_000, 20_000, 5_000, 200]),
    ("claude-opus-5", [5_000, 25_000, 6_250, 500]),
    ("claude-opus-4-8", [5_000, 25_000, 6_250, 500]),
    ("claude-opus-4-7", [5_000, 25_000, 6_250, 500]),
    ("claude-opus-4-6", [5_000, 25_000, 6_250, 500]),
    ("claude-opus-4-5", [5_000, 25_000, 6_250, 500]),
    ("claude-opus-4-1", [15_000, 75_000, 18_750, 1_500]),
    ("claude-opus-4", [15_000, 75_000, 18_750, 1_500]),
    ("claude-3-opus", [15_000, 75_000, 18_750, 1_500]),
    ("claude-sonnet-5-5", [2_000, 10_000, 2_500, 100]),
    ("claude-sonnet-5", [2_000, 10_000, 2_500, 200]),
    ("claude-sonnet-4-6", [3_000, 15_000, 3_750, 300]),
    ("claude-sonnet-4-5", [3_000, 15_000, 3_750, 300]),
    ("claude-sonnet-4", [3_000, 15_000, 3_750, 300]),
    ("claude-3-7-sonnet", [3_000, 15_000, 3_750, 300]),
    ("claude-3-5-sonnet", [3_000, 15_000, 3_750, 300]),
    ("claude-haiku-5-5", [100, 500, 125, 10]),
    ("claude-haiku-4-5", [1_000, 5_000, 1_250, 100]),
    ("claude-3-5-haiku", [800, 4_000, 1_000, 80]),
    ("claude-3-haiku", [250, 1_250, 300, 30]),
    ("claude-3-sonnet", [3_000, 15_000, 3_750, 300]),
];

const OPENAI: [Row; 35] = [
    ("gpt-6.2-astra", [8_000, 40_000, 10_000, 400]),
    ("gpt-6.2-sol", [2_000, 10_000, 2_500, 200]),
    ("gpt-6.1-sol", [2_000, 10_000, 2_500, 100]),
    ("gpt-6-astra", [10_000, 50_000, 12_500, 1_000]),
    ("gpt-6-sol", [2_000, 10_000, 2_500, 200]),
    ("gpt-6-luna", [100, 500, 125, 10]),
    ("gpt-5.6", [4_000, 20_000, 5_000, 400]),
    ("gpt-5.6-sol", [4_000, 20_000, 5_000, 400]),
    ("gpt-5.6-terra", [2_000, 12_000, 2_500, 200]),
    ("gpt-5.6-luna", [200, 1_200, 250, 20]),
    ("gpt-5.5", [5_000, 30_000, 5_000, 500]),
    ("gpt-5.5-pro", [30_000, 180_000, 30_000, 30_000]),
    ("gpt-5.4", [2_500, 15_000, 2_500, 250]),
    ("gpt-5.4-mini", [750, 4_500, 750, 75]),
    ("gpt-5.4-nano", [200, 1_250, 200, 20]),
    ("gpt-5.4-pro", [30_000, 180_000, 30_000, 30_000]),
    ("gpt-5.3-codex", [1_750, 14_000, 1_750, 175]),
    ("gpt-5.2", [1_750, 14_000, 1_750, 175]),
    ("gpt-5.2-codex", [1_750, 14_000, 1_750, 175]),
    ("gpt-5.1", [1_250, 10_000, 1_250, 125]),
    ("gpt-5.1-codex", [1_250, 10_000, 1_250, 125]),
    ("gpt-5", [1_250, 10_000, 1_250, 125]),
    ("gpt-5-codex", [1_250, 10_000, 1_250, 125]),
    ("gpt-5-mini", [250, 2_000, 250, 25]),
    ("gpt-5-nano", [50, 400, 50, 5]),
    ("gpt-4.1", [2_000, 8_000, 2_000, 500]),
    ("gpt-4.1-mini", [400, 1_600, 400, 100]),
    ("gpt-4.1-nano", [100, 400, 100, 25]),
    ("gpt-4o", [2_500, 10_000, 2_500, 1_250]),
    ("gpt-4o-mini", [150, 600, 150, 75]),
    ("o4-mini", [1_100, 4_400, 1_100, 275]),
    ("o3", [2_000, 8_000, 2_000, 500]),
    ("o3-pro", [20_000, 80_000, 20_000, 20_000]),
    ("o3-mini", [1_100, 4_400, 1_100, 550]),
    ("o1", [15_000, 60_000, 15_000, 7_500]),
];

/// From how many tokens on a prompt is long; halves in the factor on the prices of
/// input and cache, and of output.
type Longer = (u64, u64, u64);

/// From how many tokens on a prompt is long for models whose names begin so, and
/// what each price is multiplied by then, in halves: input and cache, output. The
/// first that fits counts. Of the same day and pages; for OpenAI also
/// developers.openai.com/api/docs/models, as tables of October 2026 copy it.
const LONG: [(&str, Option<Longer>); 8] = [
    ("claude-haiku-5-5", Some((100_000, 10, 10))),
    ("gpt-5.4-mini", None),
    ("gpt-5.4-nano", None),
    ("gpt-5.4", Some((272_000, 4, 3))),
    ("gpt-5.5", Some((272_000, 4, 3))),
    ("gpt-5.6", Some((272_000, 4, 3))),
    ("gpt-6", Some((272_000, 4, 3))),
    ("", None),
];

/// What calls with long prompts cost, of a model whose others have these prices.
fn long(name: &str, [input, output, cache_write, cache_read]: [u64; 4]) -> Option<LongPrices> {
    let (over, read, written) = LONG.iter().find(|(begin, _)| name.starts_with(begin))?.1?;
    let times = |price: u64, halves: u64| (price * halves).div_ceil(2);
    Some(LongPrices {
        over,
        input: times(input, read),
        output: times(output, written),
        cache_write: times(cache_write, read),
        cache_read: times(cache_read, read),
    })
}

/// What that model costs, if anyone said so: the operator by its exact name,
/// then by the longest beginning of it (`openai/gpt-*`), then the list.
pub(crate) fn look_up(own: &BTreeMap<String, Prices>, model: &ModelRef) -> Option<Prices> {
    let name = model.to_string();
    let beginnings = own.iter().filter_map(|(key, prices)| {
        let beginning = key.strip_suffix('*')?;
        let fits = name.starts_with(beginning);
        fits.then_some((beginning.len(), *prices))
    });
    let exact = own.get(&name).copied();
    exact
        .or_else(|| Some(beginnings.max_by_key(|(length, _)| *length)?.1))
        .or_else(|| listed(model))
}

/// The list price of that model.
fn listed(model: &ModelRef) -> Option<Prices> {
    let rows: &[Row] = match model.provider {
        Provider::Anthropic => &ANTHROPIC,
        Provider::OpenAi => &OPENAI,
        // Rehearsals are free; a price of 0 would make a limit in money
        // meaningless without saying so.
        Provider::Test => &[],
    };
    let plain = undated(&model.name);
    let (_, row) = rows.iter().find(|(name, _)| *name == plain)?;
    let [input, output, cache_write, cache_read] = *row;
    Some(Prices {
        input,
        output,
        cache_write,
        cache_read,
        long: long(plain, *row),
    })
}

/// A name without the date of a snapshot (`-20250514`, `-2025-05-14`), or the
/// word that stands for the newest one.
fn undated(name: &str) -> &str {
    let name = name.strip_suffix("-latest").unwrap_or(name);
    let name = name.strip_suffix("-0").unwrap_or(name);
    [8, 10]
        .into_iter()
        .find_map(|length| {
            let (plain, date) = name.split_at_checked(name.len().checked_sub(length)?)?;
            let digits = date.chars().filter(char::is_ascii_digit).count() == 8;
            let rest = date.chars().all(|c| c.is_ascii_digit() || c == '-');
            plain.strip_suffix('-').filter(|_| digits && rest)
        })
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use session::{Tokens, Usd};

    use super::*;

    fn model(name: &str) -> ModelRef {
        ModelRef::parse(name, "native").unwrap()
    }

    fn prices(input: u64) -> Prices {
        Prices {
            input,
            output: 1,
            cache_write: 1,
            cache_read: 1,
            long: None,
        }
    }

    #[test]
    fn a_name_has_the_price_of_its_model_and_of_no_other() {
        for (name, input) in [
            ("anthropic/claude-opus-5-5", Some(4_000)),
            ("anthropic/claude-opus-5", Some(5_000)),
            ("anthropic/claude-opus-4-20250514", Some(15_000)),
            ("anthropic/claude-opus-4-0", Some(15_000)),
            ("anthropic/claude-opus-4-8", Some(5_000)),
            ("anthropic/claude-haiku-4-5-20251001", Some(1_000)),
            ("anthropic/claude-3-5-sonnet-latest", Some(3_000)),
            ("anthropic/claude-opus-9", None),
            ("anthropic/claude-opus-5-6", None),
            ("openai/gpt-5.5", Some(5_000)),
            ("openai/gpt-5.5-2026-04-23", Some(5_000)),
            ("openai/gpt-5.5-mini", None),
            ("openai/gpt-6.2-astra", Some(8_000)),
            ("openai/llama-4", None),
            ("openai/0", None),
            ("openai/ü-20250514", None),
            ("test/script", None),
        ] {
            let got = look_up(&BTreeMap::new(), &model(name));
            assert_eq!(got.map(|prices| prices.input), input, "{name}");
        }
    }

    #[test]
    fn the_operators_prices_stand_over_the_list() {
        let own = BTreeMap::from([
            ("openai/*".to_owned(), prices(1)),
            ("openai/gpt-5*".to_owned(), prices(2)),
            ("openai/gpt-5.5".to_owned(), prices(3)),
            ("test/script".to_owned(), prices(4)),
        ]);
        for (name, input) in [
            ("openai/gpt-5.5", Some(3)),
            ("openai/gpt-5.5-2026-04-23", Some(2)),
            ("openai/llama-4", Some(1)),
            ("anthropic/claude-opus-5-5", Some(4_000)),
            ("test/script", Some(4)),
            ("test/demo", None),
        ] {
            let got = look_up(&own, &model(name));
            assert_eq!(got.map(|prices| prices.input), input, "{name}");
        }
    }

    #[test]
    fn a_cache_is_never_dearer_to_read_than_to_do_without() {
        for (name, [input, output, write, read]) in ANTHROPIC.iter().chain(&OPENAI) {
            let sane = *read > 0 && read <= input && input <= write && write < output;
            assert!(sane, "{name}");
        }
    }

    #[test]
    fn a_long_prompt_makes_a_call_dearer_where_the_list_says_so() {
        for (name, want) in [
            (
                "anthropic/claude-haiku-5-5",
                Some((100_000, 500, 2_500, 50)),
            ),
            ("anthropic/claude-opus-5-5", None),
            ("openai/gpt-5.4", Some((272_000, 5_000, 22_500, 500))),
            ("openai/gpt-5.4-mini", None),
            ("openai/gpt-6-luna", Some((272_000, 200, 750, 20))),
            ("openai/gpt-5.2", None),
        ] {
            let long = look_up(&BTreeMap::new(), &model(name)).unwrap().long;
            let got = long.map(|long| (long.over, long.input, long.output, long.cache_read));
            assert_eq!(got, want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn more_tokens_never_cost_less_and_none_is_free(
            row in proptest::sample::select(ANTHROPIC.iter().chain(&OPENAI).collect::<Vec<_>>()),
            counts in [0..u64::MAX / 1_000_000, 0..9u64, 0..9u64, 0..9u64],
            kind in 0..4usize,
        ) {
            let tokens = |[input, output, cache_write, cache_read]: [u64; 4]| Tokens { input, output, cache_write, cache_read, ..Tokens::default() };
            let [input, output, cache_write, cache_read] = row.1;
            let prices = Prices { input, output, cache_write, cache_read, long: long(row.0, row.1) };
            let mut more = counts;
            more[kind] += 1;
            let cost = |counts| prices.cost(prices.rated(tokens(counts)));
            let (less, more) = (cost(counts), cost(more));
            prop_assert!(more > less && more > Usd(0), "{}: {:?} {:?}", row.0, less, more);
        }
    }
}

//! House rules that a compiler does not check: sizes, a promise at the head of
//! each file, words, and tests that wait instead of sleeping.

mod source;

use source::{Source, sources};

pub use source::root;

/// Most lines of a file.
const FILE: usize = 600;
/// Most lines of a function.
const FUNCTION: usize = 80;

/// Fails with all places at once.
fn none(what: &str, places: &[String]) {
    assert!(places.is_empty(), "{what}:\n{}", places.join("\n"));
}

/// The places of all lines of code or comment that are wrong.
fn lines_where(wrong: impl Fn(&Source, usize, &str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    // This file names what it forbids.
    for source in sources()
        .iter()
        .filter(|source| !source.path.ends_with("it/tidy.rs"))
    {
        for (n, line) in source.lines().filter(|(n, line)| wrong(source, *n, line)) {
            places.push(format!("{}:{n}: {}", source.path, line.trim()));
        }
    }
    places
}

#[test]
fn files_and_functions_are_of_a_size_one_can_read() {
    let sources = sources();
    let mut files: Vec<_> = sources
        .iter()
        .map(|source| source.text.lines().count())
        .collect();
    let mut functions: Vec<_> = sources
        .iter()
        .flat_map(Source::functions)
        .map(|f| f.lines)
        .collect();
    let long_files: Vec<_> = sources
        .iter()
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > FILE)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    let long_functions: Vec<_> = sources
        .iter()
        .flat_map(|source| {
            source
                .functions()
                .into_iter()
                .map(move |function| (source, function))
        })
        .filter(|(_, function)| function.lines > FUNCTION)
        .map(|(source, f)| {
            format!(
                "{}:{}: {} has {} lines",
                source.path, f.line, f.name, f.lines
            )
        })
        .collect();
    println!(
        "files: {}; functions: {}",
        spread(&mut files),
        spread(&mut functions)
    );
    none("files too long", &long_files);
    none("functions too long", &long_functions);
}

fn spread(sizes: &mut [usize]) -> String {
    sizes.sort_unstable();
    let at = |percent: usize| sizes[(sizes.len() - 1) * percent / 100];
    format!(
        "{}, median {} lines, p90 {}, longest {}",
        sizes.len(),
        at(50),
        at(90),
        at(100)
    )
}

#[test]
fn tests_are_written_with_the_code() {
    let (mut code, mut tests) = (0, 0);
    for source in sources()
        .iter()
        .filter(|source| source.path.starts_with("crates/"))
    {
        let all = source.text.lines().count();
        let before = all.min(source.tests_from() - 1);
        code += before;
        tests += all - before;
    }
    println!("lines of code {code}, lines of tests {tests}");
    assert!(
        tests * 2 > code,
        "far too few tests: {tests} lines for {code} of code"
    );
}

#[test]
fn every_file_begins_with_what_it_promises() {
    let first = |source: &Source| {
        source
            .text
            .lines()
            .next()
            .unwrap_or_default()
            .starts_with("//! ")
    };
    let without: Vec<_> = sources()
        .into_iter()
        .filter(|source| !first(source))
        .map(|source| source.path)
        .collect();
    none("no module doc", &without);
}

#[test]
fn no_banner_comments() {
    let banner = |line: &str| {
        let rest = line
            .trim_start()
            .strip_prefix("//")
            .unwrap_or_default()
            .trim();
        let ruler = |c: char| "-=*#~─━═".contains(c);
        rest.chars().filter(|c| ruler(*c)).count() >= 4 && rest.starts_with(ruler)
    };
    // The first lines of a table in a doc comment are made of the same signs.
    none(
        "banners",
        &lines_where(|_, _, line| banner(line) && !line.contains('|')),
    );
}

#[test]
fn nothing_is_left_to_do_and_no_test_is_left_out() {
    const LEFT: [&str; 5] = ["todo!(", "unimplemented!(", "#[ignore", "TODO", "FIXME"];
    none(
        "left undone",
        &lines_where(|_, _, line| LEFT.iter().any(|word| line.contains(word))),
    );
}

#[test]
fn names_say_what_a_thing_is() {
    const VAGUE: [&str; 5] = ["Manager", "Service", "Helper", "Util", "Utils"];
    let vague = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words
            .by_ref()
            .any(|word| ["struct", "enum", "trait", "type"].contains(&word))
            && words
                .next()
                .is_some_and(|name| VAGUE.iter().any(|vague| name.ends_with(vague)))
    };
    let is_code = |line: &str| !line.trim_start().starts_with("//");
    none(
        "vague names",
        &lines_where(|_, _, line| is_code(line) && vague(line)),
    );
    let files = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| {
            [
                "manager", "service", "helper", "helpers", "util", "utils", "common", "misc",
            ]
            .iter()
            .any(|name| {
                path.ends_with(&format!("/{name}.rs")) || path.contains(&format!("/{name}/"))
            })
        });
    none("vague files", &files.collect::<Vec<_>>());
}

/// A test may pause only inside a function whose name says that it waits for
/// something, and that looks again and again.
#[test]
fn tests_wait_and_do_not_sleep() {
    let sleeps = |source: &Source, n: usize, line: &str| {
        let pause = ["time::sleep(", "thread::sleep(", " sleep("]
            .iter()
            .any(|call| line.contains(call));
        if !pause || n < source.tests_from() || line.trim_start().starts_with("//") {
            return false;
        }
        let functions = source.functions();
        let around = functions
            .iter()
            .rev()
            .find(|f| (f.line..f.line + f.lines).contains(&n));
        !around.is_some_and(|f| {
            ["wait", "until", "eventually"]
                .iter()
                .any(|word| f.name.starts_with(word))
        })
    };
    none("sleeps", &lines_where(sleeps));
}

#[test]
fn a_lint_is_lifted_with_a_reason() {
    let bare = |source: &Source, n: usize, line: &str| {
        let line = line.trim_start();
        let lifted = line.starts_with("#[allow(") || line.starts_with("#![allow(");
        lifted
            && source.path.contains("/src/")
            && n < source.tests_from()
            && !line.contains("reason")
    };
    none(
        "`allow` outside tests; use `expect` with a reason",
        &lines_where(bare),
    );
}

#[test]
fn one_binary_of_integration_tests_in_each_crate() {
    let root = root();
    for entry in std::fs::read_dir(root.join("crates")).expect("crates") {
        let tests = entry.expect("readable").path().join("tests");
        let Ok(entries) = std::fs::read_dir(&tests) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("readable").path();
            assert!(
                path.extension().is_none_or(|ext| ext != "rs"),
                "{} is a binary of its own",
                path.display()
            );
        }
        assert!(tests.join("it/main.rs").is_file(), "{}", tests.display());
    }
}

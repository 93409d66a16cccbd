//! The sources as text: files, the functions in them, and where their tests
//! begin. Knows no rule.
//!
//! A function is taken to end at the first closing brace that stands as deep as
//! its first line. That is what `cargo fmt` makes; CI checks the format first.

use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("crates/server lies in the workspace")
        .to_owned()
}

/// A source file.
pub struct Source {
    pub path: String,
    pub text: String,
    /// Whether it holds nothing but tests.
    test: bool,
}

/// A function: its name, its first line and its length.
pub struct Function<'a> {
    pub name: &'a str,
    pub line: usize,
    pub lines: usize,
}

impl Source {
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Files of the modules that this one declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "lib" | "main" | "mod")) => folder,
            _ => stem,
        };
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
        let names = declared.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
        names.map(|name| format!("{folder}/{name}.rs")).collect()
    }

    /// The line where tests begin: the first for a test file.
    pub fn tests_from(&self) -> usize {
        if self.test {
            return 1;
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].ends_with('{');
        lines
            .windows(2)
            .position(begins)
            .map_or(usize::MAX, |at| at + 1)
    }

    pub fn functions(&self) -> Vec<Function<'_>> {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut found = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = named(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            let end = lines[at..].iter().position(|line| {
                let depth = line.len() - line.trim_start().len();
                depth == indent
                    && (line.trim() == "}"
                        || line.ends_with(';')
                        || line.ends_with("{}")
                        || one_line(line))
            });
            let lines = end.map_or(lines.len() - at, |end| end + 1);
            found.push(Function {
                name,
                line: at + 1,
                lines,
            });
        }
        found
    }
}

/// The name of the function that begins on this line.
fn named(line: &str) -> Option<&str> {
    const BEFORE: [&str; 8] = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "unsafe",
        "extern",
        "\"C\"",
    ];
    let mut words = line.trim_start().split(' ');
    loop {
        match words.next()? {
            "fn" => break,
            word if BEFORE.contains(&word) => {}
            _ => return None,
        }
    }
    // A macro's `$name` is not laid out by the formatter: it is not measured.
    words
        .next()?
        .split(['(', '<'])
        .next()
        .filter(|name| !name.starts_with('$'))
}

/// Whether a function begins and ends on this line.
fn one_line(line: &str) -> bool {
    named(line).is_some() && line.ends_with('}')
}

/// All source files of the workspace.
pub fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    for folder in ["crates", "bench", "examples"] {
        gather(&root, &root.join(folder), &mut found);
    }
    assert!(found.len() > 100, "the walk found the sources");
    let tests: Vec<String> = found.iter().flat_map(Source::test_modules).collect();
    for source in &mut found {
        source.test |= tests.contains(&source.path);
    }
    found
}

fn gather(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("readable").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !["target", "node_modules"].contains(&name) {
            gather(root, &path, found);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            let path = path
                .strip_prefix(root)
                .expect("below the root")
                .display()
                .to_string();
            let test = path.contains("/tests/") || path.ends_with("tests.rs");
            found.push(Source { path, text, test });
        }
    }
}

#[test]
fn functions_are_measured_from_their_first_line_to_their_last_brace() {
    let text = "\
impl Door {
    pub(crate) async fn open<T>(
        &self,
    ) -> T {
        if self.shut {
            fn knock() {}
        }
    }
}

trait Lock {
    fn turn(&self) -> bool;
}

#[cfg(test)]
mod tests {
    unsafe extern \"C\" fn pick() {
        let function = 1;
    }
}
";
    let source = Source {
        path: "crates/door/src/lib.rs".to_owned(),
        text: text.to_owned(),
        test: false,
    };
    let functions = source.functions();
    let found: Vec<_> = functions
        .iter()
        .map(|f| (f.name, f.line, f.lines))
        .collect();
    let want = [
        ("open", 2, 7),
        ("knock", 6, 1),
        ("turn", 12, 1),
        ("pick", 17, 3),
    ];
    assert_eq!(found, want);
    assert_eq!(source.tests_from(), 15);
}

#[test]
fn a_module_declared_for_tests_is_a_test() {
    let source = Source {
        path: "crates/door/src/lib.rs".to_owned(),
        text: "#[cfg(test)]\nmod plans;\nmod lock;\n".to_owned(),
        test: false,
    };
    assert_eq!(source.test_modules(), ["crates/door/src/plans.rs"]);
    assert_eq!(source.tests_from(), usize::MAX);
}

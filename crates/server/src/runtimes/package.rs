//! The engines that can be installed: which package of the registry holds each,
//! which version this build was tested with, and the hash of that version.

use super::Error;

/// An engine by its name here, and how it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Its name here.
    pub name: &'static str,
    /// Other names it is asked for by.
    pub aliases: &'static [&'static str],
    /// The version that this build was tested with.
    pub version: &'static str,
    /// Under what terms it comes; it is never part of what we ship.
    pub licence: &'static str,
    /// Its package for each kind of processor.
    builds: &'static [Build],
}

/// An engine's package for one kind of processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Build {
    /// As the compiler calls it.
    processor: &'static str,
    /// The package's name in the registry.
    package: &'static str,
    /// What the registry puts behind the version.
    suffix: &'static str,
    /// The published hash of the tested version.
    integrity: &'static str,
    /// The files that are kept: where they are in the package, and here. The
    /// first is the program.
    keep: &'static [(&'static str, &'static str)],
}

/// A package of the registry at one version, and what of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The engine's name.
    pub engine: &'static str,
    /// The package's name in the registry.
    pub name: &'static str,
    /// The engine's version.
    pub version: String,
    /// The same as the registry knows it.
    pub published: String,
    /// Its hash, where this build knows it.
    pub integrity: Option<&'static str>,
    /// The files that are kept: where they are in the package, and here. The
    /// first is the program.
    pub keep: &'static [(&'static str, &'static str)],
}

/// The engines, by name.
pub const ENGINES: [Engine; 2] = [
    Engine {
        name: "claude",
        aliases: &["claude-agent-sdk"],
        version: "0.3.329",
        licence: "proprietary (Anthropic), not ours to ship",
        builds: &[
            Build {
                processor: "x86_64",
                package: "@anthropic-ai/claude-agent-sdk-linux-x64",
                suffix: "",
                integrity: "sha512-TKHcN+kOwG1Q6meOhKu9ZCJPUsXRL4dgx07R1BPgm0vREPpsSxaET5w7LuCs4pLIQgATJdqj6hjWtejDhVszNA==",
                keep: CLAUDE,
            },
            Build {
                processor: "aarch64",
                package: "@anthropic-ai/claude-agent-sdk-linux-arm64",
                suffix: "",
                integrity: "sha512-QvIfyMfjiYU2wkMfQ+tXTSwK76pXh/xSgdAFuqcPOiM3qgfi1kImcCIy/0wUnm9HGn0GZLXu7x0/lBu/PNHxVg==",
                keep: CLAUDE,
            },
        ],
    },
    Engine {
        name: "codex",
        aliases: &[],
        version: "0.163.0",
        licence: "Apache-2.0 (OpenAI)",
        builds: &[
            Build {
                processor: "x86_64",
                package: "@openai/codex",
                suffix: "-linux-x64",
                integrity: "sha512-uwRaOsrYogLQhcxAM/GoeWrw0QIWEMRo7c9gM8sKAviVkZQHlu9kRLJ5PkufbV+ABGjyZgIwiFdJ0LCJ0N6e8w==",
                keep: &[(
                    "package/vendor/x86_64-unknown-linux-musl/bin/codex",
                    "bin/codex",
                )],
            },
            Build {
                processor: "aarch64",
                package: "@openai/codex",
                suffix: "-linux-arm64",
                integrity: "sha512-IH2/R+4OarjGvsAf1ll3fdyLwrPgYLl3uzp6u9CyD9sj2Lw+ViDSe3QBZVHdcHJs0eIiZFg6Wprcuy4CRZaUGw==",
                keep: &[(
                    "package/vendor/aarch64-unknown-linux-musl/bin/codex",
                    "bin/codex",
                )],
            },
        ],
    },
];

const CLAUDE: &[(&str, &str)] = &[
    ("package/claude", "claude"),
    ("package/LICENSE.md", "LICENSE.md"),
];

/// The engine of that name.
#[must_use]
pub fn engine(name: &str) -> Option<&'static Engine> {
    ENGINES
        .iter()
        .find(|engine| engine.name == name || engine.aliases.contains(&name))
}

impl Engine {
    /// The package that holds it at that version, or at the tested one, for a
    /// kind of processor.
    ///
    /// # Errors
    /// If there is none for that processor, or the version is none.
    pub fn package(&self, version: Option<&str>, processor: &str) -> Result<Package, Error> {
        let build = self
            .builds
            .iter()
            .find(|build| build.processor == processor)
            .ok_or_else(|| Error::Processor(self.name, processor.to_owned()))?;
        let version = version.unwrap_or(self.version);
        let version = version.strip_suffix(build.suffix).unwrap_or(version);
        if !is_version(version) {
            return Err(Error::Version(version.to_owned()));
        }
        Ok(Package {
            engine: self.name,
            name: build.package,
            version: version.to_owned(),
            published: format!("{version}{}", build.suffix),
            integrity: (version == self.version).then_some(build.integrity),
            keep: build.keep,
        })
    }

    /// Where the program is in the engine's folder.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.builds[0].keep[0].1
    }
}

/// Whether this names a version: it becomes a folder's name and a part of an
/// address.
fn is_version(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b'+';
    text.len() <= 64
        && text.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && text.bytes().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_found_by_any_of_its_names() {
        let name = |text| engine(text).map(|engine| engine.name);
        assert_eq!(name("claude"), Some("claude"));
        assert_eq!(name("claude-agent-sdk"), Some("claude"));
        assert_eq!(name("codex"), Some("codex"));
        assert_eq!(name("native"), None);
    }

    #[test]
    fn a_version_is_told_as_the_registry_knows_it_and_only_the_tested_one_has_a_hash() {
        let codex = engine("codex").unwrap();
        let tested = codex.package(None, "x86_64").unwrap();
        assert_eq!(tested.published, "0.163.0-linux-x64");
        assert!(tested.integrity.is_some());
        let same = codex.package(Some("0.163.0-linux-x64"), "x86_64").unwrap();
        assert_eq!(same, tested);
        let other = codex.package(Some("0.169.0"), "aarch64").unwrap();
        assert_eq!(
            (other.published.as_str(), other.integrity),
            ("0.169.0-linux-arm64", None)
        );
    }

    #[test]
    fn what_is_no_version_or_no_processor_is_refused() {
        let claude = engine("claude").unwrap();
        for text in ["", "latest", "../1", "1/2", "1 2", &"1".repeat(65)] {
            let refused = claude.package(Some(text), "x86_64");
            assert!(matches!(refused, Err(Error::Version(_))), "{text}");
        }
        let refused = claude.package(None, "riscv64");
        assert!(matches!(refused, Err(Error::Processor("claude", _))));
    }

    #[test]
    fn all_builds_of_an_engine_put_the_program_in_one_place() {
        for engine in ENGINES {
            for build in engine.builds {
                assert_eq!(build.keep[0].1, engine.program());
                assert!(super::super::integrity::Hash::parse(build.integrity).is_ok());
            }
        }
    }
}

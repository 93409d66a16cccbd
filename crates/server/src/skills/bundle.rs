//! A bundle: the files of an agent's skills, checked, in one order and one
//! form, so that the same skills are the same bytes whoever packed them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{SkillFile, SkillRow};

use super::front::front;
use super::{BYTES, FILES, SKILL, Unfit, too_large};

/// Most bytes of a path.
const PATH: usize = 256;
/// Most characters of a skill's name.
const NAME: usize = 64;
/// A folder around all skills, which may be there.
const AROUND: &str = "skills/";

/// A file of a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path, from its skill's folder on.
    pub path: String,
    /// Its permissions: 0644 or 0755.
    pub mode: u32,
    /// Its text.
    pub content: String,
}

/// Skills that keep the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    files: Vec<File>,
    /// What is in it, by name.
    pub skills: Vec<SkillRow>,
}

impl Bundle {
    /// The skills of these files.
    ///
    /// # Errors
    /// What is wrong, with the file's path.
    pub fn new(mut files: Vec<File>) -> Result<Self, Unfit> {
        strip(&mut files);
        files.sort_by(|one, two| one.path.cmp(&two.path));
        sizes(&files)?;
        let mut skills: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
        for file in &files {
            let name = checked(&file.path)?;
            skills.entry(name).or_default().push(file);
        }
        apart(&files)?;
        if skills.is_empty() {
            return Err(Unfit(format!(
                "there is no skill: each is a folder with a {SKILL}"
            )));
        }
        let skills = skills.into_iter().map(|(name, files)| skill(name, &files));
        let skills = skills.collect::<Result<_, _>>()?;
        Ok(Self { files, skills })
    }

    /// All of it, as it is kept.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        // Texts and numbers: this cannot fail.
        serde_json::to_vec(&self.files).unwrap_or_default().into()
    }

    /// The files of a bundle that was kept; `None` if it is none.
    #[must_use]
    pub fn files(bytes: &[u8]) -> Option<Vec<File>> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Takes a folder away that is around all skills.
fn strip(files: &mut [File]) {
    let inside = |file: &File| {
        let rest = file.path.strip_prefix(AROUND);
        rest.is_some_and(|rest| rest.contains('/'))
    };
    if files.iter().all(inside) {
        for file in files {
            file.path.drain(..AROUND.len());
        }
    }
}

fn sizes(files: &[File]) -> Result<(), Unfit> {
    if files.len() > FILES {
        return Err(Unfit(format!("there are more than {FILES} files")));
    }
    if files.iter().map(|file| file.content.len()).sum::<usize>() > BYTES {
        return Err(too_large());
    }
    Ok(())
}

/// The skill that a path belongs to.
fn checked(path: &str) -> Result<&str, Unfit> {
    let odd = |part: &str| matches!(part, "" | "." | "..");
    let strange = |c: char| c == '\\' || c.is_control();
    if path.len() > PATH || path.split('/').any(odd) || path.contains(strange) {
        let shown = path.escape_debug().take(PATH).collect::<String>();
        return Err(Unfit(format!(
            "`{shown}` cannot be the path of a file: it must be relative, with plain names, and have at most {PATH} bytes"
        )));
    }
    let Some((name, _)) = path.split_once('/') else {
        return Err(Unfit(format!(
            "`{path}` is in no skill's folder: each skill is a folder with a {SKILL}"
        )));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() > NAME || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Unfit(format!(
            "`{name}` cannot be the name of a skill: letters, digits, `-`, `_` and `.`, at most {NAME}"
        )));
    }
    Ok(name)
}

/// Refuses two files of one path, and a file where another one's folder is.
fn apart(files: &[File]) -> Result<(), Unfit> {
    let mut paths = BTreeSet::new();
    for file in files {
        if !paths.insert(file.path.as_str()) {
            return Err(Unfit(format!("`{}` is there twice", file.path)));
        }
    }
    for file in files {
        let mut folder = file.path.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            if paths.contains(above) {
                return Err(Unfit(format!("`{above}` is both a file and a folder")));
            }
            folder = above;
        }
    }
    Ok(())
}

/// One skill, by what its SKILL.md says.
fn skill(name: &str, files: &[&File]) -> Result<SkillRow, Unfit> {
    let path = format!("{name}/{SKILL}");
    let Some(file) = files.iter().find(|file| file.path == path) else {
        return Err(Unfit(format!("the skill `{name}` has no {SKILL}")));
    };
    let front = front(&file.content).map_err(|why| Unfit(format!("`{path}` {why}")))?;
    if front.name != name {
        let told: String = front.name.escape_debug().take(NAME).collect();
        return Err(Unfit(format!(
            "`{path}` says that the skill's name is `{told}`, and its folder is named `{name}`"
        )));
    }
    let listed = |file: &&File| SkillFile {
        path: file.path.clone(),
        mode: file.mode,
        size: file.content.len() as u64,
    };
    Ok(SkillRow {
        name: name.to_owned(),
        description: front.description,
        files: files.iter().map(listed).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file(path: &str, content: &str) -> File {
        File {
            path: path.to_owned(),
            mode: 0o644,
            content: content.to_owned(),
        }
    }

    fn main(name: &str) -> File {
        let text = format!("---\nname: {name}\ndescription: About {name}.\n---\n");
        file(&format!("{name}/{SKILL}"), &text)
    }

    #[test]
    fn the_same_skills_are_the_same_bytes_however_they_were_packed() {
        let plain = Bundle::new(vec![main("b"), file("a/x/y", "1"), main("a")]).unwrap();
        let mut around = vec![main("a"), main("b"), file("a/x/y", "1")];
        for file in &mut around {
            file.path.insert_str(0, AROUND);
        }
        let around = Bundle::new(around).unwrap();
        assert_eq!(plain, around);
        assert_eq!(plain.bytes(), around.bytes());
        let names: Vec<_> = plain.skills.iter().map(|skill| &skill.name[..]).collect();
        assert_eq!(names, ["a", "b"]);
        let first = &plain.skills[0];
        assert_eq!(first.description.as_deref(), Some("About a."));
        let paths: Vec<_> = first.files.iter().map(|file| &file.path[..]).collect();
        assert_eq!(paths, ["a/SKILL.md", "a/x/y"]);
        assert_eq!(Bundle::files(&plain.bytes()).unwrap(), plain.files);
    }

    #[test]
    fn a_skill_may_be_named_like_the_folder_around() {
        let bundle = Bundle::new(vec![main("skills")]);
        assert_eq!(bundle.unwrap().skills[0].name, "skills");
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_path() {
        let many = (0..FILES).map(|n| file(&format!("a/{n}"), ""));
        let many = many.chain([main("a")]).collect();
        let long = format!("a/{}", "x".repeat(PATH));
        for (files, why) in [
            (vec![], "there is no skill"),
            (
                vec![file("SKILL.md", "")],
                "`SKILL.md` is in no skill's folder",
            ),
            (
                vec![main("a"), file("README.md", "")],
                "`README.md` is in no",
            ),
            (vec![file("a/x", "")], "the skill `a` has no SKILL.md"),
            (vec![main("a"), file("a/../b", "")], "cannot be the path"),
            (vec![main("a"), file("/a/b", "")], "cannot be the path"),
            (vec![main("a"), file("a//b", "")], "cannot be the path"),
            (vec![main("a"), file("a/b\\c", "")], "cannot be the path"),
            (vec![main("a"), file("a/b\nc", "")], "`a/b\\nc` cannot be"),
            (vec![main("a"), file(&long, "")], "cannot be the path"),
            (vec![main(".git")], "`.git` cannot be the name"),
            (vec![main("a b")], "`a b` cannot be the name"),
            (vec![main("a"), main("a")], "`a/SKILL.md` is there twice"),
            (
                vec![main("a"), file("a/x", ""), file("a/x/y", "")],
                "`a/x` is both",
            ),
            (
                vec![file("a/SKILL.md", "# a")],
                "`a/SKILL.md` does not begin",
            ),
            (
                vec![file("b/SKILL.md", &main("a").content)],
                "its folder is named `b`",
            ),
            (vec![main("a"), file("a/x", &"x".repeat(BYTES))], "256 KiB"),
            (many, "more than 64 files"),
        ] {
            let told = Bundle::new(files).unwrap_err().to_string();
            assert!(told.contains(why), "{why}: {told}");
        }
    }
}

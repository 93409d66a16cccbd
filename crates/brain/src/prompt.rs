//! The platform's own words to a model: few, and frozen with the session.

use session::Skill;

/// What goes before an agent's own prompt. Changing it changes only sessions
/// that start later.
const PREAMBLE: &str = "\
You are an agent that works on its own inside OpenComputer. Your tools act in a sandbox, a Linux machine of your \
own. Your files live in /workspace; they stay between calls and between turns. Every command gets a fresh shell \
there. Nobody watches each step: go on until the task is done, check what you did, and then stop calling tools.

What the user gets is the last thing you `say`, or, if you say nothing, the text of your last answer. Use `say` for \
what they should know before you are done, and `ask` only when you cannot go on without an answer: it ends your \
turn until they reply. Messages of the user may arrive while you work; take them into account.

Text in <platform_note> tags comes from the platform, not from the user. If it says that the outcome of a call is \
unknown, look at what is really there before you do it again.";

/// What a model is asked for when the conversation has to be shortened.
const COMPACTION: &str = "\
The conversation is about to outgrow your context window. Write the notes from which you will go on: everything \
before them will be gone, except the system prompt and the user's newest message. Call no tools. Write down, under \
these headings:

Goal: what the user wants, with every condition and preference they gave, in their words where words matter.
Done: what was done and found out, with exact paths, names, numbers, commands that worked and errors that did not.
State: what the files and running processes are like right now.
Open: what is left to do and the next step; questions of the user that are not answered yet.

Be exact and complete rather than elegant. Do not continue the work itself.";

/// What goes before the list of skills.
const SKILLS: &str = "\
Skills are folders with instructions, and sometimes programs, for certain kinds of work. You have those below. When \
one fits what you are about to do, read its SKILL.md first and follow it; paths that it names start at its folder.";

/// The folder of a sandbox that holds a folder for each skill.
pub const SKILLS_FOLDER: &str = "/skills";

/// The system prompt of a session, for an agent with these skills whose own
/// prompt is this.
#[must_use]
pub fn native_prompt(agent: &str, skills: &[Skill]) -> String {
    let mut prompt = PREAMBLE.to_owned();
    if !skills.is_empty() {
        prompt.push_str("\n\n");
        prompt.push_str(SKILLS);
        prompt.extend(skills.iter().map(line));
    }
    if !agent.trim().is_empty() {
        prompt.push_str("\n\n");
        prompt.push_str(agent.trim());
    }
    prompt
}

/// One skill of the list.
fn line(skill: &Skill) -> String {
    let Skill { name, description } = skill;
    let about = description.as_deref().map(|text| format!(": {text}"));
    format!(
        "\n- {name} ({SKILLS_FOLDER}/{name}/SKILL.md){}",
        about.unwrap_or_default()
    )
}

/// The request for a summary that a caller puts at the end of a conversation
/// before it asks with [`crate::Purpose::Compact`].
#[must_use]
pub fn compaction_prompt() -> &'static str {
    COMPACTION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_own_prompt_comes_last_and_whole() {
        let prompt = native_prompt("  You fix bugs.\n\nBe kind. ", &[]);
        assert_eq!(prompt, format!("{PREAMBLE}\n\nYou fix bugs.\n\nBe kind."));
        assert_eq!(native_prompt(" \n", &[]), PREAMBLE);
    }

    #[test]
    fn each_skill_is_told_with_its_name_its_file_and_what_it_is_for() {
        let skill = |name: &str, description: Option<&str>| Skill {
            name: name.to_owned(),
            description: description.map(str::to_owned),
        };
        let skills = [skill("plain", None), skill("triage", Some("Sorts issues."))];
        let prompt = native_prompt("Be kind.", &skills);
        let told = "\n- plain (/skills/plain/SKILL.md)\n- triage (/skills/triage/SKILL.md): Sorts issues.\n\nBe kind.";
        assert!(
            prompt.starts_with(PREAMBLE) && prompt.ends_with(told),
            "{prompt}"
        );
    }

    #[test]
    fn the_preamble_explains_the_words_the_tools_and_notes_rely_on() {
        for word in ["/workspace", "`say`", "`ask`", "<platform_note>"] {
            assert!(PREAMBLE.contains(word), "{word}");
        }
        let names = session::tool::NAMES;
        assert!(names.contains(&"say") && names.contains(&"ask"));
    }
}

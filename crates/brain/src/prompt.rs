//! The platform's own words to a model: few, and frozen with the session.

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

/// The system prompt of a session, for an agent whose own prompt is this.
#[must_use]
pub fn native_prompt(agent: &str) -> String {
    match agent.trim() {
        "" => PREAMBLE.to_owned(),
        agent => format!("{PREAMBLE}\n\n{agent}"),
    }
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
        let prompt = native_prompt("  You fix bugs.\n\nBe kind. ");
        assert!(prompt.ends_with("\n\nYou fix bugs.\n\nBe kind."));
        assert_eq!(native_prompt(" \n"), PREAMBLE);
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
